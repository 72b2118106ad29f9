"""How much may be asked of one account at once, whichever key asks.

Storeganise wants lists in series and restraint otherwise (help, article 297, "API best practices"). Across
processes the limit holds because whoever asks holds the lane of the business; once that lease has run out,
no call starts any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from keyturn.errors import LeaseLost


class Turns:
    """The turns of one account: one list at a time, a few single requests."""

    def __init__(self, in_flight: int) -> None:
        """`in_flight`: the most single requests at once."""
        self._list_turn = asyncio.Lock()
        self._single_turn = asyncio.Semaphore(in_flight)
        self._write_turn = asyncio.Semaphore(in_flight)
        self.permitted: Callable[[], bool] = lambda: True
        """Whether a call may still start; set by whoever holds the lane."""

    @asynccontextmanager
    async def list(self) -> AsyncIterator[None]:
        """Wait for the turn to read a list. Raises `LeaseLost` where no call may start any more."""
        async with self._list_turn:
            self._check()
            yield

    @asynccontextmanager
    async def single(self) -> AsyncIterator[None]:
        """Wait for the turn of one single request. Raises `LeaseLost` where no call may start any more."""
        async with self._single_turn:
            self._check()
            yield

    @asynccontextmanager
    async def write(self) -> AsyncIterator[None]:
        """Wait for the turn of one single request that shows something.

        Those queue apart: doors wait for reads, and a read waits until one request has ended, not all writes.
        """
        async with self._write_turn, self.single():
            yield

    def _check(self) -> None:
        if not self.permitted():
            raise LeaseLost("the lease has run out; no further call is made under it")
