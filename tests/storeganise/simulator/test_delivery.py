"""Deliveries go out over real HTTP, and a test decides what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from keyturn.simulation.server import serving
from storeganise.simulator.world import World


class Receiver:
    """Takes webhooks and answers what it is told to, 200 by default."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[bytes, bytes]] = []
        self.answers: list[int] = []
        self.silent = False
        self.arrived = asyncio.Event()
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one webhook."""
        message = await receive()
        self.bodies.append(message["body"])
        self.headers.append(dict(scope["headers"]))
        self.arrived.set()
        if self.silent:
            await asyncio.Event().wait()
        status = self.answers.pop(0) if self.answers else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def receiver(world: World) -> AsyncIterator[Receiver]:
    """A running receiver the account knows."""
    app = Receiver()
    async with serving(app) as url:
        world.acme.webhook_url = app.url = f"{url}/hook"
        yield app


def happen(world: World, times: int = 1) -> None:
    for _ in range(times):
        phone = str(len(world.acme.outbox) + len(world.acme.sent) + len(world.acme.lost))
        world.acme.edit_user(world.tenant, phone=phone)


async def test_deliveries_arrive_in_order_and_untouched(world: World, receiver: Receiver) -> None:
    """The bytes that were signed are the bytes that arrive, first things first."""
    happen(world, 3)
    queued = list(world.acme.outbox)
    results = await world.acme.deliver()

    assert (receiver.bodies, results) == ([d.body for d in queued], [(d, 200) for d in queued])
    assert receiver.headers[0][b"sg-signature"].decode() == queued[0].headers["sg-signature"]
    assert (world.acme.outbox, world.acme.sent) == ([], results)


async def test_a_failure_is_repeated_until_the_knobs_say_enough(world: World, receiver: Receiver) -> None:
    """A failed delivery stays queued, with the same id, until its retries are used up; then a mail is sent."""
    world.turn(retry_count=2)
    receiver.answers = [500, 204, 302]
    happen(world)
    ident = world.acme.outbox[0].id
    seen = []
    for _ in range(4):
        seen += [(delivery.id, status) for delivery, status in await world.acme.deliver()]

    assert seen == [(ident, 500), (ident, 204), (ident, 302)]
    assert ([d.id for d in world.acme.failed], world.acme.alerts, world.acme.outbox) == ([ident], [ident], [])


async def test_the_wait_between_retries_doubles(world: World, receiver: Receiver) -> None:
    """The first retry is due after the back-off, the second after twice as long."""
    receiver.answers = [500, 500]
    happen(world)
    waits = []
    for _ in range(2):
        await world.acme.deliver()
        due = world.acme.outbox[0].due_at
        waits.append(due - world.clock.now() if due else None)

    assert waits == [timedelta(seconds=60), timedelta(seconds=120)]


async def test_a_retry_may_have_a_new_id(world: World, receiver: Receiver) -> None:
    """With another knob a retry is a new event with a valid signature; other 2xx may count as success."""
    world.turn(retry_same_id=False, success_status="2xx", alert_mail_after="each_failure")
    receiver.answers = [500, 204]
    happen(world)
    results = await world.acme.deliver_all()

    assert (len(world.acme.alerts), [status for _, status in results]) == (1, [500, 204])
    assert results[0][0].id != results[1][0].id
    assert receiver.headers[0][b"sg-signature"] != receiver.headers[1][b"sg-signature"]


async def test_silence_and_absence_are_failures(world: World, receiver: Receiver) -> None:
    """A receiver that does not answer in time, or is not there, is told apart."""
    world.turn(timeout_s=0.05, retry_count=0)
    receiver.silent = True
    happen(world)
    slow = await world.acme.deliver()
    world.acme.webhook_url = "http://127.0.0.1:9/"
    happen(world)
    absent = await world.acme.deliver()

    assert [status for _, status in slow + absent] == ["timeout", "unreachable"]


async def test_deliveries_can_be_doubled_turned_lost_and_replayed(world: World, receiver: Receiver) -> None:
    """Duplicates, reordering, loss and replays are at a test's hand."""
    happen(world, 2)
    first, second = world.acme.outbox
    same = world.acme.duplicate(first)
    other = world.acme.duplicate(new_id=True)
    world.acme.reverse_outbox()
    turned = list(world.acme.outbox)
    dropped = world.acme.drop()
    world.acme.replay(first)
    await world.acme.deliver()

    assert (same, other.id != first.id, turned, dropped) == (first, True, [other, first, second, first], turned)
    assert (world.acme.lost, receiver.bodies) == (turned, [first.body])


