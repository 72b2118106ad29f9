"""One or two businesses on one Sensorberg tenant, with Keyturn on one or two machines, all in virtual time.

Everything is real but the wires, the disk and the time: engine, SQL, HTTP clients, web app, both simulators.

    async def story(world: World) -> None:
        account = world.accounts[0]
        unit = account.add_unit(world.sites["one"][0], "A1", {"sensorberg_id": world.sensorberg.add_group("A1")})
        rental = account.move_in(account.add_user("Jo", "Kay", "jo@example.com"), unit, account.today())
        await asyncio.sleep(60)

    play(Plan(seed=17), story)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import aiohttp
import structlog
from uvicorn.server import ServerState

from histories.database import DatabaseServer, ServerConnection
from histories.dice import dice
from histories.host import Host, tagging
from histories.loop import LoopClock, run
from histories.network import Listener, MemoryConnector, MemoryHttpClient, Network
from keyturn.bootstrap import Service, build, make_rules
from keyturn.core.pin import draw_pin
from keyturn.engine import worker
from keyturn.engine.business import Rules
from keyturn.errors import DatabaseUnavailable
from keyturn.processes import plan_sweeps
from keyturn.providers.sensorberg.simulator import Knobs as SensorbergKnobs
from keyturn.providers.sensorberg.simulator import SensorbergSimulator
from keyturn.settings import Settings, parse_settings
from keyturn.simulation.server import connections
from keyturn.storeganise.simulator import Account, StoreganiseSimulator
from keyturn.storeganise.simulator import Knobs as StoreganiseKnobs
from keyturn.web.metrics import Metrics

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
"""A Monday, nine o'clock in Berlin."""
STOREGANISE, SENSORBERG, KEYTURN = "books.storeganise.com", "doors.sensorberg.io", "keyturn.example"
CODES = ("one", "two")
POLL = timedelta(hours=2)
"""How often an idle worker looks by itself: news and planned looks wake it, and quiet days shall cost nothing."""
RESTART_S = 5
"""How long until a machine that could not start is started again."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a history starts with, apart from what happens in it."""

    seed: int
    start: datetime = START
    businesses: int = 1
    machines: int = 1
    latency_s: float = 0.02
    late_s: float = 15.0
    skew_s: tuple[float, ...] = (0.0, 0.0)
    """How far each machine's idea of the database's time is off."""
    pump: int = 2
    """How many webhooks of an account are under way at once."""
    timing: dict[str, str] = field(default_factory=dict)
    storeganise: StoreganiseKnobs = field(default_factory=StoreganiseKnobs)
    sensorberg: SensorbergKnobs = field(default_factory=SensorbergKnobs)


class Machine:
    """Keyturn on one machine, from its start to its end or its crash."""

    def __init__(self, world: World, name: str, ahead: timedelta) -> None:
        self.host = Host(name)
        self._world = world
        self._stop = asyncio.Event()
        clock = LoopClock(world.plan.start, ahead=ahead)
        self._database = ServerConnection(world.database, self.host, clock)
        self._http = MemoryHttpClient(world.network, self.host, world.settings.network.allowed_hosts)
        self.service: Service | None = None
        self.task = self.host.start(self._run())

    async def _run(self) -> None:
        world = self._world
        self.service = service = build(
            world.settings,
            database=self._database,
            http=self._http,
            metrics=Metrics(),
            rules=world.rules,
            name=self.host.name,
        )
        try:
            await self._start(service)
            factory = connections(service.app, ServerState())
            world.network.listen(KEYTURN, Listener(factory=factory, host=self.host))
            world.database.hear(self.host, service.worker.notify)
            await service.worker.run(self._stop)
        finally:
            await self._http.close()

    async def _start(self, service: Service) -> None:
        """Start; whoever watches over a machine whose database is away starts it again and again."""
        while not self._stop.is_set():
            try:
                await service.directory.start()
                await plan_sweeps(service)
            except DatabaseUnavailable:
                await asyncio.sleep(RESTART_S)
            else:
                return

    async def stop(self) -> None:
        """Stop in good order, or see that a crashed one is gone."""
        self._stop.set()
        _, late = await asyncio.wait((self.task,), timeout=60)
        if late:
            raise AssertionError(f"{self.host.name} does not end")


