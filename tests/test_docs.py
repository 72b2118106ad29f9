"""The pages that come from the program are what the program says now."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyturn.cli.reference import reference as commands
from keyturn.core.problem import ProblemCode
from keyturn.settings.model import Table, tables
from keyturn.settings.reference import reference as settings

ROOT = Path(__file__).parent.parent


def test_the_settings_page_is_current() -> None:
    """docs/settings.md is what `make docs` writes."""
    assert (ROOT / "docs/settings.md").read_text(encoding="utf-8") == settings()


def test_the_command_line_page_is_current() -> None:
    """docs/cli.md is what `make docs` writes."""
    assert (ROOT / "docs/cli.md").read_text(encoding="utf-8") == commands()


TABLES = {"sensorberg", "sites", "installations"}
"""Keys that are tables of their own, explained there."""


@pytest.mark.parametrize("table", tables().values(), ids=tables())
def test_every_setting_is_explained(table: type[Table]) -> None:
    """Each key has a description and an example."""
    fields = {name: field for name, field in table.model_fields.items() if name not in TABLES}

    assert [name for name, field in fields.items() if not field.description or not field.examples] == []


@pytest.mark.parametrize("code", [code.value for code in ProblemCode])
def test_every_problem_is_explained(code: str) -> None:
    """The operators' page says what each problem means and what to do."""
    assert f"| `{code}` |" in (ROOT / "docs/rental-lifecycle.md").read_text(encoding="utf-8")
