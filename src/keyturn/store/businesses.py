"""One row per Storeganise account: its address, since when we remember it, and how far it was swept."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from itertools import count

from sqlalchemy import Connection, insert, select, update

from keyturn.core.ids import BusinessCode
from keyturn.core.work import Lane
from keyturn.errors import AccountKnown, CodeTaken
from keyturn.store.database import Database
from keyturn.store.lanes import business_scope, fenced
from keyturn.store.rows import insert_new
from keyturn.store.schema import businesses, installations

ACCOUNTS = "accounts"
"""The scope in which accounts get their rows, so that one address never gets two codes."""


class Businesses:
    """All businesses that were ever served."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remember(self, code: BusinessCode, api_url: str, now: datetime) -> datetime:
        """Return since when this business is remembered: `now`, when it is new.

        Raises `AccountKnown` where the account is remembered under another code, `CodeTaken` where the code is
        another account's that installations are pinned to.
        """
        return await self._database.write(lambda connection: _remember(connection, code, api_url, now), scope=ACCOUNTS)

    async def name(self, codes: Collection[BusinessCode]) -> None:
        """Remember which accounts the settings name: these, and no others."""
        others = update(businesses).where(businesses.c.code.not_in(codes)).values(named=False)
        await self._database.write(lambda connection: connection.execute(others), scope=ACCOUNTS)

    async def addresses(self) -> dict[BusinessCode, str]:
        """Return the address of every account that has one."""
        asked = select(businesses.c.code, businesses.c.api_url).where(businesses.c.api_url.is_not(None))
        rows = await self._database.read(lambda connection: connection.execute(asked).all())
        return {BusinessCode(code): api_url for code, api_url in rows}

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


def _remember(connection: Connection, code: BusinessCode, api_url: str, now: datetime) -> datetime:
    known = _code_at(connection, api_url)
    if known not in {None, code}:
        raise AccountKnown(code, str(known))
    insert_new(connection, businesses, [{"code": code, "memory_since": now}])
    mine = businesses.c.code == code
    before = connection.execute(select(businesses.c.api_url).where(mine)).scalar_one()
    pinned = select(installations.c.addon_id).where(installations.c.business == code).limit(1)
    if before not in {None, api_url} and connection.execute(pinned).first() is not None:
        raise CodeTaken(code, str(before))
    connection.execute(update(businesses).where(mine).values(api_url=api_url, named=True))
    since: datetime = connection.execute(select(businesses.c.memory_since).where(mine)).scalar_one()
    return since


def account_at(connection: Connection, api_url: str, wanted: str, now: datetime) -> BusinessCode:
    """Return the code of the account at this address; a new one is called `wanted`, or `wanted-2` and so on."""
    known = _code_at(connection, api_url)
    if known is not None:
        return known
    taken = set(connection.execute(select(businesses.c.code)).scalars())
    names = (wanted if number == 1 else f"{wanted}-{number}" for number in count(1))
    code = BusinessCode(next(name for name in names if name not in taken))
    connection.execute(insert(businesses).values(code=code, memory_since=now, api_url=api_url, named=False))
    return code


def _code_at(connection: Connection, api_url: str) -> BusinessCode | None:
    return connection.execute(select(businesses.c.code).where(businesses.c.api_url == api_url)).scalar_one_or_none()


def _move(connection: Connection, lane: Lane, to: datetime, now: datetime) -> None:
    fenced(connection, lane, now)
    connection.execute(update(businesses).where(businesses.c.code == lane.business).values(swept_until=to))
