"""What problems that are told as tasks promise, on every database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contract.store_work import ACME, BOXES, LEASE, MINUTE, claimed, rental, taken
from databases import START
from keyturn.clock import MovableClock
from keyturn.core.problem import Problem, ProblemCode, Target, TargetKind
from keyturn.core.work import TASKS, Lane, Subject
from keyturn.errors import LeaseLost
from keyturn.store.database import Database
from keyturn.store.problems import FORGOTTEN_AFTER, Problems
from keyturn.store.work import Work

UNIT = Target(kind=TargetKind.UNIT, id="u1")
UNMAPPED = Problem(
    code=ProblemCode.UNMAPPED_UNIT,
    subject_kind="unit",
    subject_id="u1",
    details={"unit": "Nr. 1 „süd“", "language": "de"},
    target=UNIT,
)
SOLVED = {(("unit", "u1"), ProblemCode.UNMAPPED_UNIT)}


async def _lane(database: Database) -> Lane:
    """Claim the lane of a business in which something is due."""
    work = Work(database)
    await work.wake(ACME, [rental(1)], "x")
    return await claimed(work)


async def _tasks_due(database: Database, lane: Lane) -> bool:
    """Say whether the row that tells site staff is due, and take it."""
    return TASKS in {item.subject for item in await taken(Work(database), lane)}


class ToldProblemsContract:
    """Problems, told once."""

    async def test_what_is_untold(self, database: Database) -> None:
        """A new problem with a target is untold, with everything its words need; one without a target is not."""
        problems = Problems(database)
        nowhere = Problem(code=ProblemCode.VANISHED, subject_kind="site", subject_id="s1")
        await problems.settle(ACME, [UNMAPPED, nowhere], (), START)
        (untold,) = await problems.untold(ACME)

        assert (untold.business, untold.subject, untold.code) == (ACME, Subject("unit", "u1"), "unmapped_unit")
        assert (untold.target, untold.details, untold.text) == (UNIT, UNMAPPED.details, UNMAPPED.text)
        assert (untold.telling_at, untold.told_at) == (None, None)
        assert await problems.untold(BOXES) == []

    async def test_a_new_problem_wakes_the_row_that_tells(self, database: Database) -> None:
        """In the same transaction, once: a problem that is found again wakes nothing."""
        problems, lane = Problems(database), await _lane(database)
        await problems.settle(ACME, [UNMAPPED], (), START)

        assert await _tasks_due(database, lane) is True

        row = await Work(database).row(ACME, TASKS)
        await problems.settle(ACME, [UNMAPPED], (), START + MINUTE)

        assert await Work(database).row(ACME, TASKS) == row

    async def test_nothing_is_woken_without_a_target(self, database: Database) -> None:
        """Neither what nobody can be told of, nor what was solved, needs the row."""
        problems = Problems(database)
        await problems.settle(
            ACME, [Problem(code=ProblemCode.VANISHED, subject_kind="site", subject_id="s")], (), START
        )
        await problems.settle(ACME, [], SOLVED, START)

        assert await Work(database).row(ACME, TASKS) is None

    async def test_telling(self, database: Database) -> None:
        """A problem is told by one; then it is told, and found again it stays so."""
        problems, lane = Problems(database), await _lane(database)
        await problems.settle(ACME, [UNMAPPED], (), START)
        (untold,) = await problems.untold(ACME)

        assert [await problems.telling(lane, untold, START + n * MINUTE) for n in range(2)] == [True, False]
        assert [one.telling_at for one in await problems.untold(ACME)] == [START]

        await problems.told(untold, START + MINUTE)
        await problems.settle(ACME, [UNMAPPED], (), START + 2 * MINUTE)

        assert await problems.untold(ACME) == []
        assert [(one.telling_at, one.told_at) for one in await problems.open()] == [(START, START + MINUTE)]

    async def test_taken_back(self, database: Database) -> None:
        """What surely was not told can be told again, unless somebody has counted it as told."""
        problems, lane = Problems(database), await _lane(database)
        await problems.settle(ACME, [UNMAPPED], (), START)
        (untold,) = await problems.untold(ACME)
        await problems.telling(lane, untold, START)
        await problems.not_told(untold, START + MINUTE)

        assert [one.telling_at for one in await problems.untold(ACME)] == [START]

        await problems.not_told(untold, START)

        assert await problems.telling(lane, untold, START + MINUTE) is True

        await problems.told(untold, START + MINUTE)
        await problems.not_told(untold, START + MINUTE)

        assert await problems.untold(ACME) == []

    async def test_only_under_a_lease(self, database: Database, clock: MovableClock) -> None:
        """Whoever lost the lane leaves no task any more."""
        problems, lane = Problems(database), await _lane(database)
        await problems.settle(ACME, [UNMAPPED], (), START)
        (untold,) = await problems.untold(ACME)
        clock.advance(LEASE)

        with pytest.raises(LeaseLost):
            await problems.telling(lane, untold, START)

        assert await problems.untold(ACME) == [untold]

    async def test_solved_and_back_is_told_again(self, database: Database) -> None:
        """It is another problem, also for whoever was still telling the one before."""
        problems, lane = Problems(database), await _lane(database)
        await problems.settle(ACME, [UNMAPPED], (), START)
        (before,) = await problems.untold(ACME)
        await problems.settle(ACME, [], SOLVED, START)

        assert await problems.telling(lane, before, START) is False

        await problems.settle(ACME, [UNMAPPED], (), START + MINUTE)
        await problems.told(before, START + MINUTE)

        assert await _tasks_due(database, lane) is True
        assert [one.since for one in await problems.untold(ACME)] == [START + MINUTE]

    async def test_forgotten_and_back_is_told_again(self, database: Database) -> None:
        """A problem that no look found for a day was gone."""
        problems = Problems(database)
        await problems.settle(ACME, [UNMAPPED], (), START)
        (untold,) = await problems.untold(ACME)
        await problems.told(untold, START)
        later = START + FORGOTTEN_AFTER + timedelta(minutes=1)
        await problems.settle(ACME, [UNMAPPED], (), later)
        row = await Work(database).row(ACME, TASKS)

        assert [one.since for one in await problems.untold(ACME)] == [later]
        assert row is not None
        assert row.wanted == 2

    async def test_a_row_of_the_version_before(self, database: Database) -> None:
        """It has neither details nor a target; found again it gets both and is told, and keeps when it began."""
        problems, lane = Problems(database), await _lane(database)
        await problems.note(ACME, Subject("unit", "u1"), "unmapped_unit", "Unit A1 has no access group.", START)

        assert (await problems.untold(ACME), [one.details for one in await problems.open()]) == ([], [{}])

        assert await problems.settle(ACME, [UNMAPPED], (), START + MINUTE) == []
        assert await _tasks_due(database, lane) is True
        assert [(one.since, one.target, one.details) for one in await problems.untold(ACME)] == [
            (START, UNIT, UNMAPPED.details)
        ]

    async def test_where_it_was_told_stays(self, database: Database) -> None:
        """Found again through another unit, a site's problem is still where staff were told of it."""
        problems = Problems(database)
        await problems.settle(ACME, [UNMAPPED], (), START)
        elsewhere = Target(kind=TargetKind.UNIT, id="u2")
        for target in (elsewhere, None):
            again = Problem(code=UNMAPPED.code, subject_kind="unit", subject_id="u1", target=target)
            await problems.settle(ACME, [again], (), START + MINUTE)

        assert [one.target for one in await problems.untold(ACME)] == [UNIT]
