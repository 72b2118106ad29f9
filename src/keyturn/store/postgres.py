"""PostgreSQL: the same tables for any number of processes and machines.

- Writes of one scope are serialised by an advisory lock that is taken, in order, at the start of a
  transaction. Two batches can therefore wait for each other but never deadlock.
- Connections mend themselves: one that died is replaced at its next use.
- A process that stalls inside a transaction is cut off by the server, so it cannot hold up the others for long.
- A commit that made work due is heard by the other processes at once (`store.listening`).

Needs a role that may create tables in its database. Nothing here ever shows the password.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TypeVar

import psycopg
from sqlalchemy import URL, Connection, Select, event, func, inspect, make_url, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from keyturn.clock import Clock, SystemClock
from keyturn.errors import DatabaseUnavailable
from keyturn.store.database import Apart, Database, Heard
from keyturn.store.database_clock import DatabaseClock
from keyturn.store.group_commit import GroupCommit, Job, first_line, run_batch, translated
from keyturn.store.listening import listen, pass_on

T = TypeVar("T")

BATCH = 64
"""Writes per commit at most: each is several round trips, and its scope is locked meanwhile."""
POOL = 5
POOL_OVERFLOW = 10
APART = 8
"""Locks kept across a foreign call at the same time, so that they never use up the pool."""
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

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        """Use `open` instead, which makes sure of the tables."""
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._server_clock = DatabaseClock(clock, self.read) if isinstance(clock, SystemClock) else None
        self.clock = self._server_clock or clock
        self._queue = GroupCommit(self._commit, most=BATCH)
        self._apart: dict[str, asyncio.Lock] = {}
        self._apart_slots = asyncio.Semaphore(APART)

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
            await _ensure_tables(engine, place, clock, shared=shared)
            await database.refresh()
        except DBAPIError as error:
            await engine.dispose()
            said = first_line(error).replace(address.password or "\0", "...")
            raise DatabaseUnavailable(f"{place} cannot be used: {said}.") from None
        except BaseException:
            await engine.dispose()
            raise
        return database

    async def read(self, fn: Callable[[Connection], T]) -> T:
        with _our_errors():
            async with self._reading.begin() as connection:
                return await connection.run_sync(fn)

    async def write(self, fn: Callable[[Connection], T], *, scope: str = "") -> T:
        return await self._queue.submit(fn, scope)

    def apart(self, name: str) -> AbstractAsyncContextManager[Apart]:
        return self._dedicated(name)

    async def listen(self, heard: Heard, stop: asyncio.Event) -> None:
        _, address = self._engine.dialect.create_connect_args(self._engine.url)
        await listen({**address, **_CONNECTING}, self.clock, heard, stop)

    async def refresh(self) -> None:
        if self._server_clock is not None:
            await self._server_clock.refresh()

    async def close(self) -> None:
        await self._queue.close()
        await self._engine.dispose()

    async def _commit(self, jobs: Sequence[Job]) -> None:
        async with self._engine.connect() as connection:
            await connection.run_sync(run_batch, jobs, _lock_scopes, self._pass_on)

    def _pass_on(self, connection: Connection) -> None:
        pass_on(connection, self.clock.now())

    @asynccontextmanager
    async def _dedicated(self, name: str) -> AsyncIterator[Apart]:
        async with self._apart.setdefault(name, asyncio.Lock()), self._apart_slots:
            with _our_errors():
                async with self._engine.begin() as connection:
                    await connection.execute(_limits(APART_S))

                    async def run(fn: Callable[[Connection], T]) -> T:
                        return await connection.run_sync(fn)

                    yield run


async def _ensure_tables(engine: AsyncEngine, place: str, clock: Clock, *, shared: bool) -> None:
    if shared:
        from keyturn.store.migrations import verify

        async with engine.begin() as connection:
            await connection.run_sync(verify, place)
        return
    never = asyncio.Event()
    for _ in range(MIGRATION_TRIES):
        if await _migrated(engine, place):
            return
        await clock.wait(never, seconds=MIGRATION_PAUSE_S)
    raise DatabaseUnavailable(
        f"{place} is too busy for its tables to be changed; try again when no pg_dump is running."
    )


async def _migrated(engine: AsyncEngine, place: str) -> bool:
    """Bring the tables up to date; `False` where processes of the version before were using them just now."""
    from keyturn.store.migrations import upgrade

    try:
        async with engine.begin() as connection:
            await connection.execute(_limits(0))  # another process may be migrating, however long it takes
            await connection.run_sync(_lock_scopes, [MIGRATING])
            await connection.run_sync(upgrade, place, _take_tables)
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


def _engine(address: URL) -> AsyncEngine:
    engine = create_async_engine(
        address,
        pool_size=POOL,
        max_overflow=POOL_OVERFLOW,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args=_CONNECTING,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = '{STALL_S}s'")
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{STALL_S}s'")
        cursor.close()
        connection.commit()

    return engine


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        ours = translated(error)
        if ours is error:
            raise
        raise ours from error
