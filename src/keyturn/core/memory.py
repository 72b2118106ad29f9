"""What Keyturn remembers between two looks at a rental.

Storeganise stays the truth about who may enter; this is only what cannot be read there:
what we last saw and sent, which locks staff set, and what the provider confirmed. Losing it
is safe: everything unknown is looked at or written again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum

from keyturn.core.ids import ExternalId, GroupId, OwnerId, PinHash, RentalId, SiteId, TenantUrl, UnitId


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldMemory:
    """One custom field of one record, as last seen and last sent.

    A PIN field holds a `PinHash`, a flag holds "true" or "false"; "" is an empty field.
    """

    seen: str | None = None
    """The value of the last read; `None` when the field was never read."""
    sent: str | None = None
    """A value whose write went out and has not yet been seen there; stored before the request leaves."""
    answered: bool = False
    """The write of `sent` was answered with success."""
    not_kept: str | None = None
    """A value that was written with success and that a later read did not show."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RentalMemory:
    """One rental."""

    id: RentalId
    owner_id: OwnerId | None = None
    unit_id: UnitId | None = None
    site_id: SiteId | None = None
    tenant: TenantUrl | None = None
    group: GroupId | None = None
    state: str = "unknown"
    live: bool = False
    """The last decision wanted a membership for it, now or once a lock is released."""
    start: date | None = None
    created: datetime | None = None
    first_seen: datetime | None = None
    ended: date | None = None
    overlock: FieldMemory = field(default_factory=FieldMemory)
    pin: FieldMemory = field(default_factory=FieldMemory)
    staff_lock: bool = False
    staff_lock_since: datetime | None = None
    release_for: datetime | None = None
    """The `overdue` instant for which staff let the tenant in all the same."""
    lock_at: datetime | None = None
    """The instant at which the present lock ends the membership; kept while the lock lasts."""
    staff_lock_at_end: bool = False
    carried_from: RentalId | None = None
    """The earlier rental whose staff lock was carried over to this one."""
    covered_by: RentalId | None = None
    """The owner's other rental on the same group whose membership opens this unit too."""
    vanished_at: datetime | None = None
    """The first of the reads that did not find the rental, while it is not found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeMemory:
    """One owner's user at one provider backend."""

    tenant: TenantUrl
    user_known: bool = False
    in_force: PinHash | None = None
    """The code the backend confirmed last."""
    sent: PinHash | None = None
    """A code whose write went out and was not confirmed; the backend may carry either."""
    unsure_until: datetime | None = None
    """Until then an earlier write that was never answered may still replace the code (`core.late`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnerMemory:
    """One owner."""

    id: OwnerId
    pin: FieldMemory = field(default_factory=FieldMemory)
    codes: tuple[CodeMemory, ...] = ()


class RecordState(Enum):
    """How sure we are of a membership at the provider."""

    SENT = "sent"
    """A write went out and its answer is not known."""
    KNOWN = "known"
    """Confirmed as recorded."""
    UNKNOWN = "unknown"
    """It may or may not exist, with these or other values."""
    GONE = "gone"
    """Confirmed absent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One membership at the provider, as far as it was confirmed."""

    tenant: TenantUrl
    external_id: ExternalId
    rental_id: RentalId
    owner_id: OwnerId
    group: GroupId
    starts_at: datetime
    ends_at: datetime | None
    state: RecordState
    made: bool
    """Our own create with these values was confirmed, so user, group and start are certain."""
    spent: bool = False
    """The external id was in use once and removed; some backends never take it again."""
    unsure_until: datetime | None = None
    """Until then what is recorded here may prove wrong, and after it is written once more (`core.late`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferPair:
    """A transfer that an event or a job named; a staff lock is carried over it once."""

    old: RentalId
    new: RentalId
    carried: bool = False
