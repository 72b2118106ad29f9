"""What unit names, settled problems and replaced PINs promise, on every database."""

from __future__ import annotations

from datetime import timedelta

from contract.store_tenants import ANN, BOB, DOOR, OTHER_DOOR, OTHER_PIN, PIN, REST
from contract.store_work import ACME, BOXES
from databases import START
from keyturn.core.ids import AddonId, GroupId, SiteId, UnitId
from keyturn.core.problem import Problem, ProblemCode
from keyturn.core.rental import Missing, Unit
from keyturn.store.businesses import Businesses
from keyturn.store.database import Database
from keyturn.store.installations import Installations
from keyturn.store.pins import Pins
from keyturn.store.problems import Problems
from keyturn.store.units import UnitName, UnitNames


def _unit(name: str, group: str | None = None) -> UnitName:
    mapped = GroupId(group) if group else Missing.EMPTY
    unit = Unit(id=UnitId(f"unit-{name}"), site_id=SiteId("site"), name=name, rental_id=None, group=mapped)
    return UnitName(unit=unit, tenant=DOOR)


class UnitNamesContract:
    """Whether a unit's name may stand in for its group."""

    async def test_unknown_until_every_business_was_read(self, database: Database) -> None:
        """While the units of one business are unread nothing is known about uniqueness."""
        names, businesses = UnitNames(database), Businesses(database)
        await businesses.remember(ACME, f"https://{ACME}.example/api", START)
        await businesses.remember(BOXES, f"https://{BOXES}.example/api", START)
        await names.replace(ACME, [_unit("A1")], START)

        assert await names.unique(DOOR, ACME, UnitId("unit-A1"), "A1") is None

        await names.replace(BOXES, [], START)

        assert await names.unique(DOOR, ACME, UnitId("unit-A1"), "A1") is True

    async def test_an_account_that_nobody_serves_stands_in_nobodys_way(self, database: Database) -> None:
        """One whose installation waits for approval, or that the settings no longer name, need not be read."""
        names, businesses, installations = UnitNames(database), Businesses(database), Installations(database)
        await businesses.remember(ACME, f"https://{ACME}.example/api", START)
        await businesses.remember(BOXES, f"https://{BOXES}.example/api", START)
        await businesses.name([ACME])
        await names.replace(ACME, [_unit("A1")], START)
        await installations.register(AddonId("a1"), "https://north.example/api", wanted="north")
        assert await names.unique(DOOR, ACME, UnitId("unit-A1"), "A1") is True

        await installations.approve(AddonId("a1"), [])
        assert await names.unique(DOOR, ACME, UnitId("unit-A1"), "A1") is None

    async def test_a_name_or_group_elsewhere(self, database: Database) -> None:
        """A name that another unit has as its name or as its group is not unique; another backend does not count."""
        names, businesses = UnitNames(database), Businesses(database)
        await businesses.remember(ACME, f"https://{ACME}.example/api", START)
        await names.replace(ACME, [_unit("A1"), _unit("B1", group="A1"), _unit("C1")], START)

        assert await names.unique(DOOR, ACME, UnitId("unit-A1"), "A1") is False
        assert await names.unique(DOOR, ACME, UnitId("unit-C1"), "C1") is True
        assert await names.unique(OTHER_DOOR, ACME, UnitId("unit-A1"), "A1") is True

    async def test_replaced_as_a_whole(self, database: Database) -> None:
        """A unit that is no longer listed does not stand in anybody's way."""
        names, businesses = UnitNames(database), Businesses(database)
        await businesses.remember(ACME, f"https://{ACME}.example/api", START)
        await names.replace(ACME, [_unit("A1"), _unit("B1", group="A1")], START)
        await names.replace(ACME, [_unit("A1")], START)

        assert await names.unique(DOOR, ACME, UnitId("unit-A1"), "A1") is True


class SettledProblemsContract:
    """Problems as a batch of looks reports them."""

    async def test_new_once_and_gone_when_solved(self, database: Database) -> None:
        """A problem is new the first time only, and is forgotten when a look finds it solved."""
        problems = Problems(database)
        found = Problem(code=ProblemCode.UNMAPPED_UNIT, subject_kind="unit", subject_id="u1")

        assert await problems.settle(ACME, [found], set(), START) == [found]
        assert await problems.settle(ACME, [found], set(), START + timedelta(hours=1)) == []
        assert await problems.settle(BOXES, [], {(("unit", "u1"), ProblemCode.UNMAPPED_UNIT)}, START) == []
        assert [problem.since for problem in await problems.open(ACME)] == [START]

        await problems.settle(ACME, [], {(("unit", "u1"), ProblemCode.UNMAPPED_UNIT)}, START)

        assert await problems.open() == []


class ReplacedPinsContract:
    """PINs that another one replaced."""

    async def test_all_others_rest(self, database: Database) -> None:
        """Once a PIN is in force, every other one of its owner there rests; those of other owners do not."""
        pins = Pins(database)
        await pins.reserve(DOOR, PIN, ACME, ANN, START)
        await pins.reserve(DOOR, OTHER_PIN, ACME, ANN, START)
        await pins.reserve(OTHER_DOOR, PIN, ACME, ANN, START)

        await pins.rest_others(DOOR, OTHER_PIN, ACME, ANN, REST)
        later = REST + timedelta(seconds=1)

        assert await pins.taken(DOOR, [PIN, OTHER_PIN], (ACME, BOB), START) == {PIN, OTHER_PIN}
        assert await pins.taken(DOOR, [PIN, OTHER_PIN], (ACME, BOB), later) == {OTHER_PIN}
        assert await pins.taken(OTHER_DOOR, [PIN], (ACME, BOB), later) == {PIN}
