"""Kept deliveries, found again: for people to look at, and to wake once more what they named.

What is kept of a delivery is ids (see `storeganise.webhook`), so nothing here can show a person. A
replay wakes and does nothing else: whatever it leads to is decided afresh by the look.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, exists, func, select, true

from keyturn.core.ids import AddonId, BusinessCode, RentalId
from keyturn.core.installation import InstallationState
from keyturn.core.work import Kind, Subject
from keyturn.store.database import Database
from keyturn.store.lanes import business_scope
from keyturn.store.rows import from_row, upsert
from keyturn.store.schema import deliveries, delivery_subjects, installations, work
from keyturn.store.waking import wake
from keyturn.store.words import DeliveryState

REPLAYED = "replayed by hand"


class Standing(Enum):
    """What became of a delivery, as people see it."""

    ACCEPTED = "accepted"
    IGNORED = "ignored"
    UNRESOLVED = "unresolved"
    WAITING = "waiting"
    """Kept until its installation is approved; it has woken nothing yet."""


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
    addon_id: AddonId | None
    """The installation it came from; `None`: the plain webhook."""
    waiting: bool
    """It has woken nothing yet, because its installation is not approved."""
    looked_at: bool
    """A look at one of its subjects was completed since it came last, or was replayed."""
    subjects: tuple[Subject, ...]

    @property
    def standing(self) -> Standing:
        """What became of it."""
        return Standing.WAITING if self.waiting else Standing(self.state.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryFilter:
    """Which deliveries are meant: those that fit everything given here."""

    ids: tuple[int, ...] = ()
    """Some hundreds at most."""
    business: BusinessCode | None = None
    type: str | None = None
    rental: RentalId | None = None
    """Those that named this rental itself."""
    standing: Standing | None = None
    since: datetime | None = None
    """Those that came, first or again, at this instant or later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What a replay would do."""

    ids: dict[BusinessCode, list[int]]
    """The deliveries to replay, the oldest first."""
    subjects: int
    """How many different things they named."""
    not_approved: int
    """Deliveries left out because their installation is not approved."""
    nothing: int
    """Deliveries left out because they named nothing."""
    missing: tuple[int, ...]
    """Ids that were asked for and are not there."""

    @property
    def deliveries(self) -> int:
        """How many deliveries would be replayed."""
        return sum(map(len, self.ids.values()))


class Deliveries:
    """All kept deliveries of all businesses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, wanted: DeliveryFilter, limit: int) -> list[Delivery]:
        """Return up to `limit` deliveries, those that came last first."""
        return await self._database.read(lambda connection: newest(connection, wanted, limit))

    async def one(self, delivery_id: int) -> Delivery | None:
        """Return one delivery, if it is still kept."""
        found = await self.newest(DeliveryFilter(ids=(delivery_id,)), 1)
        return found[0] if found else None

    async def choose(self, wanted: DeliveryFilter) -> Choice:
        """Return which deliveries a replay would take; changes nothing."""
        return await self._database.read(lambda connection: _choose(connection, wanted))

    async def replay(self, business: BusinessCode, ids: Collection[int]) -> int:
        """Wake what these deliveries of one business named, durably; return how many deliveries that were.

        Some hundreds at a time, so that webhooks need not wait. Those of installations that are not approved, and
        those that are gone, are left out.
        """
        return await self._database.write(
            lambda connection: _replay(connection, business, ids, self._database.clock.now()),
            scope=business_scope(business),
        )


def newest(connection: Connection, wanted: DeliveryFilter, limit: int) -> list[Delivery]:
    """Return up to `limit` deliveries, those that came last first."""
    asked = select(deliveries, _waiting().label("waiting"), _looked_at().label("looked_at")).where(*_fits(wanted))
    asked = asked.order_by(deliveries.c.last_at.desc(), deliveries.c.id.desc()).limit(limit)
    rows = connection.execute(asked).mappings().all()
    subjects = _subjects(connection, [row["id"] for row in rows])
    return [from_row(Delivery, row, subjects=tuple(subjects.get(row["id"], ()))) for row in rows]


