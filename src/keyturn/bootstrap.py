"""Puts the parts together. Nothing else builds clients, providers, tables or workers.

The engine gets protocols; which system knows the rentals and which opens the doors is decided
here, from the settings.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from starlette.applications import Starlette

from keyturn import telemetry
from keyturn.backends import PERMIT, Backends
from keyturn.businesses import SYSTEM, Directory, sweeps, wanted_code
from keyturn.clock import Clock, SystemClock
from keyturn.core.ids import BusinessCode, PinHash, RentalId
from keyturn.core.pin import draw_pin
from keyturn.core.rental import Pin
from keyturn.engine.batch import Books
from keyturn.engine.business import Business, Rules
from keyturn.engine.explain import Explanation, Shelf, explain_rental
from keyturn.engine.intake import Intake
from keyturn.engine.lane import Lanes
from keyturn.engine.lease import held_first
from keyturn.engine.observe import Observer
from keyturn.engine.registration import Registrar
from keyturn.engine.worker import Worker
from keyturn.errors import DatabaseUnavailable, SettingsError
from keyturn.settings import Settings
from keyturn.settings.model import TelemetrySettings
from keyturn.sharing import KEPT_FOR_COMMANDS, Sharing
from keyturn.store.businesses import Businesses
from keyturn.store.census import take_census
from keyturn.store.claims import Claims
from keyturn.store.database import Database, open_database
from keyturn.store.inbox import Inbox
from keyturn.store.installations import Installations
from keyturn.store.ledger import Ledger
from keyturn.store.pins import Pins
from keyturn.store.problems import Problems
from keyturn.store.shares import Shares
from keyturn.store.tokens import Tokens
from keyturn.store.units import UnitNames
from keyturn.store.work import Work
from keyturn.upstream.collector import Collector
from keyturn.upstream.http import HttpClient
from keyturn.web.app import create_app, create_probes
from keyturn.web.health import Gauge, Readiness
from keyturn.web.hooks import AddonDoor, door, doors
from keyturn.web.metrics import Metrics, program_version

PATIENCE = timedelta(seconds=30)
"""How long a command waits for a business that is being worked on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A running Keyturn, in parts."""

    app: Starlette
    """All addresses, those of webhooks included."""
    probes: Starlette
    """The addresses for machines that watch, and no others."""
    worker: Worker
    sharing: Sharing
    lease: timedelta
    database: Database
    clock: Clock
    work: Work
    ledger: Ledger
    problems: Problems
    inbox: Inbox
    installations: Installations
    directory: Directory
    observer: Observer
    metrics: Metrics


@asynccontextmanager
async def assemble(
    settings: Settings, *, clock: Clock | None = None, shared: bool = False, works: bool = True
) -> AsyncIterator[Service]:
    """Build everything the settings ask for. `shared`: beside a running service, for commands.

    Without `works`, the worker is not asked whether this process is ready.
    Raises `StartError`, and what the database raises.
    """
    async with AsyncExitStack() as stack:
        url = settings.database.url.get_secret_value() if settings.database.url else None
        database = await open_database(
            url=url, data_dir=settings.database.data_dir, clock=clock or SystemClock(), shared=shared
        )
        stack.push_async_callback(database.close)
        metrics = Metrics()
        client = HttpClient(settings.network.allowed_hosts, watch=metrics)
        http = await stack.enter_async_context(client)
        if settings.telemetry is not None and not shared:
            await stack.enter_async_context(_traces(settings.telemetry, http, clock or SystemClock()))
        service = build(settings, database=database, http=http, metrics=metrics, shared=shared, works=works)
        if not shared:
            await service.directory.start()
        yield service


def build(
    settings: Settings,
    *,
    database: Database,
    http: HttpClient,
    metrics: Metrics,
    rules: Rules | None = None,
    name: str | None = None,
    shared: bool = False,
    works: bool = True,
) -> Service:
    """Put a service together on an open database and an HTTP client; both stay the caller's to close.

    `rules`: those of the settings where they are left out. `name` tells this process from all others.
    """
    clock, work, inbox, installations = database.clock, Work(database), Inbox(database), Installations(database)
    remembered, name = Businesses(database), name or f"{socket.gethostname()}-{secrets.token_hex(4)}"
    most = settings.policy.sensorberg_in_flight - KEPT_FOR_COMMANDS
    sharing = Sharing(
        amount=KEPT_FOR_COMMANDS if shared else most,
        clock=clock,
        shares=Shares(database),
        holder=name,
        lease=settings.timing.lease,
    )
    directory = Directory(
        settings=settings,
        http=http,
        clock=clock,
        backends=Backends(
            system=SYSTEM, settings=settings, http=http, clock=clock, tokens=Tokens(database), sharing=sharing
        ),
        remembered=remembered,
        installations=installations,
    )
    rules, names = rules or make_rules(settings), UnitNames(database)
    books = Books(
        work=work,
        ledger=Ledger(database),
        pins=Pins(database),
        claims=Claims(database),
        problems=Problems(database),
    )
    observer = Observer(ledger=books.ledger, pins=books.pins, names=names, rules=rules)
    lanes = Lanes(
        open_business=directory.open,
        clock=clock,
        books=books,
        businesses=remembered,
        names=names,
        observer=observer,
        rules=rules,
    )
    worker = Worker(
        name=name,
        clock=clock,
        work=work,
        open_lane=lanes.open,
        lease=rules.lease,
        allow=partial(_allow, directory),
        ready=lambda: sharing.any,
        on_outcome=lambda outcome: metrics.look(outcome.ending.value),
    )
    sharing.on_change = worker.notify
    secret_key = settings.server.secret_key.get_secret_value().encode()
    ready, load = partial(_ready, database, worker if works else None), partial(_gauge, database, work)
    app = create_app(
        intake=Intake(inbox, secret_key=secret_key, notify=worker.notify),
        doors=doors(settings),
        addon=_addon_door(settings, installations, books.problems, clock),
        ready=ready,
        load=load,
        metrics=metrics,
    )
    return Service(
        app=app,
        probes=create_probes(ready=ready, load=load, metrics=metrics),
        worker=worker,
        sharing=sharing,
        lease=rules.lease,
        database=database,
        clock=clock,
        work=work,
        ledger=books.ledger,
        problems=books.problems,
        inbox=inbox,
        installations=installations,
        directory=directory,
        observer=observer,
        metrics=metrics,
    )


def _addon_door(settings: Settings, installations: Installations, problems: Problems, clock: Clock) -> AddonDoor | None:
    """Return who may deliver for the add-on, and how its installations become known; `None` without add-on mode."""
    if settings.addon is None:
        return None
    registrar = Registrar(
        installations=installations,
        problems=problems,
        clock=clock,
        callable_address=settings.network.callable_address,
        name=partial(wanted_code, settings),
        trusted=settings.addon.auto_register,
        sweeps=sweeps(settings),
    )
    return AddonDoor(door=door(settings.addon.signature_secrets), admit=registrar.admit)


def make_rules(settings: Settings) -> Rules:
    """Return the installation's rules: its clockwork, its randomness, and the key its PIN hashes are made with."""
    timing = settings.timing
    key = hmac.digest(settings.server.secret_key.get_secret_value().encode(), b"keyturn pin hashes", hashlib.sha256)
    key_id = hashlib.sha256(b"id:" + key).hexdigest()[:8]
    source = secrets.SystemRandom()
    return Rules(
        digest=partial(_digest, key, key_id),
        key_id=key_id,
        draw=lambda length: draw_pin(length, secrets.randbelow),
        chance=source.random,
        retry_cap=timing.retry_cap,
        retry_refused=timing.retry_refused,
        pin_rest=timing.pin_rest,
        lease=timing.lease,
        delta_every=timing.delta_every,
    )


