"""What the tests of crashes share: both databases, and an account of what was tried."""

from __future__ import annotations

import os

import pytest

from crash.strace import NO_STRACE


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Give no address, for the embedded database, and then PostgreSQL's."""
    return None if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was tried and measured, and say aloud what could not be."""
    if "KEYTURN_CRASH_POINTS" in os.environ:
        for report in terminalreporter.getreports("passed"):
            for name, value in report.user_properties:
                terminalreporter.line(f"{name}: {value}")
    skipped = [one for one in terminalreporter.getreports("skipped") if NO_STRACE in str(one.longrepr)]
    if skipped:
        terminalreporter.section("crashes at system calls were not tested", red=True)
        terminalreporter.line(f"{len(skipped)} tests did not run, because {NO_STRACE}.")
