"""Time as an argument.

Everything that needs to know what time it is takes a `Clock`. Production uses `SystemClock`;
tests and the demo use clocks they can move. Nothing else in the project reads the system's time.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits for it."""

    def now(self) -> datetime:
        """Return the present instant, aware and in UTC."""
        ...

    async def wait(self, event: asyncio.Event, *, seconds: float | None) -> None:
        """Return once `event` is set, or after `seconds` of this clock's time (`None`: no limit)."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def wait(self, event: asyncio.Event, *, seconds: float | None) -> None:
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return


class MovableClock:
    """A clock that runs with real time from a given instant and can be moved forward.

    With `running=False` it stands still between moves, which makes a test exact.
    """

    def __init__(self, start: datetime, *, running: bool = False) -> None:
        self._start = start
        self._moved = timedelta()
        self._running = running
        self._began = datetime.now(UTC)
        self._ticks = asyncio.Event()

    def now(self) -> datetime:
        passed = datetime.now(UTC) - self._began if self._running else timedelta()
        return self._start + self._moved + passed

    def advance(self, by: timedelta) -> None:
        """Move forward and wake everybody who waits on this clock."""
        self._moved += by
        self._ticks.set()
        self._ticks = asyncio.Event()

    def advance_to(self, instant: datetime) -> None:
        """Move to `instant`; a moment already passed changes nothing."""
        ahead = instant - self.now()
        if ahead > timedelta():
            self.advance(ahead)

    async def wait(self, event: asyncio.Event, *, seconds: float | None) -> None:
        deadline = None if seconds is None else self.now() + timedelta(seconds=seconds)
        while not event.is_set() and (deadline is None or self.now() < deadline):
            await self._either(event, deadline)

    async def _either(self, event: asyncio.Event, deadline: datetime | None) -> None:
        left = (deadline - self.now()).total_seconds() if deadline and self._running else None
        waiters = {asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._ticks.wait())}
        try:
            await asyncio.wait(waiters, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()
