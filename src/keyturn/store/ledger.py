"""The ledger: what is remembered of rentals, owners and memberships between two looks.

Only the holder of the lane writes it, under a lease that is still held; a worker that lost its lane
can write nothing, except that it no longer knows (`mark_unknown`), which is always safe.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from keyturn.core.ids import BusinessCode, GroupId, OwnerId, RentalId, SiteId, TenantUrl, UnitId
from keyturn.core.memory import CodeMemory, OwnerMemory, Record, RecordState, RentalMemory, TransferPair
from keyturn.core.work import Kind, Lane, Subject
from keyturn.store.columns import plain
from keyturn.store.database import Database
from keyturn.store.lanes import business_scope, fenced
from keyturn.store.rows import by_first, from_row, to_row, upsert
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
        saved = _Saved(lane=lane, rentals=rentals, owners=owners, records=records, transfers=transfers)
        await self._database.write_each(self._save, saved, scope=business_scope(lane.business))

    def _save(self, connection: Connection, saved: Sequence[_Saved]) -> list[None]:
        _save(connection, saved, self._database.clock.now())
        return [None for _ in saved]

    async def owners_of(self, business: BusinessCode, rentals: Collection[RentalId]) -> dict[RentalId, OwnerId]:
        """Return the owners of those rentals whose owner is known."""
        asked = select(_R.id, _R.owner_id).where(_R.business == business, _R.id.in_(rentals), _R.owner_id.is_not(None))
        return await self._database.read(lambda connection: {row.id: row.owner_id for row in connection.execute(asked)})

    async def rentals_of(self, business: BusinessCode, owner: OwnerId) -> list[RentalMemory]:
        """Return the owner's rentals, by id."""
        return await self._database.read_each(_rentals_of, (business, owner))

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
        return await self._database.read_each(_on_group, (tenant, group))

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


def _rentals_of(connection: Connection, asked: Sequence[tuple[BusinessCode, OwnerId]]) -> list[list[RentalMemory]]:
    found: dict[tuple[BusinessCode, OwnerId], list[RentalMemory]] = {one: [] for one in asked}
    for business, owner_ids in by_first(asked).items():
        for memory in _rentals(connection, _R.business == business, _R.owner_id.in_(owner_ids)):
            if memory.owner_id is not None:
                found[business, memory.owner_id].append(memory)
    return [found[one] for one in asked]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Saved:
    """What one caller has to write under a lane."""

    lane: Lane
    rentals: Collection[RentalMemory]
    owners: Collection[OwnerMemory]
    records: Collection[Record]
    transfers: Collection[TransferPair]


def _save(connection: Connection, saved: Sequence[_Saved], now: datetime) -> None:
    for lane in {one.lane for one in saved}:
        fenced(connection, lane, now)
    ours = {"business": saved[0].lane.business}  # the scope is one business
    new_owners = [owner for one in saved for owner in one.owners]
    upsert(connection, rentals, [ours | to_row(rental) for one in saved for rental in one.rentals])
    upsert(connection, owners, [ours | to_row(owner, without={"codes"}) for owner in new_owners])
    upsert(connection, memberships, [ours | to_row(record) for one in saved for record in one.records])
    upsert(connection, transfers, [ours | to_row(pair) for one in saved for pair in one.transfers])
    upsert(
        connection,
        codes,
        [ours | {"owner_id": owner.id} | to_row(code) for owner in new_owners for code in owner.codes],
    )


def _on_group(
    connection: Connection, asked: Sequence[tuple[TenantUrl, GroupId]]
) -> list[list[tuple[BusinessCode, RentalMemory, tuple[Record, ...]]]]:
    places = [(tenant, GroupId(plain(group))) for tenant, group in asked]
    keys: dict[tuple[TenantUrl, GroupId], set[tuple[BusinessCode, RentalId]]] = {place: set() for place in places}
    for tenant, groups in by_first(places).items():
        mapped = select(_R.group, _R.business, _R.id).where(_R.tenant == tenant, _R.group.in_(groups))
        present = select(_M.group, _M.business, _M.rental_id).where(
            _M.tenant == tenant, _M.group.in_(groups), _M.state != RecordState.GONE
        )
        for wanted in (mapped, present):
            for group, business, rental_id in connection.execute(wanted):
                keys[tenant, group].add((business, rental_id))
    whole = _whole(connection, set().union(*keys.values()))
    return [[whole[key] for key in sorted(keys[place])] for place in places]


def _whole(
    connection: Connection, asked: Collection[tuple[BusinessCode, RentalId]]
) -> dict[tuple[BusinessCode, RentalId], tuple[BusinessCode, RentalMemory, tuple[Record, ...]]]:
    """Return rentals with their records; one of which only a record is known is not left out."""
    whole = {}
    for business in {business for business, _ in asked}:
        ids = [rental_id for its, rental_id in asked if its == business]
        known = {memory.id: memory for memory in _rentals(connection, _R.business == business, _R.id.in_(ids))}
        for rental_id, records in _records(connection, business, ids).items():
            memory = known.get(rental_id) or RentalMemory(id=rental_id, owner_id=records[0].owner_id)
            whole[business, rental_id] = (business, memory, records)
    return whole


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
