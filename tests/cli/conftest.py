"""A desk on either database."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """Return a desk with an embedded database."""
    return Desk(tmp_path, None, capsys)


@pytest.fixture(params=["sqlite", "postgres"])
def any_desk(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """Return a desk with the one database and then the other."""
    url: str | None = request.getfixturevalue("postgres_url") if request.param == "postgres" else None
    return Desk(tmp_path, url, capsys)
