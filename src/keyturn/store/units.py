"""The names and groups of all units, where policy lets a unit's name stand in for its group.

A name may stand in only if no other unit of any business on the same tenant (a provider's backend) has
it as a name or as a group. That can be answered only once every business there had its units read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, exists, or_, select, update

from keyturn.core.ids import BusinessCode, TenantUrl, UnitId
from keyturn.core.installation import InstallationState
from keyturn.core.rental import Unit
from keyturn.store.database import Database
from keyturn.store.lanes import business_scope
from keyturn.store.rows import insert_new
from keyturn.store.schema import businesses, installations, units


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitName:
    """A unit and the backend that opens it."""

    unit: Unit
    tenant: TenantUrl


class UnitNames:
    """The units of all businesses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def replace(self, business: BusinessCode, names: Sequence[UnitName], now: datetime) -> None:
        """Put these in the place of all units known of the business."""
        rows = [_row(business, name) for name in names]
        await self._database.write(
            lambda connection: _replace(connection, business, rows, now), scope=business_scope(business)
        )

    async def unique(self, tenant: TenantUrl, business: BusinessCode, unit: UnitId, name: str) -> bool | None:
        """Say whether no other unit on the tenant has this name or group; `None` while some are unread."""
        return await self._database.read(lambda connection: _unique(connection, tenant, business, unit, name))


def _row(business: BusinessCode, name: UnitName) -> dict[str, object]:
    group = name.unit.group if isinstance(name.unit.group, str) else None
    return {
        "business": business,
        "id": name.unit.id,
        "tenant": name.tenant,
        "name": name.unit.name,
        "unit_group": group,
    }


def _replace(connection: Connection, business: BusinessCode, rows: list[dict[str, object]], now: datetime) -> None:
    connection.execute(delete(units).where(units.c.business == business))
    insert_new(connection, units, rows)
    connection.execute(update(businesses).where(businesses.c.code == business).values(units_read_at=now))


def _unique(connection: Connection, tenant: TenantUrl, business: BusinessCode, unit: UnitId, name: str) -> bool | None:
    served = exists().where(
        installations.c.business == businesses.c.code, installations.c.state == InstallationState.APPROVED
    )
    unread = select(businesses.c.code).where(
        businesses.c.units_read_at.is_(None), or_(businesses.c.named.is_not(False), served)
    )
    if connection.execute(unread).first() is not None:
        return None
    others = select(units.c.id).where(
        units.c.tenant == tenant,
        or_(units.c.business != business, units.c.id != unit),
        or_(units.c.name == name, units.c.unit_group == name),
    )
    return connection.execute(others).first() is None
