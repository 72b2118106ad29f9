"""Databases that cannot be used, and what is left undone: each found, mended as advised, gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from doctor.clinic import ACME, Clinic
from keyturn.cli.doctor import ending
from keyturn.cli.outcome import Exit
from keyturn.clock import MovableClock, SystemClock
from keyturn.core.ids import BusinessCode
from keyturn.doctor.database_checks import LEAST_FREE, of_room
from keyturn.doctor.finding import Code
from keyturn.store.database import open_database
from keyturn.store.migrations import newest
from scenarios.world import world

MINUTES = timedelta(minutes=11)


@pytest.fixture
async def on_postgres(tmp_path: Path, postgres_url: str) -> AsyncIterator[Clinic]:
    """Give an operator whose Keyturn keeps its memory in PostgreSQL."""
    async with world(tmp_path, database_url=postgres_url) as made:
        made.move_in("A1")
        await made.settle()
        yield Clinic(world=made, folder=tmp_path, settings=made.settings)


def use_database(clinic: Clinic, *, url: str | None = None, data_dir: Path | None = None) -> None:
    """Name another database in the settings."""
    update = {"url": SecretStr(url) if url else None, "data_dir": data_dir or clinic.settings.database.data_dir}
    database = clinic.settings.database.model_copy(update=update)
    clinic.settings = clinic.settings.model_copy(update={"database": database})


async def test_before_the_first_start(clinic: Clinic, tmp_path: Path) -> None:
    """Without a database the services are asked all the same, and nothing is left behind."""
    clinic.world.account.edit_unit(clinic.world.units["A1"], {"sensorberg_id": None})
    use_database(clinic, data_dir=tmp_path / "new")
    report = await clinic.report()
    assert report.has(Code.DATABASE_NEW, Code.UNMAPPED_UNITS)
    assert (ending(report), (tmp_path / "new").exists()) == (Exit.WRONG, False)

    clinic.world.account.edit_unit(clinic.world.units["A1"], {"sensorberg_id": "group-A1"})
    await clinic.restart()
    assert await clinic.found() == set()


async def test_the_folder_cannot_be_made(clinic: Clinic, tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    use_database(clinic, data_dir=tmp_path / "file" / "data")
    assert "is not a folder" in (await clinic.the(Code.DATABASE_FOLDER)).text

    use_database(clinic, data_dir=tmp_path / "data")
    assert await clinic.found() == set()


async def test_the_server_is_not_there(clinic: Clinic, postgres_url: str, unused_tcp_port: int) -> None:
    """A database that cannot be reached ends with 3, and what could be checked is shown all the same."""
    use_database(clinic, url=f"postgresql://keyturn:canary-password@127.0.0.1:{unused_tcp_port}/keyturn")
    open_door = clinic.settings.businesses[ACME].model_copy(update={"allow_unsigned": True})
    settings = clinic.settings
    clinic.settings = settings.model_copy(update={"businesses": {ACME: open_door}})
    report = await clinic.report()
    assert (ending(report), report.has(Code.NOT_CHECKED)) == (Exit.UNREACHABLE, True)
    assert report.has(Code.ALLOW_UNSIGNED)
    assert not any("canary-password" in said for said in clinic.said)

    clinic.settings = settings
    use_database(clinic, url=postgres_url)
    await clinic.restart()
    assert await clinic.found() == set()


async def test_tables_of_an_older_version(clinic: Clinic, empty_postgres_url: str) -> None:
    """An older Keyturn may be at work on them, so nothing is asked; one start of this version mends it."""
    await _open_once(empty_postgres_url)
    _set_revision(empty_postgres_url, "0001")
    use_database(clinic, url=empty_postgres_url)
    clinic.world.forget_requests()
    report = await clinic.report()
    assert (report.has(Code.DATABASE_OLD), report.has(Code.NOT_CHECKED), ending(report)) == (True, True, Exit.WRONG)
    assert clinic.world.requests == []

    _set_revision(empty_postgres_url, newest())
    assert Code.DATABASE_OLD not in await clinic.found()


async def test_tables_of_a_newer_version(clinic: Clinic, empty_postgres_url: str) -> None:
    """This version keeps its hands off."""
    await _open_once(empty_postgres_url)
    _set_revision(empty_postgres_url, "of tomorrow")
    use_database(clinic, url=empty_postgres_url)
    report = await clinic.report()
    assert (report.has(Code.DATABASE_TOO_NEW), ending(report)) == (True, Exit.UNREACHABLE)

    _set_revision(empty_postgres_url, newest())
    assert Code.DATABASE_TOO_NEW not in await clinic.found()


async def test_a_database_that_only_reads(on_postgres: Clinic, postgres_url: str) -> None:
    """A standby, or a role without the right to write."""
    use_database(on_postgres, url=f"{postgres_url}?options=-c%20default_transaction_read_only%3Don")
    report = await on_postgres.report()
    assert (report.has(Code.DATABASE_READ_ONLY), report.has(Code.NOT_CHECKED)) == (True, True)

    use_database(on_postgres, url=postgres_url)
    assert await on_postgres.found() == set()


class FastClock(SystemClock):
    """The clock of a machine that is ahead."""

    def now(self) -> datetime:
        """Return a time that is five minutes late."""
        return super().now() + timedelta(minutes=5)


async def test_this_machine_and_the_database_disagree(on_postgres: Clinic) -> None:
    """A machine whose clock is off is found by the database's."""
    report = await on_postgres.report(clock=FastClock())
    assert "clock of the database server" in {one.about for one in report.findings if one.code is Code.CLOCK}

    report = await on_postgres.report(clock=SystemClock())
    assert "clock of the database server" not in {one.about for one in report.findings}


