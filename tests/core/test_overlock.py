"""Two causes, one flag: locked = staff lock, or overdue and not released by staff."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.builders import DAY, HOUR, MINUTE, NOW, OVERDUE, STARTED, a_memory, a_rental, memory_lost
from keyturn.core.fields import sending
from keyturn.core.memory import FieldMemory, RentalMemory
from keyturn.core.overlock import end_lock, flag, lock_instant, see_overlock
from keyturn.core.rental import Missing

LATER = OVERDUE + DAY
"""The `overdue` timestamp of another time the tenant did not pay."""

UNLOCKED = a_memory()
STAFF = a_memory(overlock=FieldMemory(seen="true"), staff_lock=True, staff_lock_since=NOW - DAY)
BY_OVERDUE = a_memory(overlock=FieldMemory(seen="true"))
RELEASED = a_memory(overlock=FieldMemory(seen="false"), release_for=OVERDUE)
OURS_UNDER_WAY = a_memory(overlock=FieldMemory(seen="false", sent="true"))
OURS_ANSWERED = a_memory(overlock=FieldMemory(seen="false", sent="true", answered=True))
STAFF_AND_OURS = a_memory(overlock=FieldMemory(seen="false", sent="true"), staff_lock=True, staff_lock_since=NOW - DAY)


@pytest.mark.parametrize(
    ("memory", "overdue", "shown", "locked", "staff_lock", "release_for"),
    [
        pytest.param(UNLOCKED, None, False, False, False, None, id="nothing is wrong"),
        pytest.param(UNLOCKED, None, Missing.EMPTY, False, False, None, id="an absent flag counts as false"),
        pytest.param(
            UNLOCKED, OVERDUE, False, True, False, None, id="an overdue tenant is locked without a staff lock"
        ),
        pytest.param(BY_OVERDUE, OVERDUE, True, True, False, None, id="our own lock, seen before, is no edit"),
        pytest.param(OURS_UNDER_WAY, OVERDUE, True, True, False, None, id="our own lock comes back, its answer lost"),
        pytest.param(OURS_ANSWERED, OVERDUE, True, True, False, None, id="our own lock comes back, answered"),
        pytest.param(OURS_UNDER_WAY, OVERDUE, False, True, False, None, id="our own lock went astray, no release"),
        pytest.param(OURS_ANSWERED, OVERDUE, False, True, False, None, id="our own lock was not kept, no release"),
        pytest.param(OURS_UNDER_WAY, None, True, False, False, None, id="our own lock arrives after the payment"),
        pytest.param(OURS_ANSWERED, None, True, False, False, None, id="our own lock is seen after the payment"),
        pytest.param(BY_OVERDUE, None, True, False, False, None, id="payment ends a lock for being overdue"),
        pytest.param(UNLOCKED, None, True, True, True, None, id="staff tick the flag: a staff lock"),
        pytest.param(UNLOCKED, OVERDUE, True, True, False, None, id="staff tick the flag while overdue: no staff lock"),
        pytest.param(RELEASED, OVERDUE, True, True, False, None, id="staff tick the flag again: the release ends"),
        pytest.param(RELEASED, None, True, True, True, None, id="staff tick the flag after the payment: a staff lock"),
        pytest.param(STAFF, None, False, False, False, None, id="staff untick the flag: the staff lock ends"),
        pytest.param(STAFF, None, Missing.EMPTY, False, False, None, id="staff clear the field: the staff lock ends"),
        pytest.param(
            STAFF, OVERDUE, False, False, False, OVERDUE, id="staff untick the flag while overdue: both causes end"
        ),
        pytest.param(BY_OVERDUE, OVERDUE, False, False, False, OVERDUE, id="staff release an overdue tenant"),
        pytest.param(
            RELEASED, OVERDUE, False, False, False, OVERDUE, id="a release lasts while the timestamp is the same"
        ),
        pytest.param(RELEASED, LATER, False, True, False, None, id="another overdue timestamp ends the release"),
        pytest.param(RELEASED, None, False, False, False, None, id="a read without overdue ends the release"),
        pytest.param(STAFF, OVERDUE, True, True, True, None, id="a staff lock stays while overdue"),
        pytest.param(STAFF, None, True, True, True, None, id="a staff lock stays without overdue"),
        pytest.param(STAFF_AND_OURS, None, False, True, True, None, id="a write of ours that was lost unlocks nobody"),
        pytest.param(UNLOCKED, None, Missing.UNKNOWN, False, False, None, id="no custom fields: nothing is read"),
        pytest.param(UNLOCKED, OVERDUE, Missing.UNKNOWN, True, False, None, id="no custom fields: overdue locks still"),
        pytest.param(STAFF, None, Missing.UNKNOWN, True, True, None, id="no custom fields: a staff lock stays"),
        pytest.param(RELEASED, OVERDUE, Missing.UNKNOWN, False, False, OVERDUE, id="no custom fields: a release stays"),
        pytest.param(RELEASED, LATER, Missing.UNKNOWN, True, False, None, id="no custom fields: a stale release ends"),
        pytest.param(memory_lost(), None, False, False, False, None, id="first sight: not locked"),
        pytest.param(memory_lost(), None, Missing.EMPTY, False, False, None, id="first sight: no flag"),
        pytest.param(memory_lost(), OVERDUE, False, True, False, None, id="first sight: overdue, the flag says false"),
        pytest.param(memory_lost(), OVERDUE, True, True, False, None, id="first sight: overdue, the flag says true"),
        pytest.param(memory_lost(), OVERDUE, Missing.EMPTY, True, False, None, id="first sight: overdue, no flag"),
        pytest.param(
            memory_lost(), None, True, True, True, None, id="first sight: ticked and not overdue is a staff lock"
        ),
        pytest.param(memory_lost(), None, Missing.UNKNOWN, False, False, None, id="first sight: no custom fields"),
    ],
)
def test_lock(
    memory: RentalMemory,
    overdue: datetime | None,
    shown: bool | Missing,  # noqa: FBT001 - the field's own value
    locked: bool,  # noqa: FBT001 - a column of the table
    staff_lock: bool,  # noqa: FBT001 - a column of the table
    release_for: datetime | None,
) -> None:
    """One read decides the lock, and what is remembered of staff's own locks and releases."""
    seen = see_overlock(memory, a_rental(overdue=overdue, overlocked=shown), carried=False, now=NOW)

    expected = (locked, staff_lock, release_for)
    assert (seen.locked, seen.memory.staff_lock, seen.memory.release_for) == expected


