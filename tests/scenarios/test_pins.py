"""The PIN as tenants and staff live with it: issued once, changed on purpose, never lost or shared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyturn.simulation.faults import Fault
from scenarios.world import World, WorldMaker

EDITED = "739204"


async def test_staff_clear_the_pin_of_an_owner_and_a_new_one_is_issued(acme: World) -> None:
    """Clearing the customer's field rotates the PIN everywhere; the old one opens nothing any more."""
    first, second = await _two_rentals(acme)
    before = acme.pin_of(first)
    acme.account.edit_user(acme.account.rental(first)["ownerId"], {"sensorberg_pin": ""})
    await acme.settle()
    after = acme.pin_of(first)
    assert after not in {None, "", before}
    assert [after, after] == [acme.pin_of(second), acme.owner_pin(first)]
    assert [
        acme.door("A1", before),
        acme.door("A1", after),
        acme.door("A2", after),
    ] == ["unauthorized", "approved", "approved"]


async def test_a_pin_cleared_on_a_rental_is_put_back(acme: World) -> None:
    """The copy on a rental belongs to the owner's PIN, so clearing it changes no PIN."""
    first, _ = await _two_rentals(acme)
    before = acme.pin_of(first)
    acme.account.edit_rental(first, {"sensorberg_pin": None})
    acme.forget_requests()
    await acme.settle()
    assert (before, ["unit-rentals.put"]) == (acme.pin_of(first), acme.writes)


