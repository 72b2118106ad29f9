"""What goes wrong beside a rental must not reach its door: unreadable sites, half-done writes, leftovers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyturn.core.ids import BusinessCode
from keyturn.core.work import Kind, Subject
from keyturn.simulation.faults import Fault
from scenarios.world import World


async def test_a_tenant_who_left_is_out_although_the_site_may_not_be_read(acme: World) -> None:
    """A key without the right to read sites widens nothing, but a move-out still ends the access."""
    rental = acme.move_in("A1")
    await acme.settle()
    pin = acme.pin_of(rental)
    acme.storeganise.faults.add(route="sites.get", fault=Fault.status(403), times=None)
    await acme.restart()

    acme.account.move_out(rental)
    await acme.settle()

    assert acme.door("A1", pin) == "denied"


async def test_a_put_back_that_failed_is_repeated(acme: World) -> None:
    """Staff type a weak PIN on the customer; the write that puts the right one back fails once, and is made again."""
    rental = acme.move_in("A1")
    await acme.settle()
    pin = acme.owner_pin(rental)
    acme.storeganise.faults.add(route="users.put", fault=Fault.status(500), times=1)

    acme.account.edit_user(acme.account.rental(rental)["ownerId"], custom_fields={"sensorberg_pin": "111111"})
    await acme.settle()
    await acme.later(timedelta(minutes=1))

    assert (acme.owner_pin(rental), acme.door("A1", pin)) == (pin, "approved")


async def test_two_rentals_of_one_owner_do_not_chase_each_other_while_sensorberg_fails(acme: World) -> None:
    """A refused service is asked once per try, not in circles, however many rentals the owner has."""
    tenant = acme.add_tenant("Anna")
    acme.move_in("A1", tenant)
    acme.move_in("A2", tenant)
    acme.sensorberg.faults.add(route="users.code", fault=Fault.status(500), times=None)

    await acme.settle()

    assert acme.routes.count("users.code") <= 2


async def test_a_business_that_is_no_longer_in_the_settings_disturbs_nobody(acme: World) -> None:
    """Its work stays in the table and is left alone; the others go on."""
    gone = BusinessCode("gone")
    await acme.service.work.wake(gone, [Subject.of(Kind.RENTAL, "r1")], "left behind")

    rental = acme.move_in("A1")
    await acme.settle()

    assert acme.door("A1", acme.pin_of(rental)) == "approved"


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_list_that_is_refused(acme: World, status: int) -> None:
    """One of its ids may be the matter: each rental is read by itself, and nobody waits for an hour."""
    rentals = [acme.move_in(f"A{n}") for n in range(3)]
    by_ids = acme.storeganise.faults.add(
        route="unit-rentals.list", fault=Fault.status(status), when=lambda call: "ids" in call.query
    )
    await acme.settle()
    assert by_ids.fired == 1

    assert [acme.door(f"A{n}", acme.pin_of(rental)) for n, rental in enumerate(rentals)] == ["approved"] * 3
