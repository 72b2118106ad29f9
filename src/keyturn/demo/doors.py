"""Trying doors, as a person in front of one does: type a PIN and see.

A `Try` says what should happen; a `Stopwatch` notes the moment when a set of them is right. It
is told of each change at either service, so nothing is polled and no time is rounded up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyturn.clock import Clock
from keyturn.demo.world import World

Key = Callable[[], str | None]
"""The PIN somebody has in hand when they stand at the door; None: they were given none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """Somebody at a door."""

    unit: str
    """Storeganise's id of the unit."""
    key: Key
    words: str
    """Whose PIN it is."""
    opens: bool
    """What should happen."""
    at: datetime | None = None
    """When they stand there; None: now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What a door did before and after a step."""

    door: str
    words: str
    before: bool
    after: bool
    right: bool


class Doors:
    """The doors of all units, and the PINs tenants see."""

    def __init__(self, world: World) -> None:
        self._account = world.account
        self._sensorberg = world.sensorberg
        self._units = self._account.units
        """As they were in the morning; names and groups stay the same all day."""

    def name(self, unit: str) -> str:
        """Return the name on the door."""
        return str(self._units[unit]["name"])

    def group(self, unit: str) -> str:
        """Return the access group of a unit's door."""
        return str(self._units[unit]["customFields"]["sensorberg_id"])

    def opens(self, attempt: Try) -> bool:
        """Type the PIN."""
        pin = attempt.key()
        return pin is not None and self.open_for(attempt.unit, pin, attempt.at)

    def open_for(self, unit: str, pin: str, at: datetime | None = None) -> bool:
        """Type these digits."""
        return self._sensorberg.try_door(self.group(unit), pin=pin, at=at).opened

    def all_right(self, tries: Iterable[Try]) -> bool:
        """Say whether each door does what it should."""
        return all(self.opens(attempt) is attempt.opens for attempt in tries)

    def shown_pin(self, unit: str, tenant: str) -> Key:
        """Return the PIN that a tenant finds on the rental of a unit, whenever it is asked for."""

        def look() -> str | None:
            rental = self._account.unit(unit)["rentalId"]
            if rental is None:
                return None
            record = self._account.rental(rental)
            return record["customFields"].get("sensorberg_pin") or None if record["ownerId"] == tenant else None

        return look

    def owner_pin(self, tenant: str) -> str:
        """Return the PIN in the tenant's own record, empty when there is none."""
        return str(self._account.user(tenant)["customFields"].get("sensorberg_pin") or "")


class Stopwatch:
    """Measures from a mark until all doors of a step are right."""

    def __init__(self, clock: Clock, doors: Doors) -> None:
        self._clock = clock
        self._doors = doors
        self._tries: Sequence[Try] = ()
        self._began = clock.now()
        self._right_at: datetime | None = None
        self._turned = asyncio.Event()

    def watch(self, tries: Sequence[Try]) -> bool:
        """Begin with the tries of a step; say whether all of them are right already."""
        self._tries = tries
        self._right_at = None
        self._turned = asyncio.Event()
        self.mark()
        return self._doors.all_right(tries)

    def mark(self) -> None:
        """Measure from now on."""
        self._began = self._clock.now()

    def look(self) -> None:
        """Something has changed: note the moment if it made everything right, forget it if it did the opposite."""
        right = self._doors.all_right(self._tries)
        if right and self._right_at is None:
            self._right_at = self._clock.now()
            self._turned.set()
        elif not right and self._right_at is not None:
            self._right_at = None
            self._turned = asyncio.Event()

    async def until_right(self) -> None:
        """Return once all doors are right."""
        while not self._turned.is_set():
            await self._turned.wait()

    @property
    def took(self) -> timedelta | None:
        """From the mark until everything was right; None when it is not."""
        return None if self._right_at is None else max(self._right_at - self._began, timedelta())
