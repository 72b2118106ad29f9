"""PostgreSQL: the same tables for any number of processes and machines.

- Writes of one scope are serialised by an advisory lock that is taken, in order, at the start of a
  transaction. Two batches can therefore wait for each other but never deadlock.
- Connections mend themselves: one that died is replaced at its next use.
- A process that stalls inside a transaction is cut off by the server, so it cannot hold up the others for long.
- A commit that made work due is heard by the other processes at once (`store.listening`).
- Statements run on threads: psycopg's waiting in C costs a fraction of its waiting in the event loop.

Needs a role that may create tables in its database. Nothing here ever shows the password.
"""

from __future__ import annotations

import asyncio
import hashlib
import select as files
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import TypeVar

import psycopg
from sqlalchemy import URL, Connection, Engine, Select, create_engine, event, func, inspect, make_url, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from keyturn.clock import Clock, SystemClock
from keyturn.errors import DatabaseUnavailable
from keyturn.store.database import Apart, Database, Heard
from keyturn.store.database_clock import DatabaseClock
from keyturn.store.group_commit import GroupCommit, Job, first_line, run_batch
from keyturn.store.listening import listen, pass_on
from keyturn.store.on_thread import on_thread, our_errors, transaction

T = TypeVar("T")

BATCH = 64
"""Writes per commit at most: each is several round trips, and its scope is locked meanwhile."""
READERS = 5
"""Reads at the same time."""
APART = 8
"""Locks kept across a foreign call at the same time."""
CONNECT_S = 5
STALL_S = 15
"""How long a transaction may be idle, or wait for a row, before the server ends it."""
APART_S = 60
"""The same where an upstream is called meanwhile."""
MIGRATING = "keyturn migrations"
MIGRATION_WAIT_S = 2
"""How long the others' writes may be kept waiting at a time before tables are changed."""
MIGRATION_PAUSE_S = 1
MIGRATION_TRIES = 40

_CONNECTING = {
    "application_name": "keyturn",
    "connect_timeout": CONNECT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": STALL_S * 1000,
}
_LOCK_SCOPES = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")


class PostgresDatabase(Database):
    """See `Database`."""

    alone = False

    def __init__(self, engine: Engine, clock: Clock) -> None:
        """Use `open` instead, which makes sure of the tables."""
        self._engine = engine
        self._write_thread = ThreadPoolExecutor(1, "keyturn-write")
        self._read_threads = ThreadPoolExecutor(READERS, "keyturn-read")
        self._reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._server_clock = DatabaseClock(clock, self.read) if isinstance(clock, SystemClock) else None
        self.clock = self._server_clock or clock
        self._queue = GroupCommit(self._commit, most=BATCH)
        self._apart: dict[str, asyncio.Lock] = {}
        self._apart_slots = asyncio.Semaphore(APART)
        self._closed = False

    @classmethod
    async def open(cls, url: str, clock: Clock, *, shared: bool) -> PostgresDatabase:
        """Connect to `url`. Raises `DatabaseUnavailable` or `DatabaseTooNew`."""
        address = _address(url)
        place = (
            f"The PostgreSQL database {address.database} at {address.host or 'the local socket'}:{address.port or 5432}"
        )
        engine = _engine(address)
        database = cls(engine, clock)
        try:
            await database._ensure_tables(place, shared=shared)
            await database.refresh()
        except DBAPIError as error:
            await database.close()
            said = first_line(error).replace(address.password or "\0", "...")
            raise DatabaseUnavailable(f"{place} cannot be used: {said}.") from None
        except BaseException:
            await database.close()
            raise
        return database

    async def read(self, fn: Callable[[Connection], T]) -> T:
        if self._closed:
            raise DatabaseUnavailable("The database is closed.")
        with our_errors():
            return await on_thread(self._read_threads, transaction, self._reading, fn)

    def apart(self, name: str) -> AbstractAsyncContextManager[Apart]:
        return self._dedicated(name)

    async def listen(self, heard: Heard, stop: asyncio.Event) -> None:
        _, address = self._engine.dialect.create_connect_args(self._engine.url)
        await listen({**address, **_CONNECTING}, self.clock, heard, stop)

    async def refresh(self) -> None:
        if self._server_clock is not None:
            await self._server_clock.refresh()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._queue.close()
        await on_thread(self._write_thread, self._engine.dispose)
        for threads in (self._write_thread, self._read_threads):
            threads.shutdown(wait=False)

    async def _commit(self, jobs: Sequence[Job]) -> None:
        await on_thread(self._write_thread, self._write, jobs)

    def _write(self, jobs: Sequence[Job]) -> None:
        with self._engine.connect() as connection:
            run_batch(connection, jobs, _lock_scopes, pass_on)

    @asynccontextmanager
    async def _dedicated(self, name: str) -> AsyncIterator[Apart]:
        async with self._apart.setdefault(name, asyncio.Lock()), self._apart_slots:
            # Its own thread: a step that its caller no longer waits for ends before the connection is closed.
            with our_errors(), _thread("keyturn-apart") as thread:
                connection = await on_thread(thread, self._engine.connect)

                async def run(fn: Callable[[Connection], T]) -> T:
                    return await on_thread(thread, fn, connection)

                try:
                    await run(lambda connection: connection.execute(_limits(APART_S)))
                    yield run
                    await on_thread(thread, connection.commit)
                    await on_thread(thread, connection.close)
                except BaseException:
                    thread.submit(_drop, connection)  # after a step that may still wait; nobody waits for that
                    raise

    async def _ensure_tables(self, place: str, *, shared: bool) -> None:
        if shared:
            from keyturn.store.migrations import verify

            await on_thread(self._write_thread, transaction, self._engine, partial(verify, place=place))
            return
        never = asyncio.Event()
        for _ in range(MIGRATION_TRIES):
            if await on_thread(self._write_thread, _migrated, self._engine, place):
                return
            await self.clock.wait(never, seconds=MIGRATION_PAUSE_S)
        raise DatabaseUnavailable(
            f"{place} is too busy for its tables to be changed; try again when no pg_dump is running."
        )