@pytest.mark.parametrize(
    ("memory", "overdue", "shown", "expected"),
    [
        pytest.param(UNLOCKED, None, False, "not locked", id="open"),
        pytest.param(UNLOCKED, OVERDUE, False, "overdue", id="overdue alone"),
        pytest.param(STAFF, None, True, "locked by staff", id="staff alone"),
        pytest.param(STAFF, OVERDUE, True, "locked by staff, and overdue", id="both causes"),
        pytest.param(RELEASED, OVERDUE, False, "overdue, but released by staff", id="released"),
    ],
)
def test_reason(memory: RentalMemory, overdue: datetime | None, *, shown: bool, expected: str) -> None:
    """Every lock says in words why it is there."""
    assert see_overlock(memory, a_rental(overdue=overdue, overlocked=shown), carried=False, now=NOW).reason == expected


@pytest.mark.parametrize(
    ("memory", "overdue", "carried", "expected"),
    [
        pytest.param(memory_lost(), None, False, True, id="a tick found at first sight has to be confirmed"),
        pytest.param(memory_lost(), OVERDUE, False, False, id="at first sight of an overdue tenant nothing is asked"),
        pytest.param(memory_lost(), None, True, False, id="a lock that came with a transfer is confirmed already"),
        pytest.param(UNLOCKED, None, False, False, id="a tick made later is staff's own"),
    ],
)
def test_confirmation(memory: RentalMemory, overdue: datetime | None, *, carried: bool, expected: bool) -> None:
    """Only a staff lock that was taken from the flag at first sight is unconfirmed."""
    seen = see_overlock(memory, a_rental(overdue=overdue, overlocked=True), carried=carried, now=NOW)

    assert seen.unconfirmed is expected


@pytest.mark.parametrize(
    ("shown", "overdue"),
    [
        pytest.param(False, None, id="with an unticked flag"),
        pytest.param(Missing.EMPTY, None, id="without a flag"),
        pytest.param(True, None, id="with a ticked flag"),
        pytest.param(False, OVERDUE, id="while overdue"),
        pytest.param(Missing.UNKNOWN, None, id="with unknown custom fields"),
    ],
)
def test_carried(shown: bool | Missing, overdue: datetime | None) -> None:  # noqa: FBT001 - the field's own value
    """A staff lock that comes with a transfer is on from the first look, since now."""
    seen = see_overlock(memory_lost(), a_rental(overdue=overdue, overlocked=shown), carried=True, now=NOW)

    assert (seen.locked, seen.memory.staff_lock, seen.memory.staff_lock_since) == (True, True, NOW)


def test_staff_lock_keeps_its_time() -> None:
    """A staff lock dates from when it was first seen; neither a later read nor a transfer moves it."""
    seen = see_overlock(STAFF, a_rental(overlocked=True), carried=True, now=NOW)

    assert seen.memory.staff_lock_since == NOW - DAY


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(True, "true", id="ticked"),
        pytest.param(False, "false", id="unticked"),
        pytest.param(Missing.EMPTY, "false", id="absent"),
    ],
)
def test_flag(value: bool | Missing, expected: str) -> None:  # noqa: FBT001 - the field's own value
    """The flag is remembered as text; absent is false."""
    assert flag(value) == expected


