"""What must change nothing, or wait: old events, forged ones, sites and rentals that disappear."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyturn.processes import plan_sweeps
from scenarios.world import SECRET, World

HOUR = timedelta(hours=1)
ELEVEN_MINUTES = timedelta(minutes=11)


async def test_a_late_overdue_mark_for_a_rental_that_ended_changes_nothing(acme: World) -> None:
    """A mark that arrives after the move-out writes nothing."""
    rental = acme.move_in("A1")
    await acme.settle()
    acme.account.move_out(rental)
    await acme.settle()
    acme.account.mark_overdue(rental)
    before = acme.final_state()
    acme.forget_requests()
    await acme.settle()
    assert ([], before) == (acme.writes, acme.final_state())


async def test_an_old_move_in_of_a_former_tenant_opens_nothing(acme: World) -> None:
    """The move-in event of a tenant who left, sent again, gives no access."""
    rental = acme.move_in("A1")
    move_in = acme.account.outbox[-1]
    await acme.settle()
    pin = acme.pin_of(rental)
    acme.account.move_out(rental)
    await acme.later(HOUR)
    acme.account.replay(move_in)
    acme.account.duplicate(move_in, new_id=True)
    await acme.settle()
    assert (acme.door("A1", pin), acme.sensorberg.memberships) == ("denied", {})


@pytest.mark.parametrize("secret", [None, "another secret"])
async def test_a_forged_webhook_is_answered_401_and_nothing_happens(acme: World, secret: str | None) -> None:
    """Unsigned or wrongly signed: 401, no row, no request to anybody."""
    rental = acme.move_in("A1")
    acme.account.drop()
    forged = acme.account.forge("job.unit_moveIn.completed", {"unitRentalId": rental}, secret=secret)
    assert await acme.account.send(forged) == 401
    await acme.settle()
    assert (acme.requests, await acme.service.inbox.recent(10)) == ([], [])


async def test_an_unknown_business_is_answered_like_a_wrong_signature(acme: World) -> None:
    """Nobody can find out by asking which businesses exist."""
    rental = acme.move_in("A1")
    acme.account.drop()
    acme.account.webhook_url = f"{acme.url}/webhooks/storeganise/nobody"
    sent = acme.account.forge("job.unit_moveIn.completed", {"unitRentalId": rental}, secret=SECRET)
    assert await acme.account.send(sent) == 401
    await acme.settle()
    assert (acme.requests, await acme.service.inbox.recent(10)) == ([], [])


async def test_a_site_with_another_system_is_left_alone(acme: World) -> None:
    """Rentals of such a site are read, recorded as nothing to do, and never written."""
    site = acme.account.add_site("Lagerhaus West", {"securitySystem": "another"})
    acme.add_unit("W1", site=site)
    rental = acme.move_in("W1")
    acme.account.mark_overdue(rental)
    await acme.settle()
    assert (acme.writes, acme.sensorberg.memberships) == ([], {})
    assert await acme.service.problems.open() == []


async def test_a_site_without_a_system_keeps_its_access_and_gets_a_problem(acme: World) -> None:
    """An emptied field proves nothing: access stays as it is, an overdue tenant is still locked out."""
    rental = acme.move_in("A1")
    await acme.settle()
    pin = acme.pin_of(rental)
    acme.account.edit_site(acme.site, {"securitySystem": ""})
    acme.account.emit("unitRental.updated", {"unitRentalId": rental})
    await acme.later(2 * HOUR)
    assert acme.door("A1", pin) == "approved"
    assert [problem.code for problem in await acme.service.problems.open()] == ["site_left"]
    acme.account.mark_overdue(rental)
    await acme.settle()
    assert acme.door("A1", pin) == "denied"


async def test_a_site_that_names_another_system_loses_its_access(acme: World) -> None:
    """Another system in the site's field is evidence: the membership is removed."""
    rental = acme.move_in("A1")
    await acme.settle()
    acme.account.edit_site(acme.site, {"securitySystem": "another"})
    acme.account.emit("unitRental.updated", {"unitRentalId": rental})
    await acme.later(2 * HOUR)
    assert acme.sensorberg.memberships == {}


