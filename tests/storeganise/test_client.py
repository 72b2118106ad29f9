"""The Storeganise client over real HTTP, against the simulator and its faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyturn.clock import MovableClock
from keyturn.core.ids import JobId, OwnerId, RentalId, SiteId, UnitId
from keyturn.core.problem import Target, TargetKind
from keyturn.core.rental import Missing, Pin, RentalState
from keyturn.errors import CredentialsRejected, HostNotAllowed, NotFound, Refused, Unavailable, UpstreamError
from keyturn.simulation.faults import Fault, Gate
from keyturn.simulation.server import serving
from keyturn.storeganise.client import AddonKey, ApiKey, Authorization, StoreganiseClient
from keyturn.storeganise.simulator import Account, StoreganiseSimulator
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.http import HttpClient
from upstream.raw_server import answer, raw_server

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
KEY = "canary-api-key"
CAP = timedelta(minutes=15)


@dataclass
class World:
    """An account with one tenant who rents one unit, and a client for it."""

    url: str
    sim: StoreganiseSimulator
    clock: MovableClock
    account: Account
    client: StoreganiseClient = field(init=False)
    circuit: Circuit = field(init=False)
    http: HttpClient = field(init=False)
    site: SiteId = field(init=False)
    unit: UnitId = field(init=False)
    owner: OwnerId = field(init=False)
    rental: RentalId = field(init=False)
    rented: int = 0

    def fill(self) -> None:
        self.site = SiteId(self.account.add_site("Süd", {"securitySystem": "sensorberg"}))
        self.unit = UnitId(self.account.add_unit(self.site, "A1", {"sensorberg_id": "g1"}))
        self.owner = OwnerId(
            self.account.add_user("Zoë", "Groß", "zoe@example.com", custom_fields={"sensorberg_pin": "0427"})
        )
        self.rental = self.rent()

    def rent(self) -> RentalId:
        self.rented += 1
        unit = self.account.add_unit(self.site, f"B{self.rented}", {})
        return RentalId(self.account.move_in(self.owner, unit, date(2026, 3, 1)))

    def connect(self, http: HttpClient, authorization: Authorization, api_url: str | None = None) -> StoreganiseClient:
        self.circuit = Circuit("storeganise", self.clock, CAP)
        return StoreganiseClient(
            http=http,
            clock=self.clock,
            api_url=api_url or f"{self.url}/acme/api",
            authorization=authorization,
            circuit=self.circuit,
        )

    def asked(self, route: str) -> int:
        return self.sim.journal.count(route=route)


@asynccontextmanager
async def _world(**http: float) -> AsyncIterator[World]:
    clock = MovableClock(START)
    sim = StoreganiseSimulator(clock)
    account = sim.add_account("acme", api_key=KEY)
    limits: dict[str, Any] = http
    async with serving(sim.app) as url, HttpClient(["127.0.0.1"], **limits) as client:
        world = World(url, sim, clock, account)
        world.fill()
        world.http = client
        world.client = world.connect(client, ApiKey(KEY))
        yield world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with _world() as made:
        yield made


async def test_rental(world: World) -> None:
    """One read brings the rental with its unit and owner, custom fields included."""
    world.account.edit_rental(world.rental, custom_fields={"sensorberg_pin": "0427", "sensorberg_overlocked": True})
    tenancy = await world.client.rental(world.rental)
    assert (tenancy.rental.id, tenancy.rental.state) == (world.rental, RentalState.OCCUPIED)
    assert (tenancy.rental.pin, tenancy.rental.overlocked) == (Pin("0427"), True)
    assert tenancy.owner is not None
    assert (tenancy.owner.name, tenancy.owner.pin, tenancy.owner.locale) == ("Zoë Groß", Pin("0427"), "de")
    assert tenancy.unit is not None
    assert tenancy.unit.group is Missing.EMPTY
    assert (await world.client.unit(world.unit)).group == "g1"


async def test_unit_site_job(world: World) -> None:
    """Units, sites and jobs are read by id."""
    assert (await world.client.unit(world.unit)).name == "A1"
    assert (await world.client.site(world.site)).system == "sensorberg"
    job = await world.client.job(JobId(world.account.move_in_job(world.rental)))
    assert job.rentals == (world.rental,)


async def test_not_there(world: World) -> None:
    """What is not there is `NotFound`, whatever it is."""
    unknown = "0" * 24
    calls: list[Awaitable[object]] = [
        world.client.rental(RentalId(unknown)),
        world.client.unit(UnitId(unknown)),
        world.client.site(SiteId(unknown)),
        world.client.job(JobId(unknown)),
        world.client.write_owner_pin(OwnerId(unknown), Pin("0427")),
        world.client.write_rental(RentalId(unknown), overlocked=True),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            await call
    world.circuit.check("nothing of this is an outage")


async def test_rentals_by_id(world: World) -> None:
    """A list shows what exists of what was asked, each once."""
    other = world.rent()
    found = await world.client.rentals([world.rental, other, world.rental, RentalId("0" * 24)])
    assert sorted(tenancy.rental.id for tenancy in found) == sorted([world.rental, other])
    assert all(tenancy.owner is not None for tenancy in found)
    assert world.asked("unit-rentals.list") == 1


async def test_no_ids_no_request(world: World) -> None:
    """Without ids nothing is asked: the answer would be everything."""
    assert await world.client.rentals([]) == []
    assert world.asked("unit-rentals.list") == 0
    with pytest.raises(ValueError, match="50"):
        await world.client.rentals([RentalId(str(number)) for number in range(51)])


async def test_fifty_ids(world: World) -> None:
    """Fifty rentals fit into one list."""
    ids = [world.rental] + [world.rent() for _ in range(49)]
    assert {tenancy.rental.id for tenancy in await world.client.rentals(ids)} == set(ids)
    assert world.asked("unit-rentals.list") == 1


async def test_rows_that_were_not_asked_for(world: World) -> None:
    """A list with somebody else's rental is no answer."""
    stranger = {"id": "somebody", "state": "occupied"}
    body = f'[{{"id":"{stranger["id"]}"}}]'
    world.sim.faults.add(route="unit-rentals.list", fault=Fault.status(200, body=body), times=None)
    with pytest.raises(Unavailable, match="something else"):
        await world.client.rentals([world.rental])
    with pytest.raises(Unavailable, match="something else"):
        await world.client.rentals_of(world.owner)


