"""Ids and times in Storeganise's shapes."""

from __future__ import annotations

from datetime import UTC, datetime

from keyturn.clock import Clock


class Ids:
    """Makes 24-hex ids like MongoDB's: eight digits of creation time, then a counter.

    `series` keeps the accounts of one simulator apart. The same calls give the same ids.
    """

    def __init__(self, clock: Clock, series: int) -> None:
        self._clock = clock
        self._series = series
        self._count = 0

    def new(self) -> str:
        """Return an id never given before."""
        self._count += 1
        created = int(self._clock.now().timestamp())
        return f"{created:08x}{self._series:06x}{self._count:010x}"


def is_id(text: str) -> bool:
    """Return whether `text` looks like an id of Storeganise."""
    return len(text) == 24 and all(digit in "0123456789abcdef" for digit in text)  # noqa: PLR2004  # an ObjectId


def timestamp(instant: datetime) -> str:
    """Return an instant as the API writes it: UTC with milliseconds, `2024-09-04T06:43:56.858Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def normal_timestamp(text: str) -> str:
    """Return a timestamp or date given by a client in the API's own form; ValueError when it is none."""
    instant = datetime.fromisoformat(text)
    return timestamp(instant if instant.tzinfo else instant.replace(tzinfo=UTC))
