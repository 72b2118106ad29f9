"""Batches of one business side by side: doors wait for nobody's write-back, except where both are about the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from keyturn.simulation.faults import Fault, Gate
from scenarios.world import World

PATIENCE_S = 60
SOON_S = 5
"""Before a request that is not answered is given up by itself."""
BEGUN, MANY = 100, 160
"""As many rentals as are begun before others are done, and more."""


@asynccontextmanager
async def held(acme: World, gate: Gate) -> AsyncIterator[None]:
    """Let Keyturn work while the first write-back stands at the gate, from the moment it gets there."""
    acme.storeganise.faults.add(route="unit-rentals.put", fault=Fault.hold(gate))
    await acme.account.deliver()
    working = asyncio.create_task(acme.service.worker.settle())
    async with asyncio.timeout(PATIENCE_S):
        await gate.reached()
        yield
        gate.open()
        await working
    await acme.settle()


def reads(acme: World, rental: str) -> int:
    """Count how often a rental was read, alone or in a list."""
    entries = [entry for entry in acme.storeganise.journal.entries if entry.method == "GET"]
    return sum(rental in f"{entry.path} {entry.query.get('ids', '')}" for entry in entries)


async def until_opened(acme: World, unit: str) -> None:
    """Wait until somebody may enter a unit."""
    group = acme.group_of(unit)
    await acme.sensorberg.until(lambda: any(m.group == group for m in acme.sensorberg.memberships.values()))


async def test_a_door_opens_while_another_is_being_shown(acme: World) -> None:
    """A move-in has its door although the write-back of the one before it is not answered."""
    first = acme.move_in("A1")
    gate = Gate()
    async with held(acme, gate):
        second = acme.move_in("A2")
        await acme.account.deliver()
        await until_opened(acme, "A2")

        assert acme.pin_of(first) is None

    assert [acme.door(unit, acme.pin_of(one)) for unit, one in (("A1", first), ("A2", second))] == ["approved"] * 2


async def test_an_owner_is_in_one_batch_only(acme: World) -> None:
    """What was read of an owner who is being written back is read again after that, and decided then."""
    owner = acme.add_tenant()
    first = acme.move_in("A1", owner)
    gate, reads_before_the_door = Gate(), []
    async with held(acme, gate):
        second = acme.move_in("A2", owner)
        acme.sensorberg.on_change = lambda: reads_before_the_door.append(reads(acme, second))
        await acme.account.deliver()
        await acme.storeganise.journal.changes.until(lambda: reads(acme, second) == 1)

    assert reads_before_the_door[0] == 2
    assert acme.pin_of(first) == acme.pin_of(second) == acme.owner_pin(first)
    assert acme.door("A2", acme.pin_of(second)) == "approved"


async def test_a_group_is_in_one_batch_only(acme: World) -> None:
    """A newcomer is read again once the tenant before them is done with."""
    before = acme.move_in("A1")
    await acme.settle()
    acme.account.move_out(before)
    gate, reads_before_the_door = Gate(), []
    async with held(acme, gate):
        newcomer = acme.move_in("A1")
        acme.sensorberg.on_change = lambda: reads_before_the_door.append(reads(acme, newcomer))
        await acme.account.deliver()
        await acme.storeganise.journal.changes.until(lambda: reads(acme, newcomer) == 1)

    assert reads_before_the_door[0] == 2
    assert acme.door("A1", acme.pin_of(newcomer)) == "approved"


async def test_a_crowd_is_let_in_by_and_by(acme: World) -> None:
    """More rentals than are begun at once all get their doors, however slow the write-backs are."""
    rentals = {f"A{number}": acme.move_in(f"A{number}") for number in range(MANY)}
    gate = Gate()
    async with held(acme, gate):
        await acme.sensorberg.until(lambda: len(acme.sensorberg.memberships) >= BEGUN)

    assert {unit: acme.door(unit, acme.pin_of(one)) for unit, one in rentals.items()} == dict.fromkeys(
        rentals, "approved"
    )


async def test_a_worker_that_is_told_to_stop_gives_up_what_takes_too_long(acme: World) -> None:
    """Batches that cannot end within the grace are cut off together; whoever comes next does them again."""
    rentals = {unit: acme.move_in(unit) for unit in ("A1", "A2")}
    gate, stop = Gate(), asyncio.Event()
    acme.storeganise.faults.add(route="unit-rentals.put", fault=Fault.hold(gate))
    await acme.account.deliver()
    working = asyncio.create_task(acme.service.worker.run(stop, grace=timedelta()))
    async with asyncio.timeout(SOON_S):
        await gate.reached()
        rentals["A3"] = acme.move_in("A3")
        await acme.account.deliver()
        await until_opened(acme, "A3")
        stop.set()
        await working

        assert (await acme.service.work.load(acme.clock.now())).running == 0

        gate.open()
    await acme.restart()
    await acme.later(timedelta(minutes=2))

    assert [acme.door(unit, acme.pin_of(one)) for unit, one in rentals.items()] == ["approved"] * 3
