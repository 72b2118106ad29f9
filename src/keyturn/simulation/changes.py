"""Waiting for a state without polling.

A simulator calls `Changes.notify` after each change; a test, the demo or a benchmark waits
with `Changes.until` for what it wants to see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Changes:
    """Tells everybody who waits that something has changed."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._waiting = 0
        self.listener: Callable[[], None] | None = None
        """Called after each change, synchronously; it must be quick and must not raise."""

    def notify(self) -> None:
        """Call the listener and wake everybody who waits."""
        if self.listener is not None:
            self.listener()
        if self._waiting:
            self._changed.set()
            self._changed = asyncio.Event()

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Return once `predicate()` is true; it is looked at now and after each change."""
        while not predicate():
            self._waiting += 1
            try:
                await self._changed.wait()
            finally:
                self._waiting -= 1