def test_a_disk_with_little_room() -> None:
    """Little room is found, and enough is not."""
    assert [one.code for one in of_room(Path("/data"), LEAST_FREE - 1)] == [Code.DISK_FULL]
    assert list(of_room(Path("/data"), LEAST_FREE)) == []


async def test_the_account_has_another_code(clinic: Clinic) -> None:
    """Settings that call an account by a new name, which the service would not start with."""
    [table] = clinic.settings.businesses.values()
    before = clinic.settings
    clinic.settings = before.model_copy(update={"businesses": {BusinessCode("boxes"): table}})
    assert "[businesses.acme]" in (await clinic.the(Code.ACCOUNT_KNOWN)).advice

    clinic.settings = before
    assert await clinic.found() == set()


async def test_nobody_works(clinic: Clinic) -> None:
    """Work that is due, and nobody takes it: start the service."""
    clinic.world.move_in("B1")
    await clinic.world.account.deliver()
    clinic.world.clock.advance(MINUTES)
    assert "keyturn serve" in (await clinic.the(Code.WORK_WAITS)).advice

    await clinic.world.settle()
    assert await clinic.found() == set()


async def test_problems_and_held_rentals_are_counted(clinic: Clinic) -> None:
    """What `keyturn status` lists is pointed to, until it is solved."""
    unit = clinic.world.add_unit("B1", group="")
    clinic.world.move_in("B1")
    await clinic.world.settle()
    report = await clinic.report()
    problems = next(one for one in report.findings if one.code is Code.OPEN_PROBLEMS)
    assert ("1 unmapped_unit" in problems.text, report.has(Code.HELD)) == (True, True)

    clinic.world.sensorberg.add_group("group-B1")
    clinic.world.account.edit_unit(unit, {"sensorberg_id": "group-B1"})
    await clinic.world.settle()
    assert await clinic.found() == set()


async def test_a_busy_business_is_not_spoken_to(clinic: Clinic) -> None:
    """A worker that does not give way keeps its account to itself; afterwards it can be asked."""
    work, clock = clinic.world.service.work, clinic.world.clock
    lane = await work.claim_first(ACME, "somebody", lease=timedelta(days=1), asking=timedelta(seconds=1))
    assert lane is not None
    clinic.world.forget_requests()
    report = await clinic.report(clock=HastyClock(clock.now()))
    assert (report.has(Code.NOT_CHECKED), clinic.world.requests) == (True, [])

    await work.release(lane)
    assert await clinic.found() == set()


class HastyClock(MovableClock):
    """A clock on which waiting takes no time."""

    async def wait(self, event: asyncio.Event, *, seconds: float | None) -> None:  # noqa: ARG002 - the interface
        """Move on by what somebody wants to wait."""
        self.advance(timedelta(seconds=seconds or 0))


async def _open_once(url: str) -> None:
    """Start this version once on a database."""
    database = await open_database(url=url, data_dir=Path(), clock=SystemClock())
    await database.close()


def _sql(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def _set_revision(url: str, revision: str | None) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", [revision])
