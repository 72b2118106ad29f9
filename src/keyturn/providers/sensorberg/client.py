"""The six calls of Sensorberg's backend SDK that are known to exist, one method each.

Everything is decided on the status, a body is read only where it matters: 401 and 403 may be
empty, 5xx may be HTML, a delete answers 204 or 200. It must never repeat a call but once after
a 401 with a fresh token, and never show a body in an error.
Neighbours: `token` brings the token, `wire` the bodies, `provider` gives the answers a meaning.

Sources: Storeganise help, article 299 (the calls); Sensorberg developer pages, "General" (JSON:API,
PUT for updates) and "Authentication".
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from keyturn.clock import Clock
from keyturn.core.ids import ExternalId, OwnerId, TenantUrl
from keyturn.core.rental import Owner, Pin
from keyturn.errors import CredentialsRejected, LeaseLost, Unavailable
from keyturn.providers.protocol import Membership, Shown
from keyturn.providers.sensorberg import wire
from keyturn.providers.sensorberg.token import UPSTREAM, Token, TokenCache
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.dates import http_date
from keyturn.upstream.http import HttpClient, Operation, Response, failure, read_json
from keyturn.upstream.jsonapi import complaints

MEDIA_TYPE = "application/vnd.api+json"
"""Without parameters: JSON:API 1.1 has servers answer 415 to any."""
_PREFIX = "/api/backend-sdk/v1"
_UNAUTHORIZED = 401
_EXPLAINED = frozenset({400, 409, 422})
"""Refusals whose body may say which attribute is the matter."""


class SensorbergClient:
    """One client (credentials) of one backend. Safe for concurrent use."""

    def __init__(
        self,
        *,
        http: HttpClient,
        clock: Clock,
        tenant: TenantUrl,
        tokens: TokenCache,
        circuit: Circuit,
        limiter: AbstractAsyncContextManager[Any],
        permitted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Keep the parts.

        `tenant` is the backend's base URL; `limiter` is shared by all clients of it; `permitted` says whether the
        task at hand may still start a call.
        """
        self.tenant = tenant
        self._http = http
        self._clock = clock
        self._base = tenant.rstrip("/") + _PREFIX
        self._tokens = tokens
        self._circuit = circuit
        self._limiter = limiter
        self._permitted = permitted
        self._ahead = timedelta()

    def time(self) -> datetime:
        """Return the backend's own time: our clock and the difference its last `Date` header showed."""
        return self._clock.now() + self._ahead

    async def get_user(self, user: OwnerId) -> None:
        """`GET users/{external id}`. Raises `NotFound`."""
        await self._call("find a user", "GET", f"users/{_part(user)}", user)

    async def post_user(self, owner: Owner, *, with_locale: bool) -> None:
        """`POST users`. Raises `Refused`, which says whether the e-mail address is the matter."""
        body = wire.user_body(owner, with_locale=with_locale)
        await self._call("create a user", "POST", "users", owner.id, body)

    async def put_code(self, user: OwnerId, pin: Pin) -> None:
        """`PUT users/{external id}/identification_code`. Raises `NotFound` or `Refused`."""
        path = f"users/{_part(user)}/identification_code"
        await self._call("set a code", "PUT", path, user, wire.code_body(pin))

    async def post_membership(self, membership: Membership, *, created_at: datetime | None) -> Shown:
        """`POST user_group_memberships`. Raises `Refused`."""
        body = wire.membership_body(membership, created_at=created_at)
        name, subject = "create a membership", membership.external_id
        return await self._call(name, "POST", "user_group_memberships", subject, body)

    async def put_membership(self, external_id: ExternalId, ends_at: datetime | None) -> Shown:
        """`PUT user_group_memberships/{external id}` with `ends-at` alone. Raises `NotFound` or `Refused`."""
        path = f"user_group_memberships/{_part(external_id)}"
        return await self._call("amend a membership", "PUT", path, external_id, wire.end_body(ends_at))

    async def delete_membership(self, external_id: ExternalId) -> None:
        """`DELETE user_group_memberships/{external id}`. Raises `NotFound` or `Refused`."""
        path = f"user_group_memberships/{_part(external_id)}"
        await self._call("remove a membership", "DELETE", path, external_id)

    async def _call(self, name: str, method: str, path: str, subject: str, body: bytes | None = None) -> Shown:
        """Send one call, once more after a 401, and read what its answer shows of `subject`."""
        operation = Operation(UPSTREAM, name)
        with self._circuit.guard(name, subject):
            token = await self._tokens.token()
            response = await self._send(operation, method, path, token, body)
            if response.status == _UNAUTHORIZED:
                token = await self._tokens.token(instead_of=token)
                response = await self._send(operation, method, path, token, body)
            return self._judge(operation, response, subject)

    def _judge(self, operation: Operation, response: Response, subject: str) -> Shown:
        refused = response.status in _EXPLAINED
        about = complaints(response.body, wire.KNOWN_ATTRIBUTES) if refused else frozenset[str]()
        error = failure(response, operation, now=self._clock.now(), about=about)
        if isinstance(error, CredentialsRejected):
            raise CredentialsRejected(UPSTREAM, operation.name, "answered 401 to a fresh token")
        if error is not None:
            raise error
        document: Any = read_json(response, operation, due=False)
        try:
            return wire.shown(document, asked=subject)
        except wire.Mismatch as mismatch:
            raise Unavailable(UPSTREAM, operation.name, str(mismatch)) from mismatch

    async def _send(self, operation: Operation, method: str, path: str, token: Token, body: bytes | None) -> Response:
        headers = {"Authorization": f"Bearer {token.value}", "Accept": MEDIA_TYPE}
        if body is not None:
            headers["Content-Type"] = MEDIA_TYPE
        async with self._limiter:
            # The pause may have begun, and the lease may have run out, while this call waited for its turn.
            self._circuit.check(operation.name)
            if not self._permitted():
                raise LeaseLost("the lease has run out; no further call is made under it")
            sent_at = self._clock.now()
            url = f"{self._base}/{path}"
            response = await self._http.request(method, url, operation=operation, headers=headers, body=body)
            self._learn_time(response, sent_at)
        return response

    def _learn_time(self, response: Response, sent_at: datetime) -> None:
        """Compare `Date` with the middle of the round trip; the header itself is cut to the second."""
        theirs = http_date(response.headers.get("date"))
        if theirs is not None:
            self._ahead = theirs - (sent_at + (self._clock.now() - sent_at) / 2)


def _part(external_id: str) -> str:
    """Percent-encode an id so that it stays one path segment."""
    return quote(external_id, safe="")
