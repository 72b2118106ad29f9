"""The work table: what is to be looked at, by whom, and how the looks end.

    woken ──► due ──take──► running ──finish──► idle    nothing left; `due_at` is a planned look, if any
               ▲                        ├─────► held    a person must come first; tried again at `due_at`
               │                        ├─────► due     an upstream failed; again at `due_at`
               └────────────────────────┴────── due     woken meanwhile: a wake is never lost

A business is worked on by one holder at a time, its lane's. A holder that dies is replaced when its
lease ends: its running rows count as due from then on. Each finish sets the plan anew, so a planned
look that an earlier wake overtook is not lost either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    RowMapping,
    Update,
    and_,
    bindparam,
    case,
    func,
    literal,
    null,
    or_,
    select,
    update,
)

from keyturn.core.ids import BusinessCode
from keyturn.core.work import Ending, Kind, Lane, Load, Outcome, Subject, WorkItem
from keyturn.store.columns import Instant
from keyturn.store.database import Database
from keyturn.store.inbox import count_unread
from keyturn.store.lanes import business_scope, fenced, is_asked_for, let_go, ours, prospects, seize, seize_first
from keyturn.store.rows import from_row
from keyturn.store.schema import lanes, work
from keyturn.store.waking import Wake, wake_each
from keyturn.store.words import WorkState


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkRow:
    """A row as it stands, for `keyturn explain` and `keyturn status`."""

    business: BusinessCode
    subject: Subject
    wanted: int
    """How often it was woken."""
    handled: int
    """The wake that the last completed look answered; a look that is to be retried answers none."""
    state: WorkState
    due_at: datetime | None
    attempts: int
    """Failed tries in a row."""
    reason: str
    """Why it was woken last."""
    result: str | None
    """What the last look came to."""
    last_error: str | None
    """Why the last look is retried."""
    since: datetime | None
    """Since when something is left to do."""
    looked_at: datetime | None
    """When the last look ended."""


class Work:
    """All rows of work, of all businesses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def wake(
        self,
        business: BusinessCode,
        subjects: Iterable[Subject],
        reason: str,
        *,
        at: datetime | None = None,
        trace: str | None = None,
    ) -> None:
        """Ask for a look at each subject, now, or at the latest `at` a later instant.

        `trace`: what asks, where traces are collected; a look at once goes on in it.
        """
        asked = Wake(subjects=tuple(subjects), reason=reason, at=at, trace=trace)
        await self._database.write_each(self._wake, (business, asked), scope=business_scope(business))

    def _wake(self, connection: Connection, asks: Sequence[tuple[BusinessCode, Wake]]) -> list[None]:
        ((business, _), *_) = asks  # the scope is one business
        wake_each(connection, business, [one for _, one in asks], self._database.clock.now())
        return [None for _ in asks]

    async def claim(self, holder: str, *, lease: timedelta, avoid: Collection[BusinessCode] = ()) -> Lane | None:
        """Take the free lane with the oldest due row; `None` when nothing is due in a free lane."""
        waiting = await self._database.read(lambda connection: prospects(connection, avoid))
        for one in waiting:
            if one.ready_at <= self._database.clock.now():
                lane = await self._seize(one.business, holder, lease)
                if lane is not None:
                    return lane
        return None

    async def _seize(self, business: BusinessCode, holder: str, lease: timedelta) -> Lane | None:
        return await self._database.write(
            lambda connection: seize(connection, business, holder, self._database.clock.now(), lease),
            scope=business_scope(business),
        )

    async def claim_first(
        self, business: BusinessCode, holder: str, *, lease: timedelta, asking: timedelta
    ) -> Lane | None:
        """Take this lane, due or not, for a command; `None` while somebody else holds it.

        That somebody is asked to give way, and for `asking` from now no worker takes the lane: ask again within it.
        """
        return await self._database.write(
            lambda connection: seize_first(connection, business, holder, self._database.clock.now(), lease, asking),
            scope=business_scope(business),
        )

    async def is_asked_for(self, lane: Lane) -> bool:
        """Say whether a command waits for this lane, so that its holder should give way."""
        return await self._database.read(lambda connection: is_asked_for(connection, lane, self._database.clock.now()))

    async def renew(self, lane: Lane, lease: timedelta) -> bool:
        """Extend a lease that is still running to `lease` from now; `False` when it is not ours any more."""
        return await self._database.write(
            lambda connection: _renew(connection, lane, self._database.clock.now(), lease),
            scope=business_scope(lane.business),
        )

    async def release(self, lane: Lane) -> None:
        """Let go of the lane; its running rows become due. A lane that is not ours any more is left alone."""
        await self._database.write(
            lambda connection: let_go(connection, lane, self._database.clock.now()), scope=business_scope(lane.business)
        )

    async def take(self, lane: Lane, *kinds: Collection[Kind], limit: int) -> list[WorkItem]:
        """Mark up to `limit` due rows as running, the oldest first. Raises `LeaseLost`.

        They are of the first of these groups of kinds of which any is due.
        """
        return await self._database.write(
            lambda connection: _take(connection, lane, kinds, limit, self._database.clock.now()),
            scope=business_scope(lane.business),
        )

    async def finish(self, lane: Lane, outcomes: Sequence[Outcome]) -> None:
        """Record how looks ended. Raises `LeaseLost`, and then records nothing."""
        await self._database.write(
            lambda connection: _finish(connection, lane, outcomes, self._database.clock.now()),
            scope=business_scope(lane.business),
        )

    async def next_due(self, now: datetime, *, avoid: Collection[BusinessCode] = ()) -> datetime | None:
        """Return when `claim` can succeed next without a new wake: `now` at the earliest, `None` for never.

        A lane in somebody's hands counts from the end of its lease, so that waiting for it never spins.
        """
        waiting = await self._database.read(lambda connection: prospects(connection, avoid))
        return max(now, min(one.ready_at for one in waiting)) if waiting else None

    async def load(self, now: datetime) -> Load:
        """Count what there is to do."""
        return await self._database.read(lambda connection: _load(connection, now))

    async def row(self, business: BusinessCode, subject: Subject) -> WorkRow | None:
        """Return one row, or `None` when the subject was never woken."""
        rows = await self._database.read(
            lambda connection: _rows(
                connection, work.c.business == business, work.c.kind == subject.kind, work.c.id == subject.id
            )
        )
        return rows[0] if rows else None

    async def held(self, business: BusinessCode | None = None) -> list[WorkRow]:
        """Return the held rows, the oldest first."""
        conditions = [work.c.state == WorkState.HELD, work.c.since.is_not(None)]
        if business is not None:
            conditions.append(work.c.business == business)
        return await self._database.read(lambda connection: _rows(connection, *conditions))

    async def failing(self) -> list[WorkRow]:
        """Return the rows whose last look failed and is to be repeated, the oldest first."""
        conditions = [work.c.state == WorkState.DUE, work.c.since.is_not(None), work.c.attempts > 0]
        return await self._database.read(lambda connection: _rows(connection, *conditions))


