"""The ledger: what is remembered of rentals, owners and memberships between two looks.

Only the holder of the lane writes it, under a lease that is still held; a worker that lost its lane
can write nothing, except that it no longer knows (`mark_unknown`), which is always safe.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, update

from keyturn.core.ids import BusinessCode, GroupId, OwnerId, RentalId, SiteId, TenantUrl, UnitId
from keyturn.core.memory import CodeMemory, OwnerMemory, Record, RecordState, RentalMemory, TransferPair
from keyturn.core.work import Kind, Lane, Subject
from keyturn.store.database import Database
from keyturn.store.lanes import business_scope, fenced
from keyturn.store.rows import from_row, to_row, upsert
from keyturn.store.schema import codes, memberships, owners, rentals, transfers
from keyturn.store.waking import wake


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """What the ledger holds for one look."""

    rentals: dict[RentalId, RentalMemory]
    """The asked rentals as far as they are known, and all rentals of the asked owners."""
    owners: dict[OwnerId, OwnerMemory]
    """The asked owners, as far as they are known."""
    records: dict[RentalId, tuple[Record, ...]]
    """For every asked and every loaded rental, those confirmed gone included; empty where there are none."""
    transfers: tuple[TransferPair, ...]
    """Every pair that names one of these rentals."""


class Ledger:
    """What is remembered, of all businesses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(
        self, business: BusinessCode, *, rentals: Collection[RentalId] = (), owners: Collection[OwnerId] = ()
    ) -> Remembered:
        """Read what is remembered of these rentals and of these owners with all their rentals."""
        return await self._database.read(lambda connection: _load(connection, business, rentals, owners))

    async def save(
        self,
        lane: Lane,
        *,
        rentals: Collection[RentalMemory] = (),
        owners: Collection[OwnerMemory] = (),
        records: Collection[Record] = (),
        transfers: Collection[TransferPair] = (),
    ) -> None:
        """Write these values over what is there. Raises `LeaseLost`, and then writes nothing."""
        await self._database.write(
            lambda connection: _save(connection, lane, self._database.clock.now(), rentals, owners, records, transfers),
            scope=business_scope(lane.business),
        )

    async def owners_of(self, business: BusinessCode, rentals: Collection[RentalId]) -> dict[RentalId, OwnerId]:
        """Return the owners of those rentals whose owner is known."""
        asked = select(_R.id, _R.owner_id).where(_R.business == business, _R.id.in_(rentals), _R.owner_id.is_not(None))
        return await self._database.read(lambda connection: {row.id: row.owner_id for row in connection.execute(asked)})

    async def rentals_of(
        self, business: BusinessCode, owner: OwnerId, *, live_only: bool = False
    ) -> list[RentalMemory]:
        """Return the owner's rentals, by id; with `live_only` those that are to have a membership."""
        conditions = [_R.business == business, _R.owner_id == owner, *([_R.live.is_(True)] if live_only else [])]
        return await self._database.read(lambda connection: _rentals(connection, *conditions))

    async def not_over(self, business: BusinessCode) -> list[RentalId]:
        """Return the remembered rentals that have not ended, or whose membership is not confirmed gone, by id."""
        return await self._database.read(lambda connection: _not_over(connection, business))

    async def on_unit(self, business: BusinessCode, unit: UnitId) -> list[RentalMemory]:
        """Return every rental ever seen on the unit, by id."""
        return await self._database.read(
            lambda connection: _rentals(connection, _R.business == business, _R.unit_id == unit)
        )

    async def on_group(
        self, tenant: TenantUrl, group: GroupId
    ) -> list[tuple[BusinessCode, RentalMemory, tuple[Record, ...]]]:
        """Return the rentals of all businesses mapped to this group, or with a membership on it that is not gone."""
        return await self._database.read(lambda connection: _on_group(connection, tenant, group))

    async def live_at_site(self, business: BusinessCode, site: SiteId) -> int:
        """Count the site's rentals with a membership that is not gone."""
        return await self._database.read(lambda connection: _live_at_site(connection, business, site))

    async def vanished_at_site(self, business: BusinessCode, site: SiteId, since: datetime) -> int:
        """Count the site's rentals that were first not found at `since` or later."""
        asked = select(func.count()).where(_R.business == business, _R.site_id == site, _R.vanished_at >= since)
        return await self._database.read(lambda connection: connection.execute(asked).scalar_one())

    async def mark_unknown(self, business: BusinessCode, rental_ids: Collection[RentalId], reason: str) -> None:
        """Record that memberships of these rentals may have changed under us, and wake the rentals.

        For a worker that finds its lease gone after a call, so it needs no lease. What was recorded as gone is doubted
        too: a call that was still under way may have come after its removal. Codes are pushed anew.
        """
        await self._database.write(
            lambda connection: _mark_unknown(connection, business, rental_ids, reason, self._database.clock.now()),
            scope=business_scope(business),
        )


_R = rentals.c
_M = memberships.c


def _load(
    connection: Connection, business: BusinessCode, asked: Collection[RentalId], asked_owners: Collection[OwnerId]
) -> Remembered:
    mine = _rentals(connection, _R.business == business, or_(_R.id.in_(asked), _R.owner_id.in_(asked_owners)))
    everything = sorted({*asked, *(rental.id for rental in mine)})
    return Remembered(
        rentals={rental.id: rental for rental in mine},
        owners=_owners(connection, business, asked_owners),
        records=_records(connection, business, everything),
        transfers=_transfers(connection, business, everything),
    )


