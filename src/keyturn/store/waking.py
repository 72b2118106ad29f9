"""Waking, as one statement that others put into their own transactions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, case, literal, or_
from sqlalchemy.sql.dml import ReturningInsert

from keyturn.core.ids import BusinessCode
from keyturn.core.work import Subject
from keyturn.store.news import tell
from keyturn.store.rows import insert, insert_new
from keyturn.store.schema import lanes, work
from keyturn.store.words import WorkState


def wake(
    connection: Connection,
    business: BusinessCode,
    subjects: Iterable[Subject],
    reason: str,
    *,
    now: datetime,
    at: datetime | None = None,
    trace: str | None = None,
) -> dict[Subject, int]:
    """Ask for a look at each subject, now or `at` a later instant; return their wake counts.

    `trace` (W3C traceparent) is what a look at once is a part of; a look that is planned belongs to none.
    A row that is due earlier stays so. One that runs keeps running and is due again after it.
    A held one is let go, unless the look is only planned for later.
    """
    due = now if at is None else max(at, now)
    ordered = sorted(set(subjects))
    if not ordered:
        return {}
    rows = connection.execute(
        _waking(connection.dialect.name, planned=due > now),
        [_row(business, subject, reason, due, trace if due <= now else None) for subject in ordered],
    )
    counts: dict[Subject, int] = {Subject(row.kind, row.id): row.wanted for row in rows}
    if 1 in counts.values():  # a first wake; a later one finds the lane that the first made
        insert_new(connection, lanes, [{"business": business, "fence": 0}])
    if due <= now:
        tell(connection, business)
    return counts


def _row(business: BusinessCode, subject: Subject, reason: str, due: datetime, trace: str | None) -> dict[str, object]:
    """Return the row of a subject that is woken for the first time."""
    return {
        "business": business,
        "kind": subject.kind,
        "id": subject.id,
        "wanted": 1,
        "handled": 0,
        "state": WorkState.DUE,
        "due_at": due,
        "attempts": 0,
        "reason": reason,
        "since": due,
        "trace": trace,
    }


@lru_cache
def _waking(dialect: str, *, planned: bool) -> ReturningInsert[tuple[str, str, int]]:
    statement = insert(dialect, work)
    new = statement.excluded
    sooner = case((or_(work.c.due_at.is_(None), work.c.due_at > new.due_at), new.due_at), else_=work.c.due_at)
    kept = or_(work.c.state == WorkState.RUNNING, work.c.state == (WorkState.HELD if planned else WorkState.RUNNING))
    return statement.on_conflict_do_update(
        index_elements=["business", "kind", "id"],
        set_={
            "wanted": work.c.wanted + 1,
            "due_at": sooner,
            "state": case((kept, work.c.state), else_=literal(WorkState.DUE, work.c.state.type)),
            "reason": new.reason,
            "since": case((or_(work.c.since.is_(None), work.c.since > sooner), sooner), else_=work.c.since),
            "trace": work.c.trace if planned else new.trace,
        },
    ).returning(work.c.kind, work.c.id, work.c.wanted)
