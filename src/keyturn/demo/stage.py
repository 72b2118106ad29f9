"""Lets the day go on: carries the webhooks, moves the clock, and knows when nothing is left to do.

Webhooks go out by HTTP as soon as Storeganise has any, in order, signed by the simulator. What
Keyturn still has to do is read from its work table, as `keyturn status` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, time, timedelta

from keyturn.demo.doors import Doors, Key, Stopwatch, Try
from keyturn.demo.world import ZONE, World

LOOK_AGAIN_S = 0.02
"""How often the work table is read while waiting for quiet."""
ENOUGH_CALM = 2
"""How many readings in a row must find nothing to do."""
PATIENCE_S = 10.0
"""How long a step may take, in real seconds, before it counts as gone wrong."""


class Stage:
    """What the steps of the day act upon."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.account = world.account
        self.doors = Doors(world)
        self.stopwatch = Stopwatch(world.clock, self.doors)
        self.pins: set[str] = set()
        """Every PIN that was ever in force today, for the last inspection."""
        self._news = asyncio.Event()
        self._carrying = False
        self._units = list(world.operator.free_units)
        world.storeganise.on_change = self._changed
        world.sensorberg.on_change = self._changed

    # People and places

    def person(self, first_name: str) -> str:
        """Return a tenant's id."""
        return next(ident for ident, user in self.account.users.items() if user["firstName"] == first_name)

    def name(self, tenant: str) -> str:
        """Return a tenant's full name."""
        return str(self.account.user(tenant)["name"])

    def free_unit(self) -> str:
        """Return a unit that nobody rents and no step has been given."""
        return self._units.pop(0)

    def rental_of(self, tenant: str) -> str:
        """Return the tenant's first running rental."""
        return next(
            ident
            for ident, rental in self.account.rentals.items()
            if rental["ownerId"] == tenant and rental["state"] == "occupied"
        )

    def unit_of(self, tenant: str) -> str:
        """Return the unit of that rental."""
        return str(self.account.rental(self.rental_of(tenant))["unitId"])

    def attempt(self, tenant: str, unit: str, *, opens: bool, at: datetime | None = None) -> Try:
        """Let a tenant try a unit with the PIN they find there, else with their own."""
        shown = self.doors.shown_pin(unit, tenant)
        words = f"{self.account.user(tenant)['firstName']}'s PIN"
        return Try(
            unit=unit, key=lambda: shown() or self.doors.owner_pin(tenant) or None, words=words, opens=opens, at=at
        )

    @staticmethod
    def digits(pin: str) -> Key:
        """Return a PIN that somebody remembers, whatever Storeganise shows by now."""
        return lambda: pin

    # Time

    def now(self) -> datetime:
        """Return the time in the operator's zone."""
        return self.world.clock.now().astimezone(ZONE)

    def midnight(self, days: int) -> datetime:
        """Return 00:00 of a day from today, in the operator's zone."""
        return datetime.combine(self.now().date() + timedelta(days=days), time(), ZONE)

    async def jump_to(self, moment: time) -> None:
        """Let the day go on until a time of today, and until what was due by then is done."""
        self.world.clock.advance_to(datetime.combine(self.now().date(), moment, ZONE))
        await self.quiet()

    # Webhooks and quiet

    @asynccontextmanager
    async def postman(self) -> AsyncIterator[None]:
        """Deliver webhooks while the block runs."""
        carrying = asyncio.create_task(self._carry())
        try:
            yield
        finally:
            carrying.cancel()
            with suppress(asyncio.CancelledError):
                await carrying

    def ring(self) -> None:
        """Say that there may be webhooks to deliver."""
        self._news.set()

    async def _carry(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            self._carrying = True
            await self.account.deliver_all()
            self._carrying = False

    def _changed(self) -> None:
        self.pins.update(self.world.sensorberg.codes.values())
        self.stopwatch.look()
        self.ring()

    async def quiet(self) -> None:
        """Return once no webhook is on its way and Keyturn has nothing to do. Raises `TimeoutError`."""
        calm, never = 0, asyncio.Event()
        async with asyncio.timeout(PATIENCE_S):
            while calm < ENOUGH_CALM:
                await self.world.clock.wait(never, seconds=LOOK_AGAIN_S)
                calm = 0 if await self._busy() else calm + 1

    async def _busy(self) -> bool:
        load = await self.world.service.work.load(self.world.clock.now())
        return bool(load.due or load.running or self._carrying or self._news.is_set() or self.account.outbox)

    # Counting

    @property
    def requests(self) -> int:
        """How many requests the two services have had."""
        return len(self.world.storeganise.journal.entries) + len(self.world.sensorberg.journal.entries)
