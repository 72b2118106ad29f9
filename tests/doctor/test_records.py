"""Units without a door and custom fields that are not there: each found, mended as advised, gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from doctor.clinic import ACME, Clinic
from keyturn.core.ids import SiteId, UnitId
from keyturn.core.policy import Policy
from keyturn.core.rental import Missing, Unit
from keyturn.doctor.finding import Code
from keyturn.doctor.units import of_units

HOUR = timedelta(hours=1)


def without_field(clinic: Clinic, *codes: str, knob: Literal["ignored", "400"]) -> None:
    """Let the account define all custom fields but these; `knob`: what it does with a value for one of them."""
    clinic.world.account.custom_field_codes -= frozenset(codes)
    clinic.world.account.knobs = replace(clinic.world.account.knobs, unknown_custom_field=knob)


async def test_units_without_a_group(clinic: Clinic) -> None:
    """They are named, some of many, and found no more once they have one."""
    units = [clinic.world.add_unit(f"B{number:02}", group="") for number in range(12)]
    finding = await clinic.the(Code.UNMAPPED_UNITS)
    assert (finding.about, "B00, B01" in finding.text, "B09 and 2 more" in finding.text) == (
        "12 of 13 units",
        True,
        True,
    )

    for unit in units:
        clinic.world.account.edit_unit(unit, {"sensorberg_id": f"group of {unit}"})
    assert await clinic.found() == set()


async def test_units_that_do_not_matter(clinic: Clinic) -> None:
    """Units out of use, and those of a site that is not ours, need no group."""
    other = clinic.world.account.add_site("Elsewhere", {"securitySystem": "another"})
    clinic.world.account.add_unit(other, "X1")
    clinic.world.account.add_unit(clinic.world.site, "X2", state="archived")

    assert await clinic.found() == set()


def unit(name: str | None, group: str | Missing = Missing.EMPTY) -> Unit:
    """Return a unit."""
    return Unit(id=UnitId(f"id of {name}"), site_id=SiteId("s1"), name=name, rental_id=None, group=group)  # type: ignore[arg-type]  # a GroupId is a text


@pytest.mark.parametrize(
    ("units", "bare"),
    [
        ([unit("A1")], None),
        ([unit("A1"), unit("A2", "g2")], None),
        ([unit("A1"), unit("A2", "A1")], "1 of 2 units"),
        ([unit("A1"), unit("A1")], "2 of 2 units"),
        ([unit(None)], "1 of 1 units"),
        ([unit("A1", Missing.UNKNOWN)], None),
    ],
    ids=["unique", "beside a mapped one", "a group of that name", "a twin", "nameless", "not returned"],
)
def test_names_stand_in_where_policy_lets_them(units: list[Unit], bare: str | None) -> None:
    """With group_from_unit_name a unit needs a group only where its name cannot stand in."""
    found = of_units(ACME, units, units, Policy(system="sensorberg", group_from_unit_name=True))

    assert [one.about for one in found if one.code is Code.UNMAPPED_UNITS] == ([bare] if bare else [])


async def test_two_units_with_one_group(clinic: Clinic) -> None:
    """A group that opens two units lets one tenant in only."""
    double = clinic.world.add_unit("B1", group="group-A1")
    finding = await clinic.the(Code.GROUP_SHARED)
    assert (finding.about, "A1, B1" in finding.text) == ("access group group-A1", True)

    clinic.world.account.edit_unit(double, {"sensorberg_id": "group-B1"})
    assert await clinic.found() == set()


async def test_the_field_of_the_unit_is_missing(clinic: Clinic) -> None:
    """Where no unit shows a group, the field itself is in doubt."""
    [unit_id] = clinic.world.units.values()
    clinic.world.account.edit_unit(unit_id, {"sensorberg_id": None})
    finding = await clinic.the(Code.FIELD_MISSING)
    assert (finding.about, "unit, code sensorberg_id" in finding.advice) == ("field sensorberg_id of a unit", True)

    clinic.world.account.edit_unit(unit_id, {"sensorberg_id": "group-A1"})
    await clinic.world.settle()
    assert await clinic.found() == set()


async def test_the_field_of_the_site_is_missing(clinic: Clinic) -> None:
    """Where no site names a system, the field itself is in doubt."""
    clinic.world.account.edit_site(clinic.world.site, {"securitySystem": None})
    assert (await clinic.the(Code.FIELD_MISSING)).about == "field securitySystem of a site"

    clinic.world.account.edit_site(clinic.world.site, {"securitySystem": "sensorberg"})
    assert await clinic.found() == set()


async def test_fields_that_nothing_was_written_to_are_noted(clinic: Clinic) -> None:
    """Nobody was locked out yet, so the flag may be missing; after the first lock it is seen."""
    finding = await clinic.the(Code.FIELD_UNSEEN)
    assert "sensorberg_overlocked of a rental" in finding.text

    [rental] = clinic.world.account.rentals
    clinic.world.account.mark_overdue(rental)
    await clinic.world.settle()
    assert await clinic.found(notes=True) == set()


async def test_the_pin_fields_are_missing_and_values_get_lost(clinic: Clinic) -> None:
    """PINs that Storeganise takes and drops: create the fields, enter a PIN, and all is well."""
    without_field(clinic, "sensorberg_pin", knob="ignored")
    rental = clinic.world.move_in("B1")
    [first] = set(clinic.world.account.rentals) - {rental}
    clinic.world.account.move_out(first)
    await clinic.world.settle()
    clinic.world.account.edit_rental(rental, {}, notes="so that it is looked at again")
    await clinic.world.settle()
    report = await clinic.report()
    missing = {one.about for one in report.findings if one.code is Code.FIELD_MISSING}
    assert missing == {"field sensorberg_pin of a user", "field sensorberg_pin of a rental"}
    owner = clinic.world.account.rental(rental)["ownerId"]
    assert [one.about for one in report.findings if one.code is Code.FIELD_NOT_KEPT] == [f"owner {owner}"]

    clinic.world.account.custom_field_codes |= {"sensorberg_pin"}
    clinic.world.account.edit_user(owner, {"sensorberg_pin": "739204"})
    await clinic.world.settle()
    assert await clinic.found() == set()
    assert (clinic.world.pin_of(rental), clinic.world.door("B1", "739204")) == ("739204", "approved")


async def test_the_lock_field_is_missing(clinic: Clinic) -> None:
    """A lock whose flag is dropped: create the field and tick it."""
    without_field(clinic, "sensorberg_overlocked", knob="ignored")
    [rental] = clinic.world.account.rentals
    clinic.world.account.mark_overdue(rental)
    await clinic.world.settle()
    clinic.world.account.edit_rental(rental, {}, notes="so that it is looked at again")
    await clinic.world.settle()
    report = await clinic.report()
    assert [one.about for one in report.findings if one.code is Code.FIELD_MISSING] == [
        "field sensorberg_overlocked of a rental"
    ]
    assert report.has(Code.FIELD_NOT_KEPT)

    clinic.world.account.custom_field_codes |= {"sensorberg_overlocked"}
    clinic.world.account.edit_rental(rental, {"sensorberg_overlocked": True})
    await clinic.world.settle()
    assert await clinic.found() == set()


async def test_storeganise_refuses_to_write(clinic: Clinic) -> None:
    """PINs that Storeganise refuses: create the fields, and the hourly try does the rest."""
    without_field(clinic, "sensorberg_pin", knob="400")
    rental = clinic.world.move_in("B1")
    await clinic.world.settle()
    finding = await clinic.the(Code.WRITE_REFUSED)
    assert rental in finding.about

    clinic.world.account.custom_field_codes |= {"sensorberg_pin"}
    await clinic.world.later(HOUR)
    assert await clinic.found() == set()