async def test_answer_about_another_rental(world: World) -> None:
    """A single read that shows another rental is no answer."""
    world.sim.faults.add(route="unit-rentals.get", fault=Fault.status(200, body='{"id":"other"}'))
    with pytest.raises(Unavailable, match="something else"):
        await world.client.rental(world.rental)


async def test_unusable_id(world: World) -> None:
    """An id that could leave its path segment is refused before anything is sent."""
    for odd in ("../users/x", "a/b", "", "a?b", "é", "a" * 65, "a,b"):
        with pytest.raises(Refused):
            await world.client.rental(RentalId(odd))
        with pytest.raises(Refused):
            await world.client.rentals([world.rental, RentalId(odd)])
        with pytest.raises(Refused):
            await world.client.rentals_of(OwnerId(odd))
    assert world.sim.journal.entries == []


@pytest.mark.parametrize("count", [1, 9, 10, 49, 50, 51, 100, 130])
@pytest.mark.parametrize("cap", [1000, 40])
async def test_rentals_of_an_owner(world: World, count: int, cap: int) -> None:
    """All rentals of an owner are found, also where the server caps its pages."""
    world.account.knobs = replace(world.account.knobs, max_limit=cap)
    ids = {world.rental} | {world.rent() for _ in range(count - 1)}
    found = await world.client.rentals_of(world.owner)
    assert {tenancy.rental.id for tenancy in found} == ids
    assert len(found) == count
    assert all(tenancy.owner is not None and tenancy.unit is not None for tenancy in found)


async def test_usual_owner_is_one_request(world: World) -> None:
    """An owner with a few rentals costs one request."""
    world.rent()
    await world.client.rentals_of(world.owner)
    assert world.asked("unit-rentals.list") == 1


async def test_list_that_grows_while_read(world: World) -> None:
    """Rentals added between two pages do no harm."""
    before = {world.rental} | {world.rent() for _ in range(119)}
    gate = Gate()
    world.sim.faults.add(route="unit-rentals.list", fault=Fault.hold(gate), after=1)
    reading = asyncio.create_task(world.client.rentals_of(world.owner))
    await gate.reached()
    world.rent()
    gate.open()
    assert {tenancy.rental.id for tenancy in await reading} >= before


async def test_list_that_shrinks_while_read(world: World) -> None:
    """Where rows may have slipped through between two pages, the list is an error, never short."""
    ids = [world.rental] + [world.rent() for _ in range(119)]
    gate = Gate()
    world.sim.faults.add(route="unit-rentals.list", fault=Fault.hold(gate), after=1)
    reading = asyncio.create_task(world.client.rentals_of(world.owner))
    await gate.reached()
    for rental in ids[:30]:
        world.account.delete_rental(rental)
    gate.open()
    with pytest.raises(Unavailable, match="moved"):
        await reading


