"""Times as HTTP headers carry them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Read a `Retry-After` header: seconds or an HTTP date (RFC 9110, 10.2.3). Nonsense is `None`."""
    if text is None:
        return None
    stripped = text.strip()
    if re.fullmatch(r"[0-9]{1,9}", stripped, re.ASCII):
        return timedelta(seconds=int(stripped))
    moment = http_date(stripped)
    return None if moment is None else max(moment - now, timedelta())


@lru_cache(maxsize=64)
def http_date(text: str | None) -> datetime | None:
    """Read an HTTP date such as `Date` carries; `None` for anything else. Answers of one second carry the same."""
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
