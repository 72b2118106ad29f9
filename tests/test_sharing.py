"""What one process may have under way to each backend, alone and beside others."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

from databases import Place
from keyturn.clock import MovableClock
from keyturn.core.ids import TenantUrl
from keyturn.sharing import Sharing
from keyturn.store.database import Database
from keyturn.store.news import SHARES
from keyturn.store.shares import Shares
from keyturn.upstream.limiter import Limiter

LEASE = timedelta(seconds=15)
DOOR, OTHER_DOOR = TenantUrl("https://door.example"), TenantUrl("https://other.example")
PATIENCE_S = 20


class Process:
    """One worker process, as far as its share goes."""

    def __init__(self, database: Database, name: str, limit: int = 8) -> None:
        self._database = database
        self._changed = asyncio.Event()
        self.sharing = Sharing(amount=limit, clock=database.clock, shares=Shares(database), holder=name, lease=LEASE)
        self.sharing.on_change = self._changed.set
        self._doors = [self.sharing.limiter(DOOR), self.sharing.limiter(OTHER_DOOR)]

    @property
    def door(self) -> Limiter:
        """One backend's limiter."""
        return self._doors[0]

    async def start(self, stack: AsyncExitStack) -> None:
        """Join the others, and listen to them."""
        stop = asyncio.Event()
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        stack.callback(stop.set)
        tasks.create_task(self._database.listen(self._hear, stop))
        await stack.enter_async_context(self.sharing.joined())

    async def until_free(self, amount: int) -> None:
        """Wait until exactly so many calls may start."""
        async with asyncio.timeout(PATIENCE_S):
            while self.door.free != amount:
                self._changed.clear()
                await self._changed.wait()

    def _hear(self, news: str) -> None:
        if news == SHARES:
            self.sharing.heard()


async def test_alone_it_has_everything(sqlite_place: Place) -> None:
    """Without others the whole amount counts, for each backend, and time changes nothing."""
    process = Process(await sqlite_place.open(), "one")

    assert (process.door.free, process.sharing.limiter(OTHER_DOOR).free, process.sharing.any) == (8, 8, True)


async def test_two_come_to_have_half_each(postgres_place: Place) -> None:
    """The second starts with nothing, the first gives back, and neither has to wait for a heartbeat."""
    one, two = Process(await postgres_place.open(), "one"), Process(await postgres_place.open(), "two")
    async with AsyncExitStack() as stack:
        await one.start(stack)

        assert one.sharing.any is False

        await one.until_free(8)
        await two.start(stack)
        await one.until_free(4)
        await two.until_free(4)

    assert one.door.free == 4  # after its end nothing changes any more


async def test_calls_under_way_are_given_back_when_they_end(postgres_place: Place) -> None:
    """A process whose calls are too many lets them end before another may have their turns."""
    one, two = Process(await postgres_place.open(), "one"), Process(await postgres_place.open(), "two")
    async with AsyncExitStack() as stack:
        await one.start(stack)
        await one.until_free(8)
        calls = AsyncExitStack()
        for _ in range(6):
            await calls.enter_async_context(one.door)
        await two.start(stack)
        await two.until_free(2)

        assert (one.door.free, two.sharing.any) == (0, True)

        await calls.aclose()
        await two.until_free(4)
        await one.until_free(4)


async def test_whoever_leaves_leaves_everything(postgres_place: Place) -> None:
    """The other has it all again."""
    one, two = Process(await postgres_place.open(), "one"), Process(await postgres_place.open(), "two")
    async with AsyncExitStack() as stack:
        await one.start(stack)
        async with AsyncExitStack() as second:
            await two.start(second)
            await one.until_free(4)
        await one.until_free(8)


async def test_a_share_that_could_not_be_renewed(postgres_place: Place, clock: MovableClock) -> None:
    """Some time before it runs out in the database no call starts any more; once renewed, calls start again."""
    database = await postgres_place.open()
    one = Process(database, "one")
    async with AsyncExitStack() as stack:
        await one.start(stack)
        await one.until_free(8)
        await postgres_place.close()
        clock.advance(LEASE * 2 / 3)

        assert (one.door.free, one.sharing.any) == (0, False)
