"""The words of the work table."""

from __future__ import annotations

import pytest

from keyturn.core.work import Kind, Subject


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param(Kind.RENTAL, Subject("rental", "r1"), id="a rental"),
        pytest.param(Kind.SWEEP, Subject("sweep", "r1"), id="a sweep"),
    ],
)
def test_subject(kind: Kind, expected: Subject) -> None:
    """A subject is named by its kind's stable word and its id."""
    assert Subject.of(kind, "r1") == expected


def test_subjects_are_sorted() -> None:
    """Subjects have an order, so that rows are always claimed and locked in the same one."""
    subjects = [Subject.of(Kind.UNIT, "a"), Subject.of(Kind.RENTAL, "b"), Subject.of(Kind.RENTAL, "a")]

    assert sorted(subjects) == [Subject("rental", "a"), Subject("rental", "b"), Subject("unit", "a")]
