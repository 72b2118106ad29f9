"""One account through several keys: which one is asked, and what each may see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from keyturn.clock import MovableClock
from keyturn.core.ids import AddonId, OwnerId, RentalId, SiteId, UnitId
from keyturn.core.rental import Missing, Pin
from keyturn.engine.source import Source
from keyturn.errors import CredentialsRejected, LeaseLost, NotFound, Unavailable
from keyturn.simulation.faults import Fault
from keyturn.simulation.server import serving
from keyturn.storeganise.account import Key, StoreganiseAccount
from keyturn.storeganise.client import AddonKey, ApiKey, Authorization, StoreganiseClient
from keyturn.storeganise.simulator import Account, StoreganiseSimulator
from keyturn.storeganise.turns import Turns
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.http import HttpClient

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
CREDENTIALS = {"sensorberg_url": "https://x.sensorberg.io", "sensorberg_clientId": "c", "sensorberg_clientSecret": "s"}


@dataclass
class World:
    """An account with two sites, one rental on each, and an installation on each."""

    sim: StoreganiseSimulator
    clock: MovableClock
    account: Account
    turns: Turns
    keys: dict[str, Key]
    sites: list[SiteId]
    units: list[UnitId]
    rentals: list[RentalId]
    named_by: dict[str, AddonId] = field(default_factory=dict)
    gaps: dict[AddonId, datetime] = field(default_factory=dict)

    def source(self, *names: str, has_credentials: bool = True) -> StoreganiseAccount:
        """Return the account, reached with these keys: `own`, `one`, `two`."""
        made = StoreganiseAccount(
            clock=self.clock, system="sensorberg", has_credentials=has_credentials, hint=self._hint, gaps=self
        )
        made.hold(self.keys["own"] if "own" in names else None, [self.keys[name] for name in names if name != "own"])
        return made

    async def opened(self, addon_id: AddonId, since: datetime) -> None:
        """Remember a gap, as the database does."""
        self.gaps.setdefault(addon_id, since)

    async def closed(self, addon_id: AddonId, since: datetime) -> None:
        """Forget it."""
        if self.gaps.get(addon_id) == since:
            del self.gaps[addon_id]

    def held(self, *names: str) -> list[Key]:
        """Return keys as they are after a look into the database."""
        keys = [self.keys[name] for name in names]
        return [replace(key, unseen_since=self.gaps.get(key.addon_id or AddonId(""))) for key in keys]

    def owner(self, index: int) -> OwnerId:
        """The owner of a rental."""
        return OwnerId(self.account.rental(self.rentals[index])["ownerId"])

    async def _hint(self, kind: str, subjects: Sequence[str]) -> Mapping[str, AddonId]:
        return {
            subject: self.named_by[subject] for subject in subjects if kind == "rental" and subject in self.named_by
        }

    def asked(self) -> list[tuple[str, str]]:
        """Every request so far: what, and by which of the keys."""
        names = {f"addon:{key.addon_id}": name for name, key in self.keys.items()} | {"key:acme": "own"}
        return [(entry.route, names.get(entry.credential, entry.credential)) for entry in self.sim.journal.entries]


@asynccontextmanager
async def making(*, limited: bool = True, names_site: bool = True) -> AsyncIterator[World]:
    """Start a simulated account."""
    clock = MovableClock(START)
    sim = StoreganiseSimulator(clock)
    knobs = replace(sim.knobs, addon_limited_to_site=limited, addon_names_site=names_site)
    account = sim.add_account("acme", api_key="own key", knobs=knobs)
    account.addon_api_keys = ["vendor's key"]
    sites = [SiteId(account.add_site(name, {}, name)) for name in ("one", "two")]
    units = [UnitId(account.add_unit(site, f"A{n}", {"sensorberg_id": f"g{n}"})) for n, site in enumerate(sites)]
    rentals = [
        RentalId(account.move_in(account.add_user("Zoë", "Groß", f"z{n}@example.com"), unit, date(2026, 3, 1)))
        for n, unit in enumerate(units)
    ]
    async with serving(sim.app) as url, HttpClient(["127.0.0.1"]) as http:
        turns = Turns(4)

        def key(authorization: Authorization, **others: Any) -> Key:
            client = StoreganiseClient(
                http=http,
                clock=clock,
                api_url=f"{url}/acme/api",
                authorization=authorization,
                circuit=Circuit("storeganise", clock, timedelta(minutes=15)),
                turns=turns,
            )
            return Key(client=client, **others)

        keys = {"own": key(ApiKey("own key"))}
        for name, site in zip(("one", "two"), sites, strict=True):
            addon = AddonId(account.add_installation(site, custom_fields=CREDENTIALS))
            keys[name] = key(AddonKey(addon, "vendor's key"), addon_id=addon)
        yield World(sim, clock, account, turns, keys, sites, units, rentals)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with making() as made:
        yield made


def test_it_is_a_source(world: World) -> None:
    """The engine's protocol is kept."""
    source: Source = world.source("own")
    assert source is not None


