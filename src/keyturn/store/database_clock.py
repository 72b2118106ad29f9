"""The database server's time, so that leases mean the same on every machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, literal, select

from keyturn.clock import Clock


class DatabaseClock:
    """A machine's clock, corrected by how far it is off the server's. Waiting is the machine's own."""

    def __init__(self, own: Clock, read: Callable[[Callable[[Connection], timedelta]], Awaitable[timedelta]]) -> None:
        """`read` runs a function on a connection; until the first `refresh` the correction is zero."""
        self._own = own
        self._read = read
        self._offset = timedelta()

    def now(self) -> datetime:
        return self._own.now() + self._offset

    async def wait(self, event: asyncio.Event, *, seconds: float | None) -> None:
        await self._own.wait(event, seconds=seconds)

    async def refresh(self) -> None:
        """Measure the correction anew; half the round trip is the most it can be wrong by. To be done each minute."""
        self._offset = await self._read(self._measure)

    def _measure(self, connection: Connection) -> timedelta:
        connection.execute(select(literal(1)))  # so that connecting and BEGIN are over before the clock is read
        before = self._own.now()
        theirs = connection.execute(select(func.clock_timestamp())).scalar_one()
        after = self._own.now()
        offset: timedelta = theirs - (before + (after - before) / 2)
        return offset
