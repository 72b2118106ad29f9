"""A provider that keeps everything in this process: the second implementation of the protocol.

For trying the engine without an access system. It refuses what reality refuses: unknown users
and groups, a second membership under one external id, codes of the wrong shape or in use, an
e-mail address that belongs to another user. Neighbour: `providers.protocol`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from keyturn.clock import Clock
from keyturn.core.ids import ExternalId, GroupId, OwnerId, TenantUrl
from keyturn.core.rental import Owner, Pin
from keyturn.errors import NotFound, Refused
from keyturn.providers.protocol import Answer, Capabilities, Membership, Shown

_UPSTREAM = "memory"
_CODE = re.compile(r"[0-9]{4,8}", re.ASCII)


class MemoryProvider:
    """One backend. What it holds may be looked at."""

    def __init__(
        self,
        clock: Clock,
        *,
        tenant: TenantUrl = TenantUrl("memory:"),  # noqa: B008  a NewType call is the text itself
        groups: Collection[GroupId] | None = None,
    ) -> None:
        """Start empty. `groups`: those that exist; `None`: every group does."""
        self.tenant = tenant
        self.capabilities = Capabilities()
        self.users: dict[OwnerId, Owner] = {}
        self.codes: dict[OwnerId, Pin] = {}
        self.memberships: dict[ExternalId, Membership] = {}
        self._clock = clock
        self._groups = None if groups is None else frozenset(groups)

    def time(self) -> datetime:
        """Return our own clock's time."""
        return self._clock.now()

    async def greet(self) -> None:
        """Do nothing: this process always answers itself."""

    async def ensure_user(self, owner: Owner) -> bool:
        """Create the user unless they are there."""
        if owner.id in self.users:
            return False
        if owner.email is not None and owner.email.lower() in {
            (user.email or "").lower() for user in self.users.values()
        }:
            raise _refused("create a user", "email")
        self.users[owner.id] = owner
        return True

    async def set_code(self, user: OwnerId, pin: Pin) -> None:
        """Give the user this code: 4 to 8 digits, nobody else's."""
        if user not in self.users:
            raise NotFound(_UPSTREAM, "set a code", "answered 404", status=404)
        others = {code.reveal() for holder, code in self.codes.items() if holder != user}
        if not _CODE.fullmatch(pin.reveal()) or pin.reveal() in others:
            raise _refused("set a code", "identification-code")
        self.codes[user] = pin

    async def create_membership(self, membership: Membership) -> Shown | Answer:
        """Create a membership."""
        known_group = self._groups is None or membership.group in self._groups
        if membership.user not in self.users or not known_group:
            return Answer.MISSING
        if membership.external_id in self.memberships or _is_backwards(membership):
            return Answer.TAKEN
        self.memberships[membership.external_id] = membership
        return _shown(membership)

    async def amend_membership(self, external_id: ExternalId, ends_at: datetime | None) -> Shown | Answer:
        """Set the end of a membership."""
        held = self.memberships.get(external_id)
        if held is None:
            return Answer.MISSING
        amended = replace(held, ends_at=ends_at)
        if _is_backwards(amended):
            raise _refused("amend a membership", "ends-at")
        self.memberships[external_id] = amended
        return _shown(amended)

    async def remove_membership(self, external_id: ExternalId) -> Answer | None:
        """Remove a membership if it is there."""
        return None if self.memberships.pop(external_id, None) is not None else Answer.MISSING


def _is_backwards(membership: Membership) -> bool:
    return membership.ends_at is not None and membership.ends_at < membership.starts_at


def _shown(membership: Membership) -> Shown:
    return Shown(user=membership.user, group=membership.group, starts_at=membership.starts_at)


def _refused(operation: str, about: str) -> Refused:
    return Refused(_UPSTREAM, operation, "answered 422", status=422, about=frozenset({about}))
