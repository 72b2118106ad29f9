"""Column types that read and write the same on both databases.

Instants are whole microseconds since 1970 in UTC, dates are ISO text, words are an enum's value.
A value of the wrong shape (an instant without a zone) is refused here, before it can be stored.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import Enum

from sqlalchemy import BigInteger, Dialect, Text
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware `datetime`, kept as microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - the interface
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError("an instant needs a time zone")
        return (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the interface
        return None if value is None else EPOCH + timedelta(microseconds=value)


class PlainText(TypeDecorator[str]):
    """Text that both databases take as it is.

    JSON from outside may carry a NUL, which PostgreSQL refuses, or half a surrogate pair, which is no text at
    all. Each becomes a mark, here and in what it is compared with, so that one odd value cannot stop the rest.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - the interface
        return None if value is None else plain(value)


def plain(value: str) -> str:
    """Return text as `PlainText` keeps it."""
    if value.isascii() and "\0" not in value:
        return value
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


class CalendarDate(TypeDecorator[date]):
    """A `date`, kept as ISO text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - the interface
        return None if value is None else value.isoformat()

    def process_result_value(self, value: str | None, dialect: Dialect) -> date | None:  # noqa: ARG002 - the interface
        return None if value is None else date.fromisoformat(value)


class Word(TypeDecorator[Enum]):
    """A member of one enum, kept as its value."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[Enum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: Enum | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - the interface
        return None if value is None else str(self.words(value).value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Enum | None:  # noqa: ARG002 - the interface
        return None if value is None else self.words(value)
