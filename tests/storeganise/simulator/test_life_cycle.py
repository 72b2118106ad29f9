"""Rentals live as they do at Storeganise, and the right events tell of it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from keyturn.storeganise.simulator import RefusedError
from storeganise.simulator.world import START, World


def test_a_booking_reserves_unit_and_rental(world: World) -> None:
    """A booking leaves a reserved rental, a unit that names it, and a move-in job."""
    rental = world.acme.book(world.tenant, world.unit, START)
    record, unit = world.acme.rental(rental), world.acme.unit(world.unit)
    job = world.acme.job(record["moveInJobId"])

    assert (record["state"], record["startDate"], record["ownerId"]) == ("reserved", "2026-03-01", world.tenant)
    assert (unit["state"], unit["rentalId"], unit["ownerId"]) == ("reserved", rental, world.tenant)
    assert (job["type"], job["result"]["unitRentalId"], job["steps"][0]["result"]["unitRentalId"]) == (
        "unit_moveIn",
        rental,
        rental,
    )
    assert world.events() == [
        ("unit.reserved", {"unitId": world.unit}),
        ("job.unit_moveIn.created", {"jobId": job["id"], "unitRentalId": rental}),
    ]


def test_a_completed_move_in_is_occupied(world: World) -> None:
    """Completion makes rental and unit occupied, also before the start date."""
    rental = world.acme.book(world.tenant, world.unit, date(2026, 4, 1))
    world.events()
    world.acme.complete_move_in(rental)
    job = world.acme.move_in_job(rental)

    assert (world.acme.rental(rental)["state"], world.acme.unit(world.unit)["state"]) == ("occupied", "occupied")
    assert world.acme.job(job)["state"] == "completed"
    assert world.events()[-1] == ("job.unit_moveIn.completed", {"jobId": job, "unitRentalId": rental})


def test_a_unit_is_rented_once(world: World) -> None:
    """A unit that is reserved or occupied cannot be booked again."""
    world.acme.book(world.tenant, world.unit, START)
    with pytest.raises(RefusedError):
        world.acme.book(world.tenant, world.unit, START)

    assert len(world.acme.rentals) == 1


def test_a_cancelled_booking_frees_the_unit(world: World) -> None:
    """A withdrawn booking is cancelled and cannot be completed any more."""
    rental = world.acme.book(world.tenant, world.unit, START)
    world.acme.cancel_move_in(rental)
    with pytest.raises(RefusedError):
        world.acme.complete_move_in(rental)
    unit = world.acme.unit(world.unit)

    assert (world.acme.rental(rental)["state"], unit["state"], unit["rentalId"]) == ("cancelled", "available", None)
    assert world.events()[-1][0] == "job.unit_moveIn.cancelled"


def test_midnight_completes_what_is_due(world: World) -> None:
    """At midnight of the business, move-ins whose date is reached are completed, others not."""
    due = world.acme.book(world.tenant, world.unit, date(2026, 3, 2))
    later = world.acme.book(world.tenant, world.other_unit, date(2026, 3, 3))
    early = world.acme.run_midnight()
    world.clock.advance(timedelta(hours=14, minutes=30))  # 00:30 in Berlin, still yesterday in UTC
    done = world.acme.run_midnight()

    assert (early, done, world.acme.rental(later)["state"]) == ([], [due], "reserved")


def test_a_planned_move_out_changes_no_state(world: World) -> None:
    """A scheduled move-out leaves the rental occupied; its job names the date; it can be called off."""
    rental = world.acme.move_in(world.tenant, world.unit, START)
    job = world.acme.schedule_move_out(rental, date(2026, 3, 31))
    planned = world.acme.rental(rental)
    world.acme.cancel_move_out(rental)

    assert (planned["state"], planned["moveOutJobId"], world.acme.job(job)["data"]["date"]) == (
        "occupied",
        job,
        "2026-03-31",
    )
    assert ("moveOutJobId" in world.acme.rental(rental), world.acme.job(job)["state"]) == (False, "cancelled")
    assert [kind for kind, _ in world.events()][-2:] == ["job.unit_moveOut.created", "job.unit_moveOut.cancelled"]


def test_a_confirmed_move_out_ends_the_rental(world: World) -> None:
    """After the move-out the rental has ended and the unit is free for the next tenant."""
    rental = world.acme.move_in(world.tenant, world.unit, START)
    world.acme.move_out(rental)
    next_rental = world.acme.move_in(world.tenant, world.unit, START)
    record = world.acme.rental(rental)

    assert (record["state"], record["endDate"]) == ("ended", "2026-03-01")
    assert world.acme.unit(world.unit)["rentalId"] == next_rental


def test_only_a_planned_move_out_is_confirmed(world: World) -> None:
    """A move-out nobody planned cannot be confirmed, and an ended rental not end again."""
    rental = world.acme.move_in(world.tenant, world.unit, START)
    with pytest.raises(RefusedError):
        world.acme.complete_move_out(rental)
    world.acme.move_out(rental)
    with pytest.raises(RefusedError):
        world.acme.move_out(rental)

    assert world.acme.rental(rental)["state"] == "ended"


def test_a_transfer_moves_the_tenant(world: World) -> None:
    """Until it is completed the old rental is occupied and the new one reserved; then ended and occupied."""
    old = world.acme.move_in(world.tenant, world.unit, START)
    job = world.acme.schedule_transfer(old, world.other_unit, START)
    new = world.acme.job(job)["result"]["newRentalId"]
    before = world.acme.rental(old)["state"], world.acme.rental(new)["state"]
    world.events()
    done = world.acme.complete_transfer(job)

    assert (before, done) == (("occupied", "reserved"), new)
    assert (world.acme.rental(old)["state"], world.acme.rental(new)["state"]) == ("ended", "occupied")
    assert (world.acme.rental(new)["ownerId"], world.acme.unit(world.unit)["state"]) == (world.tenant, "available")
    assert world.events() == [
        ("job.unit_transfer.completed", {"jobId": job, "oldRentalId": old, "newRentalId": new}),
    ]


def test_a_transfer_can_be_called_off(world: World) -> None:
    """A cancelled transfer leaves the old rental as it was."""
    old = world.acme.move_in(world.tenant, world.unit, START)
    job = world.acme.schedule_transfer(old, world.other_unit, START)
    world.acme.cancel_transfer(job)

    assert (world.acme.rental(old)["state"], world.acme.unit(world.other_unit)["state"]) == ("occupied", "available")


def test_overdue_is_a_timestamp_on_rental_and_owner(world: World) -> None:
    """A mark shows on the rental and its owner; the owner's stays while another rental is overdue."""
    one = world.acme.move_in(world.tenant, world.unit, START)
    two = world.acme.move_in(world.tenant, world.other_unit, START)
    world.events()
    world.acme.mark_overdue(one, two)
    world.acme.mark_overdue(one)
    marked = world.acme.rental(one)["overdue"]
    world.acme.pay(one)
    half = "overdue" in world.acme.rental(one), "overdue" in world.acme.user(world.tenant)
    world.acme.pay(two)

    assert (marked, half) == ("2026-03-01T09:00:00.000Z", (False, True))
    assert "overdue" not in world.acme.user(world.tenant)
    assert world.events() == [
        ("unitRental.markOverdue", {"unitRentalId": one}),
        ("unitRental.markOverdue", {"unitRentalId": two}),
        ("unitRental.unmarkOverdue", {"unitRentalId": one}),
        ("unitRental.unmarkOverdue", {"unitRentalId": two}),
    ]


