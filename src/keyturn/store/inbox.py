"""Deliveries: every webhook that was accepted, kept before it is answered.

Storing one and waking what it names is a single transaction: after "200" neither can be missing
without the other. A repeat is stored once and wakes again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Delete, and_, delete, exists, func, select
from sqlalchemy.sql.dml import ReturningInsert

from keyturn.core.ids import AddonId, BusinessCode
from keyturn.core.memory import TransferPair
from keyturn.core.work import Subject
from keyturn.store.columns import plain
from keyturn.store.database import Database
from keyturn.store.deliveries import Delivery, DeliveryFilter, newest
from keyturn.store.installations import is_approved
from keyturn.store.lanes import business_scope
from keyturn.store.rows import insert, insert_new, to_row, upsert
from keyturn.store.schema import deliveries, delivery_subjects, transfers, work
from keyturn.store.waking import Wake, wake_each
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
    addon_id: AddonId | None = None
    """The installation it came from; `None`: the plain webhook. One that is not approved wakes nothing yet."""
    trace: str | None = None
    """The trace of its arrival, where traces are collected."""


class Inbox:
    """All deliveries of all businesses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(self, accepted: Accepted) -> bool:
        """Keep the delivery and wake its subjects, durably; say whether it is new (`False`: a repeat)."""
        return await self._database.write_each(self._accept, accepted, scope=business_scope(accepted.business))

    def _accept(self, connection: Connection, accepted: Sequence[Accepted]) -> list[bool]:
        return _accept(connection, accepted, self._database.clock.now())

    async def recent(self, limit: int, business: BusinessCode | None = None) -> list[Delivery]:
        """Return up to `limit` deliveries, the newest first."""
        of_one = DeliveryFilter(business=business)
        return await self._database.read(lambda connection: newest(connection, of_one, limit))

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


def _accept(connection: Connection, accepted: Sequence[Accepted], now: datetime) -> list[bool]:
    business = accepted[0].business  # the scope is one business
    kept = _keep(connection, accepted, now)
    approved = {addon: addon is None or is_approved(connection, addon) for addon in {one.addon_id for one in accepted}}
    heeded = [one for one in accepted if approved[one.addon_id]]
    wakes = [Wake(subjects=tuple(one.subjects), reason=one.reason, trace=one.trace) for one in heeded]
    counts = wake_each(connection, business, wakes, now)
    named: dict[bool, list[dict[str, object]]] = {True: [], False: []}
    for one, (delivery_id, _) in zip(accepted, kept, strict=True):
        woken = approved[one.addon_id]
        for subject in one.subjects:
            named[woken].append(_named(delivery_id, business, subject, counts[subject] if woken else 0))
    upsert(connection, delivery_subjects, named[True])
    insert_new(connection, delivery_subjects, named[False])
    pairs = [to_row(one.transfer) for one in accepted if one.transfer is not None]
    insert_new(connection, transfers, [{"business": business, **pair} for pair in pairs])
    return [is_new for _, is_new in kept]


def _keep(connection: Connection, accepted: Sequence[Accepted], now: datetime) -> list[tuple[int, bool]]:
    """Return each delivery's id, and whether it came for the first time. Two that are the same may come together."""
    rows: dict[str, dict[str, Any]] = {}
    for one in accepted:
        fresh = to_row(one, without={"subjects", "transfer", "reason", "trace"})
        row = rows.setdefault(plain(one.key), fresh | {"received_at": now, "last_at": now, "repeats": -1})
        row["repeats"] += 1
    kept = {row.key: row for row in connection.execute(_keeping(connection.dialect.name), list(rows.values()))}
    new = {key for key, row in rows.items() if kept[key].repeats == row["repeats"]}
    answers: list[tuple[int, bool]] = []
    for key in (plain(one.key) for one in accepted):
        answers.append((kept[key].id, key in new))
        new.discard(key)
    return answers


@lru_cache
def _keeping(dialect: str) -> ReturningInsert[tuple[str, int, int]]:
    statement = insert(dialect, deliveries)
    again = {
        "repeats": deliveries.c.repeats + statement.excluded.repeats + 1,
        "last_at": statement.excluded.last_at,
    }
    known = statement.on_conflict_do_update(index_elements=["business", "key"], set_=again)
    return known.returning(deliveries.c.key, deliveries.c.id, deliveries.c.repeats)


def _named(delivery_id: int, business: BusinessCode, subject: Subject, wanted: int) -> dict[str, object]:
    """Return the row of a subject that a delivery named, with its wake count."""
    return {
        "delivery_id": delivery_id,
        "kind": subject.kind,
        "subject_id": subject.id,
        "business": business,
        "wanted": wanted,
    }


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
