"""The access token: fetched once for any number of waiting calls, shared by all processes, sealed at rest.

    a call needs a token ─▶ in memory and good? ─▶ in the store and good? ─▶ under the row's lock: still none? ─▶ fetch
    a call was answered 401 ─▶ the same walk, but the token it used counts as bad

It must never put the secret or a token into a URL, a log line or an error, and never let a
token address' 404 look like the 404 of an API call. Neighbours: `providers.sensorberg.client`
uses tokens, the store keeps them through `TokenStore`.

Sources: Sensorberg developer pages, "Authentication" (client_credentials, scope `app`, form-encoded);
RFC 6749 sections 2.3.1, 4.4 and 5.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlencode

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keyturn.clock import Clock
from keyturn.core.ids import TenantUrl
from keyturn.errors import CredentialsRejected, Refused, Unavailable
from keyturn.upstream.flight import SingleFlight
from keyturn.upstream.http import HttpClient, Operation, failure, read_json

UPSTREAM = "sensorberg"
SCOPE = "app"
_FETCH = Operation(UPSTREAM, "fetch a token")
_ASSUMED_LIFE = 3600.0
"""Seconds, where the answer has no `expires_in`."""
_LONGEST_LIFE = 30 * 86400.0
_SHORT_LIFE = 120.0
_MARGIN = 60.0
_SHARE = 0.1
_USABLE = re.compile(r"[!-~]{1,4096}", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedToken:
    """A token as it is stored: encrypted."""

    sealed: str = field(repr=False)
    expires_at: datetime | None
    minted_at: datetime
    secret_hash: str | None = field(default=None, repr=False)
    """A keyed hash of the client secret it was fetched with."""


class Stored(Protocol):
    """What a store gives back: the same values, whatever its own class."""

    @property
    def sealed(self) -> str: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def minted_at(self) -> datetime: ...
    @property
    def secret_hash(self) -> str | None: ...


class TokenStore(Protocol):
    """Where all processes find the one token of a client."""

    async def read(self, tenant: TenantUrl, client_id: str) -> Stored | None:
        """Return what is stored."""
        ...

    async def under_lock(self, tenant: TenantUrl, client_id: str, mint: Callable[[Any], Awaitable[Any]]) -> Stored:
        """Hold the row, give `mint` what is stored now (`Stored | None`), store what it returns, and return that.

        `mint` takes and returns `Any` because each store has its own class for the same values.
        """
        ...


class MemoryTokens:
    """A `TokenStore` for one process."""

    def __init__(self) -> None:
        self._rows: dict[tuple[TenantUrl, str], SealedToken] = {}
        self._lock = asyncio.Lock()

    async def read(self, tenant: TenantUrl, client_id: str) -> SealedToken | None:
        """Return what is kept."""
        return self._rows.get((tenant, client_id))

    async def under_lock(
        self, tenant: TenantUrl, client_id: str, mint: Callable[[SealedToken | None], Awaitable[SealedToken]]
    ) -> SealedToken:
        """Run `mint` alone and keep its result."""
        async with self._lock:
            minted = await mint(self._rows.get((tenant, client_id)))
            self._rows[tenant, client_id] = minted
            return minted


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """An access token and until when it is used."""

    value: str = field(repr=False)
    good_until: datetime


class Seal:
    """Encrypts tokens under the installation's `secret_key`, bound to the client they belong to.

    A backend's address and a client id are no secrets: whoever has no more than these must not get the token of
    somebody who also knows the client secret. So a token opens only for the secret it was fetched with.
    """

    def __init__(self, secret_key: bytes, tenant: TenantUrl, client_id: str, client_secret: str) -> None:
        """Derive the key (HKDF-SHA256); a token sealed for another client or under another key does not open."""
        info = json.dumps(["keyturn provider token", tenant, client_id]).encode()
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret_key)
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))
        self._secret_hash = hmac.digest(derived, client_secret.encode(), hashlib.sha256).hex()

    def close(self, token: Token, now: datetime) -> SealedToken:
        """Encrypt a token for the store."""
        plain = json.dumps([token.value, token.good_until.isoformat()]).encode()
        sealed = self._fernet.encrypt_at_time(plain, int(now.timestamp())).decode()
        return SealedToken(sealed=sealed, expires_at=token.good_until, minted_at=now, secret_hash=self._secret_hash)

    def open(self, stored: Stored | None) -> Token | None:
        """Decrypt a stored token; `None` for anything that is not ours."""
        if stored is None or not hmac.compare_digest(stored.secret_hash or "", self._secret_hash):
            return None
        try:
            value, good_until = json.loads(self._fernet.decrypt(stored.sealed.encode()))
            return Token(value=value, good_until=datetime.fromisoformat(good_until))
        except (InvalidToken, ValueError, TypeError):
            return None


class TokenCache:
    """Hands out the token of one client of one backend."""

    def __init__(
        self,
        *,
        http: HttpClient,
        clock: Clock,
        tenant: TenantUrl,
        client_id: str,
        client_secret: str,
        limiter: AbstractAsyncContextManager[Any],
        tokens: TokenStore,
        secret_key: bytes,
    ) -> None:
        """Keep the parts. `tenant` is the backend's base URL, `limiter` bounds the requests to it."""
        self._http = http
        self._clock = clock
        self._tenant = tenant
        self._client_id = client_id
        self._client_secret = client_secret
        self._limiter = limiter
        self._tokens = tokens
        self._seal = Seal(secret_key, tenant, client_id, client_secret)
        self._kept: Token | None = None
        self._flights: SingleFlight[str | None, Token] = SingleFlight()

    async def token(self, *, instead_of: Token | None = None) -> Token:
        """Return a usable token, another one than `instead_of`, which was answered 401.

        Raises `CredentialsRejected` where the client is refused, `Unavailable` where nobody answers.
        """
        if self._kept is not None and self._is_good(self._kept, instead_of):
            return self._kept
        refused = None if instead_of is None else instead_of.value
        return await self._flights.join(refused, lambda: self._renew(instead_of))

    def _is_good(self, token: Token, instead_of: Token | None) -> bool:
        other = instead_of is None or token.value != instead_of.value
        return other and self._clock.now() < token.good_until

    async def _renew(self, instead_of: Token | None) -> Token:
        stored = self._seal.open(await self._tokens.read(self._tenant, self._client_id))
        if stored is not None and self._is_good(stored, instead_of):
            self._kept = stored
            return stored
        fetched: list[Token] = []

        async def mint(sealed: Stored | None) -> Stored:
            found = self._seal.open(sealed)
            if sealed is not None and found is not None and self._is_good(found, instead_of):
                fetched.append(found)
                return sealed
            token = await self._fetch()
            fetched.append(token)
            return self._seal.close(token, self._clock.now())

        await self._tokens.under_lock(self._tenant, self._client_id, mint)
        self._kept = fetched[-1]
        return self._kept

    async def _fetch(self) -> Token:
        """`POST /oauth/token` (Sensorberg developer pages, "Authentication")."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "scope": SCOPE,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        url = f"{self._tenant.rstrip('/')}/oauth/token"
        asked_at = self._clock.now()
        async with self._limiter:
            response = await self._http.request(
                "POST", url, operation=_FETCH, headers=headers, body=urlencode(form).encode()
            )
        error = failure(response, _FETCH, now=self._clock.now())
        if isinstance(error, Refused):
            # Any refusal here (RFC 6749, 5.2) is about the client, and must not pass for an API answer.
            raise CredentialsRejected(UPSTREAM, _FETCH.name, f"the token was refused with {error.status}")
        if error is not None:
            raise error
        return read_token(read_json(response, _FETCH, due=True), asked_at)


def read_token(answer: Any, asked_at: datetime) -> Token:
    """Read a token answer (RFC 6749, 5.1).

    Raises `Unavailable` for nonsense, and `CredentialsRejected` where another scope was granted.
    """
    fields = answer if isinstance(answer, dict) else {}
    value, kind = fields.get("access_token"), fields.get("token_type")
    if not isinstance(value, str) or not _USABLE.fullmatch(value):
        raise Unavailable(UPSTREAM, _FETCH.name, "the answer holds no token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise Unavailable(UPSTREAM, _FETCH.name, "the answer holds no bearer token")
    scope = fields.get("scope")
    if isinstance(scope, str) and scope and SCOPE not in scope.split():
        raise CredentialsRejected(UPSTREAM, _FETCH.name, "the client is not allowed the scope app")
    return Token(value=value, good_until=asked_at.astimezone(UTC) + used_for(fields.get("expires_in")))


def used_for(expires_in: object) -> timedelta:
    """Say how long a token that lives `expires_in` seconds is used: a tenth less, a minute less at least.

    A life of two minutes or less is only shortened by the tenth, or nothing would be left of it.
    """
    life = _ASSUMED_LIFE
    if isinstance(expires_in, int | float) and not isinstance(expires_in, bool):
        life = max(min(float(expires_in), _LONGEST_LIFE), 0.0)
    margin = life * _SHARE
    return timedelta(seconds=life - (margin if life <= _SHORT_LIFE else max(margin, _MARGIN)))
