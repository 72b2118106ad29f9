"""How the requests that a backend may get at once are shared between worker processes.

Each process holds a share until a time, and renews it. A share grows only by what is free, in the transaction
that sees it free; a process that has to give something back lets its calls end first. So the shares that have
not run out never add up to more than the limit, whoever joins, leaves, dies or is late.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from keyturn.store.database import Database
from keyturn.store.news import SHARES, tell
from keyturn.store.rows import upsert
from keyturn.store.schema import shares


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What a process holds, and what it should come to hold."""

    amount: int
    """How many requests may be under way from it; 0: none yet."""
    fair: int
    """The even share. A process that holds more gives it back as soon as its calls have ended."""


def fair_share(limit: int, alive: int) -> int:
    """Return the even share of `limit` for each of `alive` processes: at least 1, though not all may get it."""
    return max(1, limit // alive)


def granted(*, limit: int, others: int, alive: int, asked: int) -> int:
    """Return what a process gets that still needs `asked`, where `others` is what the others hold together.

    `alive` counts this process as well.
    """
    return min(max(asked, fair_share(limit, alive)), max(limit - others, 0))


class Shares:
    """All shares. Their transactions come one after the other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def renew(self, holder: str, *, asked: int, limit: int, lease: timedelta) -> Share:
        """Hold a share for `lease` from now: `asked`, which is what is in use or wanted at the least, or more.

        A holder who is new, or whose share has run out, may get less than asked.
        """
        return await self._database.write(
            lambda connection: _renew(connection, holder, asked, limit, self._database.clock.now(), lease),
            scope=SHARES,
        )

    async def leave(self, holder: str) -> None:
        """Give the whole share back."""
        await self._database.write(lambda connection: _leave(connection, holder), scope=SHARES)


def _renew(connection: Connection, holder: str, asked: int, limit: int, now: datetime, lease: timedelta) -> Share:
    gone = connection.execute(delete(shares).where(shares.c.until <= now)).rowcount
    rows = {row.holder: row.amount for row in connection.execute(select(shares.c.holder, shares.c.amount))}
    before = rows.pop(holder, None)
    alive = len(rows) + 1
    amount = granted(limit=limit, others=sum(rows.values()), alive=alive, asked=asked)
    upsert(connection, shares, [{"holder": holder, "amount": amount, "until": now + lease}])
    if gone or amount != before:
        tell(connection, SHARES)
    return Share(amount=amount, fair=fair_share(limit, alive))


def _leave(connection: Connection, holder: str) -> None:
    connection.execute(delete(shares).where(shares.c.holder == holder))
    tell(connection, SHARES)
