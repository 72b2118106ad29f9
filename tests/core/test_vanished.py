"""A rental that Storeganise no longer shows: held, confirmed by a second read, and only then revoked."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from core.builders import DAY, MINUTE, NOW, SITE, a_memory, a_policy, a_unit, memory_lost
from keyturn.core.entitlement import Desired
from keyturn.core.ids import RentalId, SiteId, UnitId
from keyturn.core.membership import Access
from keyturn.core.memory import RentalMemory
from keyturn.core.problem import ProblemCode
from keyturn.core.rental import Unit
from keyturn.core.vanished import LATELY, Disappearance, judge

FREE = a_unit(rental_id=None)
RELET = a_unit(rental_id=RentalId("next"))
STILL_NAMED = a_unit()

SEEN = a_memory()
MISSED_JUST_NOW = a_memory(vanished_at=NOW)
MISSED_TEN_MINUTES_AGO = a_memory(vanished_at=NOW - 10 * MINUTE)
MISSED_A_BIT_LESS_AGO = a_memory(vanished_at=NOW - 10 * MINUTE + timedelta(seconds=1))


def _judge(memory: RentalMemory, control: Unit | None, *, lately: int = 0, confirm: timedelta = 10 * MINUTE) -> Desired:
    policy = a_policy(confirm_vanished=confirm)
    return judge(Disappearance(memory=memory, control=control, lately=lately, policy=policy, now=NOW))


@pytest.mark.parametrize(
    ("memory", "control", "lately", "access", "vanished_at"),
    [
        pytest.param(SEEN, FREE, 0, Access.HOLD, NOW, id="the first read that misses it holds"),
        pytest.param(SEEN, RELET, 0, Access.HOLD, NOW, id="the first read holds although the unit is let again"),
        pytest.param(MISSED_JUST_NOW, FREE, 0, Access.HOLD, NOW, id="a second read at once confirms nothing"),
        pytest.param(
            MISSED_A_BIT_LESS_AGO,
            FREE,
            0,
            Access.HOLD,
            NOW - 10 * MINUTE + timedelta(seconds=1),
            id="a second read a second too early confirms nothing",
        ),
        pytest.param(
            MISSED_TEN_MINUTES_AGO,
            FREE,
            0,
            Access.NONE,
            NOW - 10 * MINUTE,
            id="a second read ten minutes later revokes",
        ),
        pytest.param(
            MISSED_TEN_MINUTES_AGO,
            RELET,
            0,
            Access.NONE,
            NOW - 10 * MINUTE,
            id="a second read finds the unit let again",
        ),
        pytest.param(SEEN, None, 0, Access.HOLD, None, id="a control read that fails does not count as a first read"),
        pytest.param(
            MISSED_TEN_MINUTES_AGO,
            None,
            0,
            Access.HOLD,
            NOW - 10 * MINUTE,
            id="a control read that fails the second time revokes nothing",
        ),
        pytest.param(SEEN, STILL_NAMED, 0, Access.HOLD, None, id="a unit that names it does not count as a first read"),
        pytest.param(
            MISSED_TEN_MINUTES_AGO,
            STILL_NAMED,
            0,
            Access.HOLD,
            NOW - 10 * MINUTE,
            id="a unit that names it the second time revokes nothing",
        ),
        pytest.param(
            MISSED_TEN_MINUTES_AGO,
            a_unit(id=UnitId("u2"), rental_id=None),
            0,
            Access.HOLD,
            NOW - 10 * MINUTE,
            id="a control read of another unit proves nothing",
        ),
        pytest.param(
            MISSED_TEN_MINUTES_AGO,
            a_unit(site_id=SiteId("s2"), rental_id=None),
            0,
            Access.HOLD,
            NOW - 10 * MINUTE,
            id="a control read of a unit at another site proves nothing",
        ),
        pytest.param(memory_lost(), FREE, 0, Access.HOLD, None, id="a rental nobody remembers is held"),
        pytest.param(memory_lost(), None, 0, Access.HOLD, None, id="a rental nobody ever knew is held"),
        pytest.param(
            MISSED_TEN_MINUTES_AGO,
            FREE,
            2,
            Access.NONE,
            NOW - 10 * MINUTE,
            id="the third of a site within a day is revoked",
        ),
        pytest.param(
            MISSED_TEN_MINUTES_AGO,
            FREE,
            3,
            Access.HOLD,
            NOW - 10 * MINUTE,
            id="the fourth of a site within a day is held",
        ),
        pytest.param(SEEN, FREE, 3, Access.HOLD, NOW, id="the fourth of a site is held at its first read, and counted"),
    ],
)
def test_judge(
    memory: RentalMemory, control: Unit | None, lately: int, access: Access, vanished_at: datetime | None
) -> None:
    """A revoke needs two good reads far enough apart, and few others of the site missing."""
    desired = _judge(memory, control, lately=lately)

    assert (desired.access, desired.memory.vanished_at) == (access, vanished_at)


@pytest.mark.parametrize(
    ("confirm", "access"),
    [
        pytest.param(10 * MINUTE, Access.NONE, id="at the operator's own limit"),
        pytest.param(11 * MINUTE, Access.HOLD, id="a minute before the operator's own limit"),
    ],
)
def test_operators_limit(confirm: timedelta, access: Access) -> None:
    """How far apart the two reads are is the operator's choice."""
    assert _judge(MISSED_TEN_MINUTES_AGO, FREE, confirm=confirm).access is access


def test_too_many_is_a_problem_of_the_site() -> None:
    """When many vanish at once staff are asked, and the site is named."""
    desired = _judge(MISSED_TEN_MINUTES_AGO, FREE, lately=3)

    found = [(problem.code, problem.subject_kind, problem.subject_id) for problem in desired.problems]
    assert found == [(ProblemCode.VANISHED, "site", SITE)]


@pytest.mark.parametrize(
    ("memory", "control"),
    [
        pytest.param(SEEN, FREE, id="waiting for the second read"),
        pytest.param(SEEN, None, id="without a control read"),
        pytest.param(SEEN, STILL_NAMED, id="named by its unit"),
        pytest.param(MISSED_TEN_MINUTES_AGO, FREE, id="confirmed"),
    ],
)
def test_reason(memory: RentalMemory, control: Unit | None) -> None:
    """Every hold and every revoke says why, and asks nobody where nobody can help."""
    desired = _judge(memory, control)

    assert (bool(desired.reason), desired.problems) == (True, ())


def test_a_confirmed_rental_is_not_live() -> None:
    """A rental that is gone blocks no group and covers nothing any more."""
    memory = a_memory(vanished_at=NOW - DAY, covered_by=RentalId("other"))
    gone = _judge(memory, FREE).memory

    assert (gone.live, gone.covered_by) == (False, None)


def test_a_held_rental_stays_live() -> None:
    """A rental that is only missed keeps its membership, and its group to itself."""
    assert _judge(SEEN, FREE).memory.live is True


def test_counted_within_a_day() -> None:
    """Rentals that vanished within a day count together."""
    assert timedelta(days=1) == LATELY
