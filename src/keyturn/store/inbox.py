"""Deliveries: every webhook that was accepted, kept before it is answered.

Storing one and waking what it names is a single transaction: after "200" neither can be missing
without the other. A repeat is stored once and wakes again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Delete, and_, delete, exists, func, select
from sqlalchemy.sql.dml import ReturningInsert

from keyturn.core.ids import BusinessCode
from keyturn.core.memory import TransferPair
from keyturn.core.work import Subject
from keyturn.store.database import Database
from keyturn.store.lanes import business_scope
from keyturn.store.rows import from_row, insert, insert_new, to_row, upsert
from keyturn.store.schema import deliveries, delivery_subjects, transfers, work
from keyturn.store.waking import wake
from keyturn.store.words import DeliveryState

__all__ = ["Accepted", "Delivery", "DeliveryState", "Inbox", "count_unread"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """A verified webhook and what it wakes."""

    business: BusinessCode
    key: str
    """What makes two deliveries the same one: the event's id, else a keyed hash of the body."""
    event_id: str | None
    type: str
    document: str
    """The JSON that may be kept: ids, no personal data."""
    state: DeliveryState
    subjects: tuple[Subject, ...] = ()
    transfer: TransferPair | None = None
    reason: str
    """Why the subjects are looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A kept delivery, for people to look at and to replay."""

    id: int
    business: BusinessCode
    key: str
    event_id: str | None
    type: str
    received_at: datetime
    last_at: datetime
    """When it came last."""
    repeats: int
    """How often it came again."""
    state: DeliveryState
    document: str
    subjects: tuple[Subject, ...]


class Inbox:
    """All deliveries of all businesses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(self, accepted: Accepted) -> bool:
        """Keep the delivery and wake its subjects, durably; say whether it is new (`False`: a repeat)."""
        return await self._database.write(
            lambda connection: _accept(connection, accepted, self._database.clock.now()),
            scope=business_scope(accepted.business),
        )

    async def recent(self, limit: int, business: BusinessCode | None = None) -> list[Delivery]:
        """Return up to `limit` deliveries, the newest first."""
        return await self._database.read(lambda connection: _recent(connection, limit, business))

    async def unread(self) -> int:
        """Count the accepted deliveries none of whose subjects has been looked at since."""
        return await self._database.read(count_unread)

    async def forget(self, before: datetime) -> int:
        """Delete the deliveries that came last before `before`, business by business; return how many."""
        old = deliveries.c.last_at < before
        asked = select(deliveries.c.business).where(old).distinct()
        businesses = await self._database.read(lambda connection: connection.execute(asked).scalars().all())
        return sum([await self._forget(business, delete(deliveries).where(old)) for business in sorted(businesses)])

    async def _forget(self, business: BusinessCode, gone: Delete) -> int:
        of_one = gone.where(deliveries.c.business == business)
        return await self._database.write(
            lambda connection: connection.execute(of_one).rowcount, scope=business_scope(business)
        )


def _accept(connection: Connection, accepted: Accepted, now: datetime) -> bool:
    delivery_id, repeats = _keep(connection, accepted, now)
    counts = wake(connection, accepted.business, accepted.subjects, accepted.reason, now=now)
    if counts:
        _keep_subjects(connection, delivery_id, accepted.business, counts)
    if accepted.transfer is not None:
        insert_new(connection, transfers, [{"business": accepted.business, **to_row(accepted.transfer)}])
    return repeats == 0


def _keep(connection: Connection, accepted: Accepted, now: datetime) -> tuple[int, int]:
    """Return the delivery's id and how often it came before."""
    row = to_row(accepted, without={"subjects", "transfer", "reason"})
    row |= {"received_at": now, "last_at": now, "repeats": 0}
    kept = connection.execute(_keeping(connection.dialect.name), row).one()
    return kept.id, kept.repeats


@lru_cache
def _keeping(dialect: str) -> ReturningInsert[tuple[int, int]]:
    statement = insert(dialect, deliveries)
    again = {"repeats": deliveries.c.repeats + 1, "last_at": statement.excluded.last_at}
    known = statement.on_conflict_do_update(index_elements=["business", "key"], set_=again)
    return known.returning(deliveries.c.id, deliveries.c.repeats)


def _keep_subjects(
    connection: Connection, delivery_id: int, business: BusinessCode, counts: dict[Subject, int]
) -> None:
    upsert(
        connection,
        delivery_subjects,
        [
            {
                "delivery_id": delivery_id,
                "kind": subject.kind,
                "subject_id": subject.id,
                "business": business,
                "wanted": wanted,
            }
            for subject, wanted in counts.items()
        ],
    )


def _recent(connection: Connection, limit: int, business: BusinessCode | None) -> list[Delivery]:
    asked = select(deliveries).order_by(deliveries.c.last_at.desc(), deliveries.c.id.desc()).limit(limit)
    if business is not None:
        asked = asked.where(deliveries.c.business == business)
    rows = connection.execute(asked).mappings().all()
    subjects = _subjects(connection, [row["id"] for row in rows])
    return [from_row(Delivery, row, subjects=tuple(subjects.get(row["id"], ()))) for row in rows]


def _subjects(connection: Connection, delivery_ids: list[int]) -> dict[int, list[Subject]]:
    asked = select(delivery_subjects).where(delivery_subjects.c.delivery_id.in_(delivery_ids))
    found: dict[int, list[Subject]] = {}
    for row in connection.execute(asked.order_by(delivery_subjects.c.kind, delivery_subjects.c.subject_id)):
        found.setdefault(row.delivery_id, []).append(Subject(row.kind, row.subject_id))
    return found


def count_unread(connection: Connection) -> int:
    """Count the accepted deliveries none of whose subjects has been looked at since.

    Starts from the few rows that are not done, not from the many deliveries.
    """
    mine, other, its_work = delivery_subjects, delivery_subjects.alias(), work.alias()
    looked_at = exists().where(
        other.c.delivery_id == deliveries.c.id, _of(other, its_work), its_work.c.handled >= other.c.wanted
    )
    waiting = work.c.since.is_not(None) & (work.c.wanted > work.c.handled)
    found = (
        select(func.count(deliveries.c.id.distinct()))
        .select_from(work.join(mine, _of(mine, work)).join(deliveries, mine.c.delivery_id == deliveries.c.id))
        .where(waiting, mine.c.wanted > work.c.handled, deliveries.c.state == DeliveryState.ACCEPTED, ~looked_at)
    )
    return connection.execute(found).scalar_one()


def _of(subjects: Any, rows: Any) -> Any:
    return and_(
        subjects.c.business == rows.c.business, subjects.c.kind == rows.c.kind, subjects.c.subject_id == rows.c.id
    )