async def test_without_any_key_nothing_is_asked(world: World) -> None:
    """The failure says so."""
    with pytest.raises(CredentialsRejected, match="no key is known"):
        await world.source().rental(world.rentals[0])
    with pytest.raises(CredentialsRejected, match="no key is known"):
        await world.source().units()
    assert world.asked() == []


async def test_what_one_key_does_not_show_is_asked_of_the_others(world: World) -> None:
    """A key that sees its own site only: the next one is asked, and remembered."""
    source = world.source("one", "two")
    await source.rental(world.rentals[1])
    assert world.asked() == [("unit-rentals.get", "one"), ("unit-rentals.get", "two")]
    world.sim.journal.clear()
    await source.write_rental(world.rentals[1], overlocked=True)
    await source.unit(world.units[1])
    await source.write_owner_pin(world.owner(1), Pin("471193"))
    assert [name for _, name in world.asked()] == ["two", "two", "two"]


async def test_the_list_of_sites_says_who_serves_each(world: World) -> None:
    """As a single read does: the own key's by its field, an installation's by its record, with its credentials."""
    world.account.edit_site(world.sites[0], {"securitySystem": "sensorberg"})
    source = world.source("own", "one", "two")
    served = {site.id: (site.addon, bool(site.credentials)) for site in await source.sites()}
    assert served == {world.sites[0]: (None, False), world.sites[1]: (world.keys["two"].addon_id, True)}
    assert world.asked() == [("sites.list", "own"), ("addons.get", "one"), ("addons.get", "two")]
    singly = {id_: ((site := await source.site(id_)).addon, bool(site.credentials)) for id_ in world.sites}
    assert singly == served


async def test_sites_of_installations_are_listed_once_each(world: World) -> None:
    """Without a key of the account, each installation lists what it sees."""
    assert {site.id for site in await world.source("one", "two").sites()} == set(world.sites)


async def test_an_installation_is_read_anew_with_its_own_key(world: World) -> None:
    """Whoever looks for what is wrong must not be shown what was right an hour ago."""
    source, addon = world.source("own", "two"), world.keys["two"].addon_id
    assert source.installations == (addon,)
    assert addon is not None
    for _ in range(2):
        assert (await source.addon(addon)).sites == {world.sites[1]}
    assert world.asked() == [("addons.get", "two")] * 2
    assert source.ahead == timedelta()


async def test_a_record_that_no_key_shows_is_not_found(world: World) -> None:
    """Only after all of them were asked."""
    with pytest.raises(NotFound):
        await world.source("own", "one", "two").rental(RentalId("0" * 24))
    assert [name for _, name in world.asked()] == ["own", "one", "two"]


async def test_an_outage_is_not_taken_for_absence(world: World) -> None:
    """Where the second key cannot answer, nothing is said about the record."""
    source = world.source("one", "two")
    world.sim.faults.add(route="unit-rentals.get", fault=Fault.status(503), after=1)
    with pytest.raises(Unavailable):
        await source.rental(world.rentals[1])


async def test_the_installation_that_named_a_rental_is_asked_first(world: World) -> None:
    """Its delivery told about it, so it sees it."""
    addon = world.keys["two"].addon_id
    assert addon is not None
    world.named_by[world.rentals[1]] = addon
    await world.source("one", "two").rental(world.rentals[1])
    assert world.asked() == [("unit-rentals.get", "two")]


