"""One database, whichever it is: reading, writing, and the time that rules in it.

    embedded     SQLite    a file in `data_dir`; one process at a time
    outgrown     PostgreSQL  any number of processes on any number of machines

All SQL is a plain function on a SQLAlchemy `Connection`, written once for both. `read` gives it a
consistent snapshot; `write` gives it a share of a transaction and returns after the commit.
A function passed here may touch the connection and nothing else, above all no upstream.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from keyturn.clock import Clock
from keyturn.store.gathered_reads import GatheredReads
from keyturn.store.group_commit import GroupCommit, Many

A = TypeVar("A")
T = TypeVar("T")

Heard = Callable[[str], None]
"""Told of news: the code of a business with work that is due, or one of the words of `store.news`."""


class Apart(Protocol):
    """A transaction of its own, off the group commit, between whose steps the caller may await."""

    async def __call__(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in that transaction."""
        ...


class Database(ABC):
    """What the classes of this package stand on."""

    clock: Clock
    """The time that counts for leases and due times; on PostgreSQL the server's, so that machines agree."""
    alone: bool
    """Whether no other process serves from it, commands aside."""
    _queue: GroupCommit

    @abstractmethod
    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` on a snapshot of what is committed. Raises `DatabaseUnavailable`."""

    async def read_each(self, many: Many[A, T], value: A) -> T:
        """Return what `many` answers to this value; callers that ask the same at the same time are asked for together.

        `many` is a module's function or a bound method: callers of one belong together. Raises `DatabaseUnavailable`.
        """
        return await self._reads.ask(many, value)

    async def write(self, fn: Callable[[Connection], T], *, scope: str = "") -> T:
        """Run `fn` in a transaction and return once it is committed.

        Other callers' writes share the transaction; each is rolled back alone if it raises, and then `fn`
        of the others may run twice: it may use the connection and change nothing else. Writes of
        one `scope` (a business or a tenant) come one after the other, also from several machines, so
        `fn` may read before it writes; rows of different scopes must be different rows.
        Raises `DatabaseUnavailable`; after a lost connection the write may have happened all the same.
        """
        return await self._queue.submit(fn, scope)

    async def write_each(self, many: Many[A, T], value: A, *, scope: str) -> T:
        """Do `many` for this value in a transaction, as `write` does; the writes of its other callers run with it."""
        return await self._queue.submit_each(many, value, scope)

    @cached_property
    def _reads(self) -> GatheredReads:
        return GatheredReads(self.read)

    @abstractmethod
    def apart(self, name: str) -> AbstractAsyncContextManager[Apart]:
        """Open a transaction apart from all others, one at a time per `name` and process.

        For the one case in which a lock has to be kept while an upstream is called. It is committed
        at the end of the block, and rolled back if the block raises. Raises `DatabaseUnavailable` when its turn
        does not come in time.
        """

    @abstractmethod
    async def listen(self, heard: Heard, stop: asyncio.Event) -> None:
        """Tell `heard` what other processes have committed, until `stop` is set.

        Where nobody else can commit, or while the database cannot be reached, nothing is heard; after an
        interruption `heard` is told `MANY`, for whatever was missed. Raises nothing that time could mend.
        """

    @abstractmethod
    async def refresh(self) -> None:
        """Measure the database's time again, where it has one of its own."""

    @abstractmethod
    async def close(self) -> None:
        """Finish the waiting writes and let go of the database; a second time does nothing."""


async def open_database(*, url: str | None, data_dir: Path, clock: Clock, shared: bool = False) -> Database:
    """Open the database and bring its tables up to date.

    Without `url` it is the embedded one under `data_dir`, which is made if it is missing. `shared` is for
    a command beside a running service: it takes no lock and changes no table. Raises `DatabaseUnavailable`
    with a sentence for the operator, or `DatabaseTooNew`.
    """
    if url is None:
        from keyturn.store.sqlite import SqliteDatabase

        return await SqliteDatabase.open(data_dir, clock, shared=shared)
    from keyturn.store.postgres import PostgresDatabase

    return await PostgresDatabase.open(url, clock, shared=shared)
