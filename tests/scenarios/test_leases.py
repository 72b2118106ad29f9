"""Who may speak to a business: whoever holds its lane, and nobody whose lease is over."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from keyturn.bootstrap import explain, speaking
from keyturn.core.ids import BusinessCode, RentalId
from keyturn.errors import Busy, LeaseLost
from keyturn.simulation.faults import Fault, Gate
from keyturn.store.work import Work
from scenarios.world import World, WorldMaker

ACME = BusinessCode("acme")
LEASE = timedelta(seconds=15)
PATIENCE_S = 60


@pytest.mark.parametrize("route", ["memberships.put", "unit-rentals.put"])
async def test_no_call_starts_under_a_lease_that_is_over(make_world: WorldMaker, route: str) -> None:
    """Calls that wait for their turn when the lease runs out are never made; the next holder makes them."""
    one_at_a_time = {"sensorberg_in_flight": 2, "storeganise_in_flight": 1}
    async with make_world(policy=one_at_a_time) as acme:
        rentals = [acme.move_in(unit) for unit in ("A1", "A2", "A3")]
        await acme.settle()
        acme.forget_requests()
        gate = Gate()
        service = acme.storeganise if route.startswith("unit") else acme.sensorberg
        service.faults.add(route=route, fault=Fault.hold(gate))
        acme.account.mark_overdue(*rentals)
        await acme.account.deliver()
        working = asyncio.create_task(acme.service.worker.settle())
        async with asyncio.timeout(PATIENCE_S):
            await gate.reached()
        acme.clock.advance(LEASE)
        successor = await Work(acme.service.database).claim("another", lease=LEASE)

        assert successor is not None

        gate.open()
        await working

        assert acme.routes.count(route) == 1

        await acme.service.work.release(successor)
        await acme.later(timedelta(minutes=1))

        assert [acme.door(unit, acme.pin_of(rental)) for unit, rental in acme_doors(rentals)] == ["denied"] * 3
        assert [acme.account.rental(one)["customFields"]["sensorberg_overlocked"] for one in rentals] == [True] * 3


def acme_doors(rentals: list[str]) -> list[tuple[str, str]]:
    """Pair the rentals with their units."""
    return list(zip(("A1", "A2", "A3"), rentals, strict=True))


async def test_a_command_speaks_between_two_batches(acme: World) -> None:
    """A worker that is busy with a business lets a command in, and goes on when it has ended."""
    rental = acme.move_in("A1")
    gate = Gate()
    acme.storeganise.faults.add(route="unit-rentals.get", fault=Fault.hold(gate))
    await acme.account.deliver()
    working = asyncio.create_task(acme.service.worker.settle())
    async with asyncio.timeout(PATIENCE_S):
        await gate.reached()
        asking = asyncio.create_task(explain(acme.settings, RentalId(rental), None))
        gate.open()
        found = await asking
        acme.clock.advance(timedelta(seconds=3))
        await working
    await acme.later(timedelta(minutes=1))

    assert found.document["rental"] == rental
    assert acme.door("A1", acme.pin_of(rental)) == "approved"
    assert acme.storeganise.journal.peak("list") <= 1


async def test_a_command_that_does_not_get_its_turn(acme: World) -> None:
    """It says that the service is busy, and disturbs nothing."""
    acme.move_in("A1")
    await acme.account.deliver()
    lane = await acme.service.work.claim("somebody", lease=LEASE)

    assert lane is not None

    with pytest.raises(Busy, match="the service is busy with acme; try again"):
        async with speaking(acme.service, ACME, patience=timedelta()):
            pass

    assert await acme.service.work.renew(lane, LEASE) is True


async def test_a_command_whose_lease_is_over_asks_nothing(acme: World) -> None:
    """It stops before its next request, and leaves the lane to whoever has it now."""
    rental = acme.move_in("A1")
    await acme.settle()
    acme.forget_requests()
    business = await acme.service.directory.open(ACME)

    assert business is not None

    async with speaking(acme.service, ACME):
        acme.clock.advance(LEASE)
        with pytest.raises(LeaseLost):
            await business.source.rental(RentalId(rental))

    assert acme.requests == []


async def test_a_business_that_was_never_woken(acme: World) -> None:
    """A command may speak to it, and several may, one after the other."""
    order: list[str] = []

    async def speak(name: str) -> None:
        async with speaking(acme.service, ACME):
            order.append(name)
            inside = asyncio.Event()
            asyncio.get_running_loop().call_soon(inside.set)
            await inside.wait()
            order.append(name)
        acme.clock.advance(timedelta(seconds=1))

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(speak("one"), speak("two"))

    assert order[0] == order[1]
    assert order[2] == order[3]
