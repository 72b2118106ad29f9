"""The page says what is tested, and what it names exists."""

from __future__ import annotations

import re

import pytest

from faults.catalogue import CATALOGUE
from faults.kinds import TROUBLES
from faults.page import PAGE, page_with, reference

TESTS = PAGE.parents[1] / "tests"


def test_the_page_is_current() -> None:
    """docs/safety.md is what `make docs` writes."""
    page = PAGE.read_text(encoding="utf-8")

    assert page == page_with(reference(), page)


def test_every_fault_is_there() -> None:
    """F1 to F50, each with a proof or a reason; and no row of the matrix is about anything else."""
    assert [fault.number for fault in CATALOGUE] == list(range(1, 51))
    assert [fault.number for fault in CATALOGUE if not (fault.troubles or fault.tests or fault.note)] == []
    assert {trouble.row for trouble in TROUBLES} <= {f"F{fault.number}" for fault in CATALOGUE}


@pytest.mark.parametrize("named", sorted({test for fault in CATALOGUE for test in fault.tests}))
def test_every_named_test_exists(named: str) -> None:
    """A proof that was renamed or deleted is missed."""
    path, _, name = named.partition("::")
    found = re.findall(r"^\s*(?:async )?def (test_\w+)\(", (TESTS / path).read_text(encoding="utf-8"), re.MULTILINE)

    assert name in {*found, "*"}
