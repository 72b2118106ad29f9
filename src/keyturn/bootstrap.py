"""Puts the parts together. Nothing else builds clients, providers, tables or workers.

The engine gets protocols; which system knows the rentals and which opens the doors is decided
here, from the settings.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from starlette.applications import Starlette

from keyturn.backends import Backends
from keyturn.clock import Clock, SystemClock
from keyturn.core.ids import BusinessCode, PinHash, RentalId
from keyturn.core.pin import draw_pin
from keyturn.core.policy import Policy
from keyturn.core.rental import Pin
from keyturn.engine.batch import Books
from keyturn.engine.business import Business, Rules
from keyturn.engine.explain import Explanation, Shelf, explain_rental
from keyturn.engine.intake import Intake
from keyturn.engine.lane import LaneWork
from keyturn.engine.observe import Observer
from keyturn.engine.resolve import DELTA_SWEEP, UNIT_SWEEP
from keyturn.engine.worker import Worker
from keyturn.errors import DatabaseUnavailable, SettingsError
from keyturn.logs import logger
from keyturn.settings import Settings
from keyturn.store.businesses import Businesses
from keyturn.store.claims import Claims
from keyturn.store.database import Database, open_database
from keyturn.store.inbox import Inbox
from keyturn.store.ledger import Ledger
from keyturn.store.pins import Pins
from keyturn.store.problems import Problems
from keyturn.store.tokens import Tokens
from keyturn.store.units import UnitNames
from keyturn.store.work import Work
from keyturn.storeganise.client import ApiKey, StoreganiseClient
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.http import HttpClient
from keyturn.web.app import create_app
from keyturn.web.health import Gauge, Readiness
from keyturn.web.hooks import doors
from keyturn.web.metrics import Metrics
from keyturn.web.server import listen, stop_on_signals
from keyturn.web.server import serve as serve_web

SYSTEM = "sensorberg"
"""The value of a site's `securitySystem` field that puts it in scope."""


SWITCH_S = 0.0005
"""How soon the database thread gets a turn beside a busy event loop; with 5 ms the wait for a 200 doubles."""


KEPT = timedelta(days=30)
"""How long deliveries are kept: for so long a repeat is recognised as one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A running Keyturn, in parts."""

    app: Starlette
    worker: Worker
    database: Database
    clock: Clock
    work: Work
    ledger: Ledger
    problems: Problems
    inbox: Inbox
    businesses: dict[BusinessCode, Business]
    observer: Observer
    metrics: Metrics


@asynccontextmanager
async def assemble(settings: Settings, *, clock: Clock | None = None, shared: bool = False) -> AsyncIterator[Service]:
    """Build everything the settings ask for. `shared`: beside a running service, for reading.

    Raises `StartError`, and what the database raises.
    """
    async with AsyncExitStack() as stack:
        url = settings.database.url.get_secret_value() if settings.database.url else None
        database = await open_database(
            url=url, data_dir=settings.database.data_dir, clock=clock or SystemClock(), shared=shared
        )
        stack.push_async_callback(database.close)
        metrics = Metrics()
        client = HttpClient(settings.network.allowed_hosts, on_answer=metrics.upstream_request)
        http = await stack.enter_async_context(client)
        yield await _service(settings, database, http, metrics, reading=shared)


async def _service(
    settings: Settings, database: Database, http: HttpClient, metrics: Metrics, *, reading: bool
) -> Service:
    clock, work, ledger, inbox = database.clock, Work(database), Ledger(database), Inbox(database)
    rules = make_rules(settings)
    remembered = Businesses(database)
    backends = Backends(system=SYSTEM, settings=settings, http=http, clock=clock, tokens=Tokens(database))
    businesses = {}
    for name in settings.businesses:
        code, now = BusinessCode(name), clock.now()
        since = (await remembered.since(code) or now) if reading else await remembered.remember(code, now)
        businesses[code] = _business(settings, code, backends, http, clock, memory_since=since)
    books = Books(work=work, ledger=ledger, pins=Pins(database), claims=Claims(database), problems=Problems(database))
    observer = Observer(ledger=ledger, pins=books.pins, names=UnitNames(database), rules=rules)
    lanes = {
        code: LaneWork(
            business=business,
            clock=clock,
            books=books,
            businesses=remembered,
            names=UnitNames(database),
            observer=observer,
            rules=rules,
        ).drain
        for code, business in businesses.items()
    }
    worker = Worker(
        name=f"{socket.gethostname()}-{secrets.token_hex(4)}",
        clock=clock,
        work=work,
        lanes=lanes,
        lease=rules.lease,
        on_outcome=lambda outcome: metrics.look(outcome.ending.value),
    )
    secret_key = settings.server.secret_key.get_secret_value().encode()
    app = create_app(
        intake=Intake(inbox, secret_key=secret_key, notify=worker.notify),
        doors=doors(settings),
        ready=partial(_ready, database, worker),
        load=partial(_gauge, work, clock),
        metrics=metrics,
    )
    return Service(
        app=app,
        worker=worker,
        database=database,
        clock=clock,
        work=work,
        ledger=ledger,
        problems=books.problems,
        inbox=inbox,
        businesses=businesses,
        observer=observer,
        metrics=metrics,
    )