class World:
    """See the module."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.clock = LoopClock(plan.start)
        self.network = Network(dice(plan.seed + 1), latency_s=plan.latency_s, late_s=plan.late_s)
        self.database = DatabaseServer(dice(plan.seed + 2))
        self.storeganise = StoreganiseSimulator(self.clock, plan.storeganise)
        self.sensorberg = SensorbergSimulator(self.clock, plan.sensorberg, client_id="client", client_secret="secret")
        self.settings = _settings(plan)
        self.rules = _rules(self.settings, dice(plan.seed + 3))
        self.accounts: list[Account] = [self._add_account(code) for code in CODES[: plan.businesses]]
        self.machines: list[Machine] = []
        self._started = 0
        for name, app in ((STOREGANISE, self.storeganise.app), (SENSORBERG, self.sensorberg.app)):
            self.network.listen(name, Listener(factory=connections(app, ServerState())))

    def start_machine(self) -> Machine:
        """Start Keyturn on one more machine."""
        ahead = self.plan.skew_s[self._started % len(self.plan.skew_s)]
        self._started += 1
        machine = Machine(self, f"machine {self._started}", timedelta(seconds=ahead))
        self.machines.append(machine)
        return machine

    @property
    def running(self) -> list[Machine]:
        """The machines that have not crashed."""
        return [machine for machine in self.machines if machine.host.alive]

    @property
    def at_work(self) -> list[Machine]:
        """The machines that hold a lane."""
        with self.database.engine.connect() as connection:
            holders = {row[0] for row in connection.exec_driver_sql("select holder from lanes")}
        return [machine for machine in self.running if machine.host.name in holders]

    def _add_account(self, code: str) -> Account:
        account = self.storeganise.add_account(
            code,
            api_key=f"key of {code}",
            webhook_url=f"https://{KEYTURN}/webhooks/storeganise/{code}",
            webhook_secret=f"secret of {code}",
        )
        account.api_url = f"https://{STOREGANISE}/{code}/api"
        account.mailbox.open_session = lambda: aiohttp.ClientSession(connector=MemoryConnector(self.network))
        return account


def play(plan: Plan, story: Callable[[World], Awaitable[None]]) -> World:
    """Start a world, let the story happen in it, and return it as it was at the end. Raises what the story does."""
    return run(_play(plan, story))


async def _play(plan: Plan, story: Callable[[World], Awaitable[None]]) -> World:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(tagging)
    stop = asyncio.Event()
    with patch.object(worker, "POLL", POLL), _Silence():
        world = World(plan)
        for _ in range(plan.machines):
            world.start_machine()
        pump = asyncio.create_task(world.storeganise.pump(stop, plan.pump))
        try:
            await story(world)
        finally:
            stop.set()
            await asyncio.wait((pump,))
            for machine in world.machines:
                await machine.stop()
    return world


class _Silence:
    """Keep the log quiet: rendering thousands of lines would cost more than the work."""

    def __enter__(self) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # answers that a crashed machine never gave

    def __exit__(self, *_: object) -> None:
        structlog.reset_defaults()
        logging.getLogger("uvicorn.error").setLevel(logging.NOTSET)


def _rules(settings: Settings, random: Random) -> Rules:
    return replace(make_rules(settings), draw=lambda length: draw_pin(length, random.randrange), chance=random.random)


def _settings(plan: Plan) -> Settings:
    businesses: dict[str, Any] = {
        code: {
            "api_url": f"https://{STOREGANISE}/{code}/api",
            "api_key": f"key of {code}",
            "webhook_secret": f"secret of {code}",
            "sensorberg": {"base_url": f"https://{SENSORBERG}", "client_id": "client", "client_secret": "secret"},
        }
        for code in CODES[: plan.businesses]
    }
    document = {
        "server": {"secret_key": "a secret key for tests only"},
        "network": {"allowed_hosts": [STOREGANISE, SENSORBERG]},
        "timing": plan.timing,
        "businesses": businesses,
    }
    return parse_settings(document, name="a history", folder=Path(), environ={})
