"""A served tenant with two groups, signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from keyturn.clock import MovableClock
from keyturn.providers.sensorberg.simulator import SensorbergSimulator
from keyturn.simulation.server import serving
from providers.sensorberg.simulator.tenant_client import NOW, Tenant


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    """A tenant at its default settings."""
    clock = MovableClock(NOW)
    sim = SensorbergSimulator(clock)
    sim.add_group("g1")
    sim.add_group("g2")
    async with serving(sim.app) as url, aiohttp.ClientSession() as http:
        served = Tenant(clock=clock, sim=sim, url=url, http=http)
        await served.sign_in()
        sim.journal.clear()
        yield served
