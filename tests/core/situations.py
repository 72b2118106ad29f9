"""What the tests of the entitlement share: common situations, and readings from which something is missing."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from core.builders import (
    DAY,
    NOW,
    OVERDUE,
    STRANGER,
    a_memory,
    a_policy,
    a_rental,
    a_site,
    a_tenancy,
    a_unit,
    an_owner,
)
from keyturn.core.entitlement import Desired
from keyturn.core.ids import UnitId
from keyturn.core.membership import Access
from keyturn.core.memory import FieldMemory
from keyturn.core.problem import ProblemCode
from keyturn.core.rental import Missing, RentalState

S = RentalState
PREPARING = a_policy(prepare_reserved=True)
BY_NAME = a_policy(group_from_unit_name=True)
STAFF_LOCKED = a_memory(overlock=FieldMemory(seen="true"), staff_lock=True, staff_lock_since=NOW - DAY)
RELEASED = a_memory(release_for=OVERDUE)
TOMORROW = date(2027, 5, 11)
ENDED_STATES = [S.ENDED, S.CANCELLED, S.ABANDONED, S.SUBMITTED]


def in_short(desired: Desired) -> str:
    """Say what is wanted in one line."""
    if desired.access is Access.NONE:
        return "none"
    locked = " locked" if desired.locked else ""
    if desired.access is Access.HOLD:
        return f"hold{locked}"
    until = "open-ended" if desired.ends_at is None else f"until {desired.ends_at:%m-%dT%H:%M}"
    return f"member from {desired.starts_at:%m-%dT%H:%M} {until}{locked}"


def codes(desired: Desired) -> list[ProblemCode]:
    return [problem.code for problem in desired.problems]


def without(**changes: Any) -> dict[str, Any]:
    """A reading of the rental from which something is missing."""
    return changes


MISSING_FACTS = [
    pytest.param(without(tenancy=a_tenancy(a_rental(owner_id=None))), id="the owner's id"),
    pytest.param(without(tenancy=a_tenancy(owner=None)), id="the owner"),
    pytest.param(without(tenancy=a_tenancy(owner=an_owner(id=STRANGER))), id="the right owner"),
    pytest.param(without(tenancy=a_tenancy(owner=an_owner(pin=Missing.UNKNOWN))), id="the owner's custom fields"),
    pytest.param(without(tenancy=a_tenancy(a_rental(start=None))), id="the start date"),
    pytest.param(without(tenancy=a_tenancy(unit=None)), id="the unit"),
    pytest.param(without(tenancy=a_tenancy(a_rental(unit_id=None), unit=None)), id="the unit's id"),
    pytest.param(without(tenancy=a_tenancy(unit=a_unit(id=UnitId("u2")))), id="the right unit"),
    pytest.param(without(tenancy=a_tenancy(unit=a_unit(group=Missing.UNKNOWN))), id="the unit's custom fields"),
    pytest.param(without(tenancy=a_tenancy(unit=a_unit(group=Missing.EMPTY))), id="the unit's access group"),
    pytest.param(without(tenancy=a_tenancy(a_rental(pin=Missing.UNKNOWN))), id="the rental's custom fields"),
    pytest.param(
        without(tenancy=a_tenancy(a_rental(pin=Missing.UNKNOWN, overlocked=Missing.UNKNOWN))),
        id="all of the rental's custom fields",
    ),
    pytest.param(without(tenancy=a_tenancy(a_rental(state=S.UNKNOWN))), id="a state that is known"),
    pytest.param(without(site=None), id="the site"),
    pytest.param(without(site=a_site(Missing.UNKNOWN)), id="the site's custom fields"),
    pytest.param(without(site=a_site(Missing.EMPTY)), id="the site's system"),
    pytest.param(without(site=a_site("other"), site_rentals=4), id="a site that few would leave"),
]
