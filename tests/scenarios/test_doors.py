"""Stories judged at the door: who gets in, with which PIN, from when until when."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from keyturn.clock import MovableClock
from scenarios.world import TODAY, World, WorldMaker

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("zone", "now", "start", "opens"),
    [
        (
            "Europe/Berlin",
            datetime(2026, 11, 23, 8, tzinfo=UTC),
            date(2026, 12, 1),
            datetime(2026, 11, 30, 23, tzinfo=UTC),
        ),
        (
            "America/Los_Angeles",
            datetime(2026, 11, 23, 8, tzinfo=UTC),
            date(2026, 12, 1),
            datetime(2026, 12, 1, 8, tzinfo=UTC),
        ),
        (
            "Europe/Berlin",
            datetime(2026, 3, 20, 8, tzinfo=UTC),
            date(2026, 3, 29),
            datetime(2026, 3, 28, 23, tzinfo=UTC),
        ),
        (
            "Europe/Berlin",
            datetime(2026, 3, 20, 8, tzinfo=UTC),
            date(2026, 3, 30),
            datetime(2026, 3, 29, 22, tzinfo=UTC),
        ),
        (
            "America/Los_Angeles",
            datetime(2026, 10, 20, 8, tzinfo=UTC),
            date(2026, 11, 1),
            datetime(2026, 11, 1, 7, tzinfo=UTC),
        ),
    ],
)
async def test_a_door_opens_with_the_first_instant_of_the_start_date(
    make_world: WorldMaker, zone: str, now: datetime, start: date, opens: datetime
) -> None:
    """A second before midnight at the site the door is shut, at midnight it opens, also when the clocks change."""
    async with make_world(clock=MovableClock(now), site_timezone=zone) as world:
        rental = world.move_in("A1", start=start)
        await world.settle()
        pin = world.pin_of(rental)
        assert world.door("A1", pin, at=opens - SECOND) == "denied"
        assert world.door("A1", pin, at=opens) == "approved"


async def test_an_overdue_tenant_is_out_and_a_paid_one_back_with_the_same_pin(acme: World) -> None:
    """Overdue shuts the door at once, payment opens it again, and the PIN stays."""
    rental = acme.move_in("A1")
    await acme.settle()
    pin = acme.pin_of(rental)
    acme.account.mark_overdue(rental)
    await acme.settle()
    assert acme.door("A1", pin) == "denied"
    acme.account.pay(rental)
    await acme.settle()
    assert ("approved", pin) == (acme.door("A1", pin), acme.pin_of(rental))


async def test_a_payment_does_not_lift_a_lock_set_by_staff(acme: World) -> None:
    """Staff lock, overdue, paid: the door stays shut until staff untick the field."""
    rental = acme.move_in("A1")
    await acme.settle()
    pin = acme.pin_of(rental)
    acme.account.edit_rental(rental, {"sensorberg_overlocked": True})
    await acme.settle()
    acme.account.mark_overdue(rental)
    await acme.settle()
    acme.account.pay(rental)
    await acme.settle()
    assert (acme.door("A1", pin), acme.account.rental(rental)["customFields"]["sensorberg_overlocked"]) == (
        "denied",
        True,
    )
    acme.account.edit_rental(rental, {"sensorberg_overlocked": False})
    await acme.settle()
    assert acme.door("A1", pin) == "approved"


async def test_a_release_by_staff_holds_until_the_overdue_ends(acme: World) -> None:
    """Staff let an overdue tenant in; a repeated mark changes nothing, and the next debt locks again."""
    rental = acme.move_in("A1")
    await acme.settle()
    pin = acme.pin_of(rental)
    acme.account.mark_overdue(rental)
    await acme.settle()
    acme.account.edit_rental(rental, {"sensorberg_overlocked": False})
    await acme.settle()
    acme.account.emit("unitRental.markOverdue", {"unitRentalId": rental})
    await acme.later(DAY)
    assert acme.door("A1", pin) == "approved"
    acme.account.pay(rental)
    await acme.later(HOUR)
    acme.account.mark_overdue(rental)
    await acme.settle()
    assert acme.door("A1", pin) == "denied"


@pytest.mark.parametrize("event", ["comes", "is lost"])
async def test_a_staff_lock_goes_with_a_transfer(acme: World, event: str) -> None:
    """The new unit never opens for a tenant whom staff have locked out, whether the transfer's event comes or not."""
    rental = acme.move_in("A1")
    await acme.settle()
    pin = acme.pin_of(rental)
    acme.account.edit_rental(rental, {"sensorberg_overlocked": True})
    await acme.settle()
    new = acme.account.transfer(rental, acme.add_unit("B1"))
    answers = acme.watch_door("B1", pin)
    if event == "is lost":
        acme.account.drop("job.unit_transfer.completed")
        acme.account.emit("unitRental.updated", {"unitRentalId": new})
    await acme.settle()
    assert [acme.door("A1", pin), acme.door("B1", pin)] == ["denied", "denied"]
    assert "approved" not in answers
    acme.account.edit_rental(new, {"sensorberg_overlocked": False})
    await acme.settle()
    assert [acme.door("A1", pin), acme.door("B1", pin)] == ["denied", "approved"]