async def test_list_that_fails_half_way(world: World) -> None:
    """An interrupted list is an error."""
    for _ in range(60):
        world.rent()
    world.sim.faults.add(route="unit-rentals.list", fault=Fault.status(502), after=1)
    with pytest.raises(Unavailable):
        await world.client.rentals_of(world.owner)


async def test_list_that_repeats_itself() -> None:
    """A server that ignores `offset` does not keep us for ever."""
    rows = ",".join(f'{{"id":"r{number}","ownerId":"o"}}' for number in range(50))
    async with raw_server(lambda _: answer(f"[{rows}]".encode())) as server, HttpClient(["127.0.0.1"]) as http:
        clock = MovableClock(START)
        circuit = Circuit("storeganise", clock, CAP)
        client = StoreganiseClient(
            http=http, clock=clock, api_url=server.url, authorization=ApiKey(KEY), circuit=circuit
        )
        with pytest.raises(Unavailable, match="repeats"):
            await client.rentals_of(OwnerId("o"))
        assert len(server.requests) == 2


async def test_list_without_end() -> None:
    """Nor does one that always has another full page."""

    def page(number: int) -> bytes:
        first = (number - 1) * 45
        rows = ",".join(f'{{"id":"r{first + row}","ownerId":"o"}}' for row in range(50))
        return answer(f"[{rows}]".encode())

    async with raw_server(page) as server, HttpClient(["127.0.0.1"]) as http:
        clock = MovableClock(START)
        circuit = Circuit("storeganise", clock, CAP)
        client = StoreganiseClient(
            http=http, clock=clock, api_url=server.url, authorization=ApiKey(KEY), circuit=circuit
        )
        with pytest.raises(Unavailable, match="does not end"):
            await client.rentals_of(OwnerId("o"))
        assert len(server.requests) == 100


@pytest.mark.parametrize("inclusive", [True, False])
async def test_changed_since(world: World, inclusive: bool) -> None:  # noqa: FBT001  a parametrized case
    """Changes since an instant include those of that very millisecond."""
    world.account.knobs = replace(world.account.knobs, updated_after_inclusive=inclusive)
    world.clock.advance(timedelta(hours=1, microseconds=1500))
    changed_at = world.clock.now()
    changed = world.rent()
    assert await world.client.changed_since(changed_at) == [changed]
    assert await world.client.changed_since(changed_at + timedelta(seconds=1)) == []
    query = world.sim.journal.entries[0].query
    assert query["updatedAfter"] == "2026-03-01T10:00:00.000Z"
    assert "include" not in query


@pytest.mark.parametrize("cap", [1000, 100])
async def test_many_changes(world: World, cap: int) -> None:
    """More changes than a page holds are all found, also where the server caps its pages."""
    world.account.knobs = replace(world.account.knobs, max_limit=cap)
    ids = {world.rental} | {world.rent() for _ in range(1199)}
    found = await world.client.changed_since(START)
    assert (set(found), len(found)) == (ids, 1200)


async def test_units(world: World) -> None:
    """All units are listed with their groups, page by page."""
    ids = {UnitId(world.account.add_unit(world.site, f"C{number}", {"sensorberg_id": "g"})) for number in range(120)}
    found = {unit.id: unit.group for unit in await world.client.units()}
    assert found.keys() >= ids
    assert {found[unit] for unit in ids} == {"g"}
    assert world.sim.journal.peak("list") == 1


async def test_sites(world: World) -> None:
    """All sites are listed with their custom fields, page by page."""
    more = {SiteId(world.account.add_site(f"Site {n}", {"securitySystem": "other"}, f"s{n}")) for n in range(70)}
    found = {site.id: site.system for site in await world.client.sites()}
    assert found == {world.site: "sensorberg"} | dict.fromkeys(more, "other")
    assert world.sim.journal.peak("list") == 1


@pytest.mark.parametrize("skew", [-300.0, 0.0, 300.0])
async def test_how_far_the_clock_is_ahead(world: World, skew: float) -> None:
    """It is known once an answer carried `Date`, and stays known when the next one does not."""
    world.sim.knobs = replace(world.sim.knobs, date_header=False)
    await world.client.site(world.site)
    assert world.client.ahead is None

    world.sim.knobs = replace(world.sim.knobs, date_header=True, clock_skew_s=skew)
    await world.client.site(world.site, within=timedelta())
    assert world.client.ahead == timedelta(seconds=skew)

    world.sim.knobs = replace(world.sim.knobs, date_header=False)
    await world.client.site(world.site, within=timedelta())
    assert world.client.ahead == timedelta(seconds=skew)


