"""A tiny service to try the kit with."""

from __future__ import annotations

from datetime import UTC, datetime

from keyturn.clock import MovableClock
from keyturn.simulation.admin import add_faults, add_journal, add_operations, add_page, add_snapshot
from keyturn.simulation.exchange import Call, Match, Reply, Routes, json_reply
from keyturn.simulation.faults import Faults
from keyturn.simulation.journal import Journal


class Counter:
    """A service that counts: POST adds one, GET tells."""

    def __init__(self) -> None:
        self.clock = MovableClock(datetime(2026, 3, 1, tzinfo=UTC))
        self.journal = Journal()
        self.faults = Faults()
        self.latency_s = 0.0
        self.routes = Routes()
        self.n = 0
        self.url = ""
        self.routes.add("POST", "count", "count.post", self._add)
        self.routes.add("GET", "count", "count.get", lambda _call: json_reply({"count": self.n}))
        self.routes.add("GET", "all", "count.list", lambda _call: json_reply([self.n]), "list")
        self.routes.add("GET", "things/{id}", "things.get", lambda call: json_reply(dict(call.params)))
        add_journal(self.routes, self.journal)
        add_faults(self.routes, self.faults)
        add_snapshot(self.routes, lambda: {"n": self.n})
        add_operations(self.routes, "_simulator/{operation}", lambda _call: {"add": self.add})
        add_page(self.routes, lambda: "a counter")

    def add(self, by: int) -> int:
        """Add a number."""
        self.n += by
        return self.n

    def who(self, call: Call) -> tuple[str, str]:
        """Return the account named in a header."""
        return call.headers.get("account", "one"), "none"

    def guard(self, call: Call, match: Match) -> Reply | None:  # noqa: ARG002  # the protocol's signature
        """Let everybody in."""
        return None

    def unknown(self, call: Call, methods: list[str]) -> Reply:  # noqa: ARG002  # the protocol's signature
        """Answer 405 or 404."""
        return Reply(status=405 if methods else 404)

    def error(self, status: int) -> Reply:
        """Return this service's own error shape."""
        return json_reply({"own": status}, status)

    def dress(self, reply: Reply) -> Reply:
        """Add nothing."""
        return reply

    def _add(self, _call: Call) -> Reply:
        return json_reply({"count": self.add(1)}, 201)