async def test_a_pin_changed_on_one_rental_opens_all_doors_of_the_owner(acme: World) -> None:
    """Staff type another PIN on one rental: the owner, the other rental and both doors follow."""
    first, second = await _two_rentals(acme)
    before = acme.pin_of(first)
    acme.account.edit_rental(second, {"sensorberg_pin": EDITED})
    await acme.settle()
    assert [acme.pin_of(first), acme.pin_of(second), acme.owner_pin(first)] == [EDITED] * 3
    assert [acme.door("A1", before), acme.door("A1", EDITED)] == ["unauthorized", "approved"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("typed", ["111222", "123456", "73920", "7392041", "73920x"])
@pytest.mark.parametrize("on", ["owner", "rental"])
async def test_a_pin_that_breaks_the_rules_is_overwritten(acme: World, typed: str, on: str) -> None:
    """Too weak, short or long, or no digits: the PIN in force is put back; a problem says so and does not show it."""
    rental = acme.move_in("A1")
    await acme.settle()
    before = acme.pin_of(rental)
    if on == "owner":
        acme.account.edit_user(acme.account.rental(rental)["ownerId"], {"sensorberg_pin": typed})
    else:
        acme.account.edit_rental(rental, {"sensorberg_pin": typed})
    await acme.settle()
    assert [before, before, "approved"] == [acme.pin_of(rental), acme.owner_pin(rental), acme.door("A1", before)]
    problems = await acme.service.problems.open()
    assert [problem.code for problem in problems] == ["pin_refused"]
    assert not any(typed in problem.text for problem in problems)


async def test_nobody_gets_the_pin_of_another_tenant(acme: World) -> None:
    """A PIN typed by staff that belongs to somebody else is refused, and both tenants keep theirs."""
    first = acme.move_in("A1")
    second = acme.move_in("A2")
    await acme.settle()
    pins = [acme.pin_of(first), acme.pin_of(second)]
    acme.account.edit_rental(second, {"sensorberg_pin": pins[0]})
    await acme.settle()
    assert pins == [acme.pin_of(first), acme.pin_of(second)]
    assert [
        acme.door("A1", pins[0]),
        acme.door("A2", pins[0]),
        acme.door("A2", pins[1]),
    ] == ["approved", "denied", "approved"]


async def test_the_pin_of_a_tenant_who_left_is_not_taken_again_soon(acme: World) -> None:
    """A PIN that was replaced rests: another tenant cannot get it while a copy of it may still be remembered."""
    first = acme.move_in("A1")
    second = acme.move_in("A2")
    await acme.settle()
    old = acme.pin_of(first)
    acme.account.edit_rental(first, {"sensorberg_pin": EDITED})
    await acme.settle()
    kept = acme.pin_of(second)
    acme.account.edit_rental(second, {"sensorberg_pin": old})
    await acme.settle()
    assert kept == acme.pin_of(second)


async def test_a_generated_pin_that_is_refused_is_drawn_again(acme: World) -> None:
    """The access system refuses the first PIN; the tenant gets another and never sees the refused one."""
    refused = acme.sensorberg.faults.add(route="users.code", fault=Fault.status(422), times=2)
    rental = acme.move_in("A1")
    await acme.settle()
    codes = [e.body["data"]["attributes"] for e in acme.sensorberg.journal.entries if e.route == "users.code"]
    assert (refused.fired, len(codes), len({str(code) for code in codes})) == (2, 3, 3)
    assert acme.door("A1", acme.pin_of(rental)) == "approved"


async def test_after_five_refused_pins_a_person_is_asked(acme: World) -> None:
    """Whatever is drawn is refused: nothing is shown, a problem is open, and it works once the refusals end."""
    refusing = acme.sensorberg.faults.add(route="users.code", fault=Fault.status(422), times=None)
    rental = acme.move_in("A1")
    await acme.settle()
    assert (refusing.fired, acme.pin_of(rental)) == (5, None)
    assert [problem.code for problem in await acme.service.problems.open()] == ["no_pin"]
    refusing.remove()
    acme.account.edit_user(acme.account.rental(rental)["ownerId"], phone="030 1234")
    await acme.settle()
    assert acme.door("A1", acme.pin_of(rental)) == "approved"
    assert await acme.service.problems.open() == []


async def test_an_owner_who_returns_has_the_pin_from_before(acme: World) -> None:
    """The owner's field stays after the move-out and counts at the next move-in."""
    tenant = acme.add_tenant()
    first = acme.move_in("A1", tenant)
    await acme.settle()
    pin = acme.pin_of(first)
    acme.account.move_out(first)
    await acme.settle()
    again = acme.move_in("A2", tenant)
    await acme.settle()
    assert (None, pin, "approved") == (acme.pin_of(first), acme.pin_of(again), acme.door("A2", pin))


async def test_leading_zeros_survive(acme: World) -> None:
    """A PIN is text: one that begins with zeros stays as typed, in Storeganise and at the door."""
    rental = acme.move_in("A1")
    await acme.settle()
    acme.account.edit_rental(rental, {"sensorberg_pin": "004917"})
    await acme.settle()
    assert [
        acme.pin_of(rental),
        acme.owner_pin(rental),
        acme.door("A1", "004917"),
    ] == ["004917", "004917", "approved"]


async def test_existing_tenants_keep_pin_and_access_at_first_sight(make_world: WorldMaker) -> None:
    """Fifteen tenants from before Keyturn are looked at: nobody's PIN changes and no door closes."""
    async with make_world(believable=True) as world:
        operator = world.operator
        assert operator is not None
        for rental in operator.occupied:
            world.account.emit("unitRental.updated", {"unitRentalId": rental})
        before = world.final_state()
        await world.settle()
        assert before == world.final_state()
        assert operator.pins == {tenant: world.sensorberg.codes[tenant] for tenant in operator.pins}
        doors = [
            world.sensorberg.try_door(row.group, pin=operator.pins[row.user]).state
            for row in world.sensorberg.rows
            if row.user is not None and row.group is not None
        ]
        assert doors == ["approved"] * 15


async def test_at_first_sight_a_weak_pin_of_another_length_stays(make_world: WorldMaker) -> None:
    """A PIN that tenants already have is kept, even a weak or short one."""
    async with make_world(believable=True) as world:
        operator = world.operator
        assert operator is not None
        tenant, rental = operator.tenants[0], operator.occupied[0]
        world.account.edit_user(tenant, {"sensorberg_pin": "1234"})
        world.account.edit_rental(rental, {"sensorberg_pin": "1234"})
        world.sensorberg.set_code(tenant, "1234")
        await world.settle()
        assert [world.pin_of(rental), world.sensorberg.codes[tenant]] == ["1234", "1234"]


async def test_a_mended_e_mail_lets_the_tenant_in(acme: World) -> None:
    """The e-mail belongs to another user of the access system: a problem, until staff correct it."""
    acme.sensorberg.add_user("somebody", "Somebody Else", "taken@example.com")
    tenant = acme.account.add_user("Jörg", "Müller", "taken@example.com")
    rental = acme.move_in("A1", tenant)
    await acme.settle()
    assert [problem.code for problem in await acme.service.problems.open()] == ["email_taken"]
    acme.account.edit_user(tenant, email="free@example.com")
    await acme.settle()
    assert acme.door("A1", acme.pin_of(rental)) == "approved"
    assert await acme.service.problems.open() == []


async def test_one_tenant_twice_on_one_group_is_covered_by_the_first_rental(acme: World) -> None:
    """Where a user may be in a group only once, the second rental is covered, and made when the first one ends."""
    acme.sensorberg.knobs = replace(acme.sensorberg.knobs, membership_dup_user_group="422")
    tenant = acme.add_tenant()
    first = acme.move_in("A1", tenant)
    await acme.settle()
    acme.add_unit("A2", group="group-A1")
    second = acme.move_in("A2", tenant)
    await acme.settle()
    assert acme.pin_of(first) == acme.pin_of(second)
    assert ([], [first]) == (await acme.service.problems.open(), list(acme.sensorberg.memberships))
    acme.account.move_out(first)
    await acme.settle()
    assert list(acme.sensorberg.memberships) == [second]
    assert acme.door("A2", acme.pin_of(second)) == "approved"


async def _two_rentals(world: World) -> tuple[str, str]:
    """Let one tenant rent two units."""
    tenant = world.add_tenant()
    first, second = world.move_in("A1", tenant), world.move_in("A2", tenant)
    await world.settle()
    return first, second