def test_a_debt_ends_with_the_rental_for_the_owner(world: World) -> None:
    """When the only overdue rental ends, the owner is no longer overdue; the old rental keeps its mark."""
    rental = world.acme.move_in(world.tenant, world.unit, START)
    world.acme.mark_overdue(rental)
    world.acme.move_out(rental)

    assert ("overdue" in world.acme.rental(rental), "overdue" in world.acme.user(world.tenant)) == (True, False)


@pytest.mark.parametrize("moves", [True, False])
def test_a_debt_may_move_with_a_transfer(world: World, moves: bool) -> None:  # noqa: FBT001  # a table's column
    """Whether the overdue mark goes with the balance to the new rental is a knob."""
    world.turn(transfer_moves_overdue=moves)
    old = world.acme.move_in(world.tenant, world.unit, START)
    world.acme.mark_overdue(old)
    new = world.acme.transfer(old, world.other_unit)

    assert ("overdue" in world.acme.rental(new), "overdue" in world.acme.user(world.tenant)) == (moves, moves)


def test_an_ended_rental_can_still_be_marked(world: World) -> None:
    """An old debt marks a rental that is over; its former owner is not overdue by it."""
    rental = world.acme.move_in(world.tenant, world.unit, START)
    world.acme.move_out(rental)
    world.acme.mark_overdue(rental)

    assert ("overdue" in world.acme.rental(rental), "overdue" in world.acme.user(world.tenant)) == (True, False)


