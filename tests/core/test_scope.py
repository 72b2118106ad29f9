"""Which rentals are ours to decide, and which access group opens their unit."""

from __future__ import annotations

from typing import Any

import pytest

from core.builders import (
    GROUP,
    SITE,
    UNIT,
    a_policy,
    a_rental,
    a_site,
    a_situation,
    a_tenancy,
    a_unit,
    memory_lost,
)
from core.situations import (
    BY_NAME,
    codes,
    in_short,
)
from keyturn.core.entitlement import decide
from keyturn.core.ids import GroupId
from keyturn.core.membership import Access
from keyturn.core.problem import ProblemCode
from keyturn.core.rental import Missing, Site


class TestScope:
    """A rental is in scope when its site is."""

    @pytest.mark.parametrize(
        ("site", "has_membership", "site_rentals", "access", "in_scope"),
        [
            pytest.param(a_site(), False, 0, Access.MEMBER, True, id="the site names our system"),
            pytest.param(
                a_site("other"), False, 0, Access.HOLD, False, id="another system, never had access: nothing to do"
            ),
            pytest.param(
                a_site(Missing.EMPTY), False, 0, Access.HOLD, False, id="no system, never had access: nothing to do"
            ),
            pytest.param(a_site("Sensorberg"), False, 0, Access.HOLD, False, id="the name counts as it is written"),
            pytest.param(a_site("other"), True, 1, Access.NONE, False, id="the site left the scope"),
            pytest.param(a_site("other"), True, 3, Access.NONE, False, id="three rentals leave at once"),
            pytest.param(a_site("other"), True, 4, Access.HOLD, True, id="four rentals leave at once: staff are asked"),
            pytest.param(a_site(Missing.EMPTY), True, 1, Access.HOLD, True, id="an empty system revokes nothing"),
            pytest.param(
                a_site(Missing.UNKNOWN), True, 1, Access.HOLD, True, id="unknown custom fields revoke nothing"
            ),
            pytest.param(
                a_site(Missing.UNKNOWN), False, 0, Access.HOLD, True, id="unknown custom fields grant nothing"
            ),
            pytest.param(None, True, 1, Access.HOLD, True, id="a site that cannot be read revokes nothing"),
            pytest.param(None, False, 0, Access.HOLD, True, id="a site that cannot be read grants nothing"),
        ],
    )
    def test_scope(
        self,
        site: Site | None,
        has_membership: bool,  # noqa: FBT001 - a column of the table
        site_rentals: int,
        access: Access,
        in_scope: bool,  # noqa: FBT001 - a column of the table
    ) -> None:
        """Leaving the scope revokes only on another, non-empty system, and only for a few rentals at once."""
        desired = decide(a_situation(site=site, has_membership=has_membership, site_rentals=site_rentals))

        assert (desired.access, desired.in_scope) == (access, in_scope)

    @pytest.mark.parametrize(
        ("site", "site_rentals"),
        [
            pytest.param(a_site(Missing.EMPTY), 1, id="the field is empty"),
            pytest.param(a_site("other"), 4, id="too many leave at once"),
        ],
    )
    def test_staff_are_asked(self, site: Site, site_rentals: int) -> None:
        """A site in doubt is a problem that names the site."""
        desired = decide(a_situation(site=site, site_rentals=site_rentals))

        found = [(problem.code, problem.subject_kind, problem.subject_id) for problem in desired.problems]
        assert found == [(ProblemCode.SITE_LEFT, "site", SITE)]

    def test_the_remembered_site_is_named(self) -> None:
        """Where the rental does not name its site, the problem names the one it had."""
        desired = decide(a_situation(a_rental(site_id=None), site=None))

        assert [problem.subject_id for problem in desired.problems] == [SITE]

    def test_a_site_nobody_knows(self) -> None:
        """A rental that never named a site is held, with a problem."""
        desired = decide(a_situation(a_rental(site_id=None), memory_lost(), site=None, has_membership=False))

        assert (in_short(desired), codes(desired)) == ("hold", [ProblemCode.SITE_LEFT])

    @pytest.mark.parametrize(
        ("site", "has_membership"),
        [
            pytest.param(a_site("other"), False, id="never in scope"),
            pytest.param(a_site("other"), True, id="left the scope"),
        ],
    )
    def test_outside_is_not_live(self, site: Site, *, has_membership: bool) -> None:
        """A rental out of scope keeps no group to itself, shows no flag and is no error."""
        desired = decide(a_situation(site=site, has_membership=has_membership))

        assert (desired.memory.live, desired.shows_flag, desired.problems) == (False, False, ())


class TestGroup:
    """Which access group opens the unit."""

    @pytest.mark.parametrize(
        ("group", "policy", "name", "unique", "expected"),
        [
            pytest.param(GROUP, a_policy(), "A-01", None, "g1", id="the unit's own group"),
            pytest.param(GROUP, BY_NAME, "A-01", True, "g1", id="the unit's own group before its name"),
            pytest.param(
                Missing.EMPTY, BY_NAME, "A-01", True, "A-01", id="the name where policy allows it and it is unique"
            ),
            pytest.param(
                Missing.EMPTY, BY_NAME, "A-01", False, None, id="no name that another unit has as name or group"
            ),
            pytest.param(Missing.EMPTY, BY_NAME, "A-01", None, None, id="no name that is not known to be unique"),
            pytest.param(Missing.EMPTY, BY_NAME, None, True, None, id="no name at all"),
            pytest.param(Missing.EMPTY, BY_NAME, "", True, None, id="an empty name"),
            pytest.param(Missing.EMPTY, a_policy(), "A-01", True, None, id="no name where policy does not allow it"),
            pytest.param(Missing.UNKNOWN, BY_NAME, "A-01", True, None, id="no name while the group is not known"),
        ],
    )
    def test_group(
        self,
        group: GroupId | Missing,
        policy: Any,
        name: str | None,
        unique: bool | None,  # noqa: FBT001 - a column of the table
        expected: str | None,
    ) -> None:
        """The group is the unit's field; its name stands in only where that is allowed and safe."""
        tenancy = a_tenancy(unit=a_unit(group=group, name=name))
        desired = decide(a_situation(tenancy=tenancy, policy=policy, name_is_unique=unique))

        assert (desired.group, desired.access) == (expected, Access.MEMBER if expected else Access.HOLD)

    @pytest.mark.parametrize(
        ("unit", "expected"),
        [
            pytest.param(a_unit(group=Missing.EMPTY), "A-01", id="by its name"),
            pytest.param(a_unit(group=Missing.EMPTY, name=None), UNIT, id="by its id where it has no name"),
        ],
    )
    def test_the_problem_names_the_unit(self, unit: Any, expected: str) -> None:
        """Staff are told which unit has no group."""
        (problem,) = decide(a_situation(tenancy=a_tenancy(unit=unit))).problems

        assert (problem.code, problem.subject_id) == (ProblemCode.UNMAPPED_UNIT, UNIT)
        assert expected in problem.text

    def test_a_name_that_is_not_unique_is_explained(self) -> None:
        """Staff are told why the name cannot stand in."""
        tenancy = a_tenancy(unit=a_unit(group=Missing.EMPTY))
        (problem,) = decide(a_situation(tenancy=tenancy, policy=BY_NAME, name_is_unique=False)).problems

        assert "another unit has the same name or group" in problem.text
