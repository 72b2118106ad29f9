"""What is remembered of a rental: at first sight, at its end, and when its owner changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from core.builders import (
    BERLIN,
    DAY,
    GROUP,
    NOW,
    OVERDUE,
    OWNER,
    SITE,
    START,
    STARTED,
    STRANGER,
    UNIT,
    a_memory,
    a_rental,
    a_situation,
    memory_lost,
)
from core.situations import (
    STAFF_LOCKED,
    S,
    in_short,
)
from keyturn.core.entitlement import decide
from keyturn.core.ids import RentalId
from keyturn.core.memory import FieldMemory


class TestEnd:
    """What is remembered of a rental that is over."""

    @pytest.mark.parametrize(
        ("end", "now", "zone", "expected"),
        [
            pytest.param(date(2027, 5, 9), NOW, BERLIN, date(2027, 5, 9), id="its own end date"),
            pytest.param(None, NOW, BERLIN, date(2027, 5, 10), id="today where it has none"),
            pytest.param(
                None,
                datetime(2027, 5, 10, 22, tzinfo=UTC),
                BERLIN,
                date(2027, 5, 11),
                id="today in the site's zone, east",
            ),
            pytest.param(
                None,
                datetime(2027, 5, 10, 6, tzinfo=UTC),
                ZoneInfo("America/Los_Angeles"),
                date(2027, 5, 9),
                id="today in the site's zone, west",
            ),
        ],
    )
    def test_end_date(self, end: date | None, now: datetime, zone: ZoneInfo, expected: date) -> None:
        """The end date is what a transfer is recognised by."""
        desired = decide(a_situation(a_rental(state=S.ENDED, end=end), now=now, zone=zone))

        assert desired.memory.ended == expected

    def test_it_is_kept(self) -> None:
        """A later look does not move the end."""
        memory = a_memory(ended=date(2027, 5, 2))

        assert decide(a_situation(a_rental(state=S.ENDED, end=START), memory)).memory.ended == date(2027, 5, 2)

    def test_it_is_not_live(self) -> None:
        """A rental that is over blocks no group, and nothing covers it."""
        memory = decide(a_situation(a_rental(state=S.ENDED), a_memory(covered_by=RentalId("r9")))).memory

        assert (memory.live, memory.covered_by) == (False, None)


class TestMemory:
    """What a look remembers."""

    def test_first_sight(self) -> None:
        """A first look remembers whose rental it is, where, and since when it is known."""
        memory = decide(a_situation(memory=memory_lost(), has_membership=False)).memory

        expected = (OWNER, UNIT, SITE, GROUP, "occupied", START, NOW, True)
        assert (
            memory.owner_id,
            memory.unit_id,
            memory.site_id,
            memory.group,
            memory.state,
            memory.start,
            memory.first_seen,
            memory.live,
        ) == expected

    def test_what_is_missing_is_not_forgotten(self) -> None:
        """Ids that one answer lacks are kept from the last one."""
        rental = a_rental(owner_id=None, unit_id=None, site_id=None, created=None)
        memory = decide(a_situation(rental)).memory

        assert (memory.owner_id, memory.unit_id, memory.site_id) == (OWNER, UNIT, SITE)
        assert (memory.created, memory.first_seen) == (STARTED - 7 * DAY, STARTED)

    def test_a_rental_that_is_found_again_has_not_vanished(self) -> None:
        """Any read that shows the rental ends the wait for a confirmation."""
        assert decide(a_situation(memory=a_memory(vanished_at=NOW - DAY))).memory.vanished_at is None

    def test_a_second_look_changes_nothing(self) -> None:
        """The same facts again decide and remember the same."""
        once = decide(a_situation(a_rental(overdue=OVERDUE)))
        twice = decide(a_situation(a_rental(overdue=OVERDUE), once.memory, now=NOW + DAY, provider_now=NOW + DAY))

        assert twice == once


class TestNewOwner:
    """A rental whose owner changed has left one and come to the other."""

    OLD_TENANCY = replace(
        STAFF_LOCKED,
        owner_id=STRANGER,
        release_for=OVERDUE,
        lock_at=OVERDUE,
        carried_from=RentalId("r0"),
        covered_by=RentalId("r9"),
        pin=FieldMemory(seen="k:135790"),
    )

    def test_locks_stay_with_the_old_tenancy(self) -> None:
        """The new owner inherits neither lock nor release, and the PIN copy there is nobody's edit."""
        desired = decide(a_situation(a_rental(overlocked=True), self.OLD_TENANCY))

        memory = desired.memory
        assert (in_short(desired), desired.user) == ("member from 04-30T22:00 open-ended", OWNER)
        assert (memory.staff_lock, memory.release_for, memory.lock_at) == (False, None, None)
        assert (memory.carried_from, memory.covered_by, memory.pin) == (None, None, FieldMemory(sent=""))

    def test_the_new_owner_can_be_overdue(self) -> None:
        """A release given to the old owner does not open the door for the new one."""
        desired = decide(a_situation(a_rental(overdue=OVERDUE, overlocked=True), self.OLD_TENANCY))

        assert desired.locked is True

    def test_an_owner_that_is_missing_is_no_new_owner(self) -> None:
        """An answer without an owner forgets nothing of the tenancy."""
        memory = replace(STAFF_LOCKED, pin=FieldMemory(seen="k:135790"))
        after = decide(a_situation(a_rental(owner_id=None, overlocked=True), memory)).memory

        assert (after.owner_id, after.staff_lock, after.pin) == (OWNER, True, memory.pin)