def _renew(connection: Connection, lane: Lane, now: datetime, lease: timedelta) -> bool:
    renewed = update(lanes).where(ours(lane), lanes.c.lease_until > now).values(lease_until=now + lease)
    return connection.execute(renewed).rowcount == 1


def _take(
    connection: Connection, lane: Lane, kinds: Sequence[Collection[Kind]], limit: int, now: datetime
) -> list[WorkItem]:
    fenced(connection, lane, now)
    rows: Sequence[Row[Any]] = ()
    for group in kinds:
        asked = {"business": lane.business, "now": now, "kinds": [kind.value for kind in group], "limit": limit}
        rows = rows or connection.execute(_DUE, asked).all()
    if rows:
        connection.execute(_TAKING, [{"b_business": lane.business, "b_kind": row.kind, "b_id": row.id} for row in rows])
    return [
        WorkItem(
            subject=Subject(row.kind, row.id),
            wanted=row.wanted,
            attempts=row.attempts,
            reason=row.reason if row.wanted > row.handled else (row.result or row.reason),
            trace=row.trace,
        )
        for row in rows
    ]


_ONE_OF = update(work).where(
    work.c.business == bindparam("b_business"), work.c.kind == bindparam("b_kind"), work.c.id == bindparam("b_id")
)
_TAKING = _ONE_OF.values(state=WorkState.RUNNING, due_at=None, since=func.coalesce(work.c.since, work.c.due_at))
_DUE = (
    select(work)
    .where(
        work.c.business == bindparam("business"),
        work.c.due_at <= bindparam("now"),
        work.c.state != WorkState.RUNNING,
        work.c.kind.in_(bindparam("kinds", expanding=True)),
    )
    .order_by(work.c.due_at, work.c.kind, work.c.id)
    .limit(bindparam("limit"))
)


