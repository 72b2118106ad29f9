"""Webhooks: what is accepted, what is refused, and what is on disk when the answer is 200."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path

import pytest

from keyturn.core.ids import BusinessCode
from keyturn.core.work import Subject
from keyturn.settings import parse_settings
from keyturn.store.inbox import DeliveryState
from keyturn.web.body import LARGEST
from keyturn.web.hooks import Door, doors
from web.site import OLD_SECRET, SECRET, Site, sign

ACME = BusinessCode("acme")
RENTAL = Subject("rental", "r1")


def event(**fields: object) -> bytes:
    return json.dumps({"id": "e1", "type": "unitRental.markOverdue", "data": {"unitRentalId": "r1"}, **fields}).encode()


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def unsized(body: bytes, *, chunk: int = 65536) -> list[bytes]:
    """Frame a body in chunks, without saying how long it is."""
    head = (
        b"POST /webhooks/storeganise/acme HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nsg-signature: "
        + sign(body).encode()
        + b"\r\n\r\n"
    )
    chunks = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    return [head, *(b"%x\r\n%s\r\n" % (len(part), part) for part in chunks), b"0\r\n\r\n"]


@pytest.mark.parametrize("path", ["/webhooks/storeganise/acme", "/webhooks/storeganise?businessCode=acme"])
async def test_a_signed_event_is_accepted_under_both_addresses(site: Site, path: str) -> None:
    """A signed event is stored, wakes what it names and is answered 200, whichever way the business is named."""
    answer = await site.post(event(), path=path)

    assert (answer.status, json.loads(answer.body)) == (200, {"status": "accepted"})
    [delivery] = await site.inbox.recent(10)
    assert (delivery.business, delivery.event_id, delivery.subjects) == ("acme", "e1", (RENTAL,))
    row = await site.work.row(ACME, RENTAL)
    assert row is not None
    assert row.wanted == 1
    assert site.notified == ["acme"]


async def test_a_200_means_it_is_on_disk(site: Site, tmp_path: Path) -> None:
    """Somebody else who opens the file right after the answer finds the delivery and the work."""
    await site.post(event())

    with sqlite3.connect(f"file:{tmp_path}/keyturn.db?mode=ro", uri=True) as other:
        deliveries = other.execute("select event_id from deliveries").fetchall()
        work = other.execute("select id from work").fetchall()
    other.close()
    assert (deliveries, work) == ([("e1",)], [("r1",)])


async def test_a_repeat_is_stored_once_and_wakes_again(site: Site) -> None:
    """The same event id a second time is a success, no second delivery, and one more wake."""
    await site.post(event())
    answer = await site.post(event())

    assert answer.status == 200
    [delivery] = await site.inbox.recent(10)
    row = await site.work.row(ACME, RENTAL)
    assert row is not None
    assert (delivery.repeats, row.wanted, site.notified) == (1, 2, ["acme", "acme"])


async def test_without_an_id_the_same_body_is_the_same_delivery(site: Site) -> None:
    """Deliveries without an id are told apart by their bodies."""
    first, second = event(id=None), event(id=None, data={"unitRentalId": "r2"})
    for body in (first, first, second):
        await site.post(body)

    assert [delivery.repeats for delivery in await site.inbox.recent(10)] == [0, 1]


async def test_the_same_id_of_two_businesses_is_two_deliveries(site: Site) -> None:
    """One business' event never hides another's."""
    await site.post(event())
    await site.post(event(), path="/webhooks/storeganise/beta", secret=b"secret-of-beta")

    assert {delivery.business for delivery in await site.inbox.recent(10)} == {"acme", "beta"}


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
async def test_each_secret_of_a_business_is_valid(site: Site, secret: bytes) -> None:
    """While a secret is being replaced, both are accepted."""
    assert (await site.post(event(), secret=secret)).status == 200


@pytest.mark.parametrize(
    ("path", "secret", "signature"),
    [
        pytest.param("/webhooks/storeganise/acme", b"guess", None, id="wrong secret"),
        pytest.param("/webhooks/storeganise/acme", None, None, id="no signature"),
        pytest.param("/webhooks/storeganise/acme", None, "", id="empty signature"),
        pytest.param("/webhooks/storeganise/acme", None, "not base64 \u00e4", id="strange signature"),
        pytest.param("/webhooks/storeganise/acme", b"secret-of-beta", None, id="another business' secret"),
        pytest.param("/webhooks/storeganise/nobody", SECRET, None, id="unknown business"),
        pytest.param("/webhooks/storeganise/nobody", None, None, id="unknown business, unsigned"),
        pytest.param("/webhooks/storeganise/addon", SECRET, None, id="add-on"),
        pytest.param("/webhooks/storeganise/ACME", SECRET, None, id="another spelling"),
        pytest.param("/webhooks/storeganise?businessCode=nobody", SECRET, None, id="unknown business in the query"),
        pytest.param("/webhooks/storeganise", SECRET, None, id="no business"),
        pytest.param("/webhooks/storeganise/open", b"guess", None, id="wrong where unsigned is allowed"),
    ],
)
async def test_a_forged_delivery_changes_nothing(
    site: Site, path: str, secret: bytes | None, signature: str | None
) -> None:
    """A bad signature and an unknown business get one and the same answer, and nothing is stored or woken."""
    answer = await site.post(event(), path=path, secret=secret, signature=signature)

    refused = {"status": "rejected", "reason": "the signature is missing or wrong"}
    assert (answer.status, json.loads(answer.body)) == (401, refused)
    assert set(answer.headers) == {"content-length", "content-type"}
    assert (await site.inbox.recent(10), site.notified) == ([], [])


async def test_the_signature_is_checked_before_anything_is_parsed(site: Site) -> None:
    """A body that is no JSON at all is a bad signature first, and malformed only when it is genuine."""
    forged = await site.post(b"{{{", secret=b"guess")
    genuine = await site.post(b"{{{")

    assert (forged.status, genuine.status) == (401, 400)


@pytest.mark.parametrize("path", ["/webhooks/storeganise/open", "/webhooks/storeganise/bare"])
async def test_unsigned_is_accepted_only_where_it_is_allowed(site: Site, path: str) -> None:
    """A business whose settings say so may deliver without a signature."""
    assert (await site.post(event(), path=path, secret=None)).status == 200


async def test_a_signed_delivery_is_accepted_where_unsigned_is_allowed(site: Site) -> None:
    """Allowing unsigned deliveries does not refuse signed ones."""
    assert (await site.post(event(), path="/webhooks/storeganise/open", secret=b"secret-of-open")).status == 200


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"{}", b'{"type": 5}', b"\xff", b'{"type":"a","type":"b"}'])
async def test_a_genuine_body_that_is_no_event_is_malformed(site: Site, body: bytes) -> None:
    """What is signed but is not an event is answered 400 and not stored."""
    answer = await site.post(body)

    assert (answer.status, await site.inbox.recent(10)) == (400, [])


async def test_an_event_of_another_kind_is_stored_and_wakes_nothing(site: Site) -> None:
    """An unknown kind is acknowledged and shown as ignored."""
    answer = await site.post(event(type="invoice.created"))

    [delivery] = await site.inbox.recent(10)
    assert (answer.status, delivery.state, delivery.subjects) == (200, DeliveryState.IGNORED, ())


async def test_a_known_event_that_names_nothing_wakes_a_sweep(site: Site) -> None:
    """What an event fails to say is looked for."""
    answer = await site.post(event(data={}))

    [delivery] = await site.inbox.recent(10)
    sweep = Subject("sweep", "delta")
    assert (answer.status, delivery.state, delivery.subjects) == (200, DeliveryState.UNRESOLVED, (sweep,))


async def test_a_transfer_wakes_both_rentals(site: Site) -> None:
    """Both sides of a transfer are looked at."""
    await site.post(event(type="job.unit_transfer.completed", data={"oldRentalId": "r1", "newRentalId": "r2"}))

    [delivery] = await site.inbox.recent(10)
    assert set(delivery.subjects) == {Subject("rental", "r1"), Subject("rental", "r2")}


async def test_nothing_personal_of_an_event_is_kept(site: Site, tmp_path: Path) -> None:
    """Names, addresses and codes in a body never reach the database."""
    data = {"unitRentalId": "r1", "email": "canary@example.com", "customFields": {"sensorberg_pin": "739105"}}
    await site.post(event(data=data, note="Canary Person"))
    await site.lose_database()

    kept = everything_in(tmp_path)
    assert b"unitRental.markOverdue" in kept
    assert [word for word in (b"canary@example.com", b"739105", b"Canary Person") if word in kept] == []


async def test_a_body_of_the_largest_size_is_read(site: Site) -> None:
    """256 KiB are still accepted."""
    body = event(padding="x")
    body = event(padding="x" * (LARGEST - len(body) + 1))

    assert (len(body), (await site.post(body)).status) == (LARGEST, 200)


async def test_a_larger_body_is_refused(site: Site) -> None:
    """One byte more is 413, even when it is genuine."""
    body = event(padding="x" * LARGEST)

    answer = await site.post(body)
    assert (answer.status, answer.headers["connection"], await site.inbox.recent(10)) == (413, "close", [])


async def test_a_larger_body_is_refused_without_a_declared_length(site: Site) -> None:
    """The limit counts the bytes that arrive, not the bytes that were announced."""
    answer = await site.raw(*unsized(event(padding="x" * LARGEST)))

    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_in_chunks_is_accepted(site: Site) -> None:
    """How the bytes are framed does not matter to the signature."""
    [head, *rest] = unsized(event(), chunk=7)
    answer = await site.raw(head.replace(b"host: x", b"host: x\r\nconnection: close"), *rest)

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_an_endless_body_is_cut_off(site: Site) -> None:
    """A sender who never stops is not listened to for ever."""
    answer = await site.raw(*unsized(b"x" * (32 * LARGEST), chunk=LARGEST)[:-1])

    assert answer[:13] in {b"HTTP/1.1 413 ", b""}
    assert await site.inbox.recent(10) == []


async def test_a_body_shorter_than_declared_is_given_up_in_time(hasty_site: Site) -> None:
    """A sender who stops in the middle of the body is answered 408 when the time is over."""
    body = event()
    head = b"POST /webhooks/storeganise/acme HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n"

    answer = await hasty_site.raw(head, body)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert await hasty_site.inbox.recent(10) == []


async def test_a_body_longer_than_declared_does_not_verify(site: Site) -> None:
    """Only the declared bytes are the body, so the signature of the whole does not fit."""
    body = event()
    head = (
        b"POST /webhooks/storeganise/acme HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 20\r\n"
        b"sg-signature: " + sign(body).encode() + b"\r\n\r\n"
    )

    assert (await site.raw(head, body)).startswith(b"HTTP/1.1 401 ")


async def test_what_cannot_be_stored_is_our_fault(site: Site) -> None:
    """Without a database a genuine event is answered 503 with a time to come back, never a 4xx."""
    await site.lose_database()

    answer = await site.post(event())
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert site.notified == []


async def test_only_posts_are_webhooks(site: Site) -> None:
    """Looking at the address does nothing."""
    assert (await site.get("/webhooks/storeganise/acme")).status == 405


async def test_no_answer_and_no_log_line_repeats_a_body(site: Site, log: io.StringIO) -> None:
    """Whatever becomes of a delivery, what it says appears neither in the answer nor in the log."""
    canary = event(note="canary-739105")
    answers = [
        await site.post(canary),
        await site.post(canary, secret=b"guess"),
        await site.post(canary[:-1]),
        await site.post(event(id="e2", type="canary 739105")),
        await site.post(canary, path="/webhooks/storeganise/canary"),
        await site.post(canary + b" " * LARGEST),
    ]
    await site.lose_database()
    answers.append(await site.post(canary))

    shown = log.getvalue() + "".join(answer.body.decode() + repr(answer.headers) for answer in answers)
    assert [answer.status for answer in answers] == [200, 401, 400, 400, 401, 413, 503]
    assert "delivery_not_stored" in shown
    assert "canary" not in shown
    assert "739105" not in shown


def test_the_doors_come_from_the_settings() -> None:
    """Each business has a door with its secrets, which are never shown."""
    businesses = {
        "acme": {"api_key": "a", "webhook_secret": ["canary-1", "canary-2"]},
        "open": {"api_key": "a", "allow_unsigned": True},
    }
    document = {"server": {"secret_key": "0123456789abcdef"}, "businesses": businesses}
    found = doors(parse_settings(document, name="x", folder=Path("/"), environ={}))

    assert found == {
        BusinessCode("acme"): Door(secrets=(b"canary-1", b"canary-2")),
        BusinessCode("open"): Door(secrets=(), allow_unsigned=True),
    }
    assert "canary" not in repr(found)
