"""One request for any number of callers who want the same thing at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SingleFlight(Generic[Key, Value]):
    """Shares what is under way, and its error too; keeps nothing afterwards."""

    def __init__(self) -> None:
        self._flights: dict[Key, asyncio.Task[Value]] = {}

    async def join(self, key: Key, start: Callable[[], Awaitable[Value]]) -> Value:
        """Return what `start` gives, from the call under way if there is one.

        A caller who is cancelled leaves; the others still get their answer.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(_run(start))
            self._flights[key] = flight
            flight.add_done_callback(partial(self._landed, key))
        return await asyncio.shield(flight)

    def _landed(self, key: Key, flight: asyncio.Task[Value]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            # Looked at here, so that an error nobody waited for is not reported as forgotten.
            flight.exception()


async def _run(start: Callable[[], Awaitable[Value]]) -> Value:
    return await start()