def _digest(key: bytes, key_id: str, pin: Pin) -> PinHash:
    return PinHash(f"{key_id}:{hmac.digest(key, pin.reveal().encode('utf-8', 'surrogatepass'), hashlib.sha256).hex()}")


async def _ready(database: Database, worker: Worker | None) -> Readiness:
    alive = None if worker is None else worker.alive
    try:
        await database.write(lambda _: None)
    except DatabaseUnavailable:
        return Readiness(database=False, worker=alive)
    return Readiness(database=True, worker=alive)


async def _gauge(database: Database, work: Work) -> Gauge:
    now = database.clock.now()
    load, census = await work.load(now), await take_census(database)
    return Gauge(load=load, now=now, problems=census.problems, installations=census.installations)


def _traces(settings: TelemetrySettings, http: HttpClient, clock: Clock) -> AbstractAsyncContextManager[None]:
    """Collect traces, and send them under the same rules as every other request."""
    collector = Collector(http=http, clock=clock, endpoint=settings.endpoint)
    return telemetry.collecting(sample=settings.sample, version=program_version(), clock=clock, send=collector.send)


@asynccontextmanager
async def speaking(service: Service, code: BusinessCode, *, patience: timedelta = PATIENCE) -> AsyncIterator[None]:
    """Hold the lane of a business for a command, so that nobody else speaks to its Storeganise meanwhile.

    Raises `Busy` where whoever works on it does not give way within `patience`.
    """
    await service.directory.open(code)
    lane = held_first(
        code,
        work=service.work,
        clock=service.clock,
        holder=f"command {service.worker.name}",
        length=service.lease,
        patience=patience,
    )
    async with lane as lease:
        _allow(service.directory, code, lease.holds)
        yield


def _allow(directory: Directory, code: BusinessCode, permit: Callable[[], bool]) -> None:
    """Let `permit` say, in this task, whether a call for the business may start."""
    directory.turns(code).permitted = permit
    PERMIT.set(permit)


async def explain(settings: Settings, rental: RentalId, business: BusinessCode | None) -> Explanation:
    """Read one rental and say what Keyturn would do and why; writes nothing.

    Raises `SettingsError` where the business must be named, and what upstreams and database raise.
    """
    async with assemble(settings, shared=True) as service:
        named = await the_business(service, business)
        books = Shelf(work=service.work, ledger=service.ledger, problems=service.problems)
        digest = make_rules(settings).digest
        async with speaking(service, named.code):
            return await explain_rental(named, rental, service.observer, books, service.clock, digest)


async def the_business(service: Service, code: BusinessCode | None) -> Business:
    """Return the business a command is about: the one it names, else the only one. Raises `SettingsError`."""
    codes = [code] if code is not None else await service.directory.codes()
    found = await service.directory.open(codes[0]) if len(codes) == 1 else None
    if found is None:
        there_are = ", ".join(await service.directory.codes())
        raise SettingsError([f"name the business with --business; there are: {there_are or 'none'}"])
    return found
