"""A web application over real HTTP and a real SQLite file, for one test."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from databases import lay_tables
from keyturn.clock import MovableClock
from keyturn.core.ids import BusinessCode
from keyturn.core.installation import code_for
from keyturn.engine.intake import Intake
from keyturn.engine.registration import Registrar
from keyturn.settings import NetworkSettings
from keyturn.simulation.server import serving
from keyturn.store.census import take_census
from keyturn.store.database import Database, open_database
from keyturn.store.inbox import Inbox
from keyturn.store.installations import Installations
from keyturn.store.problems import Problems
from keyturn.store.work import Work
from keyturn.web.app import create_app
from keyturn.web.health import Gauge, Readiness
from keyturn.web.hooks import AddonDoor, Door
from keyturn.web.metrics import Metrics

NOON = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
SECRET = b"secret-of-acme"
OLD_SECRET = b"old-secret-of-acme"
ADDON_SECRET = b"secret-of-the-addon"
DOORS = {
    BusinessCode("acme"): Door(secrets=(SECRET, OLD_SECRET)),
    BusinessCode("beta"): Door(secrets=(b"secret-of-beta",)),
    BusinessCode("open"): Door(secrets=(b"secret-of-open",), allow_unsigned=True),
    BusinessCode("bare"): Door(secrets=(), allow_unsigned=True),
}


def sign(body: bytes, secret: bytes = SECRET) -> str:
    """Sign as Storeganise does."""
    return base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest()).decode()


@dataclass
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: dict[str, str]


@dataclass
class Site:
    """The running application, and what is behind it."""

    url: str
    database: Database
    metrics: Metrics
    clock: MovableClock
    lost: bool = False
    notified: list[str] = field(default_factory=list)
    readiness: Readiness = field(default_factory=lambda: Readiness(database=True, worker=True))

    @property
    def inbox(self) -> Inbox:
        return Inbox(self.database)

    @property
    def work(self) -> Work:
        return Work(self.database)

    @property
    def host(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    async def lose_database(self) -> None:
        """Take the database away while the application runs."""
        self.lost = True
        await self.database.close()

    async def post(
        self,
        body: bytes,
        *,
        path: str = "/webhooks/storeganise/acme",
        signature: str | None = None,
        secret: bytes | None = SECRET,
    ) -> Answer:
        """Deliver a body; `secret=None` leaves the signature out."""
        headers = {"content-type": "application/json"}
        if signature is not None or secret is not None:
            headers["sg-signature"] = signature if signature is not None else sign(body, secret or b"")
        async with aiohttp.ClientSession() as session, session.post(self.url + path, data=body, headers=headers) as got:
            return Answer(got.status, await got.read(), {name.lower(): value for name, value in got.headers.items()})

    async def get(self, path: str) -> Answer:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as got:
            return Answer(got.status, await got.read(), {name.lower(): value for name, value in got.headers.items()})

    async def raw(self, *parts: bytes) -> bytes:
        """Send bytes as they are and return everything that comes back until the connection closes."""
        reader, writer = await asyncio.open_connection(*self.host)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@asynccontextmanager
async def running(folder: Path, *, body_seconds: float = 10.0, addon: bool = True) -> AsyncIterator[Site]:
    """Run the application on a database in `folder`, with or without add-on mode."""
    clock = MovableClock(NOON)
    await lay_tables(folder)
    database = await open_database(url=None, data_dir=folder, clock=clock)
    site = Site(url="", database=database, metrics=Metrics(), clock=clock)

    async def ready() -> Readiness:
        return site.readiness

    async def load() -> Gauge:
        load, census = await site.work.load(clock.now()), await take_census(database)
        return Gauge(load=load, now=clock.now(), problems=census.problems, installations=census.installations)

    app = create_app(
        intake=Intake(site.inbox, secret_key=b"0123456789abcdef", notify=site.notified.append),
        doors=DOORS,
        addon=_addon_door(database) if addon else None,
        ready=ready,
        load=load,
        metrics=site.metrics,
        body_seconds=body_seconds,
    )
    try:
        async with serving(app) as url:
            site.url = url
            yield site
    finally:
        if not site.lost:
            await database.close()


def _addon_door(database: Database) -> AddonDoor:
    registrar = Registrar(
        installations=Installations(database),
        problems=Problems(database),
        clock=database.clock,
        callable_address=NetworkSettings().callable_address,
        name=code_for,
        trusted=True,
    )
    return AddonDoor(door=Door(secrets=(ADDON_SECRET,)), admit=registrar.admit)
