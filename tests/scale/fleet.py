"""Keyturn as processes: started as commands, on one database, beside both simulators.

Time is real. Every wait is for something to happen, within bounds.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cli.program import COMMAND, environment
from keyturn.clock import SystemClock
from keyturn.core.work import Load
from keyturn.providers.sensorberg.simulator import Knobs, SensorbergSimulator
from keyturn.simulation.server import serving
from keyturn.store.database import Database, open_database
from keyturn.store.work import Work
from keyturn.storeganise.simulator import Account, StoreganiseSimulator
from nursery import Nursery

PATIENCE_S = 100
LATENCY_S = 0.02
LOOK_EVERY_S = 0.05
CLIENT_SECRET = "a client's secret"
STARTED = {"serve": "started", "web": "web_started", "worker": "worker_started"}
"""What a command logs once it takes part."""
TENANTS = 2
CLIENTS = 2
"""Sensorberg clients per tenant, each shared by several businesses."""


class Process(Protocol):
    """What is needed of `asyncio.subprocess.Process`, and of whatever else stands for a process."""

    @property
    def pid(self) -> int: ...
    @property
    def stderr(self) -> asyncio.StreamReader | None: ...
    @property
    def returncode(self) -> int | None: ...
    def send_signal(self, signal: int, /) -> None: ...
    def kill(self) -> None: ...
    async def wait(self) -> int: ...


Launch = Callable[[Sequence[str]], Awaitable[Process]]
"""Starts a process that runs the program with these words."""


@dataclass(kw_only=True)
class Command:
    """A running `keyturn web`, `keyturn worker` or `keyturn serve`."""

    process: Process
    port: int
    lines: list[dict[str, Any]] = field(default_factory=list)
    """What it has logged."""
    reading: asyncio.Task[None] = field(init=False)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, action: str) -> None:
        """Wait until it logs `action`."""
        while not self.said(action):
            if self.reading.done():
                raise AssertionError(f"it ended: {self.lines[-3:]}")
            self._news.clear()
            await self._news.wait()

    def said(self, action: str) -> list[dict[str, Any]]:
        """Return the lines with which it logged `action`."""
        return [line for line in self.lines if line.get("action") == action]

    async def stop(self) -> int:
        """Ask it to stop; return its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """End it without a chance to tidy up."""
        self.process.kill()
        await self.ended()

    async def read(self) -> None:
        """Keep what it logs."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            with suppress(ValueError):
                self.lines.append(json.loads(line))
            self._news.set()
        self._news.set()

    async def ended(self) -> int:
        """Wait until it has ended; return its exit code."""
        code = await self.process.wait()
        await self.reading
        return code


@dataclass(kw_only=True)
class Fleet:
    """The simulated services and accounts, and what was started beside them."""

    folder: Path
    database_url: str | None
    """`None`: the embedded database, in `data_dir`."""
    storeganise: StoreganiseSimulator
    tenants: list[SensorbergSimulator]
    accounts: list[Account]
    urls: dict[str, str]
    settings: Mapping[str, Any]
    nursery: Nursery
    commands: list[Command] = field(default_factory=list)
    database: Database | None = None
    """Opened when something is asked of it."""

    @property
    def database_name(self) -> str:
        """Return which of the two databases it is."""
        return "PostgreSQL" if self.database_url else "SQLite"

    @property
    def data_dir(self) -> Path:
        """Return where the embedded database is."""
        return self.folder / "data"

    async def start(self, *words: str, by: Launch | None = None, port: int | None = None) -> Command:
        """Start a command, if wanted in a way of its own, and wait until it takes part."""
        command = await self.launch(*words, by=by, port=port)
        await command.until(STARTED[words[0]])
        return command

    async def launch(self, *words: str, by: Launch | None = None, port: int | None = None) -> Command:
        """Start a command and wait for nothing."""
        port, by = port or free_port(), by or self.nursery.launch
        command = Command(process=await by([*self._config(port), *words]), port=port)
        command.reading = asyncio.create_task(command.read())
        self.commands.append(command)
        return command

    async def command(self, *words: str) -> int:
        """Run a command to its end; return its exit code."""
        run = await asyncio.create_subprocess_exec(
            *COMMAND, *self._config(free_port()), *words, env=environment(), stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(PATIENCE_S):
            return await run.wait()

    def send_to(self, command: Command) -> None:
        """Let all accounts send their webhooks to this process from now on."""
        for account in self.accounts:
            account.webhook_url = f"http://127.0.0.1:{command.port}/webhooks/storeganise/{account.code}"

    async def deliver(self) -> None:
        """Send what is queued, all accounts side by side."""
        await asyncio.gather(*(account.deliver() for account in self.accounts if account.outbox))

    async def load(self) -> Load:
        """Ask the database what there is to do."""
        if self.database is None:
            self.database = await open_database(
                url=self.database_url, data_dir=self.data_dir, clock=SystemClock(), shared=True
            )
        return await Work(self.database).load(self.database.clock.now())

    async def leave_database(self) -> None:
        """Let go of the database, so that nobody but the processes has it open."""
        if self.database is not None:
            await self.database.close()
            self.database = None

    async def until_all(self, seen: Callable[[], bool]) -> None:
        """Deliver whatever is queued until it is seen, looking after each change of either service."""
        async with asyncio.timeout(PATIENCE_S):
            while not seen():
                await self.deliver()
                await self._change(lambda: seen() or self.waiting > 0)

    async def until(self, right: Callable[[], bool]) -> None:
        """Deliver whatever is queued until nothing is left to do and it is right."""
        between = asyncio.Event()
        async with asyncio.timeout(PATIENCE_S):
            while not (await self._idle() and right()):
                await self.deliver()
                await SystemClock().wait(between, seconds=LOOK_EVERY_S)

    async def _change(self, seen: Callable[[], bool]) -> None:
        """Wait until it is seen at one of the services."""
        services = [self.storeganise.until, *(tenant.until for tenant in self.tenants)]
        waiting = [asyncio.create_task(until(seen)) for until in services]
        _, late = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _idle(self) -> bool:
        load = await self.load()
        return not (load.due or load.running or load.unread or self.waiting)

    @property
    def waiting(self) -> int:
        """Webhooks that are not delivered yet."""
        return sum(len(account.outbox) for account in self.accounts)

    @property
    def delivered(self) -> int:
        """Webhooks that were delivered."""
        return sum(status == 200 for account in self.accounts for _, status in account.sent)

    def minted(self) -> list[int]:
        """Count the tokens that each tenant has given."""
        return [tenant.journal.count(route="oauth.token") for tenant in self.tenants]

    def _config(self, port: int) -> tuple[str, str]:
        """Write the settings file of a process; return the option that names it."""
        config = self.folder / f"keyturn-{port}.toml"
        config.write_text(_toml(self._document(port)), encoding="utf-8")
        return "--config", str(config)

    def _document(self, port: int) -> dict[str, Any]:
        businesses = {
            account.code: {
                "api_url": f"{self.urls['storeganise']}/{account.code}/api",
                "api_key": f"key of {account.code}",
                "webhook_secret": f"secret of {account.code}",
                "sensorberg": {
                    "base_url": self.urls[f"tenant{number % TENANTS}"],
                    "client_id": f"client{number // TENANTS % CLIENTS}",
                    "client_secret": CLIENT_SECRET,
                },
            }
            for number, account in enumerate(self.accounts)
        }
        document: dict[str, Any] = {
            "server": {"port": port, "secret_key": "a secret key for tests only"},
            "database": {"url": self.database_url} if self.database_url else {"data_dir": str(self.data_dir)},
            "network": {"allowed_hosts": ["127.0.0.1"]},
            "businesses": businesses,
        }
        return document | {name: dict(table) for name, table in self.settings.items()}


@asynccontextmanager
async def fleet(
    folder: Path, database_url: str | None, nursery: Nursery, *, businesses: int, **settings: Mapping[str, Any]
) -> AsyncIterator[Fleet]:
    """Serve two tenants and so many accounts; at the end everything that was started is stopped."""
    clock = SystemClock()
    storeganise = StoreganiseSimulator(clock)
    knobs = Knobs(token_policy="revoke_previous")
    tenants = [
        SensorbergSimulator(clock, knobs, client_id="client0", client_secret=CLIENT_SECRET) for _ in range(TENANTS)
    ]
    for tenant in tenants:
        for number in range(1, CLIENTS):
            tenant.add_client(f"client{number}", CLIENT_SECRET)
    accounts = [
        storeganise.add_account(
            f"b{number:02}", api_key=f"key of b{number:02}", webhook_secret=f"secret of b{number:02}"
        )
        for number in range(businesses)
    ]
    storeganise.latency_s = LATENCY_S
    for tenant in tenants:
        tenant.latency_s = LATENCY_S
    async with AsyncExitStack() as stack:
        urls = {"storeganise": await stack.enter_async_context(serving(storeganise.app))}
        for number, tenant in enumerate(tenants):
            urls[f"tenant{number}"] = await stack.enter_async_context(serving(tenant.app))
        made = Fleet(
            folder=folder,
            database_url=database_url,
            storeganise=storeganise,
            tenants=tenants,
            accounts=accounts,
            urls=urls,
            settings=settings,
            nursery=nursery,
        )
        try:
            yield made
        finally:
            for command in made.commands:
                if command.process.returncode is None:
                    await command.kill()
            await made.leave_database()


def interpreter(source: Path | None = None) -> Launch:
    """Return the way a command is started by hand, if wanted from another source tree."""
    around = environment() if source is None else environment(PYTHONPATH=str(source))

    async def launch(words: Sequence[str]) -> Process:
        return await asyncio.create_subprocess_exec(
            *COMMAND, *words, env=around, stderr=asyncio.subprocess.PIPE, limit=2**20
        )

    return launch


def free_port() -> int:
    """Return a port nobody uses at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _toml(document: Mapping[str, Any], path: str = "") -> str:
    """Write tables of texts, numbers and lists as TOML."""
    plain = [f"{key} = {json.dumps(value)}\n" for key, value in document.items() if not isinstance(value, Mapping)]
    tables = [
        _toml(value, f"{path}.{key}" if path else key) for key, value in document.items() if isinstance(value, Mapping)
    ]
    head = f"[{path}]\n" if path else ""
    return head + "".join(plain) + "".join(tables)
