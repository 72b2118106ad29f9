"""Sensorberg as a provider: what each answer means for access.

    create a user        2xx created · 409, 422, 400: look for the external id; not there: the e-mail is
                         another's, or once more without the locale
    create a membership  2xx shown · 409, 422 taken · 404 missing
    amend                2xx shown · 404, 410 missing
    remove               2xx, 404, 410 done

It keeps nothing, decides nothing about access, and adopts nobody by e-mail address: that could
merge two people. Neighbours: `client` makes the calls, the engine asks through `providers.protocol`.
"""

from __future__ import annotations

from datetime import datetime

from keyturn.core.ids import ExternalId, OwnerId
from keyturn.core.rental import Owner, Pin
from keyturn.errors import NotFound, Refused
from keyturn.providers.protocol import Answer, Capabilities, Membership, Shown
from keyturn.providers.sensorberg.client import SensorbergClient

_MAY_EXIST = frozenset({400, 409, 422})
_TAKEN = frozenset({409, 422})
_NOT_THERE = frozenset({404, 410})
_EMAIL = "email"
_NOBODY = OwnerId("keyturn-nobody")
"""No tenant has this id: Storeganise's are 24 hexadecimal digits."""


class SensorbergProvider:
    """One backend, reached with one set of credentials."""

    def __init__(self, client: SensorbergClient, *, send_created_at: bool = True) -> None:
        """Keep the client. `send_created_at`: new memberships carry `created-at`, as the case study's do."""
        self.tenant = client.tenant
        self.capabilities = Capabilities()
        self._client = client
        self._send_created_at = send_created_at

    def time(self) -> datetime:
        """Return the backend's own time."""
        return self._client.time()

    async def greet(self) -> None:
        """Look for a user who does not exist: the one read among the calls that are known.

        A 404 is the answer hoped for. The token is the one all processes share; none is fetched where a good one is
        stored.
        """
        await self._exists(_NOBODY)

    async def ensure_user(self, owner: Owner) -> bool:
        """Create the user, or find them by external id; return whether they were created now."""
        try:
            await self._client.post_user(owner, with_locale=True)
        except Refused as refused:
            if refused.status not in _MAY_EXIST:
                raise
            if await self._exists(owner.id):
                return False
            await self._create_without_locale(owner, refused)
        return True

    async def _exists(self, user: OwnerId) -> bool:
        try:
            await self._client.get_user(user)
        except NotFound:
            return False
        return True

    async def _create_without_locale(self, owner: Owner, refused: Refused) -> None:
        """Repeat a refused create once without its locale, unless the e-mail or nothing else is the matter."""
        if _EMAIL in refused.about:
            raise _email_taken(refused) from refused
        if owner.locale is None:
            raise refused
        try:
            await self._client.post_user(owner, with_locale=False)
        except Refused as again:
            raise (_email_taken(again) if _EMAIL in again.about else again) from None

    async def set_code(self, user: OwnerId, pin: Pin) -> None:
        """Give the user this code."""
        await self._client.put_code(user, pin)

    async def create_membership(self, membership: Membership) -> Shown | Answer:
        """Create a membership."""
        try:
            created_at = self.time() if self._send_created_at else None
            return await self._client.post_membership(membership, created_at=created_at)
        except NotFound:
            return Answer.MISSING
        except Refused as refused:
            if refused.status in _TAKEN:
                return Answer.TAKEN
            raise

    async def amend_membership(self, external_id: ExternalId, ends_at: datetime | None) -> Shown | Answer:
        """Set the end of a membership."""
        try:
            return await self._client.put_membership(external_id, ends_at)
        except Refused as refused:
            if refused.status in _NOT_THERE:
                return Answer.MISSING
            raise

    async def remove_membership(self, external_id: ExternalId) -> Answer | None:
        """Remove a membership. `MISSING` where there was none, which is as good."""
        try:
            await self._client.delete_membership(external_id)
        except Refused as refused:
            if refused.status in _NOT_THERE:
                return Answer.MISSING
            raise
        return None


def _email_taken(refused: Refused) -> Refused:
    return Refused(
        refused.upstream, refused.operation, refused.reason, status=refused.status, about=frozenset({_EMAIL})
    )
