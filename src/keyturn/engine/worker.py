"""Claim a business, work on what is due in it, hand it back.

The unit of distribution is the business: a *lane*, held by a lease that is renewed while work
goes on. A worker killed anywhere loses its lease; another takes the lane over and every step can
be repeated. Work within a lane is in batches; different lanes run side by side. Between two batches
a lane gives way: to a command that waits for it, and after a while to other lanes that wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from keyturn.clock import Clock
from keyturn.core.ids import BusinessCode
from keyturn.core.work import Lane, Outcome
from keyturn.engine.lease import Lease
from keyturn.errors import DatabaseUnavailable, LeaseLost
from keyturn.logs import logger
from keyturn.store.news import MANY
from keyturn.store.work import Work

MOST_LANES = 64
POLL = timedelta(seconds=1)
"""How often an idle worker looks for work that another process may have woken."""

TURN = timedelta(seconds=10)
"""How long a lane may be worked on while other lanes wait for their turn."""
WAY = timedelta(seconds=1)
"""How long a lane that gave way to others is left alone."""
FAULT_REST = timedelta(seconds=30)
"""How long a lane that a fault of ours ended is left alone, so that it does not run hot."""
STRANGER_REST = timedelta(minutes=1)
"""How long a business that nobody serves any more is left alone. It may be served again: an installation is back."""

Tell = Callable[[Outcome], None]
"""Hears how a look ended, once that is recorded."""


class Batches(Protocol):
    """What is due in a lane, batch by batch; at the end of the block nothing is under way any more."""

    async def next_batch(self) -> bool:
        """Work on what is due next; `False` means that nothing is due, nor under way. Raises `LeaseLost`."""
        ...


StartShift = Callable[[Lane, asyncio.Event, Tell], AbstractAsyncContextManager[Batches]]
"""Starts work on a lane; the event is set when more may be due in it."""
OpenLane = Callable[[BusinessCode], Awaitable[StartShift | None]]
"""Says how to work on a business; `None` where nobody serves it (any more)."""
Allow = Callable[[BusinessCode, Callable[[], bool]], None]
"""Told, in the task that works on a business, who says whether its calls may still start."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A lane that is being worked on."""

    task: asyncio.Task[None]
    news: asyncio.Event
    """Set when more may be due in it."""


class Worker:
    """Runs lanes until told to stop."""

    def __init__(
        self,
        *,
        name: str,
        clock: Clock,
        work: Work,
        open_lane: OpenLane,
        lease: timedelta,
        allow: Allow,
        ready: Callable[[], bool] = lambda: True,
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> None:
        """`ready` says whether a lane may be claimed now; when it turns true, call `notify`."""
        self.name = name
        self._clock = clock
        self._work = work
        self._open_lane = open_lane
        self._lease = lease
        self._allow = allow
        self._ready = ready
        self._on_outcome = on_outcome
        self._woken = asyncio.Event()
        self._running: dict[BusinessCode, _Running] = {}
        self._resting: dict[BusinessCode, datetime] = {}
        """Lanes to leave alone until then: a fault of ours ended them, or the settings no longer have the business."""
        self._stopping = False
        self.alive = False
        """Whether `run` is at work."""
        self._log = logger()

    def notify(self, business: str = MANY) -> None:
        """Say that there is new work, so that it is started at once: by an idle worker, or in the lane at work."""
        for code, running in self._running.items():
            if business in {code, MANY}:
                running.news.set()
        if business not in self._running:
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
                await asyncio.wait(self._tasks(), return_when=asyncio.FIRST_COMPLETED)

    def _tasks(self) -> set[asyncio.Task[None]]:
        return {running.task for running in self._running.values()}

    async def _stop_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping = True
        self.notify()

    async def _claim(self) -> bool:
        """Start work on one more lane; say whether there was one."""
        if not self._has_room():
            return False
        asked_at = self._clock.now()
        try:
            lane = await self._work.claim(self.name, lease=self._lease, avoid=self._avoided())
        except DatabaseUnavailable as error:
            self._log.error("database_unavailable", exc_info=error)
            return False
        if lane is None:
            return False
        lease = Lease(lane, work=self._work, clock=self._clock, length=self._lease, asked_at=asked_at)
        news = asyncio.Event()
        task = asyncio.create_task(self._run_lane(lease, news))
        self._running[lane.business] = _Running(task, news)
        task.add_done_callback(lambda _: self._ended(lane.business))
        return True

    def _has_room(self) -> bool:
        return len(self._running) < MOST_LANES and self._ready()

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
        if not self._has_room():
            return POLL.total_seconds()
        now = self._clock.now()
        try:
            due = await self._work.next_due(now, avoid=self._avoided())
        except DatabaseUnavailable:
            return POLL.total_seconds()
        return min(max((due - now).total_seconds(), 0.0), POLL.total_seconds()) if due else POLL.total_seconds()

    async def _run_lane(self, lease: Lease, news: asyncio.Event) -> None:
        lane, keeping = lease.lane, asyncio.create_task(lease.keep())
        try:
            await self._work_on(lease, news)
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
            keeping.cancel()
            await lease.give_back()

    async def _work_on(self, lease: Lease, news: asyncio.Event) -> None:
        lane = lease.lane
        start = await self._open_lane(lane.business)
        if start is None:
            self._log.warning("business_unknown", business=lane.business)
            self._resting[lane.business] = self._clock.now() + STRANGER_REST
            return
        self._allow(lane.business, lease.holds)
        turn_ends, gives_way = self._clock.now() + TURN, False
        async with start(lane, news, partial(self._tell, lane)) as batches:
            while not (self._stopping or gives_way) and await batches.next_batch():
                if await self._work.is_asked_for(lane):
                    return
                gives_way = self._clock.now() >= turn_ends and await self._others_wait()
        if gives_way:
            self._resting[lane.business] = self._clock.now() + WAY

    async def _others_wait(self) -> bool:
        """Say whether a lane is due that has no room beside those that are being worked on."""
        if len(self._running) < MOST_LANES:
            return False
        now = self._clock.now()
        due = await self._work.next_due(now, avoid=self._avoided())
        return due is not None and due <= now

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

    async def _finish(self, grace: timedelta) -> None:
        self._stopping = True
        running = self._tasks()
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=grace.total_seconds())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
