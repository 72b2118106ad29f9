"""Which PIN belongs to whom at a tenant, by keyed hash: no two owners may share one.

    free ──reserve──► reserved ──rest──► resting ──(its time is over)──► free
                         │  ▲               │
                         │  └───reserve─────┘   by the same owner
                         └──release──► what it was before: never sent

No PIN is ever here, and hashes under different keys are different PINs to this table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, select, update

from keyturn.core.ids import BusinessCode, OwnerId, PinHash, TenantUrl
from keyturn.store.claims import tenant_scope
from keyturn.store.database import Database
from keyturn.store.rows import by_first, upsert
from keyturn.store.schema import pins


class Pins:
    """All reservations at all tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(
        self, tenant: TenantUrl, pin_hash: PinHash, business: BusinessCode, owner: OwnerId, now: datetime
    ) -> bool:
        """Make the PIN this owner's; `False` when it is another's, or rests after having been."""
        asked = _Reservation(tenant=tenant, pin_hash=pin_hash, business=business, owner_id=owner, now=now)
        return await self._database.write_each(_reserve, asked, scope=tenant_scope(tenant))

    async def taken(
        self, tenant: TenantUrl, hashes: Collection[PinHash], owner: tuple[BusinessCode, OwnerId], now: datetime
    ) -> set[PinHash]:
        """Return those of `hashes` that `owner` may not have."""
        return await self._database.read_each(_taken, (tenant, frozenset(hashes), owner, now))

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
        kept = {"b_tenant": tenant, "b_keep": keep, "b_business": business, "b_owner": owner, "b_until": until}
        await self._database.write_each(_rest_others, kept, scope=tenant_scope(tenant))

    async def release(self, tenant: TenantUrl, pin_hash: PinHash, business: BusinessCode, owner: OwnerId) -> None:
        """Undo a reservation whose PIN was never sent; a rest that it cut short goes on."""
        await self._database.write(
            lambda connection: _release(connection, _theirs(tenant, pin_hash, business, owner)),
            scope=tenant_scope(tenant),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reservation:
    tenant: TenantUrl
    pin_hash: PinHash
    business: BusinessCode
    owner_id: OwnerId
    now: datetime

    def may_have(self, row: Mapping[str, Any]) -> bool:
        return self.has(row) or _is_free(row, self.now)

    def has(self, row: Mapping[str, Any]) -> bool:
        return (row["business"], row["owner_id"]) == (self.business, self.owner_id)


def _is_free(row: Mapping[str, Any], now: datetime) -> bool:
    return row["free_at"] is not None and row["free_at"] <= now


def _known(
    connection: Connection, asked: Collection[tuple[TenantUrl, PinHash]]
) -> dict[tuple[TenantUrl, PinHash], Mapping[str, Any]]:
    found: dict[tuple[TenantUrl, PinHash], Mapping[str, Any]] = {}
    for tenant, hashes in by_first(asked).items():
        there = select(pins).where(pins.c.tenant == tenant, pins.c.pin_hash.in_(hashes))
        found |= {(tenant, row["pin_hash"]): dict(row) for row in connection.execute(there).mappings()}
    return found


def _taken(
    connection: Connection,
    asks: Sequence[tuple[TenantUrl, frozenset[PinHash], tuple[BusinessCode, OwnerId], datetime]],
) -> list[set[PinHash]]:
    known = _known(connection, {(tenant, one) for tenant, hashes, _, _ in asks for one in hashes})
    return [
        {
            one
            for one in hashes
            if (row := known.get((tenant, one))) is not None
            and (row["business"], row["owner_id"]) != owner
            and not _is_free(row, now)
        }
        for tenant, hashes, owner, now in asks
    ]


def _theirs(tenant: TenantUrl, pin_hash: PinHash, business: BusinessCode, owner: OwnerId) -> ColumnElement[bool]:
    return and_(
        pins.c.tenant == tenant,
        pins.c.pin_hash == pin_hash,
        pins.c.business == business,
        pins.c.owner_id == owner,
    )


def _reserve(connection: Connection, asks: Sequence[_Reservation]) -> list[bool]:
    """Decide in order, so that of two who want the same PIN the first has it; then write."""
    known = _known(connection, {(ask.tenant, ask.pin_hash) for ask in asks})
    reserved: dict[tuple[TenantUrl, PinHash], Mapping[str, Any]] = {}
    answers: list[bool] = []
    for ask in asks:
        key = ask.tenant, ask.pin_hash
        row = known.get(key)
        answers.append(row is None or ask.may_have(row))
        if answers[-1]:
            rested_until = (row["free_at"] or row["rested_until"]) if row is not None and ask.has(row) else None
            known[key] = reserved[key] = {
                "tenant": ask.tenant,
                "pin_hash": ask.pin_hash,
                "business": ask.business,
                "owner_id": ask.owner_id,
                "free_at": None,
                "rested_until": rested_until,
            }
    upsert(connection, pins, [reserved[key] for key in sorted(reserved)])
    return answers


def _rest_others(connection: Connection, asks: Sequence[Mapping[str, Any]]) -> list[None]:
    connection.execute(_RESTING, asks)
    return [None for _ in asks]


_RESTING = (
    update(pins)
    .where(pins.c.tenant == bindparam("b_tenant"), pins.c.business == bindparam("b_business"))
    .where(pins.c.owner_id == bindparam("b_owner"), pins.c.pin_hash != bindparam("b_keep"), pins.c.free_at.is_(None))
    .values(free_at=bindparam("b_until"), rested_until=None)
)


def _release(connection: Connection, theirs: ColumnElement[bool]) -> None:
    rested = pins.c.rested_until.is_not(None)
    connection.execute(update(pins).where(theirs, rested).values(free_at=pins.c.rested_until, rested_until=None))
    connection.execute(delete(pins).where(theirs, pins.c.free_at.is_(None)))
