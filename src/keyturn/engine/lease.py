"""A lane in our hands: who keeps it alive, and until when calls may start under it.

The database says who holds a lane; this side knows how long that is certain. It counts from before the claim,
or the last renewal that was answered, was sent, so it never believes in a lease that has run out there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from keyturn.clock import Clock
from keyturn.core.ids import BusinessCode
from keyturn.core.work import Lane
from keyturn.errors import Busy, DatabaseUnavailable
from keyturn.store.work import Work

ASK_EVERY = timedelta(milliseconds=100)
ASKING = timedelta(seconds=2)
"""How long a lane is kept for a command that has asked for it and not asked again."""


class Lease:
    """One claim of a lane."""

    def __init__(self, lane: Lane, *, work: Work, clock: Clock, length: timedelta, asked_at: datetime) -> None:
        """`asked_at`: when the claim was sent, or earlier."""
        self.lane = lane
        self._work = work
        self._clock = clock
        self._length = length
        self._until: datetime | None = asked_at + length

    def holds(self) -> bool:
        """Say whether a call may still start under it."""
        return self._until is not None and self._clock.now() < self._until

    async def keep(self) -> None:
        """Renew as long as it can be.

        Work under a lost lease is not cut off: no call starts any more, the fence refuses the next record, and
        only a call that came to its end can be marked as one whose effect is unknown.
        """
        never, kept = asyncio.Event(), True
        while kept:
            await self._clock.wait(never, seconds=self._length.total_seconds() / 3)
            asked_at = self._clock.now()
            with suppress(DatabaseUnavailable):
                kept = await self._work.renew(self.lane, self._length)
                if not kept:
                    self._until = None  # somebody else has it: no call starts any more
                elif self._until is not None:
                    self._until = asked_at + self._length

    async def give_back(self) -> None:
        """Start no call any more, and let others have the lane; where the database is away, the lease runs out."""
        self._until = None
        with suppress(DatabaseUnavailable):
            await self._work.release(self.lane)


@asynccontextmanager
async def held_first(
    business: BusinessCode, *, work: Work, clock: Clock, holder: str, length: timedelta, patience: timedelta
) -> AsyncIterator[Lease]:
    """Hold a lane for the length of the block, before any worker that wants it; its rows stay as they are.

    Whoever holds it is asked to give way. Raises `Busy` where that does not happen within `patience`.
    """
    lease = await _claimed_first(business, work, clock, holder, length, patience)
    keeping = asyncio.create_task(lease.keep())
    try:
        yield lease
    finally:
        keeping.cancel()
        await lease.give_back()


async def _claimed_first(
    business: BusinessCode, work: Work, clock: Clock, holder: str, length: timedelta, patience: timedelta
) -> Lease:
    never, deadline = asyncio.Event(), clock.now() + patience
    while True:
        asked_at = clock.now()
        lane = await work.claim_first(business, holder, lease=length, asking=ASKING)
        if lane is not None:
            return Lease(lane, work=work, clock=clock, length=length, asked_at=asked_at)
        if clock.now() >= deadline:
            raise Busy(business)
        await clock.wait(never, seconds=ASK_EVERY.total_seconds())
