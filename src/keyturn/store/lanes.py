"""Lanes: who works on a business, and the fence that keeps out whoever no longer does.

Every claim raises the lane's fence. What a worker writes names its fence, and the transaction
checks it: without a lease that is still ours and still running, nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, and_, bindparam, or_, select, true, update
from sqlalchemy.sql.elements import KeyedColumnElement

from keyturn.core.ids import BusinessCode
from keyturn.core.work import Lane
from keyturn.errors import LeaseLost
from keyturn.store.news import tell
from keyturn.store.rows import insert_new
from keyturn.store.schema import lanes, work
from keyturn.store.words import WorkState


def business_scope(business: BusinessCode) -> str:
    """Return the scope in which all writes about one business are serialised."""
    return f"business {business}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Prospect:
    """A lane with something to do, now or later."""

    business: BusinessCode
    oldest: datetime
    """When its oldest row became or becomes due."""
    ready_at: datetime
    """When it can be claimed: a lane that somebody holds, or waits for, not before the end of that."""


def prospects(connection: Connection, avoid: Collection[BusinessCode]) -> list[Prospect]:
    """Return all lanes with something to do, the oldest first."""
    avoided = set(avoid)
    found = [
        _prospect(row.business, (row.lease_until, row.asked_until), (row.due, row.left))
        for row in connection.execute(_PROSPECTS)
        if row.business not in avoided
    ]
    return sorted((one for one in found if one is not None), key=lambda one: (one.oldest, one.business))


def _prospect(
    business: BusinessCode, taken: Collection[datetime | None], left: Collection[datetime | None]
) -> Prospect | None:
    times = [instant for instant in left if instant is not None]
    if not times:
        return None
    oldest = min(times)
    return Prospect(business=business, oldest=oldest, ready_at=max([oldest, *(until for until in taken if until)]))


def _first_due() -> ScalarSelect[datetime]:
    return _first(work.c.due_at, and_(work.c.due_at.is_not(None), work.c.state != WorkState.RUNNING))


def _first_left_running() -> ScalarSelect[datetime]:
    """Rows still running when a lease ends were left behind by a worker that died."""
    return _first(work.c.since, and_(work.c.since.is_not(None), work.c.state == WorkState.RUNNING))


def _first(instant: KeyedColumnElement[datetime], condition: ColumnElement[bool]) -> ScalarSelect[datetime]:
    rows = select(instant).where(work.c.business == lanes.c.business, condition).order_by(instant).limit(1)
    return rows.correlate(lanes).scalar_subquery()


_PROSPECTS = select(
    lanes.c.business,
    lanes.c.lease_until,
    lanes.c.asked_until,
    _first_due().label("due"),
    _first_left_running().label("left"),
)


def seize(connection: Connection, business: BusinessCode, holder: str, now: datetime, lease: timedelta) -> Lane | None:
    """Take a lane that nobody holds; rows its last holder left running become due. `None`: somebody was quicker."""
    return _seize(connection, business, holder, now, lease, _over(lanes.c.asked_until, now))


def seize_first(
    connection: Connection, business: BusinessCode, holder: str, now: datetime, lease: timedelta, asking: timedelta
) -> Lane | None:
    """Take a lane before any worker does, whether or not anything is due in it.

    `None`: somebody holds it. They are asked to give way, and for `asking` from now no worker takes it.
    """
    insert_new(connection, lanes, [{"business": business, "fence": 0}])
    lane = _seize(connection, business, holder, now, lease, true())
    if lane is None:
        connection.execute(update(lanes).where(lanes.c.business == business).values(asked_until=now + asking))
    return lane


def _seize(
    connection: Connection,
    business: BusinessCode,
    holder: str,
    now: datetime,
    lease: timedelta,
    allowed: ColumnElement[bool],
) -> Lane | None:
    fence = connection.execute(
        update(lanes)
        .where(lanes.c.business == business, _over(lanes.c.lease_until, now), allowed)
        .values(holder=holder, fence=lanes.c.fence + 1, lease_until=now + lease, asked_until=None)
        .returning(lanes.c.fence)
    ).scalar_one_or_none()
    if fence is None:
        return None
    put_back(connection, business)
    return Lane(business=business, holder=holder, fence=fence)


def _over(until: KeyedColumnElement[datetime], now: datetime) -> ColumnElement[bool]:
    return or_(until.is_(None), until <= now)


def let_go(connection: Connection, lane: Lane, now: datetime) -> None:
    """Give the lane back; its running rows become due, and whoever is idle hears of what is due."""
    freed = update(lanes).where(ours(lane)).values(holder=None, lease_until=None)
    if connection.execute(freed).rowcount != 1:
        return
    put_back(connection, lane.business)
    due = select(work.c.id).where(work.c.business == lane.business, work.c.due_at <= now).limit(1)
    if connection.execute(due).first() is not None:
        tell(connection, lane.business)


def is_asked_for(connection: Connection, lane: Lane, now: datetime) -> bool:
    """Say whether a command waits for the lane."""
    return connection.execute(_ASKED_FOR, _named(lane) | {"now": now}).first() is not None


def put_back(connection: Connection, business: BusinessCode) -> None:
    """Make running rows due again, as old as they are."""
    connection.execute(
        update(work)
        .where(work.c.business == business, work.c.state == WorkState.RUNNING, work.c.since.is_not(None))
        .values(state=WorkState.DUE, due_at=work.c.since)
    )


def ours(lane: Lane) -> ColumnElement[bool]:
    """Say in SQL that nobody has claimed the lane since."""
    return _held_as(lane.business, lane.holder, lane.fence)


def _held_as(business: Any, holder: Any, fence: Any) -> ColumnElement[bool]:
    return and_(lanes.c.business == business, lanes.c.holder == holder, lanes.c.fence == fence)


def fenced(connection: Connection, lane: Lane, now: datetime) -> None:
    """Make sure that the lane is ours until this transaction is over. Raises `LeaseLost`."""
    if connection.execute(_HELD, _named(lane) | {"now": now}).scalar_one_or_none() is None:
        raise LeaseLost(f"the lease on {lane.business} has run out or was taken over")


def _named(lane: Lane) -> dict[str, object]:
    return {"business": lane.business, "holder": lane.holder, "fence": lane.fence}


_OURS = _held_as(bindparam("business"), bindparam("holder"), bindparam("fence"))
# Built once: building these takes longer than running them, and they run in every transaction.
_HELD = select(lanes.c.fence).where(_OURS, lanes.c.lease_until > bindparam("now")).with_for_update(read=True)
_ASKED_FOR = select(lanes.c.business).where(_OURS, lanes.c.asked_until > bindparam("now"))
