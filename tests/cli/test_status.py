"""`keyturn status`: what it prints and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keyturn.cli.app import run
from keyturn.clock import MovableClock, SystemClock
from keyturn.core.ids import BusinessCode
from keyturn.core.work import Ending, Kind, Outcome, Subject
from keyturn.store.database import Database, open_database
from keyturn.store.problems import Problems
from keyturn.store.work import Work

ACME = BusinessCode("acme")
RENTAL = Subject("rental", "r1")
SETTINGS = """
[server]
secret_key = "0123456789abcdef"
[businesses.acme]
api_key = "a"
webhook_secret = "w"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "keyturn.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def within(config: Path, work: Callable[[Database], Awaitable[None]], *, ago: timedelta = timedelta()) -> None:
    """Do something to the database of these settings, as a service would; perhaps some time ago."""
    clock = MovableClock(SystemClock().now() - ago, running=True)

    async def do() -> None:
        database = await open_database(url=None, data_dir=config.parent / "keyturn-data", clock=clock)
        try:
            await work(database)
        finally:
            await database.close()

    asyncio.run(do())


async def nothing(_database: Database) -> None:
    """Only make the database."""


async def a_held_rental(database: Database) -> None:
    work = Work(database)
    await work.wake(ACME, [RENTAL], "test")
    lane = await work.claim("worker", lease=timedelta(seconds=15))
    assert lane is not None
    [item] = await work.take(lane, kinds=list(Kind), limit=10)
    later = database.clock.now() + timedelta(hours=1)
    outcome = Outcome(item=item, ending=Ending.HELD, reason="the unit has no group", again_at=later)
    await work.finish(lane, [outcome])
    await work.release(lane)


async def a_problem(database: Database) -> None:
    unit = Subject("unit", "u1")
    await Problems(database).note(ACME, unit, "unmapped", "the unit has no group", database.clock.now())


def status(config: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = run(["--config", str(config), "status", *options])
    return code, capsys.readouterr().out


def as_json(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code, out = status(config, capsys, "--json")
    document: dict[str, Any] = json.loads(out)
    return code, document


def test_with_nothing_to_do_everything_is_zero(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A quiet service is fine and says so."""
    within(config, nothing)

    code, document = as_json(config, capsys)
    assert code == 0
    assert document == {
        "ok": True,
        "due": 0,
        "running": 0,
        "held": 0,
        "waiting": 0,
        "unread": 0,
        "oldest_due_s": 0.0,
        "held_subjects": [],
        "problems": [],
    }


def test_due_work_has_an_age_and_is_no_reason_to_worry(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Work that is waiting for its turn is counted with its age."""

    async def wake(database: Database) -> None:
        await Work(database).wake(ACME, [RENTAL], "test")

    within(config, wake, ago=timedelta(minutes=5))

    code, document = as_json(config, capsys)
    assert (code, document["due"]) == (0, 1)
    assert 300 <= document["oldest_due_s"] < 400


def test_a_held_rental_is_said_with_its_reason(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Something held ends the command with 1, for people and for machines."""
    within(config, a_held_rental)

    code, document = as_json(config, capsys)
    assert (code, document["held"]) == (1, 1)
    [held] = document["held_subjects"]
    assert (held["kind"], held["id"], held["reason"]) == ("rental", "r1", "the unit has no group")

    code, text = status(config, capsys)
    assert code == 1
    assert "  acme: rental r1: the unit has no group" in text.splitlines()


def test_an_open_problem_is_said(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A problem somebody must solve ends the command with 1."""
    within(config, a_problem)

    code, document = as_json(config, capsys)
    assert (code, document["problems"][0]["code"]) == (1, "unmapped")


def test_it_works_beside_a_running_service(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The service's own lock does not keep the command out."""

    async def look(_database: Database) -> None:
        assert await asyncio.to_thread(run, ["--config", str(config), "status"]) == 0

    within(config, look)
    assert "due " in capsys.readouterr().out


def test_without_a_database_it_ends_with_3(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A database that cannot be opened is one sentence and its own exit code."""
    (config.parent / "keyturn-data").write_text("not a folder", encoding="utf-8")

    code = run(["status", "--config", str(config)])
    err = capsys.readouterr().err
    assert (code, len(err.splitlines()), err[:9]) == (3, 1, "keyturn: ")
