"""How many requests a story costs, how many of them one after the other, and how many at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest

from keyturn.simulation.faults import Fault, Gate, Planned
from keyturn.storeganise.simulator import Knobs
from scenarios.moving_day import Story
from scenarios.world import World

TEN_SECONDS = timedelta(seconds=10)
EDITED = "739204"


@pytest.fixture
async def warm(acme: World) -> World:
    """Give a world with a token and a site at hand, because a tenant moved in before."""
    acme.move_in("W1")
    await acme.settle()
    acme.forget_requests()
    return acme


async def test_a_new_tenant_costs_six_requests_and_one_read_of_the_echoes(warm: World) -> None:
    """Read, user, membership and code, owner's PIN, rental's PIN; the echoes of the writes cost one more read."""
    warm.move_in("A1")
    await _deliver_once(warm)
    assert Counter(warm.routes) == {
        "unit-rentals.get": 1,
        "users.post": 1,
        "memberships.post": 1,
        "users.code": 1,
        "users.put": 1,
        "unit-rentals.put": 1,
    }
    warm.forget_requests()
    await warm.settle()
    assert (warm.routes, warm.writes) == (["unit-rentals.get"], [])


async def test_a_new_tenant_named_only_by_the_job_costs_seven(warm: World) -> None:
    """Reading the job comes on top."""
    warm.account.knobs = Knobs(data_form="job_only")
    warm.move_in("A1")
    await _deliver_once(warm)
    assert (len(warm.routes), warm.routes.count("jobs.get")) == (7, 1)


async def test_the_door_works_after_three_round_trips(warm: World) -> None:
    """Read the rental; create the user; membership and code side by side: then the PIN opens the door."""
    rental = warm.move_in("A1")
    owner = warm.account.rental(rental)["ownerId"]
    await warm.account.deliver()
    with_waves = Waves(warm)
    work = asyncio.create_task(warm.service.worker.settle())
    for wave in (["unit-rentals.get"], ["users.post"], ["memberships.post", "users.code"]):
        assert wave == await with_waves.arrived(len(wave))
        with_waves.release()
    await with_waves.arrived(1)
    assert warm.door("A1", warm.sensorberg.codes[owner]) == "approved"
    with_waves.end()
    await work


async def test_an_overlock_costs_three_requests(warm: World) -> None:
    """Read, end the membership, show the flag."""
    rental = warm.move_in("A1")
    await warm.settle()
    warm.forget_requests()
    warm.account.mark_overdue(rental)
    await _deliver_once(warm)
    assert Counter(["unit-rentals.get", "unit-rentals.put", "memberships.put"]) == Counter(warm.routes)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_three_hundred_overdue_at_once_cost_two_and_a_half_requests_each(acme: World) -> None:
    """The daily run locks three hundred tenants; the reads come in lists, one at a time, writes four at a time."""
    acme.account.knobs = Knobs(echo_own_writes=False, overdue_form="unitRentalIds")
    rentals = [acme.move_in(f"A{n}") for n in range(300)]
    acme.account.drop("job.unit_moveIn.created")
    await acme.settle()
    acme.account.knobs = Knobs(overdue_form="unitRentalIds")
    acme.forget_requests()
    acme.account.mark_overdue(*rentals)
    await acme.settle()
    assert [acme.door(f"A{n}", acme.pin_of(rental)) for n, rental in enumerate(rentals)] == ["denied"] * 300
    assert len(acme.requests) <= 750
    assert [acme.routes.count("memberships.put"), acme.routes.count("unit-rentals.put")] == [300, 300]
    assert acme.storeganise.journal.peak("list", "acme") == 1
    assert acme.storeganise.journal.peak("single", "acme") <= 4
    assert acme.sensorberg.journal.peak("single") <= 32


async def test_a_pin_edited_on_one_of_five_rentals_costs_one_code_and_five_writes(acme: World) -> None:
    """The rental that was edited and shows the new PIN already is not written."""
    rentals = await _five_rentals(acme)
    acme.account.edit_rental(rentals[2], {"sensorberg_pin": EDITED})
    await acme.settle()
    assert Counter(acme.writes) == {"users.code": 1, "users.put": 1, "unit-rentals.put": 4}
    assert [acme.pin_of(rental) for rental in rentals] == [EDITED] * 5


async def test_a_pin_edited_on_the_owner_costs_one_code_and_five_writes(acme: World) -> None:
    """The owner's field shows the new PIN already; its five copies follow."""
    rentals = await _five_rentals(acme)
    acme.account.edit_user(acme.account.rental(rentals[0])["ownerId"], {"sensorberg_pin": EDITED})
    await acme.settle()
    assert Counter(acme.writes) == {"users.code": 1, "unit-rentals.put": 5}
    assert [acme.pin_of(rental) for rental in rentals] == [EDITED] * 5


