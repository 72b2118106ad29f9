"""`keyturn status`: what it prints and how it ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from cli.desk import ACME, Desk, nothing
from keyturn.cli.app import run
from keyturn.core.work import Ending, Kind, Outcome, Subject
from keyturn.store.database import Database
from keyturn.store.problems import Problems
from keyturn.store.work import Work

RENTAL = Subject("rental", "r1")


async def woken(database: Database) -> None:
    """Let a rental be due."""
    await Work(database).wake(ACME, [RENTAL], "test")


async def a_held_rental(database: Database) -> None:
    """Let a rental be held for an hour."""
    work = Work(database)
    await work.wake(ACME, [RENTAL], "test")
    lane = await work.claim("worker", lease=timedelta(seconds=15))
    assert lane is not None
    [item] = await work.take(lane, list(Kind), limit=10)
    later = database.clock.now() + timedelta(hours=1)
    outcome = Outcome(item=item, ending=Ending.HELD, reason="the unit has no group", again_at=later)
    await work.finish(lane, [outcome])
    await work.release(lane)


async def a_problem(database: Database) -> None:
    """Let something be wrong with a unit."""
    unit = Subject("unit", "u1")
    await Problems(database).note(ACME, unit, "unmapped", "the unit has no group", database.clock.now())


def test_with_nothing_to_do_everything_is_zero(any_desk: Desk) -> None:
    """A quiet service is fine and says so."""
    any_desk.within(nothing)

    assert any_desk.json("status") == {
        "ok": True,
        "due": 0,
        "running": 0,
        "held": 0,
        "waiting": 0,
        "unread": 0,
        "oldest_due_s": 0.0,
        "held_subjects": [],
        "failing_subjects": [],
        "problems": [],
        "waiting_addons": 0,
    }


def test_due_work_has_an_age_and_is_no_reason_to_worry(desk: Desk) -> None:
    """Work that is waiting for its turn is counted with its age."""
    desk.within(woken, ago=timedelta(minutes=5))
    document = desk.json("status")

    assert document["due"] == 1
    assert 300 <= document["oldest_due_s"] < 400
    assert "The oldest has been waiting for 5 min." in desk.run("status").lines


def test_work_that_piles_up_is_a_reason_to_worry(desk: Desk) -> None:
    """Nobody works on it, or nothing can be done: it ends with 1 and asks the question."""
    desk.within(woken, ago=timedelta(minutes=11))
    said = desk.run("status")

    assert said.code == 1
    assert "Work piles up: does a worker run, and do the services answer?" in said.lines
    assert desk.json("status", ends=1)["ok"] is False


def test_what_failed_and_is_repeated_is_shown(desk: Desk) -> None:
    """With the reason, which says whose key or which service it is."""

    async def failed(database: Database) -> None:
        work = Work(database)
        await work.wake(ACME, [RENTAL], "x")
        lane = await work.claim("worker", lease=timedelta(seconds=15))
        assert lane is not None
        [item] = await work.take(lane, list(Kind), limit=1)
        reason, again_at = "storeganise: read a rental: the key is refused", database.clock.now() + timedelta(minutes=5)
        await work.finish(lane, [Outcome(item=item, ending=Ending.RETRY, reason=reason, again_at=again_at)])
        await work.release(lane)

    desk.within(failed)

    assert [one["reason"] for one in desk.json("status")["failing_subjects"]] == [
        "storeganise: read a rental: the key is refused"
    ]
    assert any("the key is refused" in line for line in desk.run("status").lines)


def test_a_held_rental_is_said_with_its_reason(desk: Desk) -> None:
    """Something held ends the command with 1, for people and for machines."""
    desk.within(a_held_rental, ago=timedelta(hours=3))
    document = desk.json("status", ends=1)
    [held] = document["held_subjects"]

    assert document["held"] == 1
    assert (held["kind"], held["id"], held["reason"]) == ("rental", "r1", "the unit has no group")

    said = desk.run("status")

    assert said.code == 1
    assert ["acme", "rental", "r1", "3", "h", "the", "unit", "has", "no", "group"] in [x.split() for x in said.lines]


def test_an_open_problem_is_said(desk: Desk) -> None:
    """A problem somebody must solve ends the command with 1."""
    desk.within(a_problem)

    assert desk.json("status", ends=1)["problems"][0]["code"] == "unmapped"
    assert desk.run("status").lines[-1].split()[:3] == ["acme", "unit", "u1"]


def test_a_long_list_is_cut_for_people_only(desk: Desk) -> None:
    """Of very many problems the first are listed, and how many more there are; machines get all."""

    async def many(database: Database) -> None:
        for number in range(53):
            await Problems(database).note(ACME, Subject("unit", f"u{number}"), "unmapped", "x", database.clock.now())

    desk.within(many)

    assert len(desk.json("status", ends=1)["problems"]) == 53
    assert desk.run("status").lines[-1] == "... and 3 more; --json lists all."


def test_it_works_beside_a_running_service(desk: Desk) -> None:
    """The service's own lock does not keep the command out."""

    async def look(_database: Database) -> None:
        assert await asyncio.to_thread(run, ["--config", str(desk.config), "status"]) == 0

    desk.within(look)


@pytest.mark.parametrize(
    "command", [["status"], ["deliveries"], ["replay", "--since", "1h"], ["addons"], ["wake", "r1"]]
)
def test_without_a_database_it_ends_with_3(desk: Desk, command: list[str]) -> None:
    """A database that cannot be opened is one sentence and its own exit code."""
    (desk.folder / "keyturn-data").write_text("not a folder", encoding="utf-8")
    said = desk.run(*command)

    assert (said.code, said.out, len(said.err.splitlines()), said.err[:9]) == (3, "", 1, "keyturn: ")


@pytest.mark.parametrize(
    "command", [["status"], ["deliveries"], ["replay", "--since", "1h"], ["addons"], ["wake", "r1"]]
)
def test_a_postgresql_that_does_not_answer(desk: Desk, command: list[str]) -> None:
    """It is one sentence without the password, and ends with 3."""
    settings = desk.config.read_text(encoding="utf-8")
    desk.write(f'{settings}[database]\nurl = "postgresql://keyturn:pass-canary@127.0.0.1:1/keyturn"\n')
    said = desk.run(*command)

    assert (said.code, said.out, len(said.err.splitlines())) == (3, "", 1)
    assert "pass-canary" not in said.err
