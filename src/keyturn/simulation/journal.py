"""The request journal of a simulator: who asked what, when, and how much at once.

Every request to a simulated API is one entry, also one that was never answered. Secrets do not
enter: a credential is kept as a label (`key:acme`), a client secret in a body is left out.
Bodies may hold PINs, so they are hidden in `repr`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from keyturn.simulation.changes import Changes

Kind = Literal["list", "single", "token"]
Outcome = int | Literal["reset", "timeout"] | None

_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One request. `status` is None while it is in flight; the rest never changes."""

    sequence: int
    instant: datetime
    method: str
    path: str
    query: dict[str, str]
    route: str
    kind: Kind
    account: str
    credential: str
    body: Any = field(repr=False)
    lists_in_flight: int
    singles_in_flight: int
    status: Outcome = None


class Journal:
    """All requests so far, oldest first, and how many were in flight at once."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.changes = Changes()
        self._sequence = 0
        self._now: Counter[tuple[str, Kind]] = Counter()
        self._peaks: dict[tuple[str, Kind], int] = {}

    def open(
        self,
        *,
        instant: datetime,
        method: str,
        path: str,
        query: dict[str, str],
        route: str,
        kind: Kind,
        account: str,
        credential: str,
        body: Any,
    ) -> Entry:
        """Note a request that has arrived; it counts as in flight until `close`."""
        key = (account, kind)
        self._sequence += 1
        self._now[key] += 1
        self._peaks[key] = max(self._peaks.get(key, 0), self._now[key])
        entry = Entry(
            sequence=self._sequence,
            instant=instant,
            method=method,
            path=path,
            query=query,
            route=route,
            kind=kind,
            account=account,
            credential=credential,
            body=body,
            lists_in_flight=self._now[account, "list"],
            singles_in_flight=self._now[account, "single"],
        )
        self.entries.append(entry)
        self.changes.notify()
        return entry

    def close(self, entry: Entry, status: Outcome) -> None:
        """Note how a request ended."""
        self._now[entry.account, entry.kind] -= 1
        entry.status = status
        self.changes.notify()

    def count(self, *, route: str | None = None, method: str | None = None, account: str | None = None) -> int:
        """Return how many requests there were, in all or of one route, method or account."""
        return sum(1 for _ in self._matching(route, method, account))

    def writes(self, account: str | None = None) -> list[Entry]:
        """Return the requests meant to change something; token requests are none."""
        return [e for e in self._matching(None, None, account) if e.method in _WRITING and e.kind != "token"]

    def peak(self, kind: Kind, account: str | None = None) -> int:
        """Return the most requests of a kind ever in flight at once for one account (None: the highest of all)."""
        return max((n for (a, k), n in self._peaks.items() if k == kind and account in (None, a)), default=0)

    def mark(self) -> int:
        """Return a mark for `since`: everything until now lies before it."""
        return self._sequence

    def since(self, mark: int) -> list[Entry]:
        """Return the requests that arrived after `mark`."""
        return [entry for entry in self.entries if entry.sequence > mark]

    def clear(self) -> None:
        """Forget entries and peaks; what is in flight stays counted."""
        self.entries.clear()
        self._peaks = {key: n for key, n in self._now.items() if n}

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Return once `predicate()` is true; it is looked at whenever a request arrives or ends."""
        await self.changes.until(predicate)

    def _matching(self, route: str | None, method: str | None, account: str | None) -> Iterator[Entry]:
        for entry in self.entries:
            if route in (None, entry.route) and method in (None, entry.method) and account in (None, entry.account):
                yield entry
