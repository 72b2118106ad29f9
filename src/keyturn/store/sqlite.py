"""The embedded database: one file, one process, no server.

- `keyturn.db` in `data_dir`, write-ahead log, `synchronous=FULL`: a commit that returned is on the disk.
- One thread writes and one thread reads, each with its own connection, so a long read never holds up a webhook.
- `keyturn.lock` is locked while a service runs. A second service is refused; a command opens `shared`.
- What only one may do at a time, service and commands together, is kept apart by one more lock file per name.

It must never be put on a network file system: neither the lock nor the log works there.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from keyturn.clock import Clock
from keyturn.errors import DatabaseNotReady, DatabaseUnavailable
from keyturn.store.database import Apart, Database, Heard
from keyturn.store.group_commit import GroupCommit, Job, first_line, run_batch
from keyturn.store.lock_file import locked
from keyturn.store.news import forget
from keyturn.store.on_thread import on_thread, our_errors, transaction

T = TypeVar("T")

BUSY_S = 5
"""How long a statement waits for another process' short write before it gives up."""
BATCH = 256
"""Writes per commit at most."""
APART_S = 60
"""How long to wait for another process that calls an upstream under a lock."""


class SqliteDatabase(Database):
    """See `Database`."""

    alone = True

    def __init__(self, path: Path, clock: Clock, lock: int | None) -> None:
        """Use `open` instead, which makes sure that the file is there and ours."""
        self.clock = clock
        self._lock = lock
        self._writer = _engine(path, begin="BEGIN IMMEDIATE")
        self._reader = _engine(path, begin="BEGIN")
        self._write_thread = ThreadPoolExecutor(1, "keyturn-write")
        self._read_thread = ThreadPoolExecutor(1, "keyturn-read")
        self._queue = GroupCommit(self._commit, most=BATCH)
        self._folder = path.parent
        self._apart: dict[str, asyncio.Lock] = {}
        self._closed = False

    @classmethod
    async def open(cls, data_dir: Path, clock: Clock, *, shared: bool) -> SqliteDatabase:
        """Open the file under `data_dir`. Raises `DatabaseUnavailable` or `DatabaseTooNew`."""
        path = data_dir / "keyturn.db"
        lock = await asyncio.to_thread(_prepare, path, shared=shared)
        return cls(path, clock, lock)

    async def read(self, fn: Callable[[Connection], T]) -> T:
        if self._closed:
            raise DatabaseUnavailable("The database is closed.")
        with our_errors():
            return await on_thread(self._read_thread, transaction, self._reader, fn)

    def apart(self, name: str) -> AbstractAsyncContextManager[Apart]:
        return self._one_at_a_time(name)

    async def listen(self, heard: Heard, stop: asyncio.Event) -> None:  # noqa: ARG002  # nothing to tell
        """Hear nothing: only commands write beside the service, and the poll finds what they woke."""
        await stop.wait()

    async def refresh(self) -> None:
        """Do nothing: the file has no clock of its own."""

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._queue.close()
        for thread, engine in ((self._write_thread, self._writer), (self._read_thread, self._reader)):
            await on_thread(thread, engine.dispose)
            thread.shutdown(wait=False)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _commit(self, jobs: Sequence[Job]) -> None:
        await on_thread(self._write_thread, _write, self._writer, jobs)

    @asynccontextmanager
    async def _one_at_a_time(self, name: str) -> AsyncIterator[Apart]:
        """Each step is an ordinary write; what keeps others out is a file's lock, which a command takes as well."""
        async with self._apart.setdefault(name, asyncio.Lock()), locked(self._folder, name, patience_s=APART_S):
            yield self.write


def _write(engine: Engine, jobs: Sequence[Job]) -> None:
    with engine.connect() as connection:
        run_batch(connection, jobs, _no_lock, forget)


def _no_lock(connection: Connection, scopes: Sequence[str]) -> None:
    """Lock nothing: BEGIN IMMEDIATE has made this the only writer."""


def _engine(path: Path, *, begin: str) -> Engine:
    """Return an engine with one connection, whose transactions start with `begin`."""
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"timeout": BUSY_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the module starts no transactions of its own
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _prepare(path: Path, *, shared: bool) -> int | None:
    """Make sure of the folder, the lock and the tables; return the lock's file descriptor."""
    try:
        if shared:
            _check_shared(path)
            return None
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _locked(path)
    except OSError as error:
        raise DatabaseUnavailable(
            f"The folder {path.parent} cannot be used for the database: {error.strerror or error}."
        ) from error
    try:
        _migrate(path)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _locked(path: Path) -> int:
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # so that nobody else may read it
    except BlockingIOError as error:
        os.close(lock)
        raise DatabaseUnavailable(f"The database {path} is in use by another Keyturn process.") from error
    except OSError:
        os.close(lock)
        raise
    return lock


def _check_shared(path: Path) -> None:
    if not path.exists():
        raise DatabaseNotReady(f"There is no database at {path} yet; start `keyturn serve` once.", made=False)
    from keyturn.store.migrations import verify

    _with_tables(path, "BEGIN", lambda connection: verify(connection, f"The database {path}"))


def _migrate(path: Path) -> None:
    from keyturn.store.migrations import upgrade

    _with_tables(path, "BEGIN IMMEDIATE", lambda connection: upgrade(connection, f"The database {path}"))


def _with_tables(path: Path, begin: str, fn: Callable[[Connection], None]) -> None:
    engine = _engine(path, begin=begin)
    try:
        with engine.begin() as connection:
            fn(connection)
    except DBAPIError as error:
        raise DatabaseUnavailable(f"The database {path} cannot be opened: {first_line(error)}.") from error
    finally:
        engine.dispose()