@pytest.mark.parametrize("booking", ["before", "after"])
@pytest.mark.parametrize("event", ["comes", "is lost"])
async def test_a_booking_does_not_take_the_lock_of_a_transfer(acme: World, event: str, booking: str) -> None:
    """The lock goes to the new half of the transfer, not to another unit that the tenant booked before or after it."""
    tenant = acme.add_tenant()
    rental = acme.move_in("A1", tenant)
    await acme.settle()
    pin = acme.pin_of(rental)
    acme.account.edit_rental(rental, {"sensorberg_overlocked": True})
    await acme.settle()
    book = partial(acme.account.book, tenant, acme.add_unit("B1"), TODAY + timedelta(days=1))
    booked = book() if booking == "before" else ""
    await acme.settle()
    new = acme.account.transfer(rental, acme.add_unit("C1"))
    if event == "is lost":
        acme.account.drop("job.unit_transfer.completed")
        acme.account.emit("unitRental.updated", {"unitRentalId": new})
    booked = booked or book()
    await acme.settle()

    assert acme.account.rental(new)["customFields"]["sensorberg_overlocked"] is True
    assert acme.door("C1", pin) == "denied"

    acme.account.complete_move_in(booked)
    await acme.later(timedelta(days=1))

    assert [acme.door("B1", acme.owner_pin(booked)), acme.door("C1", pin)] == ["approved", "denied"]


async def test_a_transfer_keeps_the_pin_and_leaves_no_old_door_open(acme: World) -> None:
    """After a transfer the same PIN opens the new unit and no longer the old one."""
    rental = acme.move_in("A1")
    await acme.settle()
    pin = acme.pin_of(rental)
    new = acme.account.transfer(rental, acme.add_unit("B1"))
    await acme.settle()
    assert (pin, None) == (acme.pin_of(new), acme.pin_of(rental))
    assert [acme.door("A1", pin), acme.door("B1", pin)] == ["denied", "approved"]


async def test_another_owner_gets_the_door_and_the_one_before_loses_it(acme: World) -> None:
    """When staff give a rental to another customer, access goes over, with another PIN."""
    rental = acme.move_in("A1")
    await acme.settle()
    before = acme.pin_of(rental)
    acme.account.change_owner(rental, acme.add_tenant("Ben"))
    await acme.settle()
    after = acme.pin_of(rental)
    assert before != after
    assert [acme.door("A1", before), acme.door("A1", after)] == ["denied", "approved"]


async def test_a_locked_rental_given_to_another_owner_starts_without_the_lock(acme: World) -> None:
    """A staff lock belongs to the tenancy, so the new customer is not shut out by the old one's."""
    rental = acme.move_in("A1")
    await acme.settle()
    acme.account.edit_rental(rental, {"sensorberg_overlocked": True})
    await acme.settle()
    acme.account.change_owner(rental, acme.add_tenant("Ben"))
    await acme.settle()
    assert acme.door("A1", acme.pin_of(rental)) == "approved"


