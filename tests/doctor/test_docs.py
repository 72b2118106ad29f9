"""The page about the doctor knows every finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyturn.doctor.finding import Code

PAGE = Path(__file__).parent.parent.parent / "docs/doctor.md"


@pytest.mark.parametrize("code", [code.value for code in Code])
def test_every_finding_is_explained(code: str) -> None:
    """Each kind has a row, and a note says that it is one."""
    assert f"| `{code}` |" in PAGE.read_text(encoding="utf-8")
