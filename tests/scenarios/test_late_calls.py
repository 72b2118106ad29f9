"""A request takes effect after those of the process that came next, or an answer is wrong: the doors end right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from keyturn.core.late import LATEST
from keyturn.simulation.faults import Fault, Gate
from scenarios.world import World

SOON = timedelta(seconds=16)
"""Past the lease of the process that was stopped."""
PATIENCE_S = 20


async def test_a_membership_made_after_its_removal(acme: World) -> None:
    """The tenant has moved out and the removal found nothing; then the create arrives."""
    rental = acme.move_in("A1")
    async with _request_under_way(acme, "memberships.post"):
        acme.account.move_out(rental)
        await acme.later(SOON)
        assert acme.sensorberg.rows == []
    assert len(acme.sensorberg.rows) == 1

    await acme.later(LATEST)
    assert acme.sensorberg.rows == []


async def test_a_membership_of_the_owner_before(acme: World) -> None:
    """The rental went to somebody else; then the first create arrives, and the backend lets it replace theirs."""
    acme.sensorberg.knobs = replace(acme.sensorberg.knobs, membership_dup_external="upsert", put_status=204)
    rental = acme.move_in("A1")
    async with _request_under_way(acme, "memberships.post"):
        before = acme.account.rental(rental)["ownerId"]
        acme.account.change_owner(rental, acme.add_tenant("Ben"))
        await acme.later(SOON)
        assert acme.door("A1", acme.pin_of(rental)) == "approved"
    assert [row.user for row in acme.sensorberg.rows] == [before]

    await acme.later(LATEST)
    assert [row.user for row in acme.sensorberg.rows] == [acme.account.rental(rental)["ownerId"]]
    assert acme.door("A1", acme.pin_of(rental)) == "approved"


async def test_a_lock_that_comes_after_the_payment(acme: World) -> None:
    """The tenant has paid and is let in; then the lock arrives."""
    rental = acme.move_in("A1")
    await acme.settle()
    acme.account.mark_overdue(rental)
    async with _request_under_way(acme, "memberships.put"):
        acme.account.pay(rental)
        await acme.later(SOON)
        assert acme.door("A1", acme.pin_of(rental)) == "approved"
    assert acme.door("A1", acme.pin_of(rental)) == "denied"

    await acme.later(LATEST)
    assert acme.door("A1", acme.pin_of(rental)) == "approved"


async def test_a_removal_that_comes_after_the_return(acme: World) -> None:
    """The unit's group was changed and changed back; then the removal of the first membership arrives."""
    rental = acme.move_in("A1")
    await acme.settle()
    acme.account.edit_unit(acme.units["A1"], {"sensorberg_id": acme.sensorberg.add_group("elsewhere")})
    async with _request_under_way(acme, "memberships.delete"):
        acme.account.edit_unit(acme.units["A1"], {"sensorberg_id": "group-A1"})
        await acme.later(SOON)
        assert acme.door("A1", acme.pin_of(rental)) == "approved"
    assert acme.sensorberg.rows == []

    await acme.later(LATEST)
    assert acme.door("A1", acme.pin_of(rental)) == "approved"


async def test_a_code_that_comes_after_another(acme: World) -> None:
    """The successor cannot know the code that was under way, so it has drawn another; then the first one arrives."""
    rental = acme.move_in("A1")
    async with _request_under_way(acme, "users.code"):
        await acme.later(SOON)
        shown = acme.pin_of(rental)
        assert acme.door("A1", shown) == "approved"
    assert acme.door("A1", shown) == "unauthorized"

    await acme.later(LATEST)
    assert [acme.door("A1", shown), acme.pin_of(rental)] == ["approved", shown]


async def test_a_lock_that_is_answered_with_404(acme: World) -> None:
    """The membership is there all the same, so the door stays open; a minute later it is locked."""
    rental = acme.move_in("A1")
    await acme.settle()
    acme.sensorberg.faults.add(route="memberships.put", fault=Fault.status(404))
    acme.account.mark_overdue(rental)
    await acme.settle()
    assert acme.door("A1", acme.pin_of(rental)) == "approved"

    await acme.later(LATEST)
    assert acme.door("A1", acme.pin_of(rental)) == "denied"


async def test_nothing_more_is_written_once_all_is_sure(acme: World) -> None:
    """The second write is made once, not every minute."""
    acme.move_in("A1")
    async with _request_under_way(acme, "users.code"):
        await acme.later(SOON)
    await acme.later(LATEST)
    acme.forget_requests()
    for _ in range(3):
        await acme.later(LATEST)

    assert acme.writes == []


@asynccontextmanager
async def _request_under_way(acme: World, route: str) -> AsyncIterator[None]:
    """Stop the service in the middle of a request, start another one for the block, then let the request arrive."""
    gate, stop, changed = Gate(), asyncio.Event(), asyncio.Event()
    acme.sensorberg.faults.add(route=route, fault=Fault.hold(gate))
    await acme.account.deliver()
    running = asyncio.create_task(acme.service.worker.run(stop, grace=timedelta()))
    async with asyncio.timeout(PATIENCE_S):
        await gate.reached()
        stop.set()
        await running
        await acme.restart()
        yield
        acme.sensorberg.on_change = changed.set
        gate.open()
        await changed.wait()