def test_a_deleted_rental_is_gone(world: World) -> None:
    """A deleted rental cannot be read; its unit is free unless it is to go on naming it."""
    rental = world.acme.move_in(world.tenant, world.unit, START)
    other = world.acme.move_in(world.tenant, world.other_unit, START)
    world.acme.delete_rental(rental)
    world.acme.delete_rental(other, keep_unit=True)

    assert world.acme.rentals == {}
    assert (world.acme.unit(world.unit)["rentalId"], world.acme.unit(world.other_unit)["rentalId"]) == (None, other)


def test_a_rental_can_change_hands(world: World) -> None:
    """Another owner shows on rental and unit, and an event names the key."""
    rental = world.acme.move_in(world.tenant, world.unit, START)
    heir = world.acme.add_user("Grace", None, "grace@example.com", "en")
    world.events()
    world.acme.change_owner(rental, heir)

    assert (world.acme.rental(rental)["ownerId"], world.acme.unit(world.unit)["ownerId"]) == (heir, heir)
    assert world.events() == [("unitRental.updated", {"unitRentalId": rental, "changedKeys": ["ownerId"]})]


def test_edits_name_the_keys_that_changed(world: World) -> None:
    """Staff edits send the changed keys, never values; an edit that changes nothing sends nothing."""
    rental = world.acme.move_in(world.tenant, world.unit, START)
    world.events()
    world.acme.edit_rental(rental, {"sensorberg_overlocked": True, "note": "x"}, startDate="2026-03-02")
    world.acme.edit_rental(rental, {"sensorberg_overlocked": True})
    world.acme.edit_user(world.tenant, lastName="Größer")
    world.acme.edit_unit(world.unit, {"sensorberg_id": "g9"})
    world.acme.edit_site(world.site, {"securitySystem": ""})

    assert world.acme.user(world.tenant)["name"] == "Jürgen Größer"
    assert [data for _, data in world.events()] == [
        {
            "unitRentalId": rental,
            "changedKeys": ["startDate", "customFields.sensorberg_overlocked", "customFields.note"],
        },
        {"userId": world.tenant, "changedKeys": ["lastName"]},
        {"unitId": world.unit, "changedKeys": ["customFields.sensorberg_id"]},
    ]


def test_only_a_real_change_moves_updated(world: World) -> None:
    """`updated` follows edits that change something, and no others."""
    world.acme.edit_user(world.tenant, {"note": "x"})
    world.clock.advance(timedelta(minutes=1))
    world.acme.edit_user(world.tenant, {"note": "x"})
    unchanged = world.acme.user(world.tenant)["updated"]
    world.acme.edit_user(world.tenant, {"note": "y"})

    assert (unchanged, world.acme.user(world.tenant)["updated"]) == (
        "2026-03-01T09:00:00.000Z",
        "2026-03-01T09:01:00.000Z",
    )


def test_ids_look_like_mongodbs(world: World) -> None:
    """Ids are 24 hex digits that begin with the time of creation, and never repeat."""
    ids = [world.acme.ids.new() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert all(len(ident) == 24 and int(ident[:8], 16) == world.clock.now().timestamp() for ident in ids)


def test_a_resource_read_is_a_copy(world: World) -> None:
    """Changing what was read changes nothing in the account."""
    world.acme.user(world.tenant)["customFields"]["sensorberg_pin"] = "1"

    assert world.acme.user(world.tenant)["customFields"] == {}


def test_the_snapshot_has_no_times(world: World) -> None:
    """Two accounts that went the same way at other times compare equal but for ids and dates."""
    rental = world.acme.move_in(world.tenant, world.unit, START)
    world.acme.edit_rental(rental, {"sensorberg_pin": "739105"})
    world.acme.mark_overdue(rental)

    assert world.sim.snapshot()["acme"]["rentals"][rental] == {
        "state": "occupied",
        "ownerId": world.tenant,
        "unitId": world.unit,
        "startDate": "2026-03-01",
        "customFields": {"sensorberg_pin": "739105"},
        "overdue": True,
    }


async def test_changes_can_be_waited_for(world: World) -> None:
    """`until` returns once the account is in the state asked for; a listener hears every change."""
    heard: list[int] = []
    world.sim.on_change = lambda: heard.append(1)
    rental = world.acme.move_in(world.tenant, world.unit, START)
    await world.sim.until(lambda: world.acme.rental(rental)["state"] == "occupied")

    assert len(heard) > 1
