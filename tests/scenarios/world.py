"""A whole installation for tests: both simulators over real HTTP, a real database, the real service.

Time stands still unless a test moves it. `settle` delivers what the simulator has queued and works until
nothing is due, again and again, so a test reads as a story: something happens, the world settles, the doors
are tried.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from databases import lay_tables
from keyturn.bootstrap import Service, assemble
from keyturn.clock import MovableClock
from keyturn.providers.sensorberg.simulator import SensorbergSimulator
from keyturn.settings import Settings, parse_settings
from keyturn.simulation.journal import Entry
from keyturn.simulation.operator import Operator, believable_operator
from keyturn.simulation.server import AsgiApp, reset, serving
from keyturn.storeganise.simulator import StoreganiseSimulator
from keyturn.storeganise.simulator.account import Account

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
"""A Monday, nine o'clock in Berlin."""
TODAY = date(2026, 11, 23)
SECRET = "webhook secret of acme"
API_KEY = "api key of acme"
CLIENT_SECRET = "s+e&c=%r et"
FAR_END = "2099-12-31T23:59:59+00:00"
MOST_ROUNDS = 40


@dataclass(kw_only=True)
class World:
    """One operator with one site, and Keyturn beside it."""

    clock: MovableClock
    storeganise: StoreganiseSimulator
    sensorberg: SensorbergSimulator
    account: Account
    settings: Settings
    url: str
    front: Front
    site: str
    operator: Operator | None = None
    units: dict[str, str] = field(default_factory=dict)
    service: Service = field(init=False)
    _running: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Start Keyturn on its database."""
        self.service = await self._running.enter_async_context(assemble(self.settings, clock=self.clock))
        self.front.app = self.service.app

    async def stop(self) -> None:
        """Stop Keyturn; its address stays, and nobody answers there."""
        self.front.app = None
        await self._running.aclose()

    async def restart(self) -> None:
        """Stop Keyturn and start it again on the same database, as after a crash or an update."""
        await self.stop()
        await self.start()

    @property
    def requests(self) -> list[Entry]:
        """Every request to either simulator but those for tokens."""
        both = [*self.storeganise.journal.entries, *self.sensorberg.journal.entries]
        return [entry for entry in both if entry.kind != "token"]

    @property
    def routes(self) -> list[str]:
        """The routes of all requests, those to Storeganise first."""
        return [entry.route for entry in self.requests]

    @property
    def writes(self) -> list[str]:
        """The routes of all requests that write."""
        return [entry.route for entry in self.requests if entry.method != "GET"]

    def forget_requests(self) -> None:
        """Empty both request logs."""
        self.storeganise.journal.clear()
        self.sensorberg.journal.clear()

    def add_unit(self, name: str, group: str | None = None, site: str | None = None) -> str:
        """Add a unit, with its access group unless `group` is empty."""
        group = f"group-{name}" if group is None else group
        if group:
            self.sensorberg.add_group(group)
        fields = {"sensorberg_id": group} if group else {}
        self.units[name] = self.account.add_unit(site or self.site, name, custom_fields=fields)
        return self.units[name]

    def group_of(self, unit: str) -> str:
        """The access group in a unit's field."""
        group: str = self.account.unit(self.units[unit])["customFields"]["sensorberg_id"]
        return group

    def add_tenant(self, name: str = "Jörg", **custom_fields: Any) -> str:
        """Add a tenant."""
        local = name.lower().encode("ascii", "ignore").decode()
        email = f"{local}{len(self.account.table['users'])}@example.com"
        return self.account.add_user(name, "Müller", email, custom_fields=custom_fields)

    def move_in(self, unit: str = "A1", tenant: str | None = None, start: date = TODAY) -> str:
        """Let a new tenant move into a new unit; return the rental."""
        if unit not in self.units:
            self.add_unit(unit)
        return self.account.move_in(tenant or self.add_tenant(), self.units[unit], start)

    async def settle(self) -> None:
        """Deliver and work until nothing is left to do at this instant."""
        for _ in range(MOST_ROUNDS):
            answers = await self.account.deliver()
            await self.service.worker.settle()
            if not answers and not self.account.outbox:
                return
        raise AssertionError("the world does not settle")

    async def later(self, by: timedelta) -> None:
        """Move time forward and settle."""
        self.clock.advance(by)
        await self.settle()

    def pin_of(self, rental: str) -> str | None:
        """The PIN the tenant sees on the rental."""
        pin: str | None = self.account.rental(rental)["customFields"].get("sensorberg_pin")
        return pin

    def owner_pin(self, rental: str) -> str | None:
        """The PIN in the owner's field."""
        owner = self.account.rental(rental)["ownerId"]
        pin: str | None = self.account.user(owner)["customFields"].get("sensorberg_pin")
        return pin

    def door(self, unit: str, pin: str | None, at: datetime | None = None) -> str:
        """Try the door of a unit: "approved", "denied" or "unauthorized"."""
        return self.sensorberg.try_door(self.group_of(unit), pin=pin or "", at=at).state

    def watch_door(self, unit: str, pin: str | None) -> list[str]:
        """Try the door of a unit after each change at Sensorberg from now on; the list grows with the answers."""
        answers: list[str] = []
        self.sensorberg.on_change = lambda: answers.append(self.door(unit, pin))
        return answers

    def final_state(self) -> dict[str, Any]:
        """Everything that tenants and doors see, PINs replaced by who shares them; both open ends read `None`."""
        doors = self.sensorberg.snapshot()
        for membership in doors["memberships"].values():
            if membership["ends_at"] == FAR_END:
                membership["ends_at"] = None
        named: dict[str, Any] = without_pins({"storeganise": self.account.snapshot(), "sensorberg": doors})
        return named


