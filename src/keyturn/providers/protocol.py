"""What Keyturn needs from an access system: six operations, and a greeting.

A provider turns each operation into its own upstream's call and the answer into one of the
values below, or raises exactly one of `keyturn.errors.UpstreamError`. It keeps no state of
its own but a token, never decides what access should be, and never writes to the database.
Every operation may be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from keyturn.core.ids import ExternalId, GroupId, OwnerId, TenantUrl
from keyturn.core.rental import Owner, Pin


@dataclass(frozen=True, kw_only=True, slots=True)
class Membership:
    """A user's right to a group from `starts_at` (inclusive) to `ends_at` (exclusive; `None`: open-ended)."""

    external_id: ExternalId
    user: OwnerId
    group: GroupId
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What an answer showed of a membership; `None` where the answer did not show it."""

    user: OwnerId | None = None
    group: GroupId | None = None
    starts_at: datetime | None = None


class Answer(Enum):
    """How a membership call ended, where it did not simply succeed."""

    MISSING = "missing"
    """404: there is no membership with this external id."""
    TAKEN = "taken"
    """409 or 422 on create: it may exist already, or the request may be refused for another reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """What a provider can do beyond the six operations."""

    listing: bool = False


class Provider(Protocol):
    """One backend of an access system, reached with one set of credentials."""

    tenant: TenantUrl
    capabilities: Capabilities

    def time(self) -> datetime:
        """Return the backend's own time, from the last `Date` header; our clock's before the first answer."""
        ...

    async def greet(self) -> None:
        """Make sure that the backend answers and takes our credentials. Changes nothing, whoever is there.

        Raises `CredentialsRejected`, `Unavailable`, `HostNotAllowed`, or `Refused` where we may not do what we have to.
        """
        ...

    async def ensure_user(self, owner: Owner) -> bool:
        """Create the user, or find them; return whether they were created now.

        Raises `Refused` with `about={"email"}` where the e-mail address belongs to another user.
        """
        ...

    async def set_code(self, user: OwnerId, pin: Pin) -> None:
        """Give the user this code. Raises `NotFound` for an unknown user, `Refused` for a refused code."""
        ...

    async def create_membership(self, membership: Membership) -> Shown | Answer:
        """Create a membership. `TAKEN` on 409 or 422, `MISSING` on 404 (the user or the group is not there)."""
        ...

    async def amend_membership(self, external_id: ExternalId, ends_at: datetime | None) -> Shown | Answer:
        """Set the end of a membership (`None`: open-ended). `MISSING` on 404. Raises `Refused`."""
        ...

    async def remove_membership(self, external_id: ExternalId) -> Answer | None:
        """Remove a membership. `MISSING` where there was none, which is as good. Raises `Refused`."""
        ...
