"""What a database promises, whichever it is: group commit, snapshots, and memory that outlives a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import IntegrityError

from databases import START, Place
from keyturn.core.ids import BusinessCode, RentalId
from keyturn.core.memory import RentalMemory
from keyturn.core.work import Subject
from keyturn.errors import DatabaseTooNew, DatabaseUnavailable
from keyturn.store.database import Database
from keyturn.store.ledger import Ledger
from keyturn.store.migrations import verify
from keyturn.store.schema import businesses, metadata
from keyturn.store.work import Work

ACME = BusinessCode("acme")
ADDED = insert(businesses)


def add(connection: Connection, code: str) -> str:
    """Write a row, and return what the caller shall get."""
    connection.execute(ADDED, {"code": code, "memory_since": START})
    return f"added {code}"


async def codes(database: Database) -> list[str]:
    """Return the rows that were written."""
    asked = select(businesses.c.code).order_by(businesses.c.code)
    return await database.read(lambda connection: list(connection.execute(asked).scalars()))


class Crowd:
    """What many callers do at once: writes codes, or says of each whether it is there. One of them may be odd."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        """How many were there each time."""

    def add(self, connection: Connection, names: Sequence[str]) -> list[str]:
        """Write a row for each."""
        self.sizes.append(len(names))
        return [add(connection, self._checked(name)) for name in names]

    def ask(self, connection: Connection, names: Sequence[str]) -> list[bool]:
        """Ask for a row of each."""
        self.sizes.append(len(names))
        asked = select(businesses.c.code).where(businesses.c.code.in_([self._checked(name) for name in names]))
        found = set(connection.execute(asked).scalars())
        return [name in found for name in names]

    def _checked(self, name: str) -> str:
        if name == "odd":
            raise ZeroDivisionError
        return name


class DatabaseContract:
    """Reading and writing."""

    async def test_callers_of_one_kind_write_together(self, database: Database) -> None:
        """Few statements do for all; one that fails is rolled back alone; another scope is another transaction's."""
        crowd, names = Crowd(), [f"b{number:02}" for number in range(20)]
        asked = [database.write_each(crowd.add, name, scope="one") for name in [*names, "odd", "b00"]]
        results = await asyncio.gather(
            *asked, database.write_each(crowd.add, "other", scope="two"), return_exceptions=True
        )

        assert results[:20] == [f"added {name}" for name in names]
        assert [type(result) for result in results[20:]] == [ZeroDivisionError, IntegrityError, str]
        assert await codes(database) == [*names, "other"]
        assert max(crowd.sizes) >= 20

    async def test_callers_of_one_kind_read_together(self, database: Database) -> None:
        """Each gets its own answer, and one that cannot be asked spoils no other's."""
        crowd = Crowd()
        await database.write(partial(add, code="here"))
        asked = [database.read_each(crowd.ask, name) for name in ["here", "there"] * 10]
        assert await asyncio.gather(*asked) == [True, False] * 10
        assert crowd.sizes == [20]

        answers = await asyncio.gather(
            *(database.read_each(crowd.ask, name) for name in ("here", "odd", "there")), return_exceptions=True
        )
        assert [answers[0], type(answers[1]), answers[2]] == [True, ZeroDivisionError, False]

    async def test_callers_that_no_longer_wait(self, database: Database) -> None:
        """Those who wait with them are answered all the same."""
        crowd = Crowd()
        tasks: list[asyncio.Task[Any]] = []
        tasks += [asyncio.create_task(database.read_each(crowd.ask, name)) for name in ("one", "two")]
        tasks += [asyncio.create_task(database.write_each(crowd.add, name, scope="x")) for name in ("one", "two")]
        tasks[0].cancel()
        tasks[2].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)

        assert [type(result) for result in results] == [asyncio.CancelledError, bool, asyncio.CancelledError, str]

    async def test_each_caller_gets_its_own_result(self, database: Database) -> None:
        """Writes that share a commit return each to its own caller."""
        names = [f"b{number}" for number in range(300)]
        results = await asyncio.gather(*(database.write(partial(add, code=name)) for name in names))

        assert results == [f"added {name}" for name in names]
        assert await codes(database) == sorted(names)

    async def test_a_failing_write_is_rolled_back_alone(self, database: Database) -> None:
        """Neither a constraint nor an error of the program takes the other writes of the commit with it."""

        def twice(connection: Connection) -> None:
            add(connection, "half")
            add(connection, "half")

        def faulty(connection: Connection) -> None:
            add(connection, "lost")
            raise ZeroDivisionError

        results = await asyncio.gather(
            database.write(lambda connection: add(connection, "before")),
            database.write(twice),
            database.write(faulty),
            database.write(lambda connection: add(connection, "after")),
            return_exceptions=True,
        )

        assert [type(result) for result in results] == [str, IntegrityError, ZeroDivisionError, str]
        assert await codes(database) == ["after", "before"]

    async def test_a_failing_write_that_is_alone(self, database: Database) -> None:
        """It is rolled back as well."""

        def faulty(connection: Connection) -> None:
            add(connection, "lost")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await database.write(faulty)

        assert await codes(database) == []

    async def test_a_failing_commit_fails_all(self, database: Database) -> None:
        """Nobody is told of success before the commit; afterwards the writer goes on."""

        def broken(connection: Connection) -> None:
            connection.execute(
                text(
                    "CREATE TABLE late (code TEXT PRIMARY KEY,"
                    " other TEXT REFERENCES late (code) DEFERRABLE INITIALLY DEFERRED)"
                )
            )
            connection.execute(text("INSERT INTO late VALUES ('a', 'missing')"))

        results = await asyncio.gather(
            database.write(lambda connection: add(connection, "lost")), database.write(broken), return_exceptions=True
        )

        assert [type(result) for result in results] == [IntegrityError, IntegrityError]
        assert await codes(database) == []
        assert await database.write(lambda connection: add(connection, "next")) == "added next"

    async def test_a_cancelled_caller(self, database: Database) -> None:
        """A caller that no longer waits holds up nobody."""
        tasks = [asyncio.create_task(database.write(partial(add, code=name))) for name in ("one", "two", "three")]
        await database.write(lambda connection: add(connection, "zero"))
        tasks += [asyncio.create_task(database.write(lambda connection: add(connection, "four")))]
        for task in tasks[1::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        written = await codes(database)

        assert {"zero", "one", "three"} <= set(written)
        assert await database.write(lambda connection: add(connection, "last")) == "added last"

    async def test_writes_are_seen_at_once(self, database: Database) -> None:
        """What was written is there for the next read."""
        for number in range(10):
            await database.write(partial(add, code=f"b{number}"))

            assert len(await codes(database)) == number + 1

    async def test_a_closed_database(self, database: Database) -> None:
        """It refuses writes in words, and what was waiting before is written."""
        waiting = asyncio.create_task(database.write(lambda connection: add(connection, "waiting")))
        started = asyncio.Event()
        asyncio.get_running_loop().call_soon(started.set)
        await started.wait()
        await database.close()

        assert await waiting == "added waiting"
        with pytest.raises(DatabaseUnavailable):
            await database.write(lambda connection: add(connection, "late"))

    async def test_an_instant_without_a_zone(self, database: Database) -> None:
        """It is refused before it can be stored."""
        naive = START.replace(tzinfo=None)
        with pytest.raises(Exception, match="time zone"):
            await database.write(
                lambda connection: connection.execute(ADDED, {"code": "x", "memory_since": naive}).close()
            )

    async def test_reading_and_writing_at_the_same_time(self, database: Database) -> None:
        """A read sees a write wholly or not at all, while others write."""

        def pair(connection: Connection, number: int) -> None:
            add(connection, f"{number}-a")
            add(connection, f"{number}-b")

        async def write() -> None:
            for number in range(20):
                await database.write(partial(pair, number=number))

        writing = asyncio.create_task(write())
        while not writing.done():
            assert len(await codes(database)) % 2 == 0
        await writing


class RestartContract:
    """What a new process finds."""

    async def test_a_restart_keeps_everything(self, database_place: Place) -> None:
        """Rows are there after closing and opening again, and the tables are not made anew."""
        first = await database_place.open()
        await Work(first).wake(ACME, [Subject("rental", "r1")], "x")
        lane = await Work(first).claim("one", lease=timedelta(seconds=15))
        assert lane is not None
        await Ledger(first).save(lane, rentals=[RentalMemory(id=RentalId("r1"))])
        await first.close()
        second = await database_place.open()
        row = await Work(second).row(ACME, Subject("rental", "r1"))
        remembered = await Ledger(second).load(ACME, rentals=[RentalId("r1")])

        assert row is not None
        assert row.wanted == 1
        assert remembered.rentals == {RentalId("r1"): RentalMemory(id=RentalId("r1"))}
        assert await Work(second).renew(lane, timedelta(seconds=15)) is True

    async def test_a_newer_database_is_left_alone(self, database_place: Place) -> None:
        """A program that does not know the tables' revision refuses to start, in words."""
        database = await database_place.open()
        await set_revision(database, "9999")
        await database_place.close()
        for shared in (False, True):
            with pytest.raises(DatabaseTooNew, match="newer Keyturn"):
                await database_place.open(shared=shared)

    async def test_a_command_beside_an_older_database(self, database_place: Place) -> None:
        """A command changes no table: it says that the service has to do so."""
        database = await database_place.open()
        await database.write(lambda connection: connection.execute(text("DELETE FROM alembic_version")).close())
        await database_place.close()
        with pytest.raises(DatabaseUnavailable, match="keyturn serve"):
            await database_place.open(shared=True)

    async def test_a_command_beside_the_service(self, database_place: Place) -> None:
        """A command reads what the service wrote, and may wake."""
        service = await database_place.open()
        await service.write(lambda connection: add(connection, "acme"))
        command = await database_place.open(shared=True)

        assert await codes(command) == ["acme"]

        await asyncio.gather(
            *(Work(one).wake(ACME, [Subject("rental", "r1")], "x") for one in (service, command) for _ in range(20))
        )
        row = await Work(service).row(ACME, Subject("rental", "r1"))

        assert row is not None
        assert row.wanted == 40


class SchemaContract:
    """Tables, revisions and values agree."""

    async def test_the_revisions_make_the_tables(self, database: Database) -> None:
        """Columns, types, keys and indexes that the revisions made are those the program uses."""
        differences = await database.read(
            lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)
        )

        assert differences == []

    async def test_the_tables_are_at_the_newest_revision(self, database: Database) -> None:
        """An opened database passes its own check."""
        await database.read(lambda connection: verify(connection, "it"))


async def set_revision(database: Database, revision: str) -> None:
    """Pretend that another program wrote the tables."""
    changed = text("UPDATE alembic_version SET version_num = :revision")
    await database.write(lambda connection: connection.execute(changed, {"revision": revision}).close())
