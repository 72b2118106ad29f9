"""A running service to try the kit with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from keyturn.simulation.app import SimulatedApp
from keyturn.simulation.server import serving
from simulation.counter import Counter


@pytest.fixture
async def counter() -> AsyncIterator[Counter]:
    """A running counter."""
    service = Counter()
    async with serving(SimulatedApp(service)) as url:
        service.url = url
        yield service


@pytest.fixture
async def http(counter: Counter) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the counter."""
    async with aiohttp.ClientSession(counter.url) as session:
        yield session