def _drop(connection: Connection) -> None:
    connection.invalidate()
    connection.close()


@contextmanager
def _thread(name: str) -> Iterator[ThreadPoolExecutor]:
    """Give a thread for the length of a block; nobody waits for its end."""
    thread = ThreadPoolExecutor(1, name)
    try:
        yield thread
    finally:
        thread.shutdown(wait=False)


def _migrated(engine: Engine, place: str) -> bool:
    """Bring the tables up to date; `False` where processes of the version before were using them just now."""
    from keyturn.store.migrations import upgrade

    try:
        with engine.begin() as connection:
            connection.execute(_limits(0))  # another process may be migrating, however long it takes
            _lock_scopes(connection, [MIGRATING])
            upgrade(connection, place, _take_tables)
    except OperationalError as error:
        if isinstance(error.orig, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
            return False
        raise
    return True


def _take_tables(connection: Connection) -> None:
    """Lock all tables at once or none: others must not wait behind a migration that itself waits for one of them."""
    names = inspect(connection).get_table_names()
    connection.execute(text(f"SET LOCAL lock_timeout = '{MIGRATION_WAIT_S}s'"))
    quoted = ", ".join(connection.dialect.identifier_preparer.quote(name) for name in sorted(names))
    connection.execute(text(f"LOCK TABLE {quoted} IN ACCESS EXCLUSIVE MODE"))


def _lock_scopes(connection: Connection, scopes: Sequence[str]) -> None:
    """Wait until no other transaction writes in `scopes`, which come sorted."""
    connection.execute(_LOCK_SCOPES, {"keys": [_lock_key(scope) for scope in scopes]})


def _lock_key(scope: str) -> int:
    return int.from_bytes(hashlib.blake2b(scope.encode(), digest_size=8).digest(), "big", signed=True)


def _limits(seconds: int) -> Select[tuple[str, str]]:
    """Bound this transaction's waits; 0 is no bound."""
    span = f"{seconds}s"
    return select(
        func.set_config("lock_timeout", span, True),  # noqa: FBT003 - PostgreSQL's own signature
        func.set_config("idle_in_transaction_session_timeout", span, True),  # noqa: FBT003 - PostgreSQL's own signature
    )


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUnavailable("database.url cannot be read; it looks like postgresql://user@host/name.") from None
    if address.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise DatabaseUnavailable("database.url must start with postgresql://.")
    return address.set(drivername="postgresql+psycopg")


def _engine(address: URL) -> Engine:
    engine = create_engine(
        address,
        pool_size=READERS + 1,
        max_overflow=APART,
        hide_parameters=True,
        connect_args=_CONNECTING,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = '{STALL_S}s'")
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{STALL_S}s'")
        cursor.close()
        connection.commit()

    @event.listens_for(engine, "checkout")
    def check(connection: psycopg.Connection, _record: ConnectionPoolEntry, _proxy: object) -> None:
        """Replace a connection that died at rest. One from which nothing came meanwhile, not even its end, lives."""
        if _has_news(connection) and not _answers(connection):
            raise DisconnectionError

    return engine


def _has_news(connection: psycopg.Connection) -> bool:
    waiting = files.poll()
    waiting.register(connection.fileno(), files.POLLIN)
    return bool(waiting.poll(0))


def _answers(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error:
        return False
    return True
