"""No order of wakes, looks, endings and deaths of workers loses a wake, on any database."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.store_work import LEASE, ended, rental, taken
from databases import Place
from keyturn.clock import MovableClock
from keyturn.core.ids import BusinessCode
from keyturn.core.work import Ending, Lane, WorkItem
from keyturn.errors import LeaseLost
from keyturn.store.database import Database
from keyturn.store.words import WorkState
from keyturn.store.work import Work

SECOND = timedelta(seconds=1)
NUMBERS = count(1)

steps = st.one_of(
    st.tuples(st.just("wake"), st.integers(1, 3)),
    st.tuples(st.just("wake later"), st.integers(1, 3)),
    st.tuples(st.just("take"), st.integers(1, 2)),
    st.tuples(st.just("finish"), st.sampled_from(list(Ending))),
    st.tuples(st.just("pass"), st.integers(1, 20)),
    st.tuples(st.just("release"), st.just(0)),
)


class World:
    """One worker and one business, and how often each rental was woken."""

    def __init__(self, work: Work, clock: MovableClock) -> None:
        self.work = work
        self.clock = clock
        self.business = BusinessCode(f"w{next(NUMBERS)}")
        self.woken: Counter[int] = Counter()
        self.lane: Lane | None = None
        self.running: list[WorkItem] = []

    async def step(self, name: str, value: int | Ending) -> None:
        """Do one thing."""
        match name, value:
            case "wake" | "wake later", int():
                at = self.clock.now() + 5 * SECOND if name == "wake later" else None
                await self.work.wake(self.business, [rental(value)], "x", at=at)
                self.woken[value] += 1
            case "take", int():
                await self.take(value)
            case "finish", Ending():
                await self.finish(value)
            case "pass", int():
                self.clock.advance(value * SECOND)
            case _:
                await self.release()

    async def take(self, limit: int) -> None:
        """Take what is due, in a lane claimed before or now; what runs already never comes again."""
        if self.lane is None:
            self.lane = await self.work.claim("worker", lease=LEASE)
        if self.lane is None:
            return
        try:
            items = await taken(self.work, self.lane, limit=limit)
        except LeaseLost:
            self.lane, self.running = None, []
        else:
            assert not {item.subject for item in items} & {item.subject for item in self.running}
            self.running += items

    async def finish(self, ending: Ending) -> None:
        """End the oldest look."""
        if self.lane is None or not self.running:
            return
        item = self.running.pop(0)
        try:
            await self.work.finish(self.lane, [ended(item, ending, self.clock.now() + 3 * SECOND)])
        except LeaseLost:
            self.lane, self.running = None, []

    async def release(self) -> None:
        """Let the lane go with whatever runs."""
        if self.lane is not None:
            await self.work.release(self.lane)
            self.lane, self.running = None, []

    async def drain(self) -> None:
        """Let time pass until nothing is left to do, with a worker that succeeds."""
        await self.release()
        while (due := await self.work.next_due(self.clock.now())) is not None:
            self.clock.advance_to(due)
            lane = await self.work.claim("worker", lease=LEASE)

            assert lane is not None  # what `next_due` promises

            await self.work.finish(lane, [ended(item) for item in await taken(self.work, lane)])
            await self.work.release(lane)


class NeverLostContract:
    """Every wake is answered by a look that began after it."""

    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(script=st.lists(steps, max_size=25))
    async def test_every_wake_is_answered(
        self, database: Database, clock: MovableClock, script: list[tuple[str, int | Ending]]
    ) -> None:
        """When all is quiet each row has answered all its wakes, and nothing is left running or due."""
        world = World(Work(database), clock)
        for name, value in script:
            await world.step(name, value)
        await world.drain()
        rows = {number: await world.work.row(world.business, rental(number)) for number in world.woken}

        assert {number: row and (row.wanted, row.handled, row.state, row.due_at) for number, row in rows.items()} == {
            number: (wakes, wakes, WorkState.IDLE, None) for number, wakes in world.woken.items()
        }
        assert (await world.work.load(clock.now())).oldest_due is None

    async def test_nothing_else_is_needed(self, database_place: Place) -> None:
        """A second worker finds what the first left, in a new process."""
        first = await database_place.open()
        work = Work(first)
        business = BusinessCode("acme")
        await work.wake(business, [rental(1)], "x")
        lane = await work.claim("worker", lease=LEASE)

        assert lane is not None

        await taken(work, lane)
        await first.close()
        second = await database_place.open()
        due = await Work(second).next_due(second.clock.now())

        assert due == second.clock.now() + LEASE
