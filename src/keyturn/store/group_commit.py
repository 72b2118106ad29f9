"""Many waiting writes, one commit.

- Writes queue up while a commit is on its way to the disk; the next commit takes them all (up to a bound).
- One that fails is rolled back alone and raises to its own caller. The others may run a second time for it, so a
  write must do nothing but use its connection.
- A caller hears of success only after the commit, so "accepted" means durable.
- A caller that is cancelled stops waiting. Its write happens all the same if it had begun; the others notice nothing.

It knows nothing of tables and nothing of which database this is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from keyturn.errors import DatabaseUnavailable
from keyturn.store.news import forget, told

T = TypeVar("T")


@dataclass(kw_only=True, slots=True)
class Job:
    """One waiting write, and later what came of it."""

    fn: Callable[[Connection], Any]
    scope: str
    done: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def settle(self) -> None:
        """Tell the caller, if it still waits."""
        if self.done.done():
            return
        if self.error is None:
            self.done.set_result(self.result)
        else:
            self.done.set_exception(self.error)


class GroupCommit:
    """The queue in front of a database's one writer."""

    def __init__(self, commit: Callable[[Sequence[Job]], Awaitable[None]], *, most: int) -> None:
        """`commit` runs a batch in one transaction and fills in each job; `most` bounds the batch."""
        self._commit = commit
        self._most = most
        self._waiting: deque[Job] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, fn: Callable[[Connection], T], scope: str) -> T:
        """Wait until `fn` ran and was committed; return what it returned, raise what it raised."""
        if self._closed:
            raise DatabaseUnavailable("The database is closed.")
        job = Job(fn=fn, scope=scope, done=asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(), name="group commit")
        result: T = await job.done
        return result

    async def close(self) -> None:
        """Refuse new writes and wait for those already here."""
        self._closed = True
        if self._draining is not None:
            await asyncio.wait((self._draining,))

    async def _drain(self) -> None:
        try:
            while batch := self._next():
                await self._settle(batch)
        finally:
            self._draining = None
            for job in self._waiting:  # only when this task itself was cancelled
                job.done.cancel()
            self._waiting.clear()

    def _next(self) -> list[Job]:
        batch: list[Job] = []
        while self._waiting and len(batch) < self._most:
            job = self._waiting.popleft()
            if not job.done.done():
                batch.append(job)
        return batch

    async def _settle(self, batch: Sequence[Job]) -> None:
        try:
            await self._commit(batch)
        except asyncio.CancelledError:
            for job in batch:  # whether it was committed is not known, so nobody may be told
                job.done.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the callers, and the writer goes on
            fail(batch, error)
        for job in batch:
            job.settle()


def run_batch(
    connection: Connection,
    jobs: Sequence[Job],
    prepare: Callable[[Connection, Sequence[str]], None],
    conclude: Callable[[Connection], None],
) -> None:
    """Run `jobs` in one transaction on `connection` and commit it.

    `prepare` is called first inside the transaction, with the scopes in order, and `conclude` last. Nearly
    always all go well, so they run without savepoints first, which halves the round trips; if one raises, all
    run again with them. Raises what broke the transaction itself, and then nothing of the batch was written.
    A job's own failure is kept in the job.
    """
    scopes = sorted({job.scope for job in jobs})
    forget(connection)
    try:
        with connection.begin():
            prepare(connection, scopes)
            for job in jobs:
                job.result = job.fn(connection)
            conclude(connection)
    except Exception:
        if len(jobs) == 1 or connection.invalidated:
            raise
        connection.connection.rollback()  # SQLite keeps a transaction open whose COMMIT failed
    else:
        return
    forget(connection)
    with connection.begin():
        prepare(connection, scopes)
        for job in jobs:
            _run_guarded(connection, job)
        conclude(connection)


def _run_guarded(connection: Connection, job: Job) -> None:
    before = told(connection)
    savepoint = connection.begin_nested()
    try:
        job.result = job.fn(connection)
    except Exception as error:
        if connection.invalidated:
            raise
        savepoint.rollback()  # fails where the whole transaction is gone, and with it the batch
        forget(connection, but=before)
        job.error = translated(error)
    else:
        savepoint.commit()


def fail(jobs: Sequence[Job], error: Exception) -> None:
    """Give every job of a batch that was rolled back the reason."""
    for job in jobs:
        job.error = translated(error)


def translated(error: Exception) -> Exception:
    """Turn a driver's "cannot" into our own error; anything else is a fault of the program and stays as it is."""
    if isinstance(error, (OperationalError, InterfaceError, PoolTimeout)) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    ):
        unavailable = DatabaseUnavailable(f"The database does not answer or does not let us write: {first_line(error)}")
        unavailable.__cause__ = error
        return unavailable
    return error


def first_line(error: BaseException) -> str:
    """Return what the driver said, on one line. A driver never quotes a password; see `postgres` for addresses."""
    said = str(error.orig) if isinstance(error, DBAPIError) and error.orig is not None else str(error)
    return said.strip().splitlines()[0] if said.strip() else type(error).__name__
