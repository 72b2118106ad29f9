"""How many requests may be under way to one backend at once: a number that may change while calls wait.

Callers get their turn in the order in which they came. Lowering the number ends no call: no new one starts
until enough of them have ended.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from keyturn.errors import LeaseLost

PATIENCE_S = 30.0
"""How long a caller waits while nobody may be let in at all."""


class Limiter:
    """Lets so many callers in at once; used as `async with limiter`."""

    def __init__(
        self,
        amount: int,
        *,
        permitted: Callable[[], bool] = lambda: True,
        on_end: Callable[[], None] = lambda: None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`permitted` says whether anybody may be let in at all now; when that changes, call `resize`.

        `on_end` is called whenever a caller has left.
        """
        self._amount = amount
        self._permitted = permitted
        self._on_end = on_end
        self._patience_s = patience_s
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.in_use = 0
        """How many callers are inside."""

    @property
    def free(self) -> int:
        """How many more callers would be let in now."""
        return max(self._amount - self.in_use, 0) if self._permitted() else 0

    def resize(self, amount: int) -> None:
        """Let in so many from now on."""
        self._amount = amount
        self._let_in()

    async def __aenter__(self) -> None:
        """Wait for a turn."""
        while True:
            await self._turn()
            if self._permitted():
                return
            self._leave()  # the permission ended between the turn and its use

    async def __aexit__(self, *_: object) -> None:
        """Give the turn back."""
        self._leave()

    async def _turn(self) -> None:
        if not self._waiting and self.free:
            self.in_use += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await self._wait(turn)
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            else:
                self._waiting.remove(turn)
            raise

    async def _wait(self, turn: asyncio.Future[None]) -> None:
        """Wait, but not for ever where nobody may be let in: who waits holds a lane that others could work on."""
        while not (await asyncio.wait((turn,), timeout=self._patience_s))[0]:
            if not self._permitted():
                self._waiting.remove(turn)
                raise LeaseLost("this process has had no share of the backend's requests for a while")

    def _leave(self) -> None:
        self.in_use -= 1
        self._let_in()
        self._on_end()

    def _let_in(self) -> None:
        while self._waiting and self.free:
            turn = self._waiting.popleft()
            self.in_use += 1
            turn.set_result(None)
