"""Storeganise as a local server: any number of accounts behind one address.

An account's API lives under `/{business}/api/v1/admin/`, so its `api_url` is
`http://HOST:PORT/{business}/api`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from keyturn.clock import Clock
from keyturn.simulation.app import SimulatedApp
from keyturn.simulation.changes import Changes
from keyturn.simulation.exchange import Call, Match, Reply, Routes, html_reply, json_reply
from keyturn.simulation.faults import Faults
from keyturn.simulation.journal import Journal
from keyturn.simulation.rate import RateLimit
from keyturn.storeganise.simulator.account import Account
from keyturn.storeganise.simulator.admin import add_admin
from keyturn.storeganise.simulator.api import AdminApi
from keyturn.storeganise.simulator.knobs import Knobs
from keyturn.storeganise.simulator.webhooks import ACCESS_EVENTS

_TYPES = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "too_many_requests"}


class StoreganiseSimulator:
    """All accounts, one app, one journal, one set of faults."""

    def __init__(self, clock: Clock, knobs: Knobs | None = None) -> None:
        self.clock = clock
        self.knobs = knobs or Knobs()
        self.journal = Journal()
        self.faults = Faults()
        self.changes = Changes()
        self.latency_s = 0.0
        self.accounts: dict[str, Account] = {}
        self.routes = Routes()
        self._rates: dict[str, RateLimit] = {}
        AdminApi(self.accounts.get, self._failure).add_routes(self.routes)
        add_admin(self.routes, self)
        self.app = SimulatedApp(self)

    @property
    def on_change(self) -> Callable[[], None] | None:
        """Called after each change of any account."""
        return self.changes.listener

    @on_change.setter
    def on_change(self, listener: Callable[[], None] | None) -> None:
        self.changes.listener = listener

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Return once `predicate()` is true; it is looked at after each change."""
        await self.changes.until(predicate)

    def add_account(
        self,
        code: str,
        *,
        api_key: str,
        webhook_url: str | None = None,
        webhook_secret: str | None = None,
        timezone: str = "Europe/Berlin",
        subscriptions: frozenset[str] | None = ACCESS_EVENTS,
        knobs: Knobs | None = None,
    ) -> Account:
        """Open an account. `subscriptions` None sends every event; `knobs` None takes the simulator's."""
        account = Account(
            code=code,
            clock=self.clock,
            knobs=knobs or self.knobs,
            series=len(self.accounts) + 1,
            timezone=timezone,
            changes=self.changes,
            webhook_url=webhook_url,
            webhook_secret=webhook_secret,
            subscriptions=subscriptions,
        )
        account.api_keys = [api_key]
        account.addon_api_keys = []
        self.accounts[code] = account
        self._rates[code] = RateLimit(self.clock)
        return account

    async def pump(self, stop: asyncio.Event, concurrency: int = 8) -> None:
        """Deliver the webhooks of all accounts in the background until `stop` is set."""
        await asyncio.gather(*(account.pump(stop, concurrency) for account in list(self.accounts.values())))

    def snapshot(self) -> dict[str, Any]:
        """Return what matters for access, per account, without timestamps."""
        return {code: account.snapshot() for code, account in sorted(self.accounts.items())}

    # What the app asks of a service

    def who(self, call: Call) -> tuple[str, str]:
        """Return the account of the path and a label of the credential: whose key it is, not which."""
        business = call.path.lstrip("/").partition("/")[0]
        scheme, _, value = call.headers.get("authorization", "").partition(" ")
        if scheme == "ApiKey":
            owner = next((code for code, account in self.accounts.items() if value in account.api_keys), "unknown")
            return business, f"key:{owner}"
        if scheme == "Addon":
            addon, _, key = value.partition("|")
            return business, f"addon:{addon}" if self._addon_key_fits(business, addon, key) else "addon:refused"
        return business, "none"

    def guard(self, call: Call, match: Match) -> Reply | None:
        """Refuse a wrong credential, and what is over the rate limit."""
        account = self.accounts.get(match.params["business"])
        if account is None:
            return html_reply(404)
        _, label = self.who(call)
        if label == "addon:refused" or not label.startswith(("addon:", f"key:{account.code}")):
            return self._failure(account, 401)
        if label.startswith("key:") and label != f"key:{account.code}":
            return self._failure(account, 401)
        if self._rates[account.code].refuses(account.knobs.rate_limit):
            return self._too_many(account)
        return None

    def unknown(self, call: Call, methods: list[str]) -> Reply:
        """Answer a path the API does not have."""
        account = self.accounts.get(call.path.lstrip("/").partition("/")[0])
        if account is None:
            return html_reply(404)
        return self._failure(account, 405 if methods else 404)

    def error(self, status: int) -> Reply:
        """Return an error in the default shape."""
        kind = _TYPES.get(status, "error")
        return json_reply({"error": {"type": kind, "message": kind.replace("_", " ").capitalize()}}, status)

    def dress(self, reply: Reply) -> Reply:
        """Return the answer with `Date`."""
        if not self.knobs.date_header:
            return reply
        now = self.clock.now() + timedelta(seconds=self.knobs.clock_skew_s)
        return replace(reply, headers=(*reply.headers, ("date", format_datetime(now, usegmt=True))))

    def _failure(self, account: Account, status: int) -> Reply:
        match account.knobs.error_shape:
            case "empty":
                return json_reply({}, status)
            case "html":
                return html_reply(status)
            case "error":
                return self.error(status)

    def _too_many(self, account: Account) -> Reply:
        refused = self._failure(account, 429)
        wait = account.knobs.rate_limit_retry_after
        headers = (("retry-after", wait),) if wait is not None else ()
        return Reply(status=429, body=refused.body, content_type=refused.content_type, headers=headers)

    def _addon_key_fits(self, business: str, addon: str, key: str) -> bool:
        account = self.accounts.get(business)
        installed = account.installations.get(addon) if account else None
        if account is None or installed is None or installed.state == "disabled":
            return False
        return key in (installed.api_key, *account.addon_api_keys)
