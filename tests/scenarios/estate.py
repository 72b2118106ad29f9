"""Three accounts, ten installations, two Sensorberg tenants: the add-on as a vendor runs it for many operators.

    acme    plain webhook and three installations, one of them on a site that the plain one claims as well
    north   four installations, each on a site its record names; their keys see that site only
    south   three installations whose records name no site: the settings confirm two, the third serves the rest

Every installation has a Sensorberg client of its own, so that each call tells whose credentials it used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from databases import lay_tables
from keyturn.bootstrap import Service, assemble
from keyturn.clock import MovableClock
from keyturn.providers.sensorberg.simulator import SensorbergSimulator
from keyturn.settings import Settings, parse_settings
from keyturn.simulation.journal import Entry
from keyturn.simulation.server import serving
from keyturn.storeganise.simulator import Account, StoreganiseSimulator
from scenarios.world import START, TODAY, Front

ADDON_KEY = "canary-addon-key"
ADDON_SECRET = "canary-addon-secret"
PLAIN_KEY = "canary-plain-key"
PLAIN_SECRET = "canary-plain-secret"
PLAIN_CLIENT = "client-of-acme"
MOST_ROUNDS = 60


@dataclass(kw_only=True)
class Place:
    """One site, and whose it is."""

    account: Account
    site: str
    tenant: SensorbergSimulator
    key: str
    """How the journal names the only credential that may be used for this site."""
    client_id: str
    """The Sensorberg client whose token must be used."""
    addon_id: str | None = None
    units: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Estate:
    """All accounts with Keyturn beside them."""

    clock: MovableClock
    storeganise: StoreganiseSimulator
    tenants: dict[str, SensorbergSimulator]
    accounts: dict[str, Account]
    urls: dict[str, str]
    front: Front
    folder: Path
    database_url: str | None
    places: list[Place] = field(default_factory=list)
    settings: Settings = field(init=False)
    service: Service = field(init=False)
    _running: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self, **addon: Any) -> None:
        """Start Keyturn; `addon` goes into the `[addon]` table."""
        self.settings = self._settings(addon)
        self.service = await self._running.enter_async_context(assemble(self.settings, clock=self.clock))
        self.front.app = self.service.app

    async def stop(self) -> None:
        """Stop Keyturn; its address stays."""
        self.front.app = None
        await self._running.aclose()

    async def settle(self) -> None:
        """Deliver and work until nothing is left to do at this instant."""
        for _ in range(MOST_ROUNDS):
            answers = [answer for account in self.accounts.values() for answer in await account.deliver()]
            await self.service.worker.settle()
            if not answers and not any(account.outbox for account in self.accounts.values()):
                return
        raise AssertionError("the estate does not settle")

    def install(
        self,
        code: str,
        site: str | None,
        client_id: str,
        tenant: str,
        *,
        fields: dict[str, Any] | None = None,
    ) -> str:
        """Install the add-on; its Sensorberg client is `client_id` at `tenant` unless `fields` say otherwise."""
        self.tenants[tenant].add_client(client_id, f"secret of {client_id}")
        return self.accounts[code].add_installation(
            site,
            webhook_url=f"{self.urls['front']}/webhooks/storeganise/addon",
            webhook_secret=ADDON_SECRET,
            custom_fields=self.credentials(client_id, tenant) if fields is None else fields,
        )

    def credentials(self, client_id: str, tenant: str) -> dict[str, Any]:
        """The custom fields an operator fills in."""
        return {
            "sensorberg_url": self.urls[tenant],
            "sensorberg_clientId": client_id,
            "sensorberg_clientSecret": f"secret of {client_id}",
        }

    def add_place(self, code: str, name: str, client_id: str, tenant: str, **site_fields: Any) -> Place:
        """Add a site with three units."""
        account, backend = self.accounts[code], self.tenants[tenant]
        site = account.add_site(name, site_fields, name.lower())
        place = Place(account=account, site=site, tenant=backend, key=f"key:{code}", client_id=client_id)
        for number in range(3):
            group = backend.add_group(f"{code}-{name}-{number}")
            place.units.append(account.add_unit(site, f"{name}{number}", {"sensorberg_id": group}))
        self.places.append(place)
        return place

    def add_served(
        self, code: str, name: str, tenant: str, *, site_named: bool = True, fields: dict[str, Any] | None = None
    ) -> Place:
        """Add a site that only an installation serves; its Sensorberg client is `client-of-NAME`."""
        client_id = f"client-of-{name}"
        place = self.add_place(code, name, client_id, tenant)
        place.addon_id = self.install(code, place.site if site_named else None, client_id, tenant, fields=fields)
        place.key = f"addon:{place.addon_id}"
        return place

    def move_in(self, place: Place, unit: int = 0, tenant: str | None = None) -> str:
        """Let somebody new move into a unit."""
        account = place.account
        who = tenant or account.add_user("Jörg", "Müller", f"j{len(account.table['users'])}-{account.code}@example.com")
        return account.move_in(who, place.units[unit], TODAY)

    def door(self, place: Place, rental: str) -> str:
        """Try the door of a rental's unit with the PIN its tenant sees."""
        record = place.account.rental(rental)
        group = place.account.unit(record["unitId"])["customFields"]["sensorberg_id"]
        return place.tenant.try_door(group, pin=record["customFields"].get("sensorberg_pin") or "").state

    def strays(self) -> list[str]:
        """Every request that used another credential than the one of the site it was about, or another backend."""
        found = [
            f"{entry.method} {entry.path} by {entry.credential}"
            for entry in self.storeganise.journal.entries
            if entry.credential not in self._may_ask(entry)
        ]
        for name, tenant in self.tenants.items():
            own = {f"client:{place.client_id}" for place in self.places if place.tenant is tenant}
            found += [
                f"{entry.method} at {name} by {entry.credential}"
                for entry in tenant.journal.entries
                if entry.credential not in self._may_call(entry, tenant, own)
            ]
        return found

    def _may_ask(self, entry: Entry) -> set[str]:
        """Return the credentials a Storeganise request may have used."""
        account = self.accounts[entry.account]
        of_account = {place.key for place in self.places if place.account is account}
        own = {key for key in of_account if key.startswith("key:")}
        sites = self._sites(entry, account)
        if entry.route == "addons.get":
            return {f"addon:{entry.path.rsplit('/', 1)[1]}"}
        if not sites:
            return of_account
        writes = entry.method != "GET"
        exact = {place.key for place in self.places if place.site in sites}
        return exact if writes else exact | own

    def _sites(self, entry: Entry, account: Account) -> set[str]:
        """Return the sites of the records a request names."""
        named = [entry.path.rsplit("/", 1)[1], *entry.query.get("ids", "").split(",")]
        sites = set()
        for ident in named:
            sites |= {ident} if ident in account.sites else set()
            for collection in (account.rentals, account.units):
                sites |= {collection[ident]["siteId"]} if ident in collection else set()
        return sites

    def _may_call(self, entry: Entry, tenant: SensorbergSimulator, own: set[str]) -> set[str]:
        """Return the clients that may have made a Sensorberg request: for a membership, its site's alone."""
        rentals = {
            rental: f"client:{place.client_id}"
            for place in self.places
            if place.tenant is tenant
            for rental, record in place.account.rentals.items()
            if record["siteId"] == place.site
        }
        if entry.kind == "token":
            return {"none"} if f"client:{(entry.body or {}).get('client_id')}" in own else set()
        named = entry.path.removesuffix("/identification_code").rsplit("/", 1)[1]
        attributes = (
            ((entry.body or {}).get("data") or {}).get("attributes", {}) if isinstance(entry.body, dict) else {}
        )
        rental = rentals.get(named) or rentals.get(str(attributes.get("external-identifier")))
        return {rental} if rental else own

    def _settings(self, addon: dict[str, Any]) -> Settings:
        document: dict[str, Any] = {
            "server": {"secret_key": "a secret key for tests only"},
            "database": {"data_dir": "data"} | ({"url": self.database_url} if self.database_url else {}),
            "network": {"allowed_hosts": ["127.0.0.1"]},
            "businesses": {
                "acme": {
                    "api_url": f"{self.urls['storeganise']}/acme/api",
                    "api_key": PLAIN_KEY,
                    "webhook_secret": PLAIN_SECRET,
                    "sensorberg": {
                        "base_url": self.urls["west"],
                        "client_id": PLAIN_CLIENT,
                        "client_secret": f"secret of {PLAIN_CLIENT}",
                    },
                },
                "north": {"api_url": f"{self.urls['storeganise']}/north/api"},
            },
            "addon": {"api_key": ADDON_KEY, "signature_secret": ADDON_SECRET, "auto_register": True} | addon,
        }
        return parse_settings(document, name="test settings", folder=self.folder, environ={})


