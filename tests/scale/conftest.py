"""Shows the figures of the long story."""

from __future__ import annotations

import os

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the long story recorded."""
    if "KEYTURN_SCALE_EVENTS" in os.environ:
        for report in terminalreporter.getreports("passed"):
            for name, value in report.user_properties:
                terminalreporter.line(f"{name}: {value}")
