"""What all tests share."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from keyturn.logs import configure

pytest_plugins = ["databases", "nursery"]

settings.register_profile("keyturn", deadline=None)  # a busy machine is no defect
settings.load_profile("keyturn")


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
