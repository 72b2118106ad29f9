"""One claim of a lane, batch by batch: the next batch does not wait until the last one is done.

First the rows that only find rentals, then up to fifty rentals. Each batch ends with one transaction that
records every outcome under the lane's fence. As soon as a batch is read the next one is, while the doors of the
first are set right and what has become of it is shown in Storeganise (`engine.batch`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from keyturn import telemetry
from keyturn.core.work import Kind, Outcome, WorkItem
from keyturn.engine.batch import MOST, Batch, Parts, Stage
from keyturn.engine.resolve import Resolver
from keyturn.engine.steps import together
from keyturn.engine.worker import Tell

FINDERS = (Kind.JOB, Kind.OWNER, Kind.UNIT, Kind.SWEEP)
RENTALS = (Kind.RENTAL,)
MOST_AT_DOORS = 3
"""Batches that set doors right at once: few, so that those to come gather."""
MOST_UNDER_WAY = 2 * MOST
"""With so many rentals under way none is added: doors seldom wait, and a lane is soon given back."""
LOOK_EVERY_S = 1.0
"""How often what is planned is looked for while batches are under way."""


class Shift:
    """What happens in a lane between its claim and its release; at its end nothing is under way any more."""

    def __init__(self, *, parts: Parts, resolver: Resolver, tell: Tell) -> None:
        """`tell` hears of every outcome once it is recorded."""
        self._parts = parts
        self._lane = parts.lane
        self._work = parts.books.work
        self._resolver = resolver
        self._news = parts.news
        self._tell = tell
        self._moved = asyncio.Event()
        self._emptied = False
        """Whether nothing more was due when last asked."""
        self._under_way: list[tuple[Batch, asyncio.Task[None]]] = []

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
        """Begin work on what is due next; `False`: nothing is due and nothing under way.

        While there is no room, or nothing due, it returns when that may have changed. Raises `LeaseLost`,
        `DatabaseUnavailable`, and what a fault of ours raised in a batch.
        """
        if not self._has_room():
            self._moved.clear()
            await self._moved.wait()
            return True
        if self._emptied and self._under_way:
            await self._parts.clock.wait(self._news, seconds=LOOK_EVERY_S)
            self._emptied = False
            return True
        self._news.clear()
        self._reap()
        items = await self._work.take(self._lane, FINDERS, RENTALS, limit=MOST)
        self._emptied = len(items) < MOST
        if not items:
            return bool(self._under_way)
        if items[0].subject.kind == Kind.RENTAL.value:
            self._look(items)
        else:
            await self._find(items)
        return True

    def _has_room(self) -> bool:
        stages = [batch.stage for batch, _ in self._under_way]
        rentals = sum(len(batch.items) for batch, _ in self._under_way if batch.stage is not Stage.ENDED)
        crowded = Stage.READING in stages or stages.count(Stage.AT_DOORS) == MOST_AT_DOORS
        return not (crowded or rentals >= MOST_UNDER_WAY)

    async def _find(self, items: Sequence[WorkItem]) -> None:
        outcomes = await together(self._resolver.resolve(item) for item in items)
        await self._record(outcomes)
        self._emptied = False

    def _look(self, items: Sequence[WorkItem]) -> None:
        ahead = [batch for batch, _ in self._under_way]
        batch = Batch(self._parts, items, ahead=ahead, on_stage=self._moved.set)
        self._under_way.append((batch, asyncio.create_task(self._through(batch), name="a batch")))

    async def _through(self, batch: Batch) -> None:
        items, code = batch.items, self._lane.business
        only = items[0].subject.id if len(items) == 1 else None
        traces = [item.trace for item in items]
        try:
            with telemetry.woken("look", traces, business=code, count=len(items), subject_id=only) as span:
                outcomes = await batch.look()
                span.note(ending=outcomes[0].ending if only is not None else None)
                await self._record(outcomes)
        finally:
            batch.end()
            self._news.set()

    async def _record(self, outcomes: Sequence[Outcome]) -> None:
        await self._work.finish(self._lane, outcomes)
        for outcome in outcomes:
            self._tell(outcome)

    def _reap(self) -> None:
        """Forget batches that have ended; raise what made one fail."""
        for ended in [entry for entry in self._under_way if entry[1].done()]:
            self._under_way.remove(ended)
            ended[1].result()
