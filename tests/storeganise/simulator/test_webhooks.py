"""What a webhook says, and to whom."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from keyturn.storeganise.simulator import ACCESS_EVENTS
from storeganise.simulator.world import START, World

HOOK = "http://127.0.0.1:9/addon"


def signed(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def envelope(world: World, place: int = -1) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(world.acme.outbox[place].body)
    return parsed


def test_the_envelope_has_ids_only(world: World) -> None:
    """A plain webhook carries id, type, business, API address, time and ids."""
    world.acme.edit_user(world.tenant, {"sensorberg_pin": "739105"})
    delivery = world.acme.outbox[0]

    assert envelope(world) == {
        "id": delivery.id,
        "type": "user.updated",
        "businessCode": "acme",
        "apiUrl": "https://acme.storeganise.com/api",
        "created": "2026-03-01T09:00:00.000Z",
        "data": {"userId": world.tenant, "changedKeys": ["customFields.sensorberg_pin"]},
    }


def test_the_signature_covers_the_raw_bytes(world: World) -> None:
    """`sg-signature` is the base64 HMAC-SHA256 of compact JSON with umlauts unescaped."""
    world.acme.edit_user(world.tenant, {"größe": 1})
    delivery = world.acme.outbox[0]

    assert ("größe".encode() in delivery.body, b'": ' in delivery.body) == (True, False)
    assert delivery.headers == {
        "Content-Type": "application/json;charset=UTF-8",
        "sg-signature": signed(delivery.body, "s3cret"),
    }


def test_a_delivery_hides_its_secrets(world: World) -> None:
    """Neither secret nor signature show in a repr."""
    world.acme.edit_user(world.tenant, phone="1")
    delivery = world.acme.outbox[0]

    assert ("s3cret" in repr(delivery), delivery.headers["sg-signature"] in repr(delivery)) == (False, False)


@pytest.mark.parametrize(("sign", "right", "there"), [("missing", False, False), ("wrong", False, True)])
def test_signatures_can_be_spoiled(world: World, sign: str, right: bool, there: bool) -> None:  # noqa: FBT001  # a table's columns
    """A delivery can come unsigned or signed with another secret."""
    world.turn(sign=sign)
    world.acme.edit_user(world.tenant, phone="1")
    delivery = world.acme.outbox[0]
    value = delivery.headers.get("sg-signature")

    assert (value == signed(delivery.body, "s3cret"), value is not None) == (right, there)


@pytest.mark.parametrize(
    ("form", "keys"), [("both", {"jobId", "unitRentalId"}), ("job_only", {"jobId"}), ("ids_only", {"unitRentalId"})]
)
def test_job_events_come_in_three_forms(world: World, form: str, keys: set[str]) -> None:
    """Job events name the job, the rental, or both."""
    world.turn(data_form=form)
    world.acme.move_in(world.tenant, world.unit, START)

    assert [set(data) for kind, data in world.events() if kind.startswith("job.")] == [keys, keys]


def test_transfers_may_carry_objects(world: World) -> None:
    """Old and new rental of a transfer may be objects, and come with further events."""
    world.turn(transfer_ids="object", transfer_extra_events=True)
    old = world.acme.move_in(world.tenant, world.unit, START)
    new = world.acme.transfer(old, world.other_unit)
    events = dict(world.events())
    data = events["job.unit_transfer.completed"]

    assert (data["oldRentalId"], data["newRentalId"]) == ({"id": old}, {"id": new})
    assert {"job.unit_moveIn.completed", "job.unit_moveOut.completed", "unit.unassigned"} <= events.keys()


def test_a_batch_may_be_one_event(world: World) -> None:
    """The daily run may send one event with all rentals; marks deferred to it are lifted by it."""
    world.turn(overdue_form="unitRentalIds", unmark_timing="next_run")
    one = world.acme.move_in(world.tenant, world.unit, START)
    two = world.acme.move_in(world.tenant, world.other_unit, START)
    world.events()
    world.acme.run_overdue([one, two])
    world.acme.pay(one)
    waiting = "overdue" in world.acme.rental(one)
    world.acme.run_overdue()

    assert (waiting, "overdue" in world.acme.rental(one)) == (True, False)
    assert world.events() == [
        ("unitRental.markOverdue", {"unitRentalIds": [one, two]}),
        ("unitRental.unmarkOverdue", {"unitRentalIds": [one]}),
    ]


def test_changed_keys_may_be_left_out(world: World) -> None:
    """Some events do not say what changed."""
    world.turn(changed_keys=False)
    world.acme.edit_user(world.tenant, phone="1")

    assert world.events() == [("user.updated", {"userId": world.tenant})]


def test_only_subscribed_events_are_sent(world: World) -> None:
    """An account sends what was subscribed; by default what concerns access."""
    acme = world.sim.add_account("other", api_key="k", webhook_url=HOOK)
    site = acme.add_site("Nord")
    acme.move_in(acme.add_user("A", "B", None), acme.add_unit(site, "1"), START)

    assert [d.type for d in acme.outbox] == ["job.unit_moveIn.created", "job.unit_moveIn.completed"]
    assert {d.type for d in acme.outbox} <= ACCESS_EVENTS


def test_an_account_without_address_sends_nothing(world: World) -> None:
    """Without a webhook nothing is queued."""
    world.acme.webhook_url = None
    world.acme.edit_user(world.tenant, phone="1")

    assert world.acme.outbox == []


def test_an_add_on_hears_of_its_site(world: World) -> None:
    """An add-on has its own envelope, secret and address, and hears of its own site only, while enabled."""
    elsewhere = world.acme.add_site("Elsewhere")
    addon = world.acme.add_installation(elsewhere, webhook_url=HOOK, webhook_secret="addon-secret")
    unit = world.acme.add_unit(elsewhere, "1")
    world.acme.outbox.clear()
    world.acme.edit_unit(world.unit, {"x": 1})
    world.acme.edit_unit(unit, {"x": 1})
    plain, plain_too, own = world.acme.outbox
    world.acme.installations[addon].state = "paused"
    world.acme.edit_unit(unit, {"x": 2})

    assert [plain.url, plain_too.url, own.url] == ["http://127.0.0.1:9/hook", "http://127.0.0.1:9/hook", HOOK]
    assert (len(world.acme.outbox), own.timeout_s, own.id != plain_too.id) == (4, 30.0, True)
    assert own.headers["sg-signature"] == signed(own.body, "addon-secret")
    assert envelope(world, 2) == {
        "id": own.id,
        "type": "unit.updated",
        "data": {"unitId": unit, "changedKeys": ["customFields.x"]},
        "apiUrl": "https://acme.storeganise.com/api",
        "addonId": addon,
    }


def test_add_on_envelopes_vary(world: World) -> None:
    """`id` may be missing and `addonId` be inside `data`; the daily event goes to add-ons alone."""
    world.turn(addon_event_id=False, addon_id_place="data")
    addon = world.acme.add_installation(webhook_url=HOOK, webhook_secret="s")
    world.acme.outbox.clear()
    world.acme.daily_event()

    assert len(world.acme.outbox) == 1
    assert envelope(world) == {
        "type": "addon.dailyEvent.started",
        "data": {"addonId": addon},
        "apiUrl": "https://acme.storeganise.com/api",
    }


def test_a_whole_account_may_be_an_add_on(world: World) -> None:
    """The channel knob gives the account's own webhook the add-on's envelope and time limit."""
    world.turn(channel="addon")
    world.acme.edit_user(world.tenant, phone="1")

    assert ("addonId" in envelope(world), world.acme.outbox[0].timeout_s) == (True, 30.0)


def test_cross_site_transfers_reach_both_add_ons(world: World) -> None:
    """A transfer between sites is told to the add-ons of both."""
    elsewhere = world.acme.add_site("Elsewhere")
    unit = world.acme.add_unit(elsewhere, "1")
    for site in (world.site, elsewhere):
        world.acme.add_installation(site, webhook_url=HOOK, webhook_secret="s")
    rental = world.acme.move_in(world.tenant, world.unit, START)
    world.acme.outbox.clear()
    world.acme.transfer(rental, unit)

    assert [d.url for d in world.acme.outbox if d.type == "job.unit_transfer.completed"].count(HOOK) == 2
