"""A simulated tenant behind real HTTP, and a provider for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from keyturn.clock import MovableClock
from keyturn.core.ids import TenantUrl
from keyturn.providers.protocol import Provider
from keyturn.providers.registry import ProviderParts, provider
from keyturn.providers.sensorberg.simulator import Knobs, SensorbergSimulator
from keyturn.providers.sensorberg.token import MemoryTokens
from keyturn.simulation.server import serving
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.http import HttpClient

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
SECRET = "canary s+e&c=%r/é"


@dataclass
class Tenant:
    """The simulator, and what providers for it are built from."""

    url: str
    sim: SensorbergSimulator
    clock: MovableClock
    http: HttpClient
    tokens: MemoryTokens = field(default_factory=MemoryTokens)
    circuit: Circuit = field(init=False)

    def provider(self, **changes: Any) -> Provider:
        """Build a provider as another process would: only the stored token is shared."""
        self.circuit = Circuit("sensorberg", self.clock, timedelta(minutes=15))
        parts: dict[str, Any] = {
            "http": self.http,
            "clock": self.clock,
            "tenant": TenantUrl(self.url),
            "client_id": "client",
            "client_secret": SECRET,
            "circuit": self.circuit,
            "limiter": asyncio.Semaphore(32),
            "tokens": self.tokens,
            "secret_key": b"installation key",
        }
        return provider("sensorberg", ProviderParts(**(parts | changes)))

    def asked(self, route: str) -> int:
        """Count the requests to a route."""
        return self.sim.journal.count(route=route)


@asynccontextmanager
async def tenant(knobs: Knobs | None = None, **http: Any) -> AsyncIterator[Tenant]:
    """Serve an empty tenant with the groups `gate-1` and `gate-2`."""
    clock = MovableClock(NOW)
    sim = SensorbergSimulator(clock, knobs or Knobs(), client_id="client", client_secret=SECRET)
    sim.add_group("gate-1")
    sim.add_group("gate-2")
    async with serving(sim.app) as url, HttpClient(["127.0.0.1"], **http) as client:
        yield Tenant(url, sim, clock, client)