async def test_a_list_is_shared_out_between_the_keys(world: World) -> None:
    """Each key is asked for the rentals it has shown before; nobody is asked for the others' twice."""
    source = world.source("one", "two")
    for rental in world.rentals:
        await source.rental(rental)
    world.sim.journal.clear()
    found = await source.rentals(world.rentals)

    assert {tenancy.rental.id for tenancy in found} == set(world.rentals)
    assert sorted(world.asked()) == [("unit-rentals.list", "one"), ("unit-rentals.list", "two")]


async def test_the_own_key_answers_for_the_whole_account(world: World) -> None:
    """Installations are not asked for lists where the account has a key of its own."""
    source = world.source("own", "one", "two")
    assert len(await source.units()) == 2
    assert set(await source.changed_since(START - timedelta(days=1))) == set(world.rentals)
    assert [name for _, name in world.asked()] == ["own", "own"]


@pytest.mark.parametrize("limited", [True, False])
async def test_without_it_all_installations_are_asked_and_each_record_counts_once(limited: bool) -> None:  # noqa: FBT001
    """Whether or not a key sees the other sites."""
    async with making(limited=limited) as world:
        source = world.source("one", "two")
        assert sorted(unit.id for unit in await source.units()) == sorted(world.units)
        assert sorted(await source.changed_since(START - timedelta(days=1))) == sorted(world.rentals)
        assert [tenancy.rental.id for tenancy in await source.rentals_of(world.owner(1))] == [world.rentals[1]]


async def test_a_disabled_installation_serves_nothing(world: World) -> None:
    """Its refused key does not stop the others."""
    addon = world.keys["one"].addon_id
    world.account.installations[str(addon)].state = "disabled"
    source = world.source("one", "two")

    assert [unit.id for unit in await source.units()] == [world.units[1]]
    assert (await source.site(world.sites[1])).addon == world.keys["two"].addon_id


async def test_what_only_a_refused_key_may_see_is_not_called_absent(world: World) -> None:
    """A rental of a disabled installation's site is neither shown nor gone."""
    world.account.installations[str(world.keys["two"].addon_id)].state = "disabled"
    source = world.source("one", "two")
    with pytest.raises(CredentialsRejected):
        await source.rental(world.rentals[1])


async def test_another_key_does_not_stand_in_for_the_own_one(world: World) -> None:
    """Where the account's own key is refused, nothing is asked or written with an installation's."""
    world.account.api_keys = ["another key"]
    source = world.source("own", "one")
    with pytest.raises(CredentialsRejected):
        await source.write_rental(world.rentals[0], overlocked=True)
    with pytest.raises(Unavailable):
        await source.units()
    assert [name for _, name in world.asked()] == ["key:unknown"]


async def test_changes_during_a_refusal_are_listed_afterwards(world: World) -> None:
    """An installation whose key was refused for a while is asked from then on, also by another process."""
    installed = world.account.installations[str(world.keys["two"].addon_id)]
    installed.state = "disabled"
    world.clock.advance(timedelta(minutes=10))
    await world.source("one", "two").changed_since(START)
    world.account.edit_rental(world.rentals[1], {"note": "x"})
    world.clock.advance(timedelta(hours=1))
    installed.state = "enabled"
    source = world.source()
    source.hold(None, world.held("one", "two"))

    assert await source.changed_since(world.clock.now()) == [world.rentals[1]]
    assert list(world.gaps) == [world.keys["two"].addon_id]
    source.hold(None, world.held("one", "two"))
    await source.changed_since(world.clock.now())
    source.hold(None, world.held("one", "two"))
    assert world.gaps == {}
    assert await source.changed_since(world.clock.now()) == []


async def test_a_refused_key_is_no_evidence_that_nobody_serves_a_site(world: World) -> None:
    """The site is neither nobody's nor out of scope: nothing is said, and it is tried again."""
    world.account.addon_api_keys = []
    with pytest.raises(CredentialsRejected):
        await world.source("own", "one").site(world.sites[0])
    with pytest.raises((CredentialsRejected, Unavailable)):
        await world.source("own", "one").site(world.sites[0])


async def test_an_installations_trouble_does_not_touch_the_accounts_own_sites(world: World) -> None:
    """A site whose field names our system is the own key's, whether or not installations can be read."""
    world.account.edit("sites", world.sites[0], {"securitySystem": "sensorberg"}, {}, by_api=False)
    world.sim.faults.add(route="addons.get", fault=Fault.status(500), times=None)
    assert (await world.source("own", "one").site(world.sites[0])).system == "sensorberg"
    assert world.asked() == [("sites.get", "own")]