async def test_a_site_with_many_rentals_waits_for_staff_before_it_leaves(acme: World) -> None:
    """More than three rentals would lose access at once, so all of them keep it and a problem is open."""
    rentals = [acme.move_in(f"A{n}") for n in range(4)]
    await acme.settle()
    acme.account.edit_site(acme.site, {"securitySystem": "another"})
    for rental in rentals:
        acme.account.emit("unitRental.updated", {"unitRentalId": rental})
    await acme.later(2 * HOUR)
    assert set(rentals) == set(acme.sensorberg.memberships)
    assert [problem.code for problem in await acme.service.problems.open()] == ["site_left"]


async def test_a_deleted_rental_is_held_and_revoked_after_a_second_read(acme: World) -> None:
    """A 404 removes nothing; ten minutes later a second one does, while the unit no longer names the rental."""
    rental = acme.move_in("A1")
    await acme.settle()
    pin = acme.pin_of(rental)
    acme.account.delete_rental(rental)
    acme.account.emit("unitRental.updated", {"unitRentalId": rental})
    await acme.settle()
    assert acme.door("A1", pin) == "approved"
    acme.forget_requests()
    await acme.later(ELEVEN_MINUTES)
    assert (acme.door("A1", pin), acme.storeganise.journal.count(route="units.get")) == ("denied", 1)


async def test_a_hidden_rental_whose_unit_still_names_it_keeps_its_access(acme: World) -> None:
    """A 404 may be a missing permission: as long as the unit names the rental, the tenant stays in."""
    rental = acme.move_in("A1")
    await acme.settle()
    acme.account.hidden.add(rental)
    acme.account.emit("unitRental.updated", {"unitRentalId": rental})
    await acme.later(ELEVEN_MINUTES)
    await acme.later(2 * HOUR)
    assert acme.door("A1", acme.pin_of(rental)) == "approved"


async def test_a_key_that_sees_nothing_revokes_nothing(acme: World) -> None:
    """When the unit is hidden too, the control read fails and the tenant stays in."""
    rental = acme.move_in("A1")
    await acme.settle()
    acme.account.hidden |= {rental, acme.units["A1"]}
    acme.account.emit("unitRental.updated", {"unitRentalId": rental})
    await acme.later(ELEVEN_MINUTES)
    await acme.later(2 * HOUR)
    assert acme.door("A1", acme.pin_of(rental)) == "approved"


async def test_a_sweep_finds_what_a_lost_event_did_not_tell(acme: World) -> None:
    """Every webhook is lost; the next delta sweep makes the move-out and the move-in good."""
    await plan_sweeps(acme.service)
    first = acme.move_in("A1")
    await acme.later(timedelta(minutes=15))
    acme.account.move_out(first)
    second = acme.move_in("A2")
    acme.account.drop()
    await acme.later(timedelta(minutes=16))
    assert [second] == list(acme.sensorberg.memberships)
    assert acme.door("A2", acme.pin_of(second)) == "approved"


async def test_an_event_that_names_nothing_wakes_a_sweep(acme: World) -> None:
    """A known event without usable ids is shown as unresolved, and a delta sweep finds what it was about."""
    rental = acme.move_in("A1")
    acme.account.drop()
    acme.account.emit("unitRental.updated", {})
    await acme.settle()
    assert acme.door("A1", acme.pin_of(rental)) == "approved"
    assert [delivery.state.value for delivery in reversed(await acme.service.inbox.recent(10))][:1] == ["unresolved"]


async def test_the_daily_event_wakes_a_sweep(acme: World) -> None:
    """The add-on's daily event finds a move-in whose own event was lost."""
    rental = acme.move_in("A1")
    acme.account.drop()
    acme.account.emit("addon.dailyEvent.started", {})
    await acme.settle()
    assert acme.door("A1", acme.pin_of(rental)) == "approved"
