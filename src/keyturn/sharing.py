"""How many requests this process may have under way to each backend: all of them, or its share.

    alone (embedded database, tests, the demo)   the whole limit but one, which is kept for commands
    one of several workers                       a share from the database, renewed while it works
    a command                                    the one that is kept

A share that shrinks does so here first, and in the database once the calls that are too many have ended.
A process that could not renew its share in time starts no call until it could.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from keyturn.clock import Clock
from keyturn.core.ids import TenantUrl
from keyturn.errors import DatabaseUnavailable
from keyturn.store.shares import Shares
from keyturn.upstream.limiter import Limiter

KEPT_FOR_COMMANDS = 1
"""Of each backend's limit, so that a command never has to wait for the workers."""


class Sharing:
    """The limiters of all backends, one each, all of the same size."""

    def __init__(self, *, amount: int, clock: Clock, shares: Shares, holder: str, lease: timedelta) -> None:
        """`amount`: how many requests each backend may get from all processes together that share.

        Until `joined`, this process counts as the only one. `holder` names it, `lease` is how long a share lasts.
        """
        self._limit = amount
        self._clock = clock
        self._shares = shares
        self._holder = holder
        self._lease = lease
        self._limiters: dict[TenantUrl, Limiter] = {}
        self._held = amount
        """What the database says we hold."""
        self._allowed = amount
        """What we use: less than held while calls that are too many are still under way."""
        self._until: datetime | None = None
        self._news = asyncio.Event()
        self.on_change: Callable[[], None] = lambda: None
        """Called when the share has changed."""

    @property
    def any(self) -> bool:
        """Whether this process may call a backend at all now."""
        return self._allowed > 0 and self._is_valid()

    def limiter(self, tenant: TenantUrl) -> Limiter:
        """Return the limiter of a backend."""
        if tenant not in self._limiters:
            self._limiters[tenant] = Limiter(self._allowed, permitted=self._is_valid, on_end=self._ended)
        return self._limiters[tenant]

    def heard(self) -> None:
        """Take note that somebody's share has changed."""
        self._news.set()

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Share the limit with other processes for the length of the block."""
        self._until = self._clock.now()
        self._hold(0, allowed=0)
        keeping = asyncio.create_task(self._keep(), name="keeping a share")
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            with suppress(DatabaseUnavailable):
                await self._shares.leave(self._holder)

    async def _keep(self) -> None:
        while True:
            self._news.clear()
            with suppress(DatabaseUnavailable):
                await self._renew()
                if self._may_shrink():
                    continue
            await self._clock.wait(self._news, seconds=self._lease.total_seconds() / 3)

    async def _renew(self) -> None:
        """Renew in the database. Two thirds of the lease count here, so that calls under way end within it."""
        asked_at = self._clock.now()
        asked = max(self._allowed, self._in_use())
        share = await self._shares.renew(self._holder, asked=asked, limit=self._limit, lease=self._lease)
        self._until = asked_at + self._lease * 2 / 3
        self._hold(share.amount, allowed=min(share.amount, share.fair))

    def _hold(self, amount: int, *, allowed: int) -> None:
        changed, self._held, self._allowed = allowed != self._allowed, amount, allowed
        for limiter in self._limiters.values():
            limiter.resize(allowed)
        if changed:
            self.on_change()

    def _is_valid(self) -> bool:
        return self._until is None or self._clock.now() < self._until

    def _in_use(self) -> int:
        return max((limiter.in_use for limiter in self._limiters.values()), default=0)

    def _may_shrink(self) -> bool:
        """Say whether something can be given back now: calls that were too many have ended."""
        return self._held > max(self._allowed, self._in_use())

    def _ended(self) -> None:
        if self._may_shrink():
            self._news.set()