async def test_a_site_that_is_nobodys_is_read_again_after_a_minute(world: World) -> None:
    """Staff may just be writing its field; within the minute nothing is asked."""
    source = world.source("own")
    assert (await source.site(world.sites[0])).system is Missing.EMPTY
    world.account.edit("sites", world.sites[0], {"securitySystem": "sensorberg"}, {}, by_api=False)
    assert (await source.site(world.sites[0])).system is Missing.EMPTY
    assert len(world.asked()) == 1
    world.clock.advance(timedelta(minutes=1))
    assert (await source.site(world.sites[0])).system == "sensorberg"


async def test_a_site_is_the_installations_that_names_it(world: World) -> None:
    """It carries that installation's credentials, and its record is read once."""
    source = world.source("one", "two")
    site = await source.site(world.sites[1])
    await source.site(world.sites[1])

    assert site.addon == world.keys["two"].addon_id
    assert site.credentials["client_id"] == "c"
    assert world.asked().count(("addons.get", "two")) == 1
    assert world.asked().count(("sites.get", "two")) == 1


async def test_the_own_key_goes_first_where_both_claim_a_site(world: World) -> None:
    """The site's own field makes it the plain webhook's, with the site's own credentials."""
    world.account.edit("sites", world.sites[0], {"securitySystem": "sensorberg"}, {}, by_api=False)
    own = await world.source("own", "one").site(world.sites[0])
    addon = await world.source("one").site(world.sites[0])

    assert (own.addon, own.credentials) == (None, {})
    assert addon.addon == world.keys["one"].addon_id


async def test_the_settings_confirm_sites_where_the_record_names_none() -> None:
    """An installation without any site serves all of them, after those that name one."""
    async with making(names_site=False) as world:
        one = replace(world.keys["one"], sites=frozenset({world.sites[0]}))
        source = world.source("two")
        source.hold(None, [one, world.keys["two"]])

        assert (await source.site(world.sites[0])).addon == one.addon_id
        assert (await source.site(world.sites[1])).addon == world.keys["two"].addon_id


async def test_a_site_nobody_serves(world: World) -> None:
    """It has no installation; its own field is shown as it is."""
    other = SiteId(world.account.add_site("three", {"securitySystem": "other"}, "three"))
    site = await world.source("own", "one").site(other)
    assert (site.addon, site.system) == (None, "other")


async def test_missing_credentials_are_looked_for_again_after_a_minute(world: World) -> None:
    """An operator who enters them does not wait for the cache; nor is every look a request more."""
    installed = world.account.installations[str(world.keys["one"].addon_id)].custom_fields
    installed.clear()
    source = world.source("one", has_credentials=False)
    await source.site(world.sites[0])
    await source.site(world.sites[0])
    before = len(world.asked())
    installed.update(CREDENTIALS)
    await source.site(world.sites[0])
    assert len(world.asked()) == before
    world.clock.advance(timedelta(minutes=1))
    assert (await source.site(world.sites[0])).credentials["client_id"] == "c"


async def test_refused_credentials_are_read_anew(world: World) -> None:
    """`forget` drops what is kept of sites and installations."""
    source = world.source("one")
    await source.site(world.sites[0])
    world.account.installations[str(world.keys["one"].addon_id)].custom_fields["sensorberg_clientSecret"] = "new"
    source.forget()
    assert (await source.site(world.sites[0])).credentials["client_secret"] == "new"


async def test_an_installation_that_is_gone_is_asked_no_more(world: World) -> None:
    """What was learnt through it is asked of those that are left."""
    source = world.source("own", "one")
    await source.site(world.sites[0])
    await source.rental(world.rentals[0])
    source.hold(world.keys["own"], [])
    world.sim.journal.clear()
    await source.write_rental(world.rentals[0], pin=Missing.EMPTY)
    assert [name for _, name in world.asked()] == ["own"]


async def test_no_call_starts_once_it_is_not_permitted(world: World) -> None:
    """Whoever lost the lane asks nothing any more."""
    world.turns.permitted = lambda: False
    with pytest.raises(LeaseLost):
        await world.source("own").rental(world.rentals[0])
    with pytest.raises(LeaseLost):
        await world.source("own").units()
    assert world.asked() == []