class Front:
    """The address webhooks are sent to, which outlives the service behind it."""

    def __init__(self) -> None:
        self.app: AsgiApp | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a request to the running service, or drop the connection where there is none."""
        if self.app is None:
            reset(scope)
        else:
            await self.app(scope, receive, send)


def without_pins(state: Any, names: dict[str, str] | None = None) -> Any:
    """Replace each PIN by a name that says which ones are equal."""
    names = {} if names is None else names
    if isinstance(state, Mapping):
        return {
            key: _named(value, names) if key in _PIN_KEYS else without_pins(value, names)
            for key, value in state.items()
        }
    return state


_PIN_KEYS = {"sensorberg_pin", "code"}


def _named(pin: Any, names: dict[str, str]) -> Any:
    return pin if not pin else names.setdefault(str(pin), f"pin {len(names) + 1}")


def settings_for(
    storeganise_url: str,
    sensorberg_url: str,
    folder: Path,
    database_url: str | None = None,
    **tables: Mapping[str, Any],
) -> Settings:
    """Write the settings an operator would write for these two servers; `tables` are added to them."""
    document: dict[str, Any] = {
        "server": {"secret_key": "a secret key for tests only"},
        "database": {"data_dir": str(folder / "data")},
        "network": {"allowed_hosts": ["127.0.0.1"]},
        "businesses": {
            "acme": {
                "api_url": f"{storeganise_url}/acme/api",
                "api_key": API_KEY,
                "webhook_secret": SECRET,
                "sensorberg": {"base_url": sensorberg_url, "client_id": "client", "client_secret": CLIENT_SECRET},
            }
        },
    }
    if database_url is not None:
        document["database"]["url"] = database_url
    return parse_settings(_merged(document, tables), name="test settings", folder=folder, environ={})


def _merged(document: Mapping[str, Any], tables: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(document)
    for name, value in tables.items():
        before = merged.get(name)
        merged[name] = _merged(before, value) if isinstance(before, dict) and isinstance(value, Mapping) else value
    return merged


@asynccontextmanager
async def world(
    folder: Path,
    *,
    database_url: str | None = None,
    clock: MovableClock | None = None,
    believable: bool = False,
    site_timezone: str | None = None,
    **tables: Mapping[str, Any],
) -> AsyncIterator[World]:
    """Start everything. The operator has one site in Berlin and no unit yet, or (`believable`) a whole past.

    `site_timezone` is written into the settings for the site, `tables` are added to the settings.
    """
    clock = clock or MovableClock(START)
    storeganise = StoreganiseSimulator(clock)
    sensorberg = SensorbergSimulator(clock, client_id="client", client_secret=CLIENT_SECRET)
    operator = _operator(storeganise, sensorberg) if believable else None
    account = operator.account if operator else storeganise.add_account("acme", api_key=API_KEY, webhook_secret=SECRET)
    site = operator.sites[0] if operator else account.add_site("Lagerhaus Süd", {"securitySystem": "sensorberg"})
    if site_timezone is not None:
        tables["businesses"] = {"acme": {"sites": {site: {"timezone": site_timezone}}}}
    front = Front()
    async with AsyncExitStack() as stack:
        storeganise_url = await stack.enter_async_context(serving(storeganise.app))
        sensorberg_url = await stack.enter_async_context(serving(sensorberg.app))
        url = await stack.enter_async_context(serving(front))
        account.webhook_url = f"{url}/webhooks/storeganise/acme"
        account.api_url = f"{storeganise_url}/acme/api"
        settings = settings_for(storeganise_url, sensorberg_url, folder, database_url, **tables)
        if database_url is None:
            await lay_tables(settings.database.data_dir)
        started = World(
            clock=clock,
            storeganise=storeganise,
            sensorberg=sensorberg,
            account=account,
            settings=settings,
            url=url,
            front=front,
            site=site,
            operator=operator,
        )
        await started.start()
        stack.push_async_callback(started.stop)
        clock.advance(timedelta(minutes=1))
        yield started


class WorldMaker(Protocol):
    """`world` with its folder and its database given."""

    def __call__(
        self,
        *,
        clock: MovableClock | None = None,
        believable: bool = False,
        site_timezone: str | None = None,
        **tables: Mapping[str, Any],
    ) -> AbstractAsyncContextManager[World]:
        """Start a world."""
        ...


def _operator(storeganise: StoreganiseSimulator, sensorberg: SensorbergSimulator) -> Operator:
    return believable_operator(storeganise, sensorberg, api_key=API_KEY, webhook_secret=SECRET)