def test_end() -> None:
    """Locks end with the rental; that there was a staff lock is kept for a transfer."""
    ended = end_lock(replace(STAFF, release_for=OVERDUE, lock_at=OVERDUE))

    expected = (False, None, None, None, True)
    assert (
        ended.staff_lock,
        ended.staff_lock_since,
        ended.release_for,
        ended.lock_at,
        ended.staff_lock_at_end,
    ) == expected


def test_end_of_an_unlocked_rental() -> None:
    """Without a staff lock nothing is kept for a transfer, overdue or not."""
    assert end_lock(BY_OVERDUE).staff_lock_at_end is False


def test_end_seen_again() -> None:
    """A second look at an ended rental does not forget that staff had locked it."""
    ended = replace(end_lock(STAFF), ended=NOW.date())

    assert end_lock(ended) == ended


class TestLockInstant:
    """The instant that ends the membership of a locked tenant."""

    @pytest.mark.parametrize(
        ("memory", "overdue", "starts_at", "provider_now", "expected"),
        [
            pytest.param(BY_OVERDUE, OVERDUE, STARTED, NOW, OVERDUE, id="the overdue timestamp"),
            pytest.param(STAFF, None, STARTED, NOW, NOW - DAY, id="a staff lock counts from when it was first seen"),
            pytest.param(STAFF, OVERDUE, STARTED, NOW, OVERDUE, id="the overdue timestamp where there are both"),
            pytest.param(
                replace(STAFF, release_for=OVERDUE),
                OVERDUE,
                STARTED,
                NOW,
                NOW - DAY,
                id="the staff lock where being overdue was released",
            ),
            pytest.param(
                replace(STAFF, staff_lock_since=None),
                None,
                STARTED,
                NOW,
                NOW - MINUTE,
                id="now where the time is not known",
            ),
            pytest.param(
                BY_OVERDUE, NOW - MINUTE, STARTED, NOW, NOW - MINUTE, id="exactly 60 s before the provider's time"
            ),
            pytest.param(
                BY_OVERDUE,
                NOW - timedelta(seconds=59),
                STARTED,
                NOW,
                NOW - MINUTE,
                id="59 s before the provider's time is too late",
            ),
            pytest.param(BY_OVERDUE, NOW + DAY, STARTED, NOW, NOW - MINUTE, id="a timestamp in the future"),
            pytest.param(
                BY_OVERDUE,
                NOW - MINUTE,
                STARTED,
                NOW - HOUR,
                NOW - HOUR - MINUTE,
                id="a provider whose clock is an hour behind",
            ),
            pytest.param(BY_OVERDUE, NOW, STARTED, NOW + HOUR, NOW, id="a provider whose clock is an hour ahead"),
            pytest.param(BY_OVERDUE, STARTED - DAY, STARTED, NOW, STARTED, id="never before the start"),
            pytest.param(BY_OVERDUE, STARTED, STARTED, NOW, STARTED, id="at the start itself"),
            pytest.param(
                BY_OVERDUE,
                NOW - DAY,
                NOW - timedelta(seconds=30),
                NOW,
                NOW - timedelta(seconds=30),
                id="a start just now",
            ),
            pytest.param(
                replace(BY_OVERDUE, lock_at=OVERDUE), LATER, STARTED, NOW, OVERDUE, id="a repeat does not move it"
            ),
            pytest.param(
                replace(STAFF, lock_at=OVERDUE), None, STARTED, NOW, OVERDUE, id="another cause does not move it"
            ),
            pytest.param(
                replace(BY_OVERDUE, lock_at=STARTED - DAY), OVERDUE, STARTED, NOW, STARTED, id="a start that moved does"
            ),
            pytest.param(
                BY_OVERDUE,
                OVERDUE + timedelta(microseconds=999_999),
                STARTED,
                NOW,
                OVERDUE,
                id="whole seconds, never later",
            ),
        ],
    )
    def test_instant(
        self,
        memory: RentalMemory,
        overdue: datetime | None,
        starts_at: datetime,
        provider_now: datetime,
        expected: datetime,
    ) -> None:
        """It is the cause's own time, kept between the start and a minute before the provider's time."""
        rental = a_rental(overdue=overdue)
        instant = lock_instant(memory, rental, starts_at=starts_at, provider_now=provider_now, now=NOW)

        assert instant == expected

    @given(
        ago=st.timedeltas(timedelta(), 400 * DAY),
        age=st.timedeltas(MINUTE, 400 * DAY),
        skew=st.timedeltas(-HOUR, HOUR),
    )
    def test_bounds(self, ago: timedelta, age: timedelta, skew: timedelta) -> None:
        """A new lock is in force at once, and never before the membership began."""
        starts_at, provider_now = (NOW - age).replace(microsecond=0), NOW + skew
        rental = a_rental(overdue=NOW - ago)
        instant = lock_instant(BY_OVERDUE, rental, starts_at=starts_at, provider_now=provider_now, now=NOW)

        assert starts_at <= instant <= max(provider_now - MINUTE, starts_at)