async def test_write_owner_pin(world: World) -> None:
    """The PIN field is written as text and the other fields stay."""
    world.account.edit_user(world.owner, custom_fields={"note": "x"})
    await world.client.write_owner_pin(world.owner, Pin("004271"))
    fields = world.account.user(world.owner)["customFields"]
    assert (fields["sensorberg_pin"], fields["note"]) == ("004271", "x")


async def test_write_rental(world: World) -> None:
    """Both fields go out in one request; an empty PIN goes out as null; nothing to write is no request."""
    await world.client.write_rental(world.rental, pin=Pin("0427"), overlocked=True)
    assert world.sim.journal.writes()[-1].body == {
        "customFields": {"sensorberg_pin": "0427", "sensorberg_overlocked": True}
    }
    await world.client.write_rental(world.rental, pin=Missing.EMPTY)
    assert world.sim.journal.writes()[-1].body == {"customFields": {"sensorberg_pin": None}}
    assert await world.client.write_rental(world.rental) is None
    assert world.asked("unit-rentals.put") == 2
    assert (await world.client.rental(world.rental)).rental.pin is Missing.EMPTY


async def test_write_answers(world: World) -> None:
    """The answer to a write shows the record, if it does."""
    shown = await world.client.write_rental(world.rental, overlocked=True)
    assert shown is None or shown.id == world.rental
    for body in (b"", '{"status":"ok"}', "[]", "null"):
        world.sim.faults.add(route="unit-rentals.put", fault=Fault.status(200, body=body))
        assert await world.client.write_rental(world.rental, overlocked=False) is None
    world.sim.faults.add(route="unit-rentals.put", fault=Fault.status(200, body='{"id":"other"}'))
    with pytest.raises(Unavailable, match="something else"):
        await world.client.write_rental(world.rental, overlocked=False)


async def test_site_cache(world: World) -> None:
    """A site is read once an hour, and at once when asked for fresh."""
    for _ in range(3):
        await world.client.site(world.site)
    assert world.asked("sites.get") == 1
    world.account.edit_site(world.site, custom_fields={"securitySystem": "other"})
    assert (await world.client.site(world.site)).system == "sensorberg"
    assert (await world.client.site(world.site, within=timedelta())).system == "other"
    assert (await world.client.site(world.site)).system == "other"
    assert world.asked("sites.get") == 2
    world.clock.advance(timedelta(hours=1))
    await world.client.site(world.site)
    assert world.asked("sites.get") == 3


async def test_site_single_flight(world: World) -> None:
    """Twenty who want the same site are one request."""
    gate = Gate()
    world.sim.faults.add(route="sites.get", fault=Fault.hold(gate))
    reading = [asyncio.create_task(world.client.site(world.site)) for _ in range(20)]
    await gate.reached()
    gate.open()
    assert len({site.id for site in await asyncio.gather(*reading)}) == 1
    assert world.asked("sites.get") == 1


async def test_site_errors_are_not_kept(world: World) -> None:
    """A site that could not be read is asked for again."""
    world.sim.faults.add(route="sites.get", fault=Fault.status(500))
    with pytest.raises(Unavailable):
        await world.client.site(world.site)
    assert (await world.client.site(world.site)).id == world.site


async def test_lists_in_series_singles_four_at_once(world: World) -> None:
    """Lists go out one at a time and single requests at most four at a time, however many callers there are."""
    lists, singles = Gate(), Gate()
    world.sim.faults.add(route="unit-rentals.list", fault=Fault.hold(lists), times=None)
    world.sim.faults.add(route="unit-rentals.get", fault=Fault.hold(singles), times=None)
    work = [asyncio.create_task(world.client.rentals_of(world.owner)) for _ in range(3)]
    work += [asyncio.create_task(world.client.changed_since(START)) for _ in range(3)]  # type: ignore[arg-type]  # mixed results
    reads = [asyncio.create_task(world.client.rental(world.rental)) for _ in range(12)]
    await lists.reached(1)
    await singles.reached(4)
    lists.open()
    singles.open()
    await asyncio.gather(*work, *reads)
    assert (world.sim.journal.peak("list"), world.sim.journal.peak("single")) == (1, 4)


