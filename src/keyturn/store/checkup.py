"""What `keyturn doctor` asks of the database: can it be written, who delivered when, what is known. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, false, func, select, update
from sqlalchemy.exc import DBAPIError

from keyturn.core.ids import AddonId, BusinessCode
from keyturn.errors import DatabaseUnavailable
from keyturn.store.database import Database
from keyturn.store.group_commit import first_line
from keyturn.store.schema import businesses, deliveries, rentals


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """How one account's changes have reached us."""

    last_delivery: dict[AddonId | None, datetime]
    """When each channel delivered last: the plain webhook is `None`, an installation its id."""
    live_rentals: int
    """How many of its rentals have access, or are to have it."""


class Checkup:
    """Questions about one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def refuses_writes(self) -> str | None:
        """Say in the driver's words why nothing can be written; `None` where writing works. Changes nothing."""
        nothing = update(businesses).where(false()).values(code=businesses.c.code)
        try:
            await self._database.write(lambda connection: connection.execute(nothing))
        except DatabaseUnavailable as error:
            return first_line(error.__cause__ or error)
        except DBAPIError as error:
            return first_line(error)
        return None

    async def traffic(self, business: BusinessCode) -> Traffic:
        """Return who delivered when for an account, and how many of its rentals are known."""
        return await self._database.read(lambda connection: _traffic(connection, business))


def _traffic(connection: Connection, business: BusinessCode) -> Traffic:
    latest = func.max(deliveries.c.last_at, type_=deliveries.c.last_at.type).label("latest")
    of_account = select(deliveries.c.addon_id, latest).where(deliveries.c.business == business)
    live = select(func.count()).where(rentals.c.business == business, rentals.c.live.is_(True))
    return Traffic(
        last_delivery={
            row.addon_id: row.latest for row in connection.execute(of_account.group_by(deliveries.c.addon_id))
        },
        live_rentals=connection.execute(live).scalar_one(),
    )
