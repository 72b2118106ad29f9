"""Facts that change under a running tenancy: start, group, reservation, plans, and what others do at Sensorberg."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from scenarios.world import TODAY, World


async def test_another_group_in_the_unit_moves_the_access_there(acme: World) -> None:
    """Staff correct the group of an occupied unit: the tenant opens the new doors and no longer the old ones."""
    rental = acme.move_in("A1")
    await acme.settle()
    acme.sensorberg.add_group("group-B1")
    acme.account.edit_unit(acme.units["A1"], {"sensorberg_id": "group-B1"})
    await acme.settle()
    pin = acme.pin_of(rental) or ""
    doors = [acme.sensorberg.try_door(group, pin=pin).state for group in ("group-A1", "group-B1")]
    assert doors == ["denied", "approved"]


async def test_another_start_date_moves_the_first_instant(acme: World) -> None:
    """A start that staff bring forward or put off is the start at the door."""
    rental = acme.move_in("A1", start=date(2026, 12, 1))
    await acme.settle()
    pin = acme.pin_of(rental)
    for start, day in (("2026-11-25", 24), ("2026-11-28", 27)):
        acme.account.edit_rental(rental, startDate=start)
        await acme.settle()
        answers = [acme.door("A1", pin, at=datetime(2026, 11, day, hour, tzinfo=UTC)) for hour in (22, 23)]
        assert answers == ["denied", "approved"]


async def test_a_reservation_gives_no_access_and_may_be_cancelled(acme: World) -> None:
    """Booked, and cancelled: no membership and no PIN at any time."""
    rental = acme.account.book(acme.add_tenant(), acme.add_unit("A1"), TODAY)
    await acme.settle()
    acme.account.cancel_move_in(rental)
    await acme.settle()
    assert (acme.sensorberg.rows, acme.pin_of(rental)) == ([], None)


async def test_a_planned_move_out_changes_nothing_until_it_is_confirmed(acme: World) -> None:
    """The planned date passes, the tenant is still there: the door opens until staff confirm."""
    rental = acme.move_in("A1")
    await acme.settle()
    pin = acme.pin_of(rental)
    acme.account.schedule_move_out(rental, TODAY)
    await acme.later(timedelta(days=2))
    assert acme.door("A1", pin) == "approved"
    acme.account.complete_move_out(rental)
    await acme.settle()
    assert acme.door("A1", pin) == "denied"


async def test_a_user_deleted_at_sensorberg_is_made_anew_with_the_same_pin(acme: World) -> None:
    """Somebody deletes the user there; the next look that writes restores user, code and membership."""
    rental = acme.move_in("A1")
    await acme.settle()
    pin = acme.pin_of(rental)
    acme.sensorberg.delete_user(acme.account.rental(rental)["ownerId"])
    acme.account.mark_overdue(rental)
    await acme.settle()
    acme.account.pay(rental)
    await acme.settle()
    assert (acme.door("A1", pin), acme.pin_of(rental)) == ("approved", pin)


async def test_a_lock_holds_at_once_although_sensorbergs_clock_is_behind(acme: World) -> None:
    """The lock instant is past by Sensorberg's own time, not by ours."""
    acme.sensorberg.knobs = replace(acme.sensorberg.knobs, clock_skew_s=-300.0)
    rental = acme.move_in("A1")
    await acme.settle()
    acme.account.mark_overdue(rental)
    await acme.settle()
    assert acme.door("A1", acme.pin_of(rental)) == "denied"


async def test_a_pin_typed_while_the_tenant_is_locked_out_counts_after_the_payment(acme: World) -> None:
    """Staff change the PIN of an overdue tenant: the door stays shut, and opens with the new PIN once they pay."""
    rental = acme.move_in("A1")
    await acme.settle()
    acme.account.mark_overdue(rental)
    await acme.settle()
    acme.account.edit_rental(rental, {"sensorberg_pin": "739204"})
    await acme.settle()
    assert (acme.door("A1", "739204"), acme.owner_pin(rental)) == ("denied", "739204")
    acme.account.pay(rental)
    await acme.settle()
    assert acme.door("A1", "739204") == "approved"


async def test_a_lock_after_a_restart_holds_although_sensorbergs_clock_is_behind(acme: World) -> None:
    """The first request of a new process is the lock, so Sensorberg's time is not known yet: it holds all the same."""
    acme.sensorberg.knobs = replace(acme.sensorberg.knobs, clock_skew_s=-300.0)
    rental = acme.move_in("A1")
    await acme.settle()
    await acme.restart()
    acme.account.edit_rental(rental, {"sensorberg_overlocked": True})
    await acme.settle()
    assert acme.door("A1", acme.pin_of(rental)) == "denied"


async def test_two_units_that_swap_their_groups_let_both_tenants_in(acme: World) -> None:
    """Staff correct a mix-up: both tenants open their own unit, and the two rentals do not wake each other for ever."""
    first, second = acme.move_in("A1"), acme.move_in("A2")
    await acme.settle()
    acme.account.edit_unit(acme.units["A1"], {"sensorberg_id": "group-A2"})
    acme.account.edit_unit(acme.units["A2"], {"sensorberg_id": "group-A1"})
    acme.forget_requests()
    async with asyncio.timeout(20):
        await acme.settle()
    assert len(acme.requests) < 20
    doors = [acme.door(unit, acme.pin_of(rental)) for unit in ("A1", "A2") for rental in (first, second)]
    assert doors == ["approved", "denied", "denied", "approved"]


@pytest.mark.parametrize("why", ["overdue", "no group"])
async def test_a_new_owner_who_is_not_let_in_does_not_see_the_pin_of_the_one_before(acme: World, why: str) -> None:
    """A locked or held rental changes hands: the former customer's PIN, which opens their other unit, is gone."""
    tenant = acme.add_tenant("Anna")
    rental, _ = acme.move_in("A1", tenant), acme.move_in("A2", tenant)
    await acme.settle()
    pin = acme.pin_of(rental)
    if why == "overdue":
        acme.account.mark_overdue(rental)
    else:
        acme.account.edit_unit(acme.units["A1"], {"sensorberg_id": None})
    await acme.settle()
    acme.account.change_owner(rental, acme.add_tenant("Ben"))
    await acme.settle()
    assert acme.sensorberg.try_door("group-A1", pin=pin or "").state == "denied"
    assert acme.door("A2", pin) == "approved"
    assert acme.pin_of(rental) != pin
