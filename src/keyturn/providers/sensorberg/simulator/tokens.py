"""OAuth 2 as Doorkeeper does it, for client_credentials.

Endpoints and token fields match the vendor's documentation; everything finer is read from
Doorkeeper's source (4.2 to 6.0). No refresh token for this grant; a missing `expires_in` means
the token never expires.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from keyturn.providers.sensorberg.simulator.state import State
from keyturn.simulation.exchange import Call, Reply, html_reply, json_reply

_DESCRIPTIONS = {
    "invalid_client": "Client authentication failed due to unknown client, no client authentication included.",
    "unauthorized_client": "The client is not authorized to perform this request using this method.",
    "invalid_request": "The request is missing a required parameter.",
    "unsupported_grant_type": "The authorization grant type is not supported by the authorization server.",
    "invalid_scope": "The requested scope is invalid, unknown, or malformed.",
    "invalid_token": "The access token is invalid",
}
_NO_STORE = (("cache-control", "no-store"), ("pragma", "no-cache"))
_SCOPES = frozenset({"app", "me", "basic"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registered client."""

    client_id: str
    secret: str = field(repr=False)
    scopes: frozenset[str]
    grants: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token. `expires_at` None: never."""

    value: str = field(repr=False)
    client_id: str
    scope: str
    created_at: datetime
    expires_at: datetime | None
    revoked: bool = False


class Tokens:
    """Clients and the tokens they were given."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.clients: dict[str, Client] = {}
        self._tokens: dict[str, Token] = {}
        self.issued = 0
        """How many token requests were answered with a token."""

    def revoke_all(self) -> None:
        """End every token at once: the API answers "revoked"."""
        self._tokens = {value: replace(token, revoked=True) for value, token in self._tokens.items()}

    def expire_all(self) -> None:
        """Let every token be past its time: the API answers "expired"."""
        now = self._state.now()
        self._tokens = {value: replace(token, expires_at=now) for value, token in self._tokens.items()}

    def holder(self, call: Call) -> str | None:
        """Return the client whose token a request carries, good or not."""
        token = self._tokens.get(_bearer(call) or "")
        return token.client_id if token else None

    def refusal(self, call: Call) -> tuple[int, str, str] | None:
        """Return status, error and description for a request that may not pass, or None."""
        token = self._tokens.get(_bearer(call) or "")
        if token is None:
            return 401, "invalid_token", "The access token is invalid"
        if token.revoked or token.client_id not in self.clients:
            return 401, "invalid_token", "The access token was revoked"
        if self._expired(token):
            return 401, "invalid_token", "The access token expired"
        if "app" not in token.scope.split():
            return self._state.knobs.scope_failure, "insufficient_scope", "Access to this resource requires scope app."
        return None

    def grant(self, call: Call) -> Reply:
        """POST /oauth/token."""
        match self._state.knobs.token_errors:
            case "html_502":
                return html_reply(502)
            case "modern" | "all_401":
                return self._granted(call)

    def _granted(self, call: Call) -> Reply:
        given = self._given(call)
        client = self._client(call, given)
        error = self._grant_error(client, given)
        if error is not None or client is None:
            return self._refuse(error or "invalid_client")
        scope = given.get("scope") or " ".join(sorted(client.scopes))
        self.issued += 1
        return self._shown(self._issue(client, scope))

    def revoke(self, call: Call) -> Reply:
        """POST /oauth/revoke: 200 also for a token nobody knows."""
        given = self._given(call)
        client = self._client(call, given)
        if client is None:
            return self._refuse("unauthorized_client", 403)
        token = self._tokens.get(given.get("token", ""))
        if token is not None and token.client_id == client.client_id:
            self._tokens[token.value] = replace(token, revoked=True)
        return json_reply({}, 200)

    def introspect(self, call: Call) -> Reply:
        """POST /oauth/introspect, for clients and for holders of a token."""
        given = self._given(call)
        if self._client(call, given) is None and self.refusal(call) is not None:
            return self._refuse("invalid_client", 401)
        token = self._tokens.get(given.get("token", ""))
        if token is None or token.revoked or self._expired(token):
            return json_reply({"active": False}, 200)
        shown: dict[str, Any] = {
            "active": True,
            "scope": token.scope,
            "client_id": token.client_id,
            "token_type": self._state.knobs.token_type_case,
            "iat": int(token.created_at.timestamp()),
        }
        return json_reply({**shown, **({"exp": int(token.expires_at.timestamp())} if token.expires_at else {})}, 200)

    def info(self, call: Call) -> Reply:
        """GET /oauth/token/info with a bearer token."""
        token = self._tokens.get(_bearer(call) or "")
        if token is None or token.revoked or self._expired(token):
            return self._refuse("invalid_token", 401)
        shown = {
            "resource_owner_id": None,
            "scope": token.scope.split(),
            "expires_in": self._left(token),
            "application": {"uid": token.client_id},
            "created_at": int(token.created_at.timestamp()),
        }
        return json_reply(shown, 200)

    def _grant_error(self, client: Client | None, given: Mapping[str, str]) -> str | None:
        grant = given.get("grant_type")
        scopes = frozenset(given.get("scope", "").split())
        if not grant:
            return "invalid_request"
        if grant != "client_credentials":
            return "unsupported_grant_type"
        if client is None:
            return "invalid_client"
        if grant not in client.grants:
            return "unauthorized_client"
        return None if scopes <= (client.scopes & _SCOPES) else "invalid_scope"

    def _issue(self, client: Client, scope: str) -> Token:
        knobs = self._state.knobs
        mine = [t for t in self._tokens.values() if t.client_id == client.client_id and t.scope == scope]
        alive = [t for t in mine if not t.revoked and not self._expired(t)]
        match knobs.token_policy:
            case "reuse" if alive:
                return alive[-1]
            case "revoke_previous":
                self._tokens.update({t.value: replace(t, revoked=True) for t in alive})
        now = self._state.now()
        token = Token(
            value=hashlib.sha256(f"{client.client_id} {len(self._tokens)}".encode()).hexdigest()[:43],
            client_id=client.client_id,
            scope=scope,
            created_at=now,
            expires_at=None if knobs.token_ttl is None else now + timedelta(seconds=knobs.token_ttl),
        )
        self._tokens[token.value] = token
        return token

    def _shown(self, token: Token) -> Reply:
        shown: dict[str, Any] = {"access_token": token.value, "token_type": self._state.knobs.token_type_case}
        if token.expires_at is not None:
            shown["expires_in"] = self._left(token)
        shown |= {"scope": token.scope, "created_at": int(token.created_at.timestamp())}
        return json_reply(shown, 200, _NO_STORE)

    def _refuse(self, error: str, status: int | None = None) -> Reply:
        if status is None:
            status = 401 if error == "invalid_client" or self._all_401 else 400
        text = _DESCRIPTIONS[error]
        challenge = f'Bearer realm="Doorkeeper", error="{error}", error_description="{text}"'
        body = {"error": error, "error_description": text}
        return json_reply(body, status, (("www-authenticate", challenge), *_NO_STORE))

    def _given(self, call: Call) -> dict[str, str]:
        media = call.headers.get("content-type", "").partition(";")[0].strip()
        if media == "application/x-www-form-urlencoded":
            return dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
        if media == "application/json" and self._takes_all_formats:
            return _members(call)
        return {}

    def _client(self, call: Call, given: Mapping[str, str]) -> Client | None:
        ident, secret = given.get("client_id", ""), given.get("client_secret", "")
        if not ident and self._takes_all_formats:
            ident, secret = _basic(call)
        client = self.clients.get(ident)
        if client is None or not hmac.compare_digest(client.secret.encode(), secret.encode()):
            return None
        return client

    @property
    def _all_401(self) -> bool:
        match self._state.knobs.token_errors:
            case "all_401":
                return True
            case "modern" | "html_502":
                return False

    @property
    def _takes_all_formats(self) -> bool:
        match self._state.knobs.token_body_formats:
            case "form+json+basic":
                return True
            case "form":
                return False

    def _expired(self, token: Token) -> bool:
        return token.expires_at is not None and self._state.now() >= token.expires_at

    def _left(self, token: Token) -> int | None:
        return None if token.expires_at is None else int((token.expires_at - self._state.now()).total_seconds())


def _bearer(call: Call) -> str | None:
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    return value if scheme.lower() == "bearer" else None


def _basic(call: Call) -> tuple[str, str]:
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        ident, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return unquote_plus(ident), unquote_plus(secret)


def _members(call: Call) -> dict[str, str]:
    try:
        body = call.json()
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in body.items()} if isinstance(body, dict) else {}
