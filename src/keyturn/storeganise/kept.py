"""Records that hardly ever change: read once by whoever asks first, kept for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from keyturn.clock import Clock
from keyturn.upstream.flight import SingleFlight

Id = TypeVar("Id", bound=str)
Facts = TypeVar("Facts")


class Kept(Generic[Id, Facts]):
    """Keeps each record for `time`, counted from when it was asked for."""

    def __init__(self, clock: Clock, time: timedelta) -> None:
        self._clock = clock
        self._time = time
        self._records: dict[Id, tuple[datetime, Facts]] = {}
        self._flights: SingleFlight[Id, Facts] = SingleFlight()

    async def get(
        self, record_id: Id, read: Callable[[], Awaitable[Facts]], *, within: timedelta | None = None
    ) -> Facts:
        """Return the record, read now if it is not kept or too old: older than `within`, if that is given.

        With `within` zero it is read by this very call.
        """
        if within == timedelta():
            return await self._read(record_id, read)
        time = self._time if within is None else min(within, self._time)
        kept = self._records.get(record_id)
        if kept is not None and self._clock.now() < kept[0] + time:
            return kept[1]
        return await self._flights.join(record_id, lambda: self._read(record_id, read))

    def clear(self) -> None:
        """Keep nothing."""
        self._records.clear()

    async def _read(self, record_id: Id, read: Callable[[], Awaitable[Facts]]) -> Facts:
        asked_at = self._clock.now()
        facts = await read()
        self._records[record_id] = (asked_at, facts)
        return facts
