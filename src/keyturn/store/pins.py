"""Which PIN belongs to whom at a tenant, by keyed hash: no two owners may share one.

    free ──reserve──► reserved ──rest──► resting ──(its time is over)──► free
                         │  ▲               │
                         │  └───reserve─────┘   by the same owner
                         └──release──► what it was before: never sent

No PIN is ever here, and hashes under different keys are different PINs to this table.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, null, or_, select, update

from keyturn.core.ids import BusinessCode, OwnerId, PinHash, TenantUrl
from keyturn.store.claims import tenant_scope
from keyturn.store.database import Database
from keyturn.store.rows import insert
from keyturn.store.schema import pins


class Pins:
    """All reservations at all tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(
        self, tenant: TenantUrl, pin_hash: PinHash, business: BusinessCode, owner: OwnerId, now: datetime
    ) -> bool:
        """Make the PIN this owner's; `False` when it is another's, or rests after having been."""
        return await self._database.write(
            lambda connection: _reserve(connection, tenant, pin_hash, business, owner, now),
            scope=tenant_scope(tenant),
        )

    async def taken(
        self, tenant: TenantUrl, hashes: Collection[PinHash], owner: tuple[BusinessCode, OwnerId], now: datetime
    ) -> set[PinHash]:
        """Return those of `hashes` that `owner` may not have."""
        not_theirs = or_(pins.c.business != owner[0], pins.c.owner_id != owner[1])
        asked = select(pins.c.pin_hash).where(
            pins.c.tenant == tenant, pins.c.pin_hash.in_(hashes), not_theirs, ~_free(now)
        )
        return await self._database.read(lambda connection: set(connection.execute(asked).scalars()))

    async def rest(
        self, tenant: TenantUrl, pin_hash: PinHash, business: BusinessCode, owner: OwnerId, until: datetime
    ) -> None:
        """Let a PIN that another one replaced rest: others may have it from `until` on."""
        resting = (
            update(pins).where(_theirs(tenant, pin_hash, business, owner)).values(free_at=until, rested_until=None)
        )
        await self._database.write(lambda connection: connection.execute(resting), scope=tenant_scope(tenant))

    async def rest_others(
        self, tenant: TenantUrl, keep: PinHash, business: BusinessCode, owner: OwnerId, until: datetime
    ) -> None:
        """Let all other PINs of this owner rest: `keep` replaced whatever the backend carried before."""
        resting = (
            update(pins)
            .where(pins.c.tenant == tenant, pins.c.business == business, pins.c.owner_id == owner)
            .where(pins.c.pin_hash != keep, pins.c.free_at.is_(None))
            .values(free_at=until, rested_until=None)
        )
        await self._database.write(lambda connection: connection.execute(resting), scope=tenant_scope(tenant))

    async def release(self, tenant: TenantUrl, pin_hash: PinHash, business: BusinessCode, owner: OwnerId) -> None:
        """Undo a reservation whose PIN was never sent; a rest that it cut short goes on."""
        await self._database.write(
            lambda connection: _release(connection, _theirs(tenant, pin_hash, business, owner)),
            scope=tenant_scope(tenant),
        )


def _free(now: datetime) -> ColumnElement[bool]:
    return and_(pins.c.free_at.is_not(None), pins.c.free_at <= now)


def _theirs(tenant: TenantUrl, pin_hash: PinHash, business: BusinessCode, owner: OwnerId) -> ColumnElement[bool]:
    return and_(
        pins.c.tenant == tenant,
        pins.c.pin_hash == pin_hash,
        pins.c.business == business,
        pins.c.owner_id == owner,
    )


def _reserve(
    connection: Connection,
    tenant: TenantUrl,
    pin_hash: PinHash,
    business: BusinessCode,
    owner: OwnerId,
    now: datetime,
) -> bool:
    same = _theirs(tenant, pin_hash, business, owner)
    statement = (
        insert(connection.dialect.name, pins)
        .values(tenant=tenant, pin_hash=pin_hash, business=business, owner_id=owner)
        .on_conflict_do_update(
            index_elements=["tenant", "pin_hash"],
            set_={
                "business": business,
                "owner_id": owner,
                "free_at": None,
                "rested_until": case((same, func.coalesce(pins.c.free_at, pins.c.rested_until)), else_=null()),
            },
            where=or_(same, _free(now)),
        )
        .returning(pins.c.owner_id)
    )
    return connection.execute(statement).first() is not None


def _release(connection: Connection, theirs: ColumnElement[bool]) -> None:
    rested = pins.c.rested_until.is_not(None)
    connection.execute(update(pins).where(theirs, rested).values(free_at=pins.c.rested_until, rested_until=None))
    connection.execute(delete(pins).where(theirs, pins.c.free_at.is_(None)))