def _finish(connection: Connection, lane: Lane, outcomes: Sequence[Outcome], now: datetime) -> None:
    fenced(connection, lane, now)
    ordered = sorted(outcomes, key=lambda outcome: outcome.ending.value)
    for ending, group in groupby(ordered, key=lambda outcome: outcome.ending):
        connection.execute(_finishing(ending), [_bound(lane, outcome, now) for outcome in group])


@lru_cache
def _finishing(ending: Ending) -> Update:
    looked_at = bindparam("b_now", type_=Instant)
    return _ONE_OF.where(work.c.state == WorkState.RUNNING).values(looked_at=looked_at, **_ended(ending))


def _bound(lane: Lane, outcome: Outcome, now: datetime) -> dict[str, Any]:
    again_at = outcome.again_at
    if outcome.ending is Ending.RETRY and again_at is None:
        again_at = now
    return {
        "b_now": now,
        "b_business": lane.business,
        "b_kind": outcome.item.subject.kind,
        "b_id": outcome.item.subject.id,
        "b_wanted": outcome.item.wanted,
        "b_reason": outcome.reason,
        "b_again": again_at,
    }


def _ended(ending: Ending) -> dict[str, Any]:
    """Return the new values of a row whose look ended so, unless it was woken meanwhile: then it is due for that."""
    wanted, reason = bindparam("b_wanted", type_=work.c.wanted.type), bindparam("b_reason", type_=work.c.reason.type)
    again = bindparam("b_again", type_=Instant)
    woken = work.c.wanted > wanted
    sooner = case((or_(again.is_(None), work.c.due_at <= again), work.c.due_at), else_=again)
    common = {"due_at": case((woken, sooner), else_=again), "result": reason}
    trace = case((woken, work.c.trace), else_=null())
    match ending:
        case Ending.DONE:
            return common | {
                "state": _unless(woken, WorkState.IDLE),
                "handled": wanted,
                "attempts": 0,
                "last_error": None,
                "since": case((woken, work.c.due_at), else_=null()),
                "trace": trace,
            }
        case Ending.HELD:
            return common | {
                "state": _unless(woken, WorkState.HELD),
                "handled": wanted,
                "attempts": 0,
                "last_error": None,
                "trace": trace,
            }
        case Ending.RETRY:
            return common | {"state": WorkState.DUE, "attempts": work.c.attempts + 1, "last_error": reason}


def _unless(woken: ColumnElement[bool], state: WorkState) -> ColumnElement[Any]:
    kept = work.c.state.type
    return case((woken, literal(WorkState.DUE, kept)), else_=literal(state, kept))


def _load(connection: Connection, now: datetime) -> Load:
    come, running = work.c.due_at <= now, work.c.state == WorkState.RUNNING
    leased = and_(running, lanes.c.lease_until.is_not(None), lanes.c.lease_until > now)
    resting = work.c.state.in_([WorkState.IDLE, WorkState.DUE])
    oldest = func.coalesce(work.c.since, work.c.due_at, type_=Instant)
    counted = select(
        func.count().filter(or_(and_(resting, come), and_(running, ~leased))).label("due"),
        func.count().filter(leased).label("running"),
        func.count().filter(work.c.state == WorkState.HELD).label("held"),
        func.count().filter(and_(resting, work.c.due_at > now)).label("waiting"),
        func.min(oldest, type_=Instant).filter(oldest <= now).label("oldest_due"),
    ).select_from(work.join(lanes, work.c.business == lanes.c.business, isouter=True))
    row = connection.execute(counted.where(or_(work.c.since.is_not(None), work.c.due_at.is_not(None)))).mappings().one()
    return from_row(Load, row, unread=count_unread(connection))


def _rows(connection: Connection, *conditions: ColumnElement[bool]) -> list[WorkRow]:
    found = connection.execute(select(work).where(*conditions).order_by(work.c.since, work.c.id)).mappings()
    return [_row(row) for row in found]


def _row(row: RowMapping) -> WorkRow:
    return from_row(WorkRow, row, subject=Subject(row["kind"], row["id"]))