class TestStories:
    """Reads in a row, with our own writes and staff's edits between them."""

    def test_overdue_and_paid(self) -> None:
        """A tenant is locked, the flag is written, the tenant pays, the lock ends: no staff lock is left behind."""
        locked = see_overlock(UNLOCKED, a_rental(overdue=OVERDUE), carried=False, now=NOW)
        written = replace(locked.memory, overlock=sending(locked.memory.overlock, "true"))
        paid = see_overlock(written, a_rental(overlocked=True), carried=False, now=NOW + DAY)

        assert (locked.locked, paid.locked, paid.memory.staff_lock) == (True, False, False)

    def test_payment_never_clears_a_staff_lock(self) -> None:
        """Overdue, locked by staff as well, paid: still locked by staff."""
        both = see_overlock(STAFF, a_rental(overdue=OVERDUE, overlocked=True), carried=False, now=NOW)
        paid = see_overlock(both.memory, a_rental(overlocked=True), carried=False, now=NOW + DAY)

        assert (paid.locked, paid.reason) == (True, "locked by staff")

    def test_release_then_overdue_again(self) -> None:
        """A release given for one month does not open the door in the next."""
        released = see_overlock(BY_OVERDUE, a_rental(overdue=OVERDUE, overlocked=False), carried=False, now=NOW)
        again = see_overlock(released.memory, a_rental(overdue=LATER, overlocked=False), carried=False, now=NOW + DAY)

        assert (released.locked, again.locked) == (False, True)

    def test_an_unmark_read_late(self) -> None:
        """Two reads with the same timestamp around a payment nobody saw keep the release: it is the same arrears."""
        released = see_overlock(BY_OVERDUE, a_rental(overdue=OVERDUE, overlocked=False), carried=False, now=NOW)
        unmarked = see_overlock(released.memory, a_rental(overlocked=False), carried=False, now=NOW)
        marked = see_overlock(unmarked.memory, a_rental(overdue=OVERDUE, overlocked=False), carried=False, now=NOW)

        assert (unmarked.locked, marked.locked) == (False, True)

    def test_stale_memory_of_an_unlocked_rental(self) -> None:
        """With a memory from before our lock was written, the ticked flag of an overdue tenant is no staff lock."""
        seen = see_overlock(UNLOCKED, a_rental(overdue=OVERDUE, overlocked=True), carried=False, now=NOW)

        assert (seen.locked, seen.memory.staff_lock) == (True, False)

    def test_stale_memory_of_a_locked_rental(self) -> None:
        """With a memory from before the payment, the flag we had unticked since locks nobody."""
        seen = see_overlock(BY_OVERDUE, a_rental(overlocked=False), carried=False, now=NOW)

        assert (seen.locked, seen.memory.staff_lock) == (False, False)


READS = st.tuples(
    st.sampled_from([None, OVERDUE, LATER]), st.sampled_from([True, False, Missing.EMPTY, Missing.UNKNOWN])
)


@given(reads=st.lists(READS, min_size=1, max_size=8), again=st.integers(1, 3))
def test_a_repeated_read_changes_nothing(reads: list[tuple[datetime | None, bool | Missing]], again: int) -> None:
    """Events that are repeated, and so reads that are, decide and remember the same as one."""
    memory = memory_lost()
    for overdue, shown in reads:
        memory = see_overlock(memory, a_rental(overdue=overdue, overlocked=shown), carried=False, now=NOW).memory
    overdue, shown = reads[-1]
    once = see_overlock(memory, a_rental(overdue=overdue, overlocked=shown), carried=False, now=NOW)
    more = once
    for _ in range(again):
        more = see_overlock(more.memory, a_rental(overdue=overdue, overlocked=shown), carried=False, now=NOW + DAY)

    assert (more.locked, more.memory) == (once.locked, memory)


@given(reads=st.lists(READS, max_size=8))
def test_overdue_without_a_release_is_locked(reads: list[tuple[datetime | None, bool | Missing]]) -> None:
    """Whatever was read before, a new overdue timestamp locks."""
    memory = memory_lost()
    for overdue, shown in reads:
        memory = see_overlock(memory, a_rental(overdue=overdue, overlocked=shown), carried=False, now=NOW).memory
    new = a_rental(overdue=LATER + DAY, overlocked=memory.overlock.seen == "true")

    assert see_overlock(memory, new, carried=False, now=NOW).locked
