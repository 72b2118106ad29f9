"""Many waiting writes, one commit.

- Writes queue up while a commit is on its way to the disk; the next commit takes them all (up to a bound).
- Writes of one kind that wait together run together, as few statements for all of them (`submit_each`).
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

from keyturn.errors import DatabaseFull, DatabaseLocked, DatabaseUnavailable
from keyturn.store.news import forget, told

T = TypeVar("T")
A = TypeVar("A")

Many = Callable[[Connection, Sequence[A]], Sequence[T]]
"""Does the same for several callers with as few statements as it can; returns one answer for each, in order."""
MOST_TOGETHER = 200
"""Callers whose writes run together at most."""


@dataclass(kw_only=True, slots=True)
class Ask:
    """What one caller waits for, and later what came of it."""

    value: Any
    done: asyncio.Future[Any]
    answer: Any = None
    error: Exception | None = None

    def settle(self) -> None:
        """Tell the caller, if it still waits."""
        if self.done.done():
            return
        if self.error is None:
            self.done.set_result(self.answer)
        else:
            self.done.set_exception(self.error)


@dataclass(kw_only=True, slots=True, eq=False)
class Job:
    """Waiting writes of one kind and scope, which run together."""

    run: Many[Any, Any]
    scope: str
    asks: list[Ask]

    def perform(self, connection: Connection) -> None:
        """Run all of them at once."""
        answers = self.run(connection, [ask.value for ask in self.asks])
        for ask, answer in zip(self.asks, answers, strict=True):
            ask.answer = answer


class GroupCommit:
    """The queue in front of a database's one writer."""

    def __init__(self, commit: Callable[[Sequence[Job]], Awaitable[None]], *, most: int) -> None:
        """`commit` runs a batch in one transaction and fills in its asks; `most` bounds the jobs of a batch."""
        self._commit = commit
        self._most = most
        self._waiting: deque[Job] = deque()
        self._open: dict[tuple[Any, str], Job] = {}
        """The waiting jobs that others may join."""
        self._draining: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, fn: Callable[[Connection], T], scope: str) -> T:
        """Wait until `fn` ran and was committed; return what it returned, raise what it raised."""
        ask = self._ask(None)
        self._enqueue(Job(run=lambda connection, _: [fn(connection)], scope=scope, asks=[ask]))
        result: T = await ask.done
        return result

    async def submit_each(self, many: Many[A, T], value: A, scope: str) -> T:
        """Wait until `many` ran for this value, and for those of other callers, and was committed."""
        ask, key = self._ask(value), (many, scope)
        job = self._open.get(key)
        if job is not None and len(job.asks) < MOST_TOGETHER:
            job.asks.append(ask)
        else:
            job = self._open[key] = Job(run=many, scope=scope, asks=[ask])
            self._enqueue(job)
        result: T = await ask.done
        return result

    async def close(self) -> None:
        """Refuse new writes and wait for those already here."""
        self._closed = True
        if self._draining is not None:
            await asyncio.wait((self._draining,))

    def _ask(self, value: Any) -> Ask:
        if self._closed:
            raise DatabaseUnavailable("The database is closed.")
        return Ask(value=value, done=asyncio.get_running_loop().create_future())

    def _enqueue(self, job: Job) -> None:
        self._waiting.append(job)
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(), name="group commit")

    async def _drain(self) -> None:
        try:
            while batch := self._next():
                await self._settle(batch)
        finally:
            self._draining = None
            for job in self._waiting:  # only when this task itself was cancelled
                _give_up(job)
            self._waiting.clear()
            self._open.clear()

    def _next(self) -> list[Job]:
        batch: list[Job] = []
        while self._waiting and len(batch) < self._most:
            job = self._waiting.popleft()
            if self._open.get((job.run, job.scope)) is job:
                del self._open[job.run, job.scope]
            job.asks = [ask for ask in job.asks if not ask.done.done()]
            if job.asks:
                batch.append(job)
        return batch

    async def _settle(self, batch: Sequence[Job]) -> None:
        try:
            await self._commit(batch)
        except asyncio.CancelledError:
            for job in batch:  # whether it was committed is not known, so nobody may be told
                _give_up(job)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the callers, and the writer goes on
            fail(batch, error)
        for job in batch:
            for ask in job.asks:
                ask.settle()


def _give_up(job: Job) -> None:
    for ask in job.asks:
        ask.done.cancel()


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
    An ask's own failure is kept in the ask.
    """
    scopes = sorted({job.scope for job in jobs})
    forget(connection)
    try:
        with connection.begin():
            prepare(connection, scopes)
            for job in jobs:
                job.perform(connection)
            conclude(connection)
    except Exception:
        if sum(len(job.asks) for job in jobs) == 1 or connection.invalidated:
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
    """Run a job; where it raises, each of its asks by itself."""
    before = told(connection)
    savepoint = connection.begin_nested()
    try:
        job.perform(connection)
    except Exception as error:
        if connection.invalidated:
            raise
        savepoint.rollback()  # fails where the whole transaction is gone, and with it the batch
        forget(connection, but=before)
        if len(job.asks) == 1:
            job.asks[0].error = translated(error)
            return
        for ask in job.asks:
            _run_guarded(connection, Job(run=job.run, scope=job.scope, asks=[ask]))
    else:
        savepoint.commit()


def fail(jobs: Sequence[Job], error: Exception) -> None:
    """Give every caller of a batch that was rolled back the reason."""
    for job in jobs:
        for ask in job.asks:
            ask.error = translated(error)


def translated(error: Exception) -> Exception:
    """Turn a driver's "cannot" into our own error; anything else is a fault of the program and stays as it is."""
    if isinstance(error, (OperationalError, InterfaceError, PoolTimeout)) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    ):
        kind = _KINDS.get(_word(error), DatabaseUnavailable)
        unavailable = kind(f"The database does not answer or does not let us write: {first_line(error)}")
        unavailable.__cause__ = error
        return unavailable
    return error


_KINDS = {
    "SQLITE_FULL": DatabaseFull,
    "53100": DatabaseFull,  # disk_full
    "SQLITE_BUSY": DatabaseLocked,
    "55P03": DatabaseLocked,  # lock_not_available
}


def _word(error: Exception) -> str:
    """Return the driver's own word for what happened: SQLite's error name, or PostgreSQL's SQLSTATE."""
    said = error.orig if isinstance(error, DBAPIError) else None
    return str(getattr(said, "sqlite_errorname", None) or getattr(said, "sqlstate", None) or "")


def first_line(error: BaseException) -> str:
    """Return what the driver said, on one line. A driver never quotes a password; see `postgres` for addresses."""
    said = str(error.orig) if isinstance(error, DBAPIError) and error.orig is not None else str(error)
    return said.strip().splitlines()[0] if said.strip() else type(error).__name__
