"""A database server in memory, for services that share it: the real SQL, in one thread, in virtual time.

Every commit takes a short while and every machine may crash before it, after it, or before it hears of it.
Like PostgreSQL it has one clock, and tells the others what was committed.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from histories.host import Host, running_on
from keyturn.clock import Clock
from keyturn.errors import DatabaseUnavailable
from keyturn.store.database import Apart, Database, Heard
from keyturn.store.group_commit import GroupCommit, Job, Many, run_batch
from keyturn.store.migrations import upgrade
from keyturn.store.news import MANY, told

A = TypeVar("A")
T = TypeVar("T")

READ_S, COMMIT_S = 0.001, 0.004
MOST = 256


class DatabaseServer:
    """The tables, and everybody who is connected."""

    def __init__(self, random: Random) -> None:
        self.engine, connection = _shared()
        _template().backup(connection)
        self._random = random
        self.away = False
        """Whether it answers nobody."""
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._connected: list[tuple[Host, Heard]] = []

    def hear(self, host: Host, heard: Heard) -> None:
        """Tell `heard` from now on what other machines commit."""
        self._connected.append((host, heard))

    def go_away(self) -> None:
        """Answer nobody until `come_back`."""
        self.away = True

    def come_back(self) -> None:
        """Answer again; everybody is told that something may have been missed."""
        self.away = False
        self.tell(None, frozenset({MANY}))

    def tell(self, teller: Host | None, news: frozenset[str]) -> None:
        """Pass on what one machine has committed."""
        for host, heard in self._connected:
            if host is not teller and host.alive:
                with running_on(host):
                    for word in sorted(news):
                        heard(word)

    def duration(self, usual_s: float) -> float:
        """Return how long something takes this time."""
        return usual_s * (0.5 + self._random.random())


class ServerConnection(Database):
    """One machine's way to the server. See `Database`."""

    alone = True  # each machine may use a backend's whole limit: how it is shared is not what is tried here

    def __init__(self, server: DatabaseServer, host: Host, clock: Clock) -> None:
        self.clock = clock
        self._server = server
        self._host = host
        self._queue = GroupCommit(self._commit, most=MOST)

    async def read(self, fn: Callable[[Connection], T]) -> T:
        await self._way(READ_S)
        with self._server.engine.begin() as connection:
            return fn(connection)

    async def write(self, fn: Callable[[Connection], T], *, scope: str = "") -> T:
        self._host.step()
        return await super().write(fn, scope=scope)

    async def read_each(self, many: Many[A, T], value: A) -> T:
        self._host.step()
        return await super().read_each(many, value)

    async def write_each(self, many: Many[A, T], value: A, *, scope: str) -> T:
        self._host.step()
        return await super().write_each(many, value, scope=scope)

    def apart(self, name: str) -> AbstractAsyncContextManager[Apart]:
        return self._one_at_a_time(name)

    async def listen(self, heard: Heard, stop: asyncio.Event) -> None:
        self._server.hear(self._host, heard)
        await stop.wait()

    async def refresh(self) -> None:
        """Its clock is the server's, as far as it is known."""

    async def close(self) -> None:
        await self._queue.close()

    async def _commit(self, jobs: Sequence[Job]) -> None:
        await self._way(COMMIT_S)
        news: list[frozenset[str]] = []
        with self._server.engine.connect() as connection:
            run_batch(connection, jobs, _no_lock, lambda connection: news.append(told(connection)))
        self._server.tell(self._host, news[-1])
        self._host.step()

    async def _way(self, usual_s: float) -> None:
        self._host.step()
        await asyncio.sleep(self._server.duration(usual_s))
        await self._host.awake()
        self._host.step()
        if self._server.away:
            raise DatabaseUnavailable("The database server is away.")

    @asynccontextmanager
    async def _one_at_a_time(self, name: str) -> AsyncIterator[Apart]:
        async with self._server.locks[name]:
            yield self.write


def _no_lock(connection: Connection, scopes: Sequence[str]) -> None:
    """One thread is one writer."""


def _engine() -> tuple[Engine, sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys=ON")
    engine = create_engine("sqlite://", poolclass=StaticPool, creator=lambda: connection)

    @event.listens_for(engine, "begin")
    def start(_: Connection) -> None:
        connection.execute("BEGIN")

    return engine, connection


@functools.cache
def _shared() -> tuple[Engine, sqlite3.Connection]:
    """Return the engine of all histories of this process, one after the other: it keeps the compiled statements."""
    return _engine()


@functools.cache
def _template() -> sqlite3.Connection:
    """Return a database with today's tables and nothing in them."""
    engine, connection = _engine()
    with engine.begin() as made:
        upgrade(made, "the database of a history")
    return connection
