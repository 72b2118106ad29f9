"""Starts everything: two simulators, a believable operator, and Keyturn, each a real server.

All of them share one clock that runs and can be moved, so that a day fits into seconds. Keyturn
gets a settings file as an operator would write it, and nothing else.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from keyturn.bootstrap import Service, assemble
from keyturn.clock import MovableClock, SystemClock
from keyturn.processes import plan_sweeps, run
from keyturn.providers.sensorberg.simulator import SensorbergSimulator
from keyturn.settings import load_settings
from keyturn.simulation.operator import Operator, believable_operator
from keyturn.simulation.server import serving
from keyturn.storeganise.simulator import Account, StoreganiseSimulator
from keyturn.web.server import listen

HOST = "127.0.0.1"
CODE = "acme"
ZONE = ZoneInfo("Europe/Berlin")
OPENING = time(8, 55)
"""When the day begins, in the operator's zone."""
LATENCY_S = 0.02
"""How long each request to one of the services takes, at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """Credentials, made up for this run; they open nothing."""

    api_key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    webhook_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    client_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    secret_key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Addresses:
    """Where the three answer, such as `http://127.0.0.1:49152`."""

    storeganise: str
    sensorberg: str
    keyturn: str


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """Everything that runs."""

    clock: MovableClock
    storeganise: StoreganiseSimulator
    sensorberg: SensorbergSimulator
    operator: Operator
    service: Service
    addresses: Addresses
    config: Path
    """Keyturn's settings file."""

    @property
    def account(self) -> Account:
        """The operator's account at Storeganise."""
        return self.operator.account


def morning_clock() -> MovableClock:
    """Return a running clock that begins this morning."""
    today = SystemClock().now().astimezone(ZONE).date()
    return MovableClock(datetime.combine(today, OPENING, ZONE).astimezone(UTC), running=True)


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[World]:
    """Run everything while the block runs; files go to `folder`. Raises `KeyturnError` and `OSError`."""
    clock, keys = morning_clock(), Keys()
    storeganise = StoreganiseSimulator(clock)
    sensorberg = SensorbergSimulator(clock, client_id="client", client_secret=keys.client_secret)
    operator = believable_operator(
        storeganise, sensorberg, code=CODE, api_key=keys.api_key, webhook_secret=keys.webhook_secret
    )
    storeganise.latency_s = sensorberg.latency_s = LATENCY_S
    async with AsyncExitStack() as stack:
        listener = listen(HOST, 0)
        stack.callback(listener.close)
        addresses = Addresses(
            storeganise=await stack.enter_async_context(serving(storeganise.app)),
            sensorberg=await stack.enter_async_context(serving(sensorberg.app)),
            keyturn=f"http://{HOST}:{listener.getsockname()[1]}",
        )
        config = folder / "keyturn.toml"
        config.write_text(_settings_text(addresses, keys), encoding="utf-8")
        service = await stack.enter_async_context(assemble(load_settings(config, {}), clock=clock))
        await plan_sweeps(service)
        await stack.enter_async_context(_running(service, listener))
        operator.account.api_url = f"{addresses.storeganise}/{CODE}/api"
        operator.account.webhook_url = f"{addresses.keyturn}/webhooks/storeganise/{CODE}"
        yield World(
            clock=clock,
            storeganise=storeganise,
            sensorberg=sensorberg,
            operator=operator,
            service=service,
            addresses=addresses,
            config=config,
        )


@asynccontextmanager
async def _running(service: Service, listener: socket.socket) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(run(service, listener, stop))
    try:
        yield
    finally:
        stop.set()
        await running


def _settings_text(addresses: Addresses, keys: Keys) -> str:
    """Return the settings an operator would write for these servers."""
    hosts = ", ".join(f'"{url.removeprefix("http://")}"' for url in (addresses.storeganise, addresses.sensorberg))
    return f"""\
# Settings of `keyturn demo`. The keys are made up and open nothing.
[server]
host = "{HOST}"
port = {addresses.keyturn.rpartition(":")[2]}
secret_key = "{keys.secret_key}"

[database]
data_dir = "./data"

[network]
allowed_hosts = [{hosts}]

[policy]
timezone = "{ZONE.key}"

[businesses.{CODE}]
api_url = "{addresses.storeganise}/{CODE}/api"
api_key = "{keys.api_key}"
webhook_secret = "{keys.webhook_secret}"

[businesses.{CODE}.sensorberg]
base_url = "{addresses.sensorberg}"
client_id = "client"
client_secret = "{keys.client_secret}"
"""
