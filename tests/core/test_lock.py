"""A lock ends the membership, keeps its instant, and ends with the rental."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from core.builders import (
    DAY,
    NOW,
    OVERDUE,
    a_policy,
    a_rental,
    a_situation,
    memory_lost,
)
from core.situations import (
    ENDED_STATES,
    PREPARING,
    STAFF_LOCKED,
    S,
    codes,
    in_short,
)
from keyturn.core.entitlement import decide
from keyturn.core.overlock import PROVIDER_MARGIN
from keyturn.core.problem import ProblemCode
from keyturn.core.rental import RentalState


class TestLock:
    """A lock ends the membership; it keeps its instant while it lasts."""

    def test_a_repeat_does_not_move_it(self) -> None:
        """A second look, a day later and with another timestamp, leaves the instant alone."""
        first = decide(a_situation(a_rental(overdue=OVERDUE)))
        later = {"now": NOW + DAY, "provider_now": NOW + DAY}
        second = decide(a_situation(a_rental(overdue=OVERDUE + DAY), first.memory, **later))

        assert (second.locked, second.ends_at) == (True, first.ends_at)

    def test_a_new_lock_has_its_own_instant(self) -> None:
        """After a payment the next lock starts afresh."""
        first = decide(a_situation(a_rental(overdue=OVERDUE)))
        paid = decide(a_situation(memory=first.memory))
        again = decide(a_situation(a_rental(overdue=OVERDUE + DAY), paid.memory))

        assert (paid.memory.lock_at, again.ends_at) == (None, OVERDUE + DAY)

    def test_an_instant_from_a_future_start_is_corrected(self) -> None:
        """A lock dated by a start that staff then moved back is not left in the future."""
        first = decide(a_situation(a_rental(overdue=OVERDUE, start=date(2027, 6, 1))))
        second = decide(a_situation(a_rental(overdue=OVERDUE), first.memory))

        assert second.ends_at is not None
        assert second.ends_at <= NOW - PROVIDER_MARGIN

    @pytest.mark.parametrize(
        ("state", "expected"),
        [
            pytest.param(S.OCCUPIED, True, id="occupied"),
            pytest.param(S.RESERVED, False, id="reserved"),
            pytest.param(S.ENDED, False, id="ended"),
            pytest.param(S.UNKNOWN, False, id="an unknown state"),
        ],
    )
    def test_flag_is_shown(self, state: RentalState, *, expected: bool) -> None:
        """The flag is kept up to date for occupied rentals only."""
        assert decide(a_situation(a_rental(state=state))).shows_flag is expected

    @pytest.mark.parametrize(
        "state", [S.OCCUPIED, S.RESERVED], ids=["a rental first seen as occupied", "a rental first seen as reserved"]
    )
    @pytest.mark.parametrize("policy", [a_policy(), PREPARING], ids=["by default", "preparing reserved rentals"])
    def test_a_tick_at_first_sight_is_confirmed(self, state: RentalState, policy: Any) -> None:
        """A flag ticked before Keyturn came is a staff lock, and staff are asked whether it is meant."""
        rental = a_rental(state=state, overlocked=True)
        desired = decide(a_situation(rental, memory_lost(), policy=policy, has_membership=False))

        assert (desired.memory.staff_lock, codes(desired)) == (True, [ProblemCode.CONFIRM_STAFF_LOCK])

    def test_a_staff_lock_set_while_reserved_lasts(self) -> None:
        """What staff tick on a reserved rental locks it once it is occupied."""
        reserved = decide(a_situation(a_rental(state=S.RESERVED, overlocked=True), has_membership=False))
        occupied = decide(a_situation(a_rental(overlocked=True), reserved.memory, has_membership=False))

        assert (in_short(reserved), occupied.locked) == ("none", True)

    @pytest.mark.parametrize("policy", [a_policy(), PREPARING], ids=["by default", "preparing reserved rentals"])
    def test_a_lock_carried_while_reserved_lasts(self, policy: Any) -> None:
        """A staff lock that is transferred to a reserved rental locks it once it is occupied."""
        reserved = decide(
            a_situation(
                a_rental(state=S.RESERVED), memory_lost(), carried_lock=True, policy=policy, has_membership=False
            )
        )
        occupied = decide(a_situation(memory=reserved.memory, policy=policy, has_membership=False))

        assert (in_short(reserved), reserved.memory.staff_lock, occupied.locked) == ("none", True, True)

    @pytest.mark.parametrize("state", ENDED_STATES[:3])
    def test_locks_end_with_the_rental(self, state: RentalState) -> None:
        """An ended rental has no lock; that there was one is kept for a transfer."""
        memory = decide(a_situation(a_rental(state=state, overlocked=True), STAFF_LOCKED)).memory

        assert (memory.staff_lock, memory.lock_at, memory.staff_lock_at_end) == (False, None, True)

    def test_a_rental_that_comes_back_brings_its_staff_lock(self) -> None:
        """A rental that was read as ended by mistake and is occupied again is locked as before."""
        ended = decide(a_situation(a_rental(state=S.ENDED, overlocked=True), STAFF_LOCKED))
        back = decide(a_situation(a_rental(overlocked=True), ended.memory))

        assert (back.locked, back.memory.ended, back.memory.staff_lock_at_end) == (True, None, False)

    def test_a_rental_that_comes_back_unlocked(self) -> None:
        """Without a staff lock at its end, a rental that is back is open."""
        ended = decide(a_situation(a_rental(state=S.ENDED)))
        back = decide(a_situation(memory=ended.memory))

        assert (back.locked, back.memory.ended) == (False, None)