async def test_credential_forms(world: World) -> None:
    """An add-on installation signs in with its id and the vendor's key; no form shows the key."""
    addon = world.account.add_installation(world.site, webhook_url=None, webhook_secret=None, api_key="canary-vendor")
    authorization = AddonKey(addon, "canary-vendor")
    client = world.connect(world.http, authorization)
    assert (await client.unit(world.unit)).id == world.unit
    assert authorization.header() == f"Addon {addon}|canary-vendor"
    assert "canary" not in repr(authorization) + repr(ApiKey("canary"))


async def test_refused_key(world: World) -> None:
    """A refused key pauses this credential for 15 minutes, and then one call tries again."""
    client = world.connect(world.http, ApiKey("wrong"))
    with pytest.raises(CredentialsRejected):
        await client.rental(world.rental)
    with pytest.raises(Unavailable, match="credentials") as caught:
        await client.rental(world.rental)
    assert caught.value.retry_after == CAP
    assert len(world.sim.journal.entries) == 1
    world.account.api_keys.append("wrong")
    world.clock.advance(CAP)
    assert (await client.rental(world.rental)).rental.id == world.rental


async def test_forbidden_everywhere(world: World) -> None:
    """403 on five records in a row counts as refused credentials; on one record it is a refusal."""
    world.sim.faults.add(route="*", fault=Fault.status(403), times=None)
    for _ in range(6):
        with pytest.raises(Refused):
            await world.client.rental(world.rental)
    for number in range(4):
        with pytest.raises(Refused):
            await world.client.unit(UnitId(f"u{number}"))
    assert world.circuit.reason == "credentials"


async def test_host_that_is_not_allowed(world: World) -> None:
    """Nothing is sent to an address that is not allowed."""
    client = world.connect(world.http, ApiKey(KEY), "https://evil.example/api")
    with pytest.raises(HostNotAllowed):
        await client.rental(world.rental)


FAULTS: list[tuple[Fault, str]] = [
    (Fault.status(408), "answered 408"),
    (Fault.status(500), "answered 500"),
    (Fault.html(502), "answered 502"),
    (Fault.html(200), "unreadable answer"),
    (Fault.empty(200), "empty"),
    (Fault.empty(204), "empty"),
    (Fault.truncated(), "unreadable answer"),
    (Fault.timeout_before(), "no answer in time"),
    (Fault.timeout_after(), "no answer in time"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS)
async def test_reads_that_may_get_better(fault: Fault, words: str) -> None:
    """Every way of not answering a read is `Unavailable`, and the next read works."""
    async with _world(total_timeout_s=0.6) as world:
        world.sim.faults.add(route="unit-rentals.get", fault=fault)
        with pytest.raises(Unavailable, match=words) as caught:
            await world.client.rental(world.rental)
        assert KEY not in str(caught.value)
        assert (await world.client.rental(world.rental)).rental.id == world.rental


@pytest.mark.parametrize("fault", [Fault.reset_before(), Fault.reset_after()])
async def test_reset_connection(world: World, fault: Fault) -> None:
    """A read whose connection is reset is repeated once at once; a write is not."""
    world.sim.faults.add(route="unit-rentals.get", fault=fault)
    assert (await world.client.rental(world.rental)).rental.id == world.rental
    assert world.asked("unit-rentals.get") == 2
    world.sim.faults.add(route="unit-rentals.put", fault=fault)
    with pytest.raises(Unavailable):
        await world.client.write_rental(world.rental, overlocked=True)
    assert world.asked("unit-rentals.put") == 1


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_refused(world: World, status: int) -> None:
    """A refusal carries its status and nothing of the body."""
    world.sim.faults.add(route="unit-rentals.put", fault=Fault.status(status, body={"error": {"message": "canary"}}))
    with pytest.raises(Refused) as caught:
        await world.client.write_rental(world.rental, overlocked=True)
    assert caught.value.status == status
    assert "canary" not in str(caught.value)


async def test_too_many_requests(world: World) -> None:
    """429 pauses the account for as long as it asks; not a single call goes out meanwhile."""
    world.sim.faults.add(route="unit-rentals.get", fault=Fault.status(429, retry_after="7"))
    with pytest.raises(Unavailable) as caught:
        await world.client.rental(world.rental)
    assert (caught.value.retry_after, caught.value.pauses) == (timedelta(seconds=7), True)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: world.client.rental(world.rental),
        lambda: world.client.rentals([world.rental]),
        lambda: world.client.write_rental(world.rental, overlocked=True),
    ]
    for call in calls:
        with pytest.raises(Unavailable, match="paused"):
            await call()
    assert len(world.sim.journal.entries) == 1
    world.clock.advance(timedelta(seconds=7))
    assert (await world.client.rental(world.rental)).rental.id == world.rental


