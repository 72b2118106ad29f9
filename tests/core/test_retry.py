"""How long to wait before the next try."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.retry import wait_before, wait_for_pause

CAP = timedelta(minutes=15)


@pytest.mark.parametrize(
    ("attempt", "chance", "asked", "expected"),
    [
        pytest.param(1, 1.0, None, 1, id="the first wait is a second at most"),
        pytest.param(1, 0.0, None, 0.5, id="the first wait is half a second at least"),
        pytest.param(1, 0.5, None, 0.75, id="chance picks in between"),
        pytest.param(0, 1.0, None, 1, id="no failure yet counts as one"),
        pytest.param(2, 1.0, None, 2, id="the second wait is twice as long"),
        pytest.param(5, 1.0, None, 16, id="the wait doubles with each failure"),
        pytest.param(10, 1.0, None, 512, id="the last wait below the cap"),
        pytest.param(11, 1.0, None, 900, id="the first wait at the cap"),
        pytest.param(11, 0.0, None, 450, id="jitter stays at the cap"),
        pytest.param(10**6, 1.0, None, 900, id="a million failures wait no longer than the cap"),
        pytest.param(1, 1.0, 30, 30, id="what the upstream asks for is honoured"),
        pytest.param(1, 1.0, 899, 899, id="a second below the cap is honoured"),
        pytest.param(1, 1.0, 86400, 900, id="an upstream cannot ask for more than the cap"),
        pytest.param(10, 1.0, 1, 512, id="an upstream cannot make us quicker"),
    ],
)
def test_wait(attempt: int, chance: float, asked: int | None, expected: float) -> None:
    """The wait grows exponentially up to the cap, and is never shorter than what was asked for."""
    asked_for = None if asked is None else timedelta(seconds=asked)

    assert wait_before(attempt, chance=chance, cap=CAP, asked=asked_for) == timedelta(seconds=expected)


@given(attempt=st.integers(0, 10**9), chance=st.floats(0, 1), asked=st.none() | st.timedeltas(timedelta()))
def test_bounds(attempt: int, chance: float, asked: timedelta | None) -> None:
    """Whatever comes, the wait is never shorter than half a second and never longer than the cap."""
    wait = wait_before(attempt, chance=chance, cap=CAP, asked=asked)

    assert timedelta(seconds=0.5) <= wait <= CAP


@pytest.mark.parametrize(
    ("rest", "chance", "expected"),
    [
        pytest.param(4, 0.0, 4, id="not before the pause is over"),
        pytest.param(4, 1.0, 5, id="at most a second after it"),
        pytest.param(900, 0.5, 900.5, id="the longest pause is waited out"),
    ],
)
def test_wait_for_pause(rest: int, chance: float, expected: float) -> None:
    """What waits for a paused upstream is looked at just after the pause, not all at the same instant."""
    wait = wait_for_pause(timedelta(seconds=rest), chance=chance, cap=CAP)

    assert timedelta(seconds=expected) == wait