async def test_a_second_look_at_a_correct_state_writes_nothing(acme: World) -> None:
    """Every rental of the story is looked at once more, and nothing is sent but reads."""
    story = Story(world=acme)
    await story.tell(World.settle)
    acme.forget_requests()
    for rental in story.rentals.values():
        acme.account.emit("unitRental.updated", {"unitRentalId": rental})
    await acme.settle()
    assert acme.writes == []


async def test_ten_quiet_seconds_after_a_story_bring_no_request(acme: World) -> None:
    """When a story has settled, nothing is left to do, to retry, or to echo."""
    await Story(world=acme).tell(World.settle)
    acme.forget_requests()
    await acme.later(TEN_SECONDS)
    assert acme.requests == []


async def test_an_old_event_delivered_again_costs_one_read(warm: World) -> None:
    """A repeat wakes once more, and the look finds nothing to do."""
    warm.move_in("A1")
    delivery = warm.account.outbox[-1]
    await warm.settle()
    warm.forget_requests()
    warm.account.replay(delivery)
    await warm.settle()
    assert warm.routes == ["unit-rentals.get"]


async def test_thirty_events_about_one_rental_cost_one_read(warm: World) -> None:
    """Events that arrive together are one look."""
    rental = warm.move_in("A1")
    await warm.settle()
    warm.forget_requests()
    for _ in range(30):
        warm.account.emit("unitRental.updated", {"unitRentalId": rental})
    await warm.settle()
    assert warm.routes == ["unit-rentals.get"]


async def test_one_token_serves_a_burst(acme: World) -> None:
    """Twenty tenants move in at once before there is a token, and one is fetched."""
    for n in range(20):
        acme.move_in(f"A{n}")
    await acme.settle()
    assert (acme.sensorberg.tokens_issued, len(acme.sensorberg.memberships)) == (1, 20)


async def _deliver_once(world: World) -> None:
    """Deliver what is queued and work, but leave the echoes of the writes queued."""
    await world.account.deliver()
    await world.service.worker.settle()


async def _five_rentals(world: World) -> Sequence[str]:
    tenant = world.add_tenant()
    rentals = [world.move_in(f"A{n}", tenant) for n in range(5)]
    await world.settle()
    world.forget_requests()
    return rentals


class Waves:
    """Holds every request until it is released, so that what is sent side by side can be told from what waits."""

    def __init__(self, held: World) -> None:
        self._world = held
        self._gate, self._plans = Gate(), list[Planned]()
        self._hold()

    async def arrived(self, count: int) -> list[str]:
        """Wait until so many requests are held, and return the routes of all that are."""
        async with asyncio.timeout(20):
            await self._gate.reached(count)
        return sorted(entry.route for entry in self._world.requests if entry.status is None)

    def release(self) -> None:
        """Let the requests that are held go on, and hold those that follow."""
        gate, self._gate = self._gate, Gate()
        for planned in self._plans:
            planned.remove()
        self._hold()
        gate.open()

    def end(self) -> None:
        """Let everything go on."""
        for planned in self._plans:
            planned.remove()
        self._gate.open()

    def _hold(self) -> None:
        simulators = (self._world.storeganise, self._world.sensorberg)
        self._plans = [s.faults.add(route="*", fault=Fault.hold(self._gate), times=None) for s in simulators]
