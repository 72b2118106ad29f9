"""One claim of a lane, batch by batch: the doors of the next batch do not wait until the last one is shown.

First the rows that only find rentals, then up to fifty rentals. Each batch ends with one transaction that
records every outcome under the lane's fence. As soon as its doors are right the next batch is read, while
what has become of it is still being written to Storeganise. Batches are shown in the order in which they were
taken, and no owner is in two of them (`engine.batch`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from keyturn import telemetry
from keyturn.core.work import Kind, WorkItem
from keyturn.engine.batch import MOST, Batch, Parts
from keyturn.engine.resolve import Resolver
from keyturn.engine.steps import together
from keyturn.engine.worker import Tell

FINDERS = (Kind.JOB, Kind.OWNER, Kind.UNIT, Kind.SWEEP)
MOST_UNDER_WAY = 4
"""Batches begun and not recorded: enough that doors seldom wait, few enough that a lane is soon given back."""


class Shift:
    """What happens in a lane between its claim and its release; at its end nothing is under way any more."""

    def __init__(self, *, parts: Parts, resolver: Resolver, news: asyncio.Event, tell: Tell) -> None:
        """`news` is set when more may be due in the lane; `tell` hears of every outcome once it is recorded."""
        self._parts = parts
        self._lane = parts.lane
        self._work = parts.books.work
        self._resolver = resolver
        self._news = news
        self._tell = tell
        self._under_way: deque[tuple[Batch, asyncio.Task[None]]] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let what is under way end; cancel it where the shift was cancelled. Raises its failure, if there is no other.

        A batch that is still making a call must come to its end, or nobody records what the call did.
        """
        tasks = [task for _, task in self._under_way]
        if isinstance(error, asyncio.CancelledError):
            for task in tasks:
                task.cancel()
        if error is None:
            await together(tasks)
        else:
            await asyncio.gather(*tasks, return_exceptions=True)

    async def next_batch(self) -> bool:
        """Work on what is due next, rentals as far as their doors; `False`: nothing is due and nothing under way.

        Where nothing is due, it returns when there is news or a batch has ended. Raises `LeaseLost`,
        `DatabaseUnavailable`, and what a fault of ours raised in a batch.
        """
        self._news.clear()
        self._reap()
        if await self._find() or await self._look():
            return True
        if not self._under_way:
            return False
        await self._news.wait()
        return True

    async def _find(self) -> bool:
        items = await self._work.take(self._lane, kinds=FINDERS, limit=MOST)
        outcomes = await together(self._resolver.resolve(item) for item in items)
        if outcomes:
            await self._work.finish(self._lane, outcomes)
        for outcome in outcomes:
            self._tell(outcome)
        return bool(outcomes)

    async def _look(self) -> bool:
        """Begin to look at a batch, and return when its doors are right or it ended otherwise."""
        if len(self._under_way) == MOST_UNDER_WAY:
            await self._under_way.popleft()[1]
        items = await self._work.take(self._lane, kinds=(Kind.RENTAL,), limit=MOST)
        if not items:
            return False
        batch = Batch(self._parts, ahead=[batch for batch, _ in self._under_way])
        task = asyncio.create_task(self._through(batch, items), name="a batch")
        self._under_way.append((batch, task))
        await batch.at_doors.wait()
        return True

    async def _through(self, batch: Batch, items: Sequence[WorkItem]) -> None:
        only = items[0].subject.id if len(items) == 1 else None
        traces, code = [item.trace for item in items], self._lane.business
        try:
            with telemetry.woken("look", traces, business=code, count=len(items), subject_id=only) as span:
                outcomes = await batch.look(items)
                span.note(ending=outcomes[0].ending if only is not None else None)
                await self._work.finish(self._lane, outcomes)
        finally:
            batch.end()
            self._news.set()
        for outcome in outcomes:
            self._tell(outcome)

    def _reap(self) -> None:
        """Forget batches that have ended; raise what made one fail."""
        while self._under_way and self._under_way[0][1].done():
            self._under_way.popleft()[1].result()