async def test_calls_that_wait_for_their_turn_during_a_429(world: World) -> None:
    """Calls that were queued when the pause began are not sent."""
    world.sim.faults.add(route="unit-rentals.get", fault=Fault.status(429, retry_after="60"), times=None)
    reads = [asyncio.create_task(world.client.rental(world.rental)) for _ in range(20)]
    ends = await asyncio.gather(*reads, return_exceptions=True)
    assert all(isinstance(end, Unavailable) for end in ends)
    assert world.asked("unit-rentals.get") <= 4


async def test_outage(world: World) -> None:
    """Five failures in a row on different records pause the account; the same record never does."""
    world.sim.faults.add(route="*", fault=Fault.status(500), times=None)
    for _ in range(10):
        with pytest.raises(Unavailable, match="500"):
            await world.client.rental(world.rental)
    for number in range(4):
        with pytest.raises(Unavailable, match="500"):
            await world.client.unit(UnitId(f"u{number}"))
    with pytest.raises(Unavailable, match="paused"):
        await world.client.rental(world.rental)


async def test_post_task(world: World) -> None:
    """A task lands on its record; the answer's body is of no use, whatever it is."""
    for fault in (None, Fault.empty(), Fault.status(200, body="{}", applied=True)):
        if fault is not None:
            world.sim.faults.add(route="jobs.post", fault=fault)
        await world.client.post_task(Target(kind=TargetKind.USER, id=world.owner), "Tür „süd“", "Was zu tun ist.")
    entry = next(entry for entry in world.sim.journal.entries if entry.route == "jobs.post")

    assert [task["data"]["targetId"] for task in world.account.tasks] == [world.owner] * len(world.account.tasks)
    assert (world.asked("jobs.post"), entry.credential) == (3, "key:acme")
    assert entry.body == {
        "type": "task",
        "ownerId": None,
        "data": {
            "targetType": "user",
            "targetId": world.owner,
            "title": "Tür „süd“",
            "desc": "Was zu tun ist.",
        },
    }


async def test_a_task_is_never_posted_twice_here(world: World) -> None:
    """Where the connection is lost the task may be there, and the error says so."""
    world.sim.faults.add(route="jobs.post", fault=Fault.reset_after())
    with pytest.raises(Unavailable) as caught:
        await world.client.post_task(Target(kind=TargetKind.UNIT, id=world.unit), "Title", "Text")

    assert (caught.value.uncertain, world.asked("jobs.post"), len(world.account.tasks)) == (True, 1, 1)


async def test_a_task_needs_an_id(world: World) -> None:
    """What is no id goes nowhere."""
    with pytest.raises(Refused):
        await world.client.post_task(Target(kind=TargetKind.UNIT, id="../units"), "Title", "Text")

    assert world.asked("jobs.post") == 0


@pytest.mark.parametrize("status", [403, 500])
async def test_tasks_that_fail_are_no_outage(world: World, status: int) -> None:
    """However many there are: the doors of an account that takes no tasks go on."""
    world.sim.faults.add(route="jobs.post", fault=Fault.status(status), times=None)
    for number in range(8):
        with pytest.raises(UpstreamError):
            await world.client.post_task(Target(kind=TargetKind.UNIT, id=f"unit{number}"), "Title", "Text")

    assert (world.circuit.paused_until, world.asked("jobs.post")) == (None, 8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=st.integers(200, 599), body=st.binary(max_size=60))
def test_any_answer(status: int, body: bytes) -> None:
    """Any bytes with any status are a value or one of our errors."""

    async def ask() -> None:
        reply = answer(body, status=status)
        async with raw_server(lambda _: reply) as server, HttpClient(["127.0.0.1"]) as http:
            clock = MovableClock(START)
            client = StoreganiseClient(
                http=http,
                clock=clock,
                api_url=server.url,
                authorization=ApiKey(KEY),
                circuit=Circuit("storeganise", clock, CAP),
            )
            calls: list[Awaitable[object]] = [
                client.rental(RentalId("a")),
                client.rentals_of(OwnerId("a")),
                client.write_rental(RentalId("a"), overlocked=True),
            ]
            for call in calls:
                try:
                    await call
                except UpstreamError:
                    continue

    asyncio.run(ask())
