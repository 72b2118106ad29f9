"""Lanes: who works on a business, and the fence that keeps out whoever no longer does.

Every claim raises the lane's fence. What a worker writes names its fence, and the transaction
checks it: without a lease that is still ours and still running, nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, ScalarSelect, and_, or_, select, update
from sqlalchemy.sql.elements import KeyedColumnElement

from keyturn.core.ids import BusinessCode
from keyturn.core.work import Lane
from keyturn.errors import LeaseLost
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
    """When it can be claimed: a lane that somebody holds not before the end of the lease."""


def prospects(connection: Connection, avoid: Collection[BusinessCode]) -> list[Prospect]:
    """Return all lanes with something to do, the oldest first."""
    due, left = _first_due(), _first_left_running()
    rows = connection.execute(select(lanes.c.business, lanes.c.lease_until, due.label("due"), left.label("left")))
    found = [
        _prospect(row.business, row.lease_until, row.due, row.left) for row in rows if row.business not in set(avoid)
    ]
    return sorted((one for one in found if one is not None), key=lambda one: (one.oldest, one.business))


def _prospect(
    business: BusinessCode, lease_until: datetime | None, due: datetime | None, left: datetime | None
) -> Prospect | None:
    times = [instant for instant in (due, left) if instant is not None]
    if not times:
        return None
    oldest = min(times)
    return Prospect(business=business, oldest=oldest, ready_at=max(oldest, lease_until or oldest))


def _first_due() -> ScalarSelect[datetime]:
    return _first(work.c.due_at, and_(work.c.due_at.is_not(None), work.c.state != WorkState.RUNNING))


def _first_left_running() -> ScalarSelect[datetime]:
    """Rows still running when a lease ends were left behind by a worker that died."""
    return _first(work.c.since, and_(work.c.since.is_not(None), work.c.state == WorkState.RUNNING))


def _first(instant: KeyedColumnElement[datetime], condition: ColumnElement[bool]) -> ScalarSelect[datetime]:
    rows = select(instant).where(work.c.business == lanes.c.business, condition).order_by(instant).limit(1)
    return rows.correlate(lanes).scalar_subquery()


def seize(connection: Connection, business: BusinessCode, holder: str, now: datetime, lease: timedelta) -> Lane | None:
    """Take a lane that nobody holds; rows its last holder left running become due. `None`: somebody was quicker."""
    fence = connection.execute(
        update(lanes)
        .where(lanes.c.business == business, or_(lanes.c.lease_until.is_(None), lanes.c.lease_until <= now))
        .values(holder=holder, fence=lanes.c.fence + 1, lease_until=now + lease)
        .returning(lanes.c.fence)
    ).scalar_one_or_none()
    if fence is None:
        return None
    put_back(connection, business)
    return Lane(business=business, holder=holder, fence=fence)


def put_back(connection: Connection, business: BusinessCode) -> None:
    """Make running rows due again, as old as they are."""
    connection.execute(
        update(work)
        .where(work.c.business == business, work.c.state == WorkState.RUNNING, work.c.since.is_not(None))
        .values(state=WorkState.DUE, due_at=work.c.since)
    )


def ours(lane: Lane) -> ColumnElement[bool]:
    """Say in SQL that nobody has claimed the lane since."""
    return and_(lanes.c.business == lane.business, lanes.c.holder == lane.holder, lanes.c.fence == lane.fence)


def fenced(connection: Connection, lane: Lane, now: datetime) -> None:
    """Make sure that the lane is ours until this transaction is over. Raises `LeaseLost`."""
    held = select(lanes.c.fence).where(ours(lane), lanes.c.lease_until > now).with_for_update(read=True)
    if connection.execute(held).scalar_one_or_none() is None:
        raise LeaseLost(f"the lease on {lane.business} has run out or was taken over")