@pytest.mark.parametrize("order", ["as it happened", "newest first"])
async def test_a_unit_rented_again_within_minutes_changes_hands(acme: World, order: str) -> None:
    """The new tenant is in, the old one out, whichever webhook comes first."""
    rental = acme.move_in("A1")
    await acme.settle()
    old = acme.pin_of(rental)
    acme.account.move_out(rental)
    acme.clock.advance(timedelta(minutes=3))
    again = acme.move_in("A1")
    if order == "newest first":
        acme.account.reverse_outbox()
    await acme.settle()
    new = acme.pin_of(again)
    assert new not in {None, old}
    assert [acme.door("A1", old), acme.door("A1", new)] == ["denied", "approved"]


async def test_a_new_owner_waits_while_another_tenant_has_the_group(acme: World) -> None:
    """Two units with one group and one tenant: who is given one of the rentals is a newcomer there."""
    tenant = acme.add_tenant()
    given = acme.move_in("A1", tenant)
    acme.add_unit("A2", group="group-A1")
    kept = acme.move_in("A2", tenant)
    await acme.settle()
    acme.account.change_owner(given, acme.add_tenant("Ben"))
    await acme.settle()

    assert acme.door("A2", acme.pin_of(kept)) == "approved"
    assert {row.user for row in acme.sensorberg.rows} == {tenant}
    assert [problem.code for problem in await acme.service.problems.open()] == ["group_taken"]

    acme.account.move_out(kept)
    await acme.settle()

    assert acme.door("A1", acme.pin_of(given)) == "approved"
    assert tenant not in {row.user for row in acme.sensorberg.rows}


async def test_the_newcomer_waits_while_another_tenant_has_the_group(acme: World) -> None:
    """Two units with one group: the tenant who is in stays, the newcomer waits, and gets in after the move-out."""
    first = acme.move_in("A1")
    await acme.settle()
    acme.add_unit("A2", group="group-A1")
    second = acme.move_in("A2")
    await acme.settle()
    held = [row.subject.id for row in await acme.service.work.held()]
    codes = [problem.code for problem in await acme.service.problems.open()]
    assert (["approved"], [second], ["group_taken"]) == ([acme.door("A1", acme.pin_of(first))], held, codes)
    assert acme.pin_of(second) is None
    old = acme.pin_of(first)
    acme.account.move_out(first)
    await acme.settle()
    assert [acme.door("A2", old), acme.door("A2", acme.pin_of(second))] == ["denied", "approved"]
    assert await acme.service.problems.open() == []


async def test_a_unit_without_group_is_a_problem_until_staff_enter_one(acme: World) -> None:
    """A move-in to an unmapped unit waits, says so, and works once the unit's field is filled."""
    acme.add_unit("A1", group="")
    rental = acme.move_in("A1")
    await acme.settle()
    assert [("unmapped_unit", acme.units["A1"])] == [
        (problem.code, problem.subject.id) for problem in await acme.service.problems.open()
    ]
    assert (acme.pin_of(rental), acme.sensorberg.memberships) == (None, {})
    acme.sensorberg.add_group("group-A1")
    acme.account.edit_unit(acme.units["A1"], {"sensorberg_id": "group-A1"})
    await acme.settle()
    assert acme.door("A1", acme.pin_of(rental)) == "approved"
    assert await acme.service.problems.open() == []


async def test_a_tenant_who_transfers_is_never_shut_out(acme: World) -> None:
    """At every moment of a transfer one of the two doors opens."""
    rental = acme.move_in("A1")
    await acme.settle()
    pin = acme.pin_of(rental)
    acme.account.transfer(rental, acme.add_unit("B1"))
    moments: list[set[str]] = []
    acme.sensorberg.on_change = lambda: moments.append({acme.door("A1", pin), acme.door("B1", pin)})
    await acme.settle()
    assert all("approved" in moment for moment in moments)
    assert len(moments) > 1


async def test_a_tenant_whose_pin_changes_is_never_shut_out(acme: World) -> None:
    """At every moment of a PIN change the one that Storeganise shows, or the one before, opens the door."""
    rental = acme.move_in("A1")
    await acme.settle()
    old = acme.pin_of(rental)
    answers: list[set[str]] = []
    acme.sensorberg.on_change = lambda: answers.append({acme.door("A1", old), acme.door("A1", "739204")})
    acme.account.edit_rental(rental, {"sensorberg_pin": "739204"})
    await acme.settle()
    assert answers
    assert all("approved" in answer for answer in answers)
