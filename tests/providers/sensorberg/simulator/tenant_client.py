"""A bare client of a simulated tenant: no parser, no retries, just what goes over the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import aiohttp

from keyturn.clock import MovableClock
from keyturn.providers.sensorberg.simulator import SensorbergSimulator

JSON_API = "application/vnd.api+json"
NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
CREDENTIALS = {"grant_type": "client_credentials", "client_id": "client", "client_secret": "secret", "scope": "app"}


@dataclass(kw_only=True)
class Answer:
    """Status, parsed body (None when there is none) and headers."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the resource in the body."""
        found: dict[str, Any] = self.body["data"]["attributes"]
        return found

    @property
    def detail(self) -> str:
        """The first error's sentence."""
        return str(self.body["errors"][0]["detail"])


@dataclass(kw_only=True)
class Tenant:
    """A served tenant with groups g1 and g2, and a token to talk to it."""

    clock: MovableClock
    sim: SensorbergSimulator
    url: str
    http: aiohttp.ClientSession
    token: str = field(default="", repr=False)

    def turn(self, **knobs: Any) -> None:
        """Turn knobs of the tenant."""
        self.sim.knobs = replace(self.sim.knobs, **knobs)

    async def sign_in(self, **changes: str) -> Answer:
        """Ask for a token with form fields and use it from now on."""
        answer = await self._answer("POST", "/oauth/token", data={**CREDENTIALS, **changes})
        if answer.status == 200:
            self.token = answer.body["access_token"]
        return answer

    async def oauth(self, path: str, **options: Any) -> Answer:
        """Ask an OAuth endpoint."""
        return await self._answer(options.pop("method", "POST"), f"/oauth/{path}", **options)

    async def call(self, method: str, path: str, attributes: dict[str, Any] | None = None, **options: Any) -> Answer:
        """Ask the API. `kind`, `media`, `ident` and `raw` change the document and its type."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": JSON_API, **options.pop("headers", {})}
        if attributes is not None:
            headers["Content-Type"] = options.pop("media", JSON_API)
            kind = "users" if path.startswith("users") else "user-group-memberships"
            resource = {"type": options.pop("kind", kind), "attributes": attributes, **options.pop("ident", {})}
            options["data"] = options.pop("raw", json.dumps({"data": resource}).encode())
        return await self._answer(method, f"/api/backend-sdk/v1/{path}", headers=headers, **options)

    async def add_user(self, ident: str = "u1", **changes: Any) -> Answer:
        """POST a user."""
        given = {"full-name": "Ada", "email": f"{ident}@example.com", "external-identifier": ident, "locale": "de"}
        return await self.call("POST", "users", {**given, **changes})

    async def set_code(self, ident: str, code: Any) -> Answer:
        """PUT a user's code."""
        return await self.call("PUT", f"users/{ident}/identification_code", {"identification-code": code})

    async def add_membership(self, ident: str = "r1", user: str = "u1", group: str = "g1", **changes: Any) -> Answer:
        """POST a membership that starts now; a change to `...` leaves the attribute out."""
        given = {
            "external-identifier": ident,
            "external-user-identifier": user,
            "external-user-group-identifier": group,
            "created-at": "2026-03-01T09:00:00Z",
            "starts-at": "2026-03-01T09:00:00Z",
            **{key.replace("_", "-"): value for key, value in changes.items()},
        }
        kept = {key: value for key, value in given.items() if value is not ...}
        return await self.call("POST", "user_group_memberships", kept)

    async def put_membership(self, ident: str, **attributes: Any) -> Answer:
        """PUT a membership."""
        given = {key.replace("_", "-"): value for key, value in attributes.items()}
        return await self.call("PUT", f"user_group_memberships/{ident}", given)

    async def delete_membership(self, ident: str) -> Answer:
        """DELETE a membership."""
        return await self.call("DELETE", f"user_group_memberships/{ident}")

    async def _answer(self, method: str, path: str, **options: Any) -> Answer:
        async with self.http.request(method, self.url + path, **options) as response:
            text = await response.text()
            headers = {name.lower(): value for name, value in response.headers.items()}
            parsed = json.loads(text) if text.startswith(("{", "[")) else text or None
            return Answer(status=response.status, body=parsed, headers=headers)
