"""Where a fact that matters is missing: nothing is widened, and narrowing goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.builders import (
    DAY,
    GROUP,
    HOUR,
    MINUTE,
    NOW,
    OVERDUE,
    a_memory,
    a_rental,
    a_situation,
    a_tenancy,
    a_unit,
    memory_lost,
)
from core.situations import (
    ENDED_STATES,
    MISSING_FACTS,
    RELEASED,
    STAFF_LOCKED,
    in_short,
)
from keyturn.core.entitlement import decide
from keyturn.core.membership import Access
from keyturn.core.memory import RentalMemory
from keyturn.core.rental import Missing, RentalState


class TestHold:
    """Where a fact that matters is missing nothing is widened; narrowing goes on."""

    @pytest.mark.parametrize("missing", MISSING_FACTS)
    def test_nothing_is_granted(self, missing: dict[str, Any]) -> None:
        """An open rental is held, with a reason in words."""
        desired = decide(a_situation(**missing))

        assert (in_short(desired), bool(desired.reason)) == ("hold", True)

    @pytest.mark.parametrize("missing", MISSING_FACTS)
    def test_an_overdue_tenant_is_locked_all_the_same(self, missing: dict[str, Any]) -> None:
        """A membership that exists is ended for an overdue tenant, hold or not."""
        situation = a_situation(**missing)
        rental = replace(situation.tenancy.rental, overdue=OVERDUE)
        desired = decide(replace(situation, tenancy=replace(situation.tenancy, rental=rental)))

        assert (in_short(desired), desired.ends_at) == ("hold locked", OVERDUE)

    @pytest.mark.parametrize("missing", MISSING_FACTS)
    def test_a_staff_lock_stays(self, missing: dict[str, Any]) -> None:
        """A reading with a hole in it forgets no staff lock, neither now nor for the next look."""
        situation = a_situation(memory=STAFF_LOCKED, **missing)
        shown = situation.tenancy.rental.overlocked
        rental = replace(situation.tenancy.rental, overlocked=True if shown is Missing.EMPTY else shown)
        held = decide(replace(situation, tenancy=replace(situation.tenancy, rental=rental)))
        after = decide(a_situation(a_rental(overlocked=True), held.memory))

        assert (in_short(held), after.locked) == ("hold locked", True)

    @pytest.mark.parametrize("missing", [case for case in MISSING_FACTS if case.id != "a state that is known"])
    @pytest.mark.parametrize("state", ENDED_STATES)
    def test_a_former_tenant_is_let_out_all_the_same(self, state: RentalState, missing: dict[str, Any]) -> None:
        """What has ended is revoked, whatever else is missing."""
        situation = a_situation(**missing)
        rental = replace(situation.tenancy.rental, state=state)

        assert decide(replace(situation, tenancy=replace(situation.tenancy, rental=rental))).access is Access.NONE

    def test_a_stale_release_ends_on_hold(self) -> None:
        """Another overdue timestamp locks although a fact is missing."""
        desired = decide(a_situation(a_rental(start=None, overdue=OVERDUE + DAY), RELEASED))

        assert (in_short(desired), desired.memory.release_for) == ("hold locked", None)

    @pytest.mark.parametrize(
        ("memory", "has_membership", "expected"),
        [
            pytest.param(a_memory(), True, True, id="with a membership it stays live"),
            pytest.param(a_memory(), False, False, id="without a membership it is not live"),
            pytest.param(a_memory(live=False), True, False, id="one that was not live does not become so"),
            pytest.param(memory_lost(), False, False, id="one never seen before is not live"),
        ],
    )
    def test_live(self, memory: RentalMemory, *, has_membership: bool, expected: bool) -> None:
        """A held rental keeps its group to itself only while it has a membership."""
        desired = decide(a_situation(a_rental(start=None), memory, has_membership=has_membership))

        assert desired.memory.live is expected

    @pytest.mark.parametrize(
        "missing",
        [case for case in MISSING_FACTS if case.id not in {"the unit's access group", "a state that is known"}],
    )
    def test_lock_instantwithout_a_start(self, missing: dict[str, Any]) -> None:
        """A lock on hold is never later than a minute before the provider's time either."""
        situation = a_situation(provider_now=NOW - HOUR, **missing)
        rental = replace(situation.tenancy.rental, overdue=NOW)
        desired = decide(replace(situation, tenancy=replace(situation.tenancy, rental=rental)))

        assert desired.ends_at == NOW - HOUR - MINUTE

    def test_the_last_group_is_kept(self) -> None:
        """The group of the last grant stays in memory while the unit has none."""
        desired = decide(a_situation(tenancy=a_tenancy(unit=a_unit(group=Missing.EMPTY))))

        assert (desired.group, desired.memory.group) == (None, GROUP)
