"""What has to be tried with real sockets and both databases when a service fails; `tests/faults` has all the rest."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from keyturn.providers.sensorberg.simulator import SensorbergSimulator
from keyturn.simulation.faults import Fault, Gate
from keyturn.storeganise.simulator import StoreganiseSimulator
from scenarios.moving_day import MIDNIGHT
from scenarios.world import World

HOUR = timedelta(hours=1)
ROUTES = (
    "users.post",
    "memberships.post",
    "memberships.put",
    "memberships.delete",
    "users.code",
    "users.put",
    "unit-rentals.put",
)


class Tale:
    """A tenant moves in, is locked, pays and is transferred; another moves out. Every write is among it."""

    def __init__(self, told: World) -> None:
        self._world = told
        self._shown: dict[str, set[str]] = {}

    async def tell(self) -> None:
        """Let it happen, with hours in between in which retries succeed, watching the PINs that people see."""
        world = self._world
        self.stays = world.move_in("A1", world.add_tenant("Anna"))
        self.leaves = world.move_in("B1", world.add_tenant("Ben"))
        await self._retried()
        world.account.mark_overdue(self.stays)
        await self._retried()
        world.account.pay(self.stays)
        world.account.move_out(self.leaves)
        await self._retried()
        self.new = world.account.transfer(self.stays, world.add_unit("A2"))
        await self._retried()

    async def _retried(self) -> None:
        await self._world.settle()
        self._watch()
        for _ in range(3):
            await self._world.later(HOUR)
            self._watch()

    def _watch(self) -> None:
        for user in self._world.account.users.values():
            if pin := user["customFields"].get("sensorberg_pin"):
                self._shown.setdefault(user["id"], set()).add(pin)

    def check(self) -> None:
        """Judge the end: who is in, one membership each, and PINs that never changed once they were shown."""
        world, pin = self._world, self._world.pin_of(self.new)
        assert [
            {
                "external_id": self.new,
                "user": world.account.rental(self.new)["ownerId"],
                "group": "group-A2",
                "starts_at": MIDNIGHT,
            }
        ] == [
            {
                "external_id": row.external_id,
                "user": row.user,
                "group": row.group,
                "starts_at": row.starts_at.isoformat(),
            }
            for row in world.sensorberg.rows
        ]
        assert [world.door("A2", pin), world.door("A1", pin)] == ["approved", "denied"]
        fields = [world.account.rental(rental)["customFields"] for rental in (self.stays, self.leaves, self.new)]
        assert [None, None, pin] == [shown["sensorberg_pin"] for shown in fields]
        assert [shown.get("sensorberg_overlocked", False) for shown in fields] == [False, False, False]
        assert [len(pins) for pins in self._shown.values()] == [1, 1]


@pytest.mark.parametrize("route", ROUTES)
async def test_a_lost_answer_at_any_write_leaves_nothing_behind(acme: World, route: str) -> None:
    """The first two calls of a route are done and not answered: hours later nothing is left of it."""
    lost = Fault.reset_after()
    planned = [simulator.faults.add(route=route, fault=lost, times=2) for simulator in _simulators(acme)]
    tale = Tale(acme)
    await tale.tell()
    assert sum(one.fired for one in planned) in {1, 2}
    tale.check()


async def test_a_backend_where_each_token_ends_the_last_one_works(acme: World) -> None:
    """With one token for all there is nothing to revoke: a burst needs a single one."""
    acme.sensorberg.knobs = replace(acme.sensorberg.knobs, token_policy="revoke_previous")
    rentals = [acme.move_in(f"A{n}") for n in range(8)]
    await acme.settle()
    assert [acme.door(f"A{n}", acme.pin_of(rental)) for n, rental in enumerate(rentals)] == ["approved"] * 8
    assert acme.sensorberg.tokens_issued == 1


async def test_an_hour_without_sensorberg_loses_nothing(acme: World) -> None:
    """Twelve tenants come and go while it is down; when it is back, each door is right within the retry cap."""
    stays = [acme.move_in(f"A{n}") for n in range(4)]
    await acme.settle()
    outage = acme.sensorberg.faults.add(route="*", fault=Fault.status(503), times=None)
    leaver, late = stays[0], stays[1]
    pins = [acme.pin_of(rental) for rental in stays]
    acme.account.move_out(leaver)
    acme.account.mark_overdue(late)
    new = [acme.move_in(f"B{n}") for n in range(8)]
    for _ in range(6):
        await acme.later(timedelta(minutes=10))
    assert [acme.pin_of(rental) for rental in new] == [None] * 8
    outage.remove()
    for _ in range(4):
        await acme.later(timedelta(minutes=15))
    assert [acme.door(f"A{n}", pin) for n, pin in enumerate(pins)] == ["denied", "denied", "approved", "approved"]
    assert [acme.door(f"B{n}", acme.pin_of(rental)) for n, rental in enumerate(new)] == ["approved"] * 8


async def test_a_service_told_to_stop_hands_its_work_to_the_next(acme: World) -> None:
    """Stop is asked for while a request is under way: what is done stays, the rest is finished by another process."""
    gate, stop = Gate(), asyncio.Event()
    for simulator in _simulators(acme):
        simulator.faults.add(route="users.code", fault=Fault.hold(gate), times=1)
    rental = acme.move_in("A1")
    await acme.account.deliver()
    running = asyncio.create_task(acme.service.worker.run(stop))
    await gate.reached()
    acme.move_in("A2")
    await acme.account.deliver()
    stop.set()
    gate.open()
    async with asyncio.timeout(20):
        await running
    await acme.restart()
    await acme.settle()
    assert len(acme.sensorberg.rows) == 2
    assert acme.door("A1", acme.pin_of(rental)) == "approved"


async def test_a_service_that_may_not_wait_leaves_its_work_to_the_next(acme: World) -> None:
    """The request under way does not end in the grace period: it is given up, and the next process finds out."""
    gate, stop = Gate(), asyncio.Event()
    for simulator in _simulators(acme):
        simulator.faults.add(route="memberships.post", fault=Fault.hold_after(gate), times=1)
    rental = acme.move_in("A1")
    await acme.account.deliver()
    running = asyncio.create_task(acme.service.worker.run(stop, grace=timedelta()))
    await gate.reached()
    stop.set()
    async with asyncio.timeout(20):
        await running
    gate.open()
    await acme.restart()
    await acme.later(timedelta(seconds=16))
    assert len(acme.sensorberg.rows) == 1
    assert acme.door("A1", acme.pin_of(rental)) == "approved"


def _simulators(told: World) -> tuple[StoreganiseSimulator, SensorbergSimulator]:
    return told.storeganise, told.sensorberg