@asynccontextmanager
async def estate(folder: Path, database_url: str | None) -> AsyncIterator[Estate]:
    """Start the servers of an estate without sites and without Keyturn."""
    clock = MovableClock(START)
    storeganise = StoreganiseSimulator(clock)
    front = Front()
    async with AsyncExitStack() as stack:
        urls = {"storeganise": await stack.enter_async_context(serving(storeganise.app))}
        urls["front"] = await stack.enter_async_context(serving(front))
        tenants = {}
        for name in ("west", "east"):
            tenants[name] = SensorbergSimulator(
                clock, client_id=PLAIN_CLIENT, client_secret=f"secret of {PLAIN_CLIENT}"
            )
            urls[name] = await stack.enter_async_context(serving(tenants[name].app))
        accounts = {
            "acme": storeganise.add_account(
                "acme",
                api_key=PLAIN_KEY,
                webhook_url=f"{urls['front']}/webhooks/storeganise/acme",
                webhook_secret=PLAIN_SECRET,
            ),
            "north": storeganise.add_account(
                "north", api_key="nobody's", knobs=replace(storeganise.knobs, addon_limited_to_site=True)
            ),
            "south": storeganise.add_account(
                "south", api_key="nobody's", knobs=replace(storeganise.knobs, addon_names_site=False)
            ),
        }
        for code, account in accounts.items():
            account.addon_api_keys = [ADDON_KEY]
            account.api_url = f"{urls['storeganise']}/{code}/api"
        made = Estate(
            clock=clock,
            storeganise=storeganise,
            tenants=tenants,
            accounts=accounts,
            urls=urls,
            front=front,
            folder=folder,
            database_url=database_url,
        )
        if database_url is None:
            await lay_tables(folder / "data")
        stack.push_async_callback(made.stop)
        yield made


async def furnished(estate: Estate) -> dict[str, Any]:
    """Add all sites and installations, one after the other; return the settings that confirm the sites of `south`."""
    estate.add_place("acme", "Plain", PLAIN_CLIENT, "west", securitySystem="sensorberg")
    both = estate.add_place("acme", "Both", PLAIN_CLIENT, "west", securitySystem="sensorberg")
    estate.install("acme", both.site, "unused", "east")
    for number, tenant in enumerate(("west", "east")):
        estate.add_served("acme", f"Extra{number}", tenant)
    for number, tenant in enumerate(("west", "east", "west", "east")):
        estate.add_served("north", f"North{number}", tenant)
    confirmed = {}
    for number, tenant in enumerate(("west", "east", "west")):
        place = estate.add_served("south", f"South{number}", tenant, site_named=number < 2)
        if number < 2:
            confirmed[str(place.addon_id)] = {"sites": [place.site]}
    estate.clock.advance(timedelta(minutes=1))
    return {"installations": confirmed}
