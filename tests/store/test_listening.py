"""What processes on one PostgreSQL hear of each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from contract.store_work import ACME, BOXES, LEASE, MINUTE, claimed, ended, rental, taken
from databases import Place
from keyturn.clock import SystemClock
from keyturn.core.ids import BusinessCode
from keyturn.store.database import Database
from keyturn.store.lanes import business_scope
from keyturn.store.news import MANY, SHARES, tell
from keyturn.store.shares import Shares
from keyturn.store.waking import wake
from keyturn.store.work import Work
from store.test_postgres import KILL_OTHERS

PATIENCE_S = 20


class Ear:
    """Keeps what one process hears."""

    def __init__(self) -> None:
        self.news: list[str] = []
        self._more = asyncio.Event()

    def hear(self, news: str) -> None:
        """Take one piece of news."""
        self.news.append(news)
        self._more.set()

    async def until(self, enough: Callable[[list[str]], bool]) -> list[str]:
        """Wait until the news are enough, and return them."""
        async with asyncio.timeout(PATIENCE_S):
            while not enough(self.news):
                self._more.clear()
                await self._more.wait()
        return self.news


@asynccontextmanager
async def listening(database: Database) -> AsyncIterator[Ear]:
    """Listen for the length of the block; what is heard at first, for whatever was missed, is dropped."""
    ear, stop = Ear(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(database.listen(ear.hear, stop))
        await ear.until(bool)
        ear.news.clear()
        yield ear
        stop.set()


async def last(database: Database) -> None:
    """Say something by which the listener knows that nothing else comes."""
    await database.write(lambda connection: tell(connection, SHARES))


def before_the_last(news: list[str]) -> list[str]:
    """Return what was heard before that."""
    return news[: news.index(SHARES)]


@pytest.fixture
async def machines(postgres_place: Place) -> tuple[Database, Database]:
    """Give two processes' databases."""
    return await postgres_place.open(), await postgres_place.open()


async def test_a_wake_is_heard(machines: tuple[Database, Database]) -> None:
    """What one process wakes, another hears, by the business' code."""
    async with listening(machines[1]) as ear:
        await Work(machines[0]).wake(ACME, [rental(1), rental(2)], "x")

        assert await ear.until(bool) == [ACME]


async def test_one_message_per_commit(machines: tuple[Database, Database]) -> None:
    """Writes that share a commit are announced together, each business once."""
    work = Work(machines[0])
    async with listening(machines[1]) as ear:
        await asyncio.gather(*(work.wake(BusinessCode(f"b{n % 5}"), [rental(n)], "x") for n in range(40)))
        await last(machines[0])
        heard = before_the_last(await ear.until(lambda news: SHARES in news))

        assert set(heard) == {f"b{n}" for n in range(5)}
        assert len(heard) < 20


async def test_more_than_a_message_can_hold(machines: tuple[Database, Database]) -> None:
    """A commit for more businesses than can be named is announced without names."""

    def crowd(connection: Connection) -> None:
        for number in range(200):
            tell(connection, BusinessCode(f"{number:063}"))

    async with listening(machines[1]) as ear:
        await machines[0].write(crowd)

        assert await ear.until(bool) == [MANY]


async def test_nothing_is_heard_of_what_wakes_nothing(machines: tuple[Database, Database]) -> None:
    """Claims, planned looks and looks that end need no announcement."""
    work = Work(machines[0])
    await work.wake(ACME, [rental(1)], "x")
    async with listening(machines[1]) as ear:
        lane = await claimed(work)
        items = await taken(work, lane)
        await work.wake(BOXES, [rental(1)], "x", at=machines[0].clock.now() + MINUTE)
        await work.renew(lane, LEASE)
        await work.finish(lane, [ended(item) for item in items])
        await work.release(lane)
        await last(machines[0])

        assert before_the_last(await ear.until(lambda news: SHARES in news)) == []


async def test_a_lane_in_hand_is_heard_of(machines: tuple[Database, Database]) -> None:
    """Its holder may be waiting for what is under way; a lane that is given back with work left is news again."""
    work = Work(machines[0])
    await work.wake(ACME, [rental(1)], "x")
    lane = await claimed(work)
    async with listening(machines[1]) as ear:
        await work.wake(ACME, [rental(2)], "x")

        assert await ear.until(bool) == [ACME]

        await work.release(lane)

        assert await ear.until(lambda news: len(news) > 1) == [ACME, ACME]


async def test_a_write_that_is_rolled_back_is_not_heard(machines: tuple[Database, Database]) -> None:
    """Neither alone, nor among others that succeed."""

    def broken(connection: Connection) -> None:
        wake(connection, BOXES, [rental(1)], "x", now=machines[0].clock.now())
        raise ZeroDivisionError

    def harmless(_connection: Connection) -> None:
        """Write nothing."""

    await Work(machines[0]).wake(BOXES, [rental(1)], "so that it has a lane")
    async with listening(machines[1]) as ear:
        with pytest.raises(ZeroDivisionError):
            await machines[0].write(broken)
        await asyncio.gather(
            machines[0].write(harmless), machines[0].write(broken), machines[0].write(harmless), return_exceptions=True
        )
        await last(machines[0])

        assert before_the_last(await ear.until(lambda news: SHARES in news)) == []


async def test_shares_are_heard_when_they_change(machines: tuple[Database, Database]) -> None:
    """Joining and leaving is news, renewing is none."""
    shares, lease = Shares(machines[0]), timedelta(seconds=15)
    async with listening(machines[1]) as ear:
        await shares.renew("one", asked=0, limit=8, lease=lease)
        await shares.renew("one", asked=8, limit=8, lease=lease)
        await shares.leave("one")
        await Work(machines[0]).wake(ACME, [rental(1)], "x")

        assert await ear.until(lambda news: ACME in news) == [SHARES, SHARES, ACME]


async def test_a_lost_connection_is_mended(postgres_place: Place) -> None:
    """The server cuts the listener off; it comes back, says that something may have been missed, and hears again."""
    speaker, listener = await postgres_place.open(), await postgres_place.open(clock=SystemClock())
    async with listening(listener) as ear:
        await speaker.read(lambda connection: connection.execute(KILL_OTHERS).scalar_one())

        assert await ear.until(bool) == [MANY]

        await Work(speaker).wake(ACME, [rental(1)], "x")

        assert await ear.until(lambda news: len(news) > 1) == [MANY, ACME]


async def test_an_unreachable_server_can_be_left(postgres_place: Place) -> None:
    """Listening ends when it is told to, also while nobody answers."""
    database, stop = await postgres_place.open(), asyncio.Event()
    listener = asyncio.create_task(database.listen(lambda _: stop.set(), stop))
    async with asyncio.timeout(PATIENCE_S):
        await listener

    assert stop.is_set()


async def test_the_embedded_database_hears_nothing(sqlite_place: Place) -> None:
    """It waits for the end."""
    database, stop, ear = await sqlite_place.open(), asyncio.Event(), Ear()
    listener = asyncio.create_task(database.listen(ear.hear, stop))
    await database.write(
        lambda connection: wake(connection, ACME, [rental(1)], "x", now=database.clock.now()),
        scope=business_scope(ACME),
    )
    stop.set()
    await listener

    assert ear.news == []
