"""The worker: which lanes it takes, when a lane gives way, and until when calls may start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from contract.store_work import ACME, BOXES, LEASE, claimed, ended, rental
from databases import START, Place
from keyturn.clock import MovableClock
from keyturn.core.ids import BusinessCode
from keyturn.core.work import Kind, Lane
from keyturn.engine.lease import Lease, held_first
from keyturn.engine.worker import MOST_LANES, TURN, StartShift, Tell, Worker
from keyturn.store.database import Database
from keyturn.store.work import Work

PATIENCE_S = 60
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class OneByOne:
    """Batches, one after the other."""

    next_batch: Callable[[], Coroutine[None, None, bool]]


class Bench:
    """A worker whose lanes do what a test says, on a real database."""

    def __init__(self, database: Database, *, ready: Callable[[], bool] = lambda: True) -> None:
        self.work = Work(database)
        self.clock = database.clock
        self.looks: list[BusinessCode] = []
        self.endless: set[BusinessCode] = set()
        self.permits: dict[BusinessCode, Callable[[], bool]] = {}
        self.turnstile: asyncio.Semaphore | None = None
        """Where endless lanes wait in the middle of a batch, if they shall."""
        self._looked = asyncio.Event()
        self.worker = Worker(
            name="one",
            clock=database.clock,
            work=self.work,
            open_lane=self._open,
            lease=LEASE,
            allow=self.permits.__setitem__,
            ready=ready,
        )

    async def wake(self, *businesses: BusinessCode, endless: bool = False) -> None:
        """Wake a rental of each; `endless` ones are due again after each look."""
        for business in businesses:
            await self.work.wake(business, [rental(1)], "x")
        if endless:
            self.endless.update(businesses)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let the worker run for the length of the block."""
        stop = asyncio.Event()
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(self.worker.run(stop))
            try:
                yield
            finally:
                stop.set()

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until a look makes it true."""
        while not enough():
            self._looked.clear()
            await self._looked.wait()

    async def _open(self, _business: BusinessCode) -> StartShift:
        return self._start

    @asynccontextmanager
    async def _start(self, lane: Lane, _news: asyncio.Event, _tell: Tell) -> AsyncIterator[OneByOne]:
        yield OneByOne(partial(self._batch, lane))

    async def _batch(self, lane: Lane) -> bool:
        items = await self.work.take(lane, list(Kind), limit=50)
        self.looks.extend(lane.business for _ in items)
        self._looked.set()
        if self.turnstile is not None and lane.business in self.endless:
            await self.turnstile.acquire()
        again_at = self.clock.now() if lane.business in self.endless else None
        outcomes = [ended(item, again_at=again_at) for item in items]
        if outcomes:
            await self.work.finish(lane, outcomes)
        return bool(outcomes)


async def test_a_busy_lane_gives_way_to_a_command(database: Database, clock: MovableClock) -> None:
    """A lane with work without end is handed over after the batch, and worked on again afterwards."""
    bench = Bench(database)
    await bench.wake(ACME, endless=True)
    async with bench.running():
        await bench.until(lambda: len(bench.looks) > 3)
        ticking = asyncio.create_task(tick(clock))
        async with held_first(
            ACME, work=bench.work, clock=clock, holder="command", length=LEASE, patience=LEASE
        ) as lease:
            ticking.cancel()
            done = len(bench.looks)
            await bench.wake(BOXES)
            bench.worker.notify()
            await bench.until(lambda: BOXES in bench.looks)

            assert lease.holds()
            assert bench.looks[done:] == [BOXES]
        bench.worker.notify()
        await bench.until(lambda: bench.looks[-1] == ACME)


async def tick(clock: MovableClock) -> None:
    """Let time pass slowly, for whoever waits."""
    while True:
        turn = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, turn.set)
        await turn.wait()
        clock.advance(timedelta(milliseconds=50))


async def test_long_lanes_give_way_to_others(sqlite_place: Place, clock: MovableClock) -> None:
    """With as many lanes under way as there may be, one more gets its turn once one of them has had its own."""
    bench = Bench(await sqlite_place.open())
    busy = [BusinessCode(f"b{number:02}") for number in range(MOST_LANES)]
    await bench.wake(*busy, endless=True)
    bench.turnstile = asyncio.Semaphore(0)
    async with bench.running():
        await bench.until(lambda: set(bench.looks) == set(busy))
        await bench.wake(ACME)
        bench.worker.notify()
        done = len(bench.looks)
        bench.turnstile.release()
        await bench.until(lambda: len(bench.looks) > done)

        assert ACME not in bench.looks

        clock.advance(TURN)
        bench.turnstile.release()
        await bench.until(lambda: ACME in bench.looks)
        for _ in range(2 * MOST_LANES):
            bench.turnstile.release()


async def test_a_worker_that_is_not_ready_claims_nothing(database: Database) -> None:
    """Without a share of the backends it leaves the lanes to others, and starts when it is told."""
    ready: list[bool] = []
    bench = Bench(database, ready=lambda: bool(ready))
    await bench.wake(ACME)
    await bench.worker.settle()

    assert bench.looks == []
    assert await bench.work.claim("another", lease=LEASE) is not None

    await bench.wake(BOXES)
    async with bench.running():
        ready.append(True)
        bench.worker.notify()
        await bench.until(lambda: bench.looks == [BOXES])


async def test_calls_may_start_while_the_lease_is_renewed(database: Database, clock: MovableClock) -> None:
    """A lease that is renewed in time holds on; one that was given back does not."""
    work = Work(database)
    await work.wake(ACME, [rental(1)], "x")
    lease = Lease(await claimed(work), work=work, clock=clock, length=LEASE, asked_at=clock.now())
    keeping = asyncio.create_task(lease.keep())
    for _ in range(6):
        before = await free_at(work)
        clock.advance(LEASE / 3)
        async with asyncio.timeout(PATIENCE_S):
            while await free_at(work) == before:
                clock.advance(LEASE / 300)  # the first step may come before the lease waits for it

        assert lease.holds()
    keeping.cancel()
    await lease.give_back()

    assert not lease.holds()


async def free_at(work: Work) -> datetime | None:
    """Return when the only lane is free for others."""
    return await work.next_due(START)


async def test_calls_may_not_start_when_the_lease_was_not_renewed(sqlite_place: Place, clock: MovableClock) -> None:
    """Without its database a worker stops calling when the lease is over, counted from before it asked for it."""
    database = await sqlite_place.open()
    work, asked_at = Work(database), clock.now()
    await work.wake(ACME, [rental(1)], "x")
    clock.advance(SECOND)
    lease = Lease(await claimed(work), work=work, clock=clock, length=LEASE, asked_at=asked_at)
    keeping = asyncio.create_task(lease.keep())
    await database.close()
    clock.advance(LEASE - SECOND - timedelta(microseconds=1))

    assert lease.holds()

    clock.advance(timedelta(microseconds=1))

    assert not lease.holds()

    keeping.cancel()
    await lease.give_back()


async def test_an_idle_lane_permits_nothing(database: Database) -> None:
    """What a business' calls were permitted under is over when its lane is let go."""
    bench = Bench(database)
    await bench.wake(ACME)
    await bench.worker.settle()

    assert bench.looks == [ACME]
    assert bench.permits[ACME]() is False


async def test_a_lease_that_others_took_over_permits_nothing(database: Database, clock: MovableClock) -> None:
    """Whatever our own clock says: once the database says that it is lost, no call starts."""
    work = Work(database)
    await work.wake(ACME, [rental(1)], "x")
    lane = await claimed(work)
    lease = Lease(lane, work=work, clock=clock, length=LEASE, asked_at=clock.now() + 3 * LEASE)
    clock.advance(LEASE)
    await claimed(work, holder="another")
    assert lease.holds()
    passing = asyncio.create_task(tick(clock))
    async with asyncio.timeout(PATIENCE_S):
        await lease.keep()
    passing.cancel()

    assert not lease.holds()
