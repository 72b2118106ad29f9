"""The facts: what one read of Storeganise says about a rental, its unit, its owner and its site.

`None` means the upstream has no such value. Where a value could also be *unreturned* (custom
fields are only present when asked for) the type says so with `Missing`: empty is a fact,
unknown is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum

from keyturn.core.ids import AddonId, BusinessCode, GroupId, JobId, OwnerId, RentalId, SiteId, UnitId


class Missing(Enum):
    """Why a custom field has no value."""

    EMPTY = "empty"
    """`customFields` was returned; the key is absent, null or an empty string."""
    UNKNOWN = "unknown"
    """`customFields` was not returned at all, so nothing is known."""


class RentalState(Enum):
    """The states Storeganise documents for a unit rental; anything else is `UNKNOWN`."""

    SUBMITTED = "submitted"
    RESERVED = "reserved"
    OCCUPIED = "occupied"
    ENDED = "ended"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Pin:
    """A door code as text. Its `repr` never shows the digits; `reveal()` does."""

    _digits: str = field(repr=False)

    def reveal(self) -> str:
        """Return the digits, for a request body and nothing else."""
        return self._digits


@dataclass(frozen=True, kw_only=True, slots=True)
class Rental:
    """A unit rental."""

    id: RentalId
    state: RentalState
    owner_id: OwnerId | None
    unit_id: UnitId | None
    site_id: SiteId | None
    start: date | None
    end: date | None
    overdue: datetime | None
    """Since when the rental is overdue; `None` when it is not."""
    created: datetime | None
    updated: datetime | None
    pin: Pin | Missing
    overlocked: bool | Missing
    """The field staff see and edit; EMPTY counts as `False`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """A storage unit."""

    id: UnitId
    site_id: SiteId | None
    name: str | None
    rental_id: RentalId | None
    """The rental Storeganise shows as the unit's current one."""
    group: GroupId | Missing
    """`customFields.sensorberg_id`: the provider's access group."""
    archived: bool = False
    """It is out of use for good and can never be rented again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """The tenant: a Storeganise user who owns rentals."""

    id: OwnerId
    name: str | None = field(repr=False)
    email: str | None = field(repr=False)
    locale: str | None
    created: datetime | None
    updated: datetime | None
    pin: Pin | Missing


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A storage facility."""

    id: SiteId
    system: str | Missing
    """`customFields.securitySystem`."""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The site's own provider credentials (`url`, `client_id`, `client_secret`), where its custom fields carry them, or
    those of the installation that serves it."""
    addon: AddonId | None = None
    """The add-on installation whose keys and rules count here; `None` where the plain webhook's do, or nobody's."""
    language: str | None = None
    """The language of its staff (`de`, `en`), where the record tells."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenancy:
    """One rental as read, with its unit and its owner where the answer carried them."""

    rental: Rental
    unit: Unit | None
    owner: Owner | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What a Storeganise job says about the rentals it concerns. `job.ownerId` is not the tenant and is not kept."""

    id: JobId
    type: str
    rentals: tuple[RentalId, ...]
    """All rentals named by `result`, else by the steps' results."""
    transfer: tuple[RentalId, RentalId] | None
    """(old, new) where the job names both."""
    unit_id: UnitId | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What a webhook asks us to look at: ids only, never a value."""

    business: BusinessCode
    id: str | None
    type: str
    rentals: tuple[RentalId, ...] = ()
    transfer: tuple[RentalId, RentalId] | None = None
    job: JobId | None = None
    owner: OwnerId | None = None
    unit: UnitId | None = None
