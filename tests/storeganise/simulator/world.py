"""The world the simulator's tests play in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import aiohttp

from keyturn.clock import MovableClock
from keyturn.storeganise.simulator import Account, StoreganiseSimulator

START = date(2026, 3, 1)


@dataclass(kw_only=True)
class World:
    """One account `acme` with a site, two free units and a tenant."""

    clock: MovableClock
    sim: StoreganiseSimulator
    url: str = ""
    http: aiohttp.ClientSession = field(init=False)
    acme: Account = field(init=False)
    site: str = field(init=False)
    unit: str = field(init=False)
    other_unit: str = field(init=False)
    tenant: str = field(init=False)

    def __post_init__(self) -> None:
        self.acme = self.sim.add_account(
            "acme", api_key="key-1", webhook_url="http://127.0.0.1:9/hook", webhook_secret="s3cret", subscriptions=None
        )
        self.site = self.acme.add_site("Lagerhaus Süd", {"securitySystem": "sensorberg"}, "sued")
        self.unit = self.acme.add_unit(self.site, "A1", {"sensorberg_id": "g1"})
        self.other_unit = self.acme.add_unit(self.site, "A2", {"sensorberg_id": "g2"})
        self.tenant = self.acme.add_user("Jürgen", "Groß", "juergen@example.com")
        self.acme.outbox.clear()

    def turn(self, **knobs: Any) -> None:
        """Turn knobs of the account."""
        self.acme.knobs = replace(self.acme.knobs, **knobs)

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Take the queued events as (type, data)."""
        found = [(delivery.type, json.loads(delivery.body)["data"]) for delivery in self.acme.outbox]
        self.acme.outbox.clear()
        return found

    async def call(
        self, method: str, path: str, body: Any = None, authorization: str | None = "ApiKey key-1"
    ) -> tuple[int, Any]:
        """Ask the admin API and return status and parsed body."""
        headers = {"Authorization": authorization} if authorization is not None else {}
        url = f"{self.url}/acme/api/v1/admin/{path}"
        async with self.http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None) if await response.read() else None
