"""One running application per test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from web.site import Site, running


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path) as site:
        yield site


@pytest.fixture
async def hasty_site(tmp_path: Path) -> AsyncIterator[Site]:
    """The same with hardly any patience for slow bodies."""
    async with running(tmp_path, body_seconds=0.05) as site:
        yield site
