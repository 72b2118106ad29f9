"""One running application per test."""

from __future__ import annotations

import io
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from keyturn.logs import configure
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


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, as JSON lines; afterwards logging is as it was."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    stream = io.StringIO()
    configure(stream=stream, pretty=False)
    yield stream
    structlog.reset_defaults()
    root.level, root.handlers = before
