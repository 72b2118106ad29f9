"""Claim a business, work on what is due in it, hand it back.

The unit of distribution is the business: a *lane*, held by a lease that is renewed while work
goes on. A worker killed anywhere loses its lease; another takes the lane over and every step can
be repeated. Work within a lane is in batches; different lanes run side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from keyturn.clock import Clock
from keyturn.core.ids import BusinessCode
from keyturn.core.work import Lane, Outcome
from keyturn.errors import DatabaseUnavailable, LeaseLost
from keyturn.logs import logger
from keyturn.store.work import Work

MOST_LANES = 64
POLL = timedelta(seconds=1)
"""How often an idle worker looks for work that another process may have woken."""

FAULT_REST = timedelta(seconds=30)
"""How long a lane that a fault of ours ended is left alone, so that it does not run hot."""
STRANGER_REST = timedelta(hours=1)
"""How long a business that the settings do not have is left alone."""

Drain = Callable[[Lane], Awaitable[list[Outcome]]]
"""Works on one batch of a lane; an empty answer means that nothing is due in it."""


class Worker:
    """Runs lanes until told to stop."""

    def __init__(
        self,
        *,
        name: str,
        clock: Clock,
        work: Work,
        lanes: Mapping[BusinessCode, Drain],
        lease: timedelta,
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> None:
        self._name = name
        self._clock = clock
        self._work = work
        self._lanes = lanes
        self._lease = lease
        self._on_outcome = on_outcome
        self._woken = asyncio.Event()
        self._running: dict[BusinessCode, asyncio.Task[None]] = {}
        self._resting: dict[BusinessCode, datetime] = {}
        """Lanes to leave alone until then: a fault of ours ended them, or the settings no longer have the business."""
        self._stopping = False
        self.alive = False
        """Whether `run` is at work."""
        self._log = logger()

    def notify(self) -> None:
        """Say that there is new work, so that an idle worker starts at once."""
        self._woken.set()

    async def run(self, stop: asyncio.Event, *, grace: timedelta = timedelta(seconds=8)) -> None:
        """Work until `stop` is set; then finish or hand back what is under way within `grace`."""
        stopping = asyncio.ensure_future(self._stop_on(stop))
        self.alive = True
        try:
            while not stop.is_set():
                self._woken.clear()
                if not await self._claim():
                    await self._idle()
        finally:
            self.alive = False
            stopping.cancel()
            await self._finish(grace)

    async def settle(self) -> None:
        """Work until nothing is due now: one pass for tests, tools and the demo."""
        while await self._claim() or self._running:
            if self._running:
                await asyncio.wait(self._running.values(), return_when=asyncio.FIRST_COMPLETED)

    async def _stop_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping = True
        self._woken.set()

    async def _claim(self) -> bool:
        """Start work on one more lane; say whether there was one."""
        if len(self._running) >= MOST_LANES:
            return False
        try:
            lane = await self._work.claim(self._name, lease=self._lease, avoid=self._avoided())
        except DatabaseUnavailable as error:
            self._log.error("database_unavailable", exc_info=error)
            return False
        if lane is None:
            return False
        if lane.business not in self._lanes:
            self._log.warning("business_unknown", business=lane.business)
            self._resting[lane.business] = self._clock.now() + STRANGER_REST
            await self._work.release(lane)
            return True
        task = asyncio.create_task(self._run_lane(lane))
        self._running[lane.business] = task
        task.add_done_callback(lambda _: self._ended(lane.business))
        return True

    def _avoided(self) -> list[BusinessCode]:
        now = self._clock.now()
        return [*self._running, *(business for business, until in self._resting.items() if until > now)]

    def _ended(self, business: BusinessCode) -> None:
        self._running.pop(business, None)
        self._woken.set()

    async def _idle(self) -> None:
        """Wait for a wake, for a lane to end, for the next planned look, or a moment."""
        await self._clock.wait(self._woken, seconds=await self._until_due())

    async def _until_due(self) -> float:
        if len(self._running) >= MOST_LANES:
            return POLL.total_seconds()
        now = self._clock.now()
        try:
            due = await self._work.next_due(now, avoid=self._avoided())
        except DatabaseUnavailable:
            return POLL.total_seconds()
        return min(max((due - now).total_seconds(), 0.0), POLL.total_seconds()) if due else POLL.total_seconds()

    async def _run_lane(self, lane: Lane) -> None:
        renewing = asyncio.create_task(self._renew(lane))
        try:
            await self._drain(lane)
        except LeaseLost:
            self._log.warning("lease_lost", business=lane.business, fence=lane.fence)
        except DatabaseUnavailable as error:
            self._log.error("database_unavailable", business=lane.business, exc_info=error)
        except asyncio.CancelledError:
            self._log.warning("lane_given_back", business=lane.business, fence=lane.fence)
        except Exception as error:  # noqa: BLE001 - the worker's edge: one lane must not end the others
            self._log.error("lane_failed", business=lane.business, exc_info=error)
            self._resting[lane.business] = self._clock.now() + FAULT_REST
        finally:
            renewing.cancel()
            with suppress(DatabaseUnavailable):
                await self._work.release(lane)

    async def _drain(self, lane: Lane) -> None:
        drain = self._lanes[lane.business]
        while not self._stopping and (outcomes := await drain(lane)):
            for outcome in outcomes:
                self._tell(lane, outcome)

    def _tell(self, lane: Lane, outcome: Outcome) -> None:
        self._log.info(
            "looked",
            business=lane.business,
            subject_kind=outcome.item.subject.kind,
            subject_id=outcome.item.subject.id,
            ending=outcome.ending.value,
            reason=outcome.reason,
            attempts=outcome.item.attempts,
        )
        if self._on_outcome is not None:
            self._on_outcome(outcome)

    async def _renew(self, lane: Lane) -> None:
        """Keep the lease alive, as long as it can be.

        Work under a lost lease is not cut off: the fence refuses its next record, and only a call that came to
        its end can be marked as one whose effect is unknown.
        """
        never, kept = asyncio.Event(), True
        while kept:
            await self._clock.wait(never, seconds=self._lease.total_seconds() / 3)
            with suppress(DatabaseUnavailable):
                kept = await self._work.renew(lane, self._lease)

    async def _finish(self, grace: timedelta) -> None:
        self._stopping = True
        running = set(self._running.values())
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=grace.total_seconds())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
