"""An account with a site, two units and a tenant, served over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest

from keyturn.clock import MovableClock
from keyturn.simulation.server import serving
from keyturn.storeganise.simulator import StoreganiseSimulator
from storeganise.simulator.world import World


@pytest.fixture
def world() -> World:
    """An account nobody serves yet."""
    clock = MovableClock(datetime(2026, 3, 1, 9, 0, tzinfo=UTC))
    return World(clock=clock, sim=StoreganiseSimulator(clock))


@pytest.fixture
async def served(world: World) -> AsyncIterator[World]:
    """The account behind a real HTTP server."""
    async with serving(world.sim.app) as url, aiohttp.ClientSession() as session:
        world.url, world.http = url, session
        yield world
