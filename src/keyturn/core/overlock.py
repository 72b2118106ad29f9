"""Locking an overdue tenant out, and staff's own locks: two causes, one flag.

    locked = staff_lock or (overdue and not released by staff)

The flag `sensorberg_overlocked` is written by us and edited by staff, so a change counts as an
edit only when it is neither the value last seen nor the one we sent. A release is bound to the
`overdue` timestamp it was given for. Payment never clears a staff lock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keyturn.core.fields import Reading, after_reading, classify
from keyturn.core.memory import RentalMemory
from keyturn.core.rental import Missing, Rental

PROVIDER_MARGIN = timedelta(seconds=60)
"""A lock instant stays this far behind the provider's own time, so that it holds at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlock:
    """The lock of one rental after a read."""

    locked: bool
    reason: str
    memory: RentalMemory
    unconfirmed: bool = False
    """A staff lock was taken from the flag at first sight; staff should confirm it."""


def flag(value: bool | Missing) -> str:  # noqa: FBT001 - the field's own value, not an option
    """Return the flag as the memory holds it; an absent flag counts as false."""
    return "true" if value is True else "false"


def see_overlock(memory: RentalMemory, rental: Rental, *, carried: bool, now: datetime) -> Overlock:
    """Decide the lock of a rental that has not ended.

    `carried`: a staff lock comes over from the rental this one was transferred from.
    An unreturned flag changes nothing but still locks an overdue tenant.
    """
    first = memory.overlock.seen is None
    seen = _read_flag(memory, rental, now=now)
    if carried:
        seen = _staff_lock(seen, now)
    locked, reason = _locked(seen, rental)
    unconfirmed = first and seen.staff_lock and not carried
    return Overlock(locked=locked, reason=reason, memory=seen, unconfirmed=unconfirmed)


def end_lock(memory: RentalMemory) -> RentalMemory:
    """Return the memory of a rental that has ended: its locks end with it, and a transfer can still ask for them."""
    if memory.ended is None:
        memory = replace(memory, staff_lock_at_end=memory.staff_lock)
    return replace(memory, staff_lock=False, staff_lock_since=None, release_for=None, lock_at=None)


def lock_instant(
    memory: RentalMemory, rental: Rental, *, starts_at: datetime | None, provider_now: datetime, now: datetime
) -> datetime:
    """Return the instant at which the lock ends the membership.

    The `overdue` timestamp, for a staff lock the time it was first seen; never later than the provider's time less
    a margin, never before the membership starts. A lock in force keeps its instant.
    """
    overdue = rental.overdue if _overdue_locks(memory, rental) else None
    since = memory.lock_at or overdue or memory.staff_lock_since or now
    instant = min(since, provider_now - PROVIDER_MARGIN)
    return max(instant, starts_at or instant).replace(microsecond=0)


def _read_flag(memory: RentalMemory, rental: Rental, *, now: datetime) -> RentalMemory:
    memory = _end_stale_release(memory, rental)
    if rental.overlocked is Missing.UNKNOWN:
        return memory
    value = flag(rental.overlocked)
    match classify(memory.overlock, value):
        case Reading.FIRST if value == "true" and rental.overdue is None:
            edited = _staff_lock(memory, now)
        case Reading.EDIT:
            edited = _apply_edit(memory, rental, locked=value == "true", now=now)
        case _:
            edited = memory
    return replace(edited, overlock=after_reading(memory.overlock, value))


def _end_stale_release(memory: RentalMemory, rental: Rental) -> RentalMemory:
    return memory if memory.release_for == rental.overdue else replace(memory, release_for=None)


def _apply_edit(memory: RentalMemory, rental: Rental, *, locked: bool, now: datetime) -> RentalMemory:
    if not locked:
        return replace(memory, staff_lock=False, staff_lock_since=None, release_for=rental.overdue)
    if rental.overdue is not None:
        return replace(memory, release_for=None)
    return _staff_lock(memory, now)


def _staff_lock(memory: RentalMemory, now: datetime) -> RentalMemory:
    return replace(memory, staff_lock=True, staff_lock_since=memory.staff_lock_since or now)


def _overdue_locks(memory: RentalMemory, rental: Rental) -> bool:
    return rental.overdue is not None and memory.release_for is None


def _locked(memory: RentalMemory, rental: Rental) -> tuple[bool, str]:
    overdue = _overdue_locks(memory, rental)
    match memory.staff_lock, overdue:
        case True, True:
            return True, "locked by staff, and overdue"
        case True, False:
            return True, "locked by staff"
        case False, True:
            return True, "overdue"
        case _ if rental.overdue is not None:
            return False, "overdue, but released by staff"
        case _:
            return False, "not locked"
