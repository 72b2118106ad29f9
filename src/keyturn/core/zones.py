"""Calendar dates to instants."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, tzinfo


def first_instant(day: date, zone: tzinfo) -> datetime:
    """Return the first instant of a local date, in UTC.

    Midnight may not exist on a day when clocks go forward at midnight; `fold=0` then resolves with
    the offset before the change, which is the very instant of the change. Where midnight comes
    twice, it is the first of the two.
    """
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