def _rentals(connection: Connection, *conditions: ColumnElement[bool]) -> list[RentalMemory]:
    found = connection.execute(select(rentals).where(*conditions).order_by(_R.id)).mappings()
    return [from_row(RentalMemory, row) for row in found]


def _owners(connection: Connection, business: BusinessCode, asked: Collection[OwnerId]) -> dict[OwnerId, OwnerMemory]:
    by_owner: dict[OwnerId, list[CodeMemory]] = {}
    wanted = select(codes).where(codes.c.business == business, codes.c.owner_id.in_(asked))
    for row in connection.execute(wanted.order_by(codes.c.tenant)).mappings():
        by_owner.setdefault(row["owner_id"], []).append(from_row(CodeMemory, row))
    found = connection.execute(select(owners).where(owners.c.business == business, owners.c.id.in_(asked))).mappings()
    return {row["id"]: from_row(OwnerMemory, row, codes=tuple(by_owner.get(row["id"], ()))) for row in found}


def _records(
    connection: Connection, business: BusinessCode, asked: Iterable[RentalId]
) -> dict[RentalId, tuple[Record, ...]]:
    found: dict[RentalId, tuple[Record, ...]] = dict.fromkeys(asked, ())
    wanted = select(memberships).where(_M.business == business, _M.rental_id.in_(list(found)))
    for row in connection.execute(wanted.order_by(_M.tenant, _M.external_id)).mappings():
        found[row["rental_id"]] += (from_row(Record, row),)
    return found


def _transfers(connection: Connection, business: BusinessCode, asked: Collection[RentalId]) -> tuple[TransferPair, ...]:
    touching = or_(transfers.c.old.in_(asked), transfers.c.new.in_(asked))
    wanted = select(transfers).where(transfers.c.business == business, touching)
    found = connection.execute(wanted.order_by(transfers.c.old, transfers.c.new)).mappings()
    return tuple(from_row(TransferPair, row) for row in found)


def _save(
    connection: Connection,
    lane: Lane,
    now: datetime,
    new_rentals: Collection[RentalMemory],
    new_owners: Collection[OwnerMemory],
    new_records: Collection[Record],
    new_transfers: Collection[TransferPair],
) -> None:
    fenced(connection, lane, now)
    ours = {"business": lane.business}
    upsert(connection, rentals, [ours | to_row(rental) for rental in new_rentals])
    upsert(connection, owners, [ours | to_row(owner, without={"codes"}) for owner in new_owners])
    upsert(connection, memberships, [ours | to_row(record) for record in new_records])
    upsert(connection, transfers, [ours | to_row(pair) for pair in new_transfers])
    for owner in new_owners:
        _save_codes(connection, ours | {"owner_id": owner.id}, owner.codes)


def _save_codes(connection: Connection, owner: dict[str, Any], new: Collection[CodeMemory]) -> None:
    """Make the owner's codes exactly these."""
    connection.execute(
        delete(codes).where(
            codes.c.business == owner["business"],
            codes.c.owner_id == owner["owner_id"],
            codes.c.tenant.not_in([code.tenant for code in new]),
        )
    )
    upsert(connection, codes, [owner | to_row(code) for code in new])


def _on_group(
    connection: Connection, tenant: TenantUrl, group: GroupId
) -> list[tuple[BusinessCode, RentalMemory, tuple[Record, ...]]]:
    mapped = select(_R.business, _R.id).where(_R.tenant == tenant, _R.group == group)
    present = select(_M.business, _M.rental_id).where(
        _M.tenant == tenant, _M.group == group, _M.state != RecordState.GONE
    )
    keys = sorted({(row[0], row[1]) for asked in (mapped, present) for row in connection.execute(asked)})
    return [_whole(connection, business, rental_id) for business, rental_id in keys]


def _whole(
    connection: Connection, business: BusinessCode, rental_id: RentalId
) -> tuple[BusinessCode, RentalMemory, tuple[Record, ...]]:
    """Return a rental with its records; one of which only a record is known is not left out."""
    known = _rentals(connection, _R.business == business, _R.id == rental_id)
    records = _records(connection, business, [rental_id])[rental_id]
    return business, known[0] if known else RentalMemory(id=rental_id, owner_id=records[0].owner_id), records


def _not_over(connection: Connection, business: BusinessCode) -> list[RentalId]:
    open_ended = select(_R.id).where(_R.business == business, _R.ended.is_(None))
    there = select(_M.rental_id).where(_M.business == business, _M.state != RecordState.GONE)
    return sorted({rental for asked in (open_ended, there) for rental in connection.execute(asked).scalars()})


def _live_at_site(connection: Connection, business: BusinessCode, site: SiteId) -> int:
    its = and_(_M.business == _R.business, _M.rental_id == _R.id, _M.state != RecordState.GONE)
    asked = select(func.count(_R.id.distinct())).select_from(rentals.join(memberships, its))
    return connection.execute(asked.where(_R.business == business, _R.site_id == site)).scalar_one()


def _mark_unknown(
    connection: Connection, business: BusinessCode, rental_ids: Collection[RentalId], reason: str, now: datetime
) -> None:
    connection.execute(
        update(memberships)
        .where(_M.business == business, _M.rental_id.in_(rental_ids))
        .values(state=RecordState.UNKNOWN)
    )
    owned = select(_R.owner_id).where(_R.business == business, _R.id.in_(rental_ids))
    connection.execute(
        update(codes)
        .where(codes.c.business == business, codes.c.owner_id.in_(owned))
        .values(sent=func.coalesce(codes.c.sent, codes.c.in_force))
    )
    wake(connection, business, [Subject.of(Kind.RENTAL, one) for one in rental_ids], reason, now=now)