def _subjects(connection: Connection, delivery_ids: list[int]) -> dict[int, list[Subject]]:
    found: dict[int, list[Subject]] = {}
    for start in range(0, len(delivery_ids), 500):
        asked = select(delivery_subjects).where(delivery_subjects.c.delivery_id.in_(delivery_ids[start : start + 500]))
        for row in connection.execute(asked.order_by(delivery_subjects.c.kind, delivery_subjects.c.subject_id)):
            found.setdefault(row.delivery_id, []).append(Subject(row.kind, row.subject_id))
    return found


def _fits(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    columns = deliveries.c
    fits: list[ColumnElement[bool]] = []
    if wanted.ids:
        fits.append(columns.id.in_(wanted.ids))
    if wanted.business is not None:
        fits.append(columns.business == wanted.business)
    if wanted.type is not None:
        fits.append(columns.type == wanted.type)
    if wanted.since is not None:
        fits.append(columns.last_at >= wanted.since)
    if wanted.rental is not None:
        fits.append(columns.id.in_(_naming(wanted.rental, wanted.business)))
    if wanted.standing is Standing.WAITING:
        fits.append(_waiting())
    elif wanted.standing is not None:
        fits += [columns.state == DeliveryState(wanted.standing.value), ~_waiting()]
    return fits


def _naming(rental: RentalId, business: BusinessCode | None) -> Any:
    its = delivery_subjects.c
    of_business = its.business == business if business is not None else true()
    return select(its.delivery_id).where(of_business, its.kind == Kind.RENTAL.value, its.subject_id == rental)


def _not_approved() -> ColumnElement[bool]:
    approved = _there_is(
        installations.c.addon_id == deliveries.c.addon_id, installations.c.state == InstallationState.APPROVED
    )
    return and_(deliveries.c.addon_id.is_not(None), ~approved)


def _waiting() -> ColumnElement[bool]:
    unwoken = _there_is(delivery_subjects.c.delivery_id == deliveries.c.id, delivery_subjects.c.wanted == 0)
    return and_(_not_approved(), unwoken)


def _looked_at() -> ColumnElement[bool]:
    its = delivery_subjects.c
    same = and_(work.c.business == its.business, work.c.kind == its.kind, work.c.id == its.subject_id)
    return _there_is(its.delivery_id == deliveries.c.id, its.wanted > 0, same, work.c.handled >= its.wanted)


def _names() -> ColumnElement[bool]:
    return _there_is(delivery_subjects.c.delivery_id == deliveries.c.id)


def _there_is(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Say in SQL that there is a row like this for the delivery, whatever else the statement around it reads."""
    return exists().where(*conditions).correlate(deliveries)


def _choose(connection: Connection, wanted: DeliveryFilter) -> Choice:
    asked = select(deliveries.c.id, deliveries.c.business, _not_approved().label("barred"), _names().label("names"))
    rows = connection.execute(asked.where(*_fits(wanted)).order_by(deliveries.c.last_at, deliveries.c.id)).all()
    ids: dict[BusinessCode, list[int]] = {}
    for row in rows:
        if row.names and not row.barred:
            ids.setdefault(row.business, []).append(row.id)
    return Choice(
        ids=dict(sorted(ids.items())),
        subjects=_count_subjects(connection, wanted),
        not_approved=sum(row.barred for row in rows),
        nothing=sum(not row.names and not row.barred for row in rows),
        missing=tuple(sorted(set(wanted.ids) - {row.id for row in rows})),
    )


def _count_subjects(connection: Connection, wanted: DeliveryFilter) -> int:
    its = delivery_subjects.c
    named = select(its.business, its.kind, its.subject_id).join(deliveries, deliveries.c.id == its.delivery_id)
    different = named.where(*_fits(wanted), ~_not_approved()).distinct().subquery()
    return connection.execute(select(func.count()).select_from(different)).scalar_one()


def _replay(connection: Connection, business: BusinessCode, ids: Collection[int], now: datetime) -> int:
    asked = (
        select(delivery_subjects)
        .join(deliveries, deliveries.c.id == delivery_subjects.c.delivery_id)
        .where(deliveries.c.id.in_(ids), deliveries.c.business == business, ~_not_approved())
    )
    rows = connection.execute(asked).mappings().all()
    counts = wake(connection, business, [_subject(row) for row in rows], REPLAYED, now=now)
    upsert(connection, delivery_subjects, [{**row, "wanted": counts[_subject(row)]} for row in rows])
    return len({row["delivery_id"] for row in rows})


def _subject(row: RowMapping) -> Subject:
    return Subject(row["kind"], row["subject_id"])