async def test_one_event_type_can_be_dropped(world: World, receiver: Receiver) -> None:  # noqa: ARG001  # sets the address
    """Only the named events are lost; a shuffle is the same for the same seed."""
    happen(world, 5)
    world.acme.emit("unit.blocked", {"unitId": world.unit})
    world.acme.shuffle_outbox(seed=1)
    one = [d.id for d in world.acme.outbox]
    world.acme.outbox.sort(key=lambda d: d.id)
    world.acme.shuffle_outbox(seed=1)
    world.acme.drop("user.updated")

    assert (len(one), [d.type for d in world.acme.outbox]) == (6, ["unit.blocked"])


async def test_forgeries_can_be_sent(world: World, receiver: Receiver) -> None:
    """A forged delivery is unsigned, signed with another secret, or carries any bytes; it never enters the queue."""
    data = {"userId": world.tenant}
    forgeries = [
        world.acme.forge("user.updated", data),
        world.acme.forge("user.updated", data, secret="wrong"),
        world.acme.forge("user.updated", data, secret="s3cret", body=b"{"),
    ]
    statuses = [await world.acme.send(forged) for forged in forgeries]

    assert (statuses, receiver.bodies[2], world.acme.outbox) == ([200, 200, 200], b"{", [])
    assert [b"sg-signature" in headers for headers in receiver.headers] == [False, True, True]


async def test_loss_and_doubles_are_repeatable(world: World, receiver: Receiver) -> None:  # noqa: ARG001  # sets the address
    """Random loss, doubles and reordering happen by a seed: some of each, nothing unaccounted for."""
    world.turn(loss_rate=0.3, dup_rate=0.3, reorder=True)
    happen(world, 100)
    lost, queued = len(world.acme.lost), len({d.id for d in world.acme.outbox})
    ids = [d.id for d in world.acme.outbox]

    assert (lost + queued, 10 < lost < 50, len(ids) > queued, ids != sorted(ids)) == (100, True, True, True)


async def test_the_pump_delivers_by_itself(world: World, receiver: Receiver) -> None:
    """In the background deliveries go out as they come, and a retry waits for the clock."""
    receiver.answers = [200, 500]
    stop = asyncio.Event()
    pump = asyncio.ensure_future(world.sim.pump(stop, concurrency=1))
    happen(world)
    await world.acme.mailbox.changes.until(lambda: len(world.acme.sent) == 1)
    happen(world)
    await world.acme.mailbox.changes.until(lambda: len(world.acme.sent) == 2)
    waiting = [d.due_at for d in world.acme.outbox]
    world.clock.advance(timedelta(seconds=60))
    await world.acme.mailbox.changes.until(lambda: len(world.acme.sent) == 3)
    stop.set()
    await pump

    assert waiting == [world.clock.now()]
    assert [status for _, status in world.acme.sent] == [200, 500, 200]


async def test_a_stopped_pump_loses_nothing(world: World, receiver: Receiver) -> None:
    """What was on its way when the pump stopped is queued again."""
    receiver.silent = True
    stop = asyncio.Event()
    pump = asyncio.ensure_future(world.acme.pump(stop))
    happen(world)
    ident = world.acme.outbox[0].id
    await receiver.arrived.wait()
    stop.set()
    await pump

    assert [d.id for d in world.acme.outbox] == [ident]
