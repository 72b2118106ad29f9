"""What other processes shall hear of a transaction once it is committed.

Whoever wakes says so on the connection; a database with other processes passes it on in the same transaction,
once per commit. Hearing of work makes an idle worker start at once. Nothing depends on it: a worker that
misses it finds the work at its next look into the table.
"""

from __future__ import annotations

from sqlalchemy import Connection

from keyturn.core.ids import BusinessCode

SHARES = "/shares"
"""The news that the shares of a backend have changed. No business has a slash in its code."""
MANY = ""
"""The news that work of several businesses, or of unknown ones, is due."""

_KEY = "keyturn news"


def tell(connection: Connection, news: BusinessCode | str) -> None:
    """Let others hear `news` (a business with work that is due, or `SHARES`) after the commit."""
    connection.info.setdefault(_KEY, set()).add(news)


def told(connection: Connection) -> frozenset[str]:
    """Return what was told on this connection and not forgotten."""
    return frozenset(connection.info.get(_KEY, ()))


def forget(connection: Connection, *, but: frozenset[str] = frozenset()) -> None:
    """Forget what was told: it was passed on, or will not happen."""
    connection.info[_KEY] = set(but)