def _business(
    settings: Settings,
    code: BusinessCode,
    backends: Backends,
    http: HttpClient,
    clock: Clock,
    *,
    memory_since: datetime,
) -> Business:
    business = settings.businesses[code]
    if business.api_key is None:
        raise SettingsError([f"businesses.{code}.api_key: is missing"])
    client = StoreganiseClient(
        http=http,
        clock=clock,
        api_url=business.api_url,
        authorization=ApiKey(business.api_key.get_secret_value()),
        circuit=Circuit(f"storeganise of {code}", clock, settings.timing.retry_cap),
        in_flight=settings.policy.storeganise_in_flight,
        site_cache=settings.timing.site_cache,
    )
    return Business(
        code=code,
        source=client,
        policy=make_policy(settings),
        memory_since=memory_since,
        zone=partial(settings.zone, code),
        provider_for=partial(backends.for_site, code),
        provider_at=partial(backends.at, code),
    )


def make_policy(settings: Settings) -> Policy:
    """Return the operator's rules as the decision takes them."""
    policy, timing = settings.policy, settings.timing
    return Policy(
        system=SYSTEM,
        pin_length=policy.pin_length,
        group_from_unit_name=policy.group_from_unit_name,
        prepare_reserved=policy.prepare_reserved,
        confirm_vanished=timing.confirm_vanished,
    )


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


async def _ready(database: Database, worker: Worker) -> Readiness:
    try:
        await database.write(lambda _: None)
    except DatabaseUnavailable:
        return Readiness(database=False, worker=worker.alive)
    return Readiness(database=True, worker=worker.alive)


async def _gauge(work: Work, clock: Clock) -> Gauge:
    now = clock.now()
    return Gauge(load=await work.load(now), now=now)


async def serve(settings: Settings) -> None:
    """Run web and worker in one process until SIGTERM or Ctrl-C. Raises `StartError`."""
    listener = listen(settings.server.host, settings.server.port)
    sys.setswitchinterval(SWITCH_S)
    stop = asyncio.Event()
    async with assemble(settings) as service:
        await plan_sweeps(service)
        with stop_on_signals(stop):
            logger().info("started", host=settings.server.host, port=settings.server.port)
            await run(service, listener, stop)
    logger().info("stopped")


async def run(service: Service, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve and work until `stop` is set; when one part ends by itself, the others end too."""
    parts = [
        asyncio.create_task(serve_web(service.app, listener, stop)),
        asyncio.create_task(service.worker.run(stop)),
        asyncio.create_task(_keep_house(service, stop)),
    ]
    try:
        await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        await asyncio.wait(parts)
    await asyncio.gather(*parts)


async def plan_sweeps(service: Service) -> None:
    """Make up for what was missed while nobody listened, and keep doing so."""
    for code, business in service.businesses.items():
        sweeps = [DELTA_SWEEP, UNIT_SWEEP] if business.policy.group_from_unit_name else [DELTA_SWEEP]
        await service.work.wake(code, sweeps, "the service started")


async def _keep_house(service: Service, stop: asyncio.Event) -> None:
    """Once a minute, measure the database's clock, which rules between machines, and forget old deliveries."""
    while not stop.is_set():
        await service.clock.wait(stop, seconds=60)
        with suppress(DatabaseUnavailable):
            await service.database.refresh()
            await service.inbox.forget(service.clock.now() - KEPT)


async def explain(settings: Settings, rental: RentalId, business: BusinessCode | None) -> Explanation:
    """Read one rental and say what Keyturn would do and why; writes nothing.

    Raises `SettingsError` where the business must be named, and what upstreams and database raise.
    """
    codes = [business] if business is not None else [BusinessCode(code) for code in settings.businesses]
    if len(codes) != 1:
        raise SettingsError([f"name the business with --business; there are: {', '.join(codes)}"])
    async with assemble(settings, shared=True) as service:
        books = Shelf(work=service.work, ledger=service.ledger, problems=service.problems)
        named, digest = service.businesses[codes[0]], make_rules(settings).digest
        return await explain_rental(named, rental, service.observer, books, service.clock, digest)
