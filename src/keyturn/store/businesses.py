"""One row per Storeganise account: since when we remember it, and how far it was swept."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from keyturn.core.ids import BusinessCode
from keyturn.core.work import Lane
from keyturn.store.database import Database
from keyturn.store.lanes import business_scope, fenced
from keyturn.store.rows import insert_new
from keyturn.store.schema import businesses


class Businesses:
    """All businesses that were ever served."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remember(self, code: BusinessCode, now: datetime) -> datetime:
        """Return since when this business is remembered: `now`, when it is new."""
        return await self._database.write(
            lambda connection: _remember(connection, code, now), scope=business_scope(code)
        )

    async def since(self, code: BusinessCode) -> datetime | None:
        """Return since when this business is remembered; `None` when it is not."""
        asked = select(businesses.c.memory_since).where(businesses.c.code == code)
        return await self._database.read(lambda connection: connection.execute(asked).scalar_one_or_none())

    async def cursor(self, code: BusinessCode) -> datetime | None:
        """Return up to which instant changes were swept; `None` before the first sweep."""
        asked = select(businesses.c.swept_until).where(businesses.c.code == code)
        return await self._database.read(lambda connection: connection.execute(asked).scalar_one_or_none())

    async def move_cursor(self, lane: Lane, to: datetime) -> None:
        """Record that changes up to `to` were swept. Raises `LeaseLost`."""
        await self._database.write(
            lambda connection: _move(connection, lane, to, self._database.clock.now()),
            scope=business_scope(lane.business),
        )


def _remember(connection: Connection, code: BusinessCode, now: datetime) -> datetime:
    insert_new(connection, businesses, [{"code": code, "memory_since": now}])
    since: datetime = connection.execute(
        select(businesses.c.memory_since).where(businesses.c.code == code)
    ).scalar_one()
    return since


def _move(connection: Connection, lane: Lane, to: datetime, now: datetime) -> None:
    fenced(connection, lane, now)
    connection.execute(update(businesses).where(businesses.c.code == lane.business).values(swept_until=to))
