"""Waking, as one statement that others put into their own transactions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, case, literal, or_
from sqlalchemy.sql.dml import ReturningInsert

from keyturn.core.ids import BusinessCode
from keyturn.core.work import Subject
from keyturn.store.news import tell
from keyturn.store.rows import insert, insert_new
from keyturn.store.schema import lanes, work
from keyturn.store.words import WorkState


@dataclass(frozen=True, kw_only=True, slots=True)
class Wake:
    """Asks for a look at these subjects, now or `at` a later instant."""

    subjects: tuple[Subject, ...]
    reason: str
    at: datetime | None = None
    trace: str | None = None
    """What a look at once is a part of (W3C traceparent); a look that is planned belongs to none."""


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
    """Ask for one look at each subject; see `wake_each`."""
    return wake_each(connection, business, [Wake(subjects=tuple(subjects), reason=reason, at=at, trace=trace)], now)


def wake_each(
    connection: Connection, business: BusinessCode, wakes: Sequence[Wake], now: datetime
) -> dict[Subject, int]:
    """Do all these wakes; return the wake counts of the subjects. One that is named several times is woken once.

    A row that is due earlier stays so. One that runs keeps running and is due again after it.
    A held one is let go, unless the look is only planned for later.
    """
    rows: dict[Subject, dict[str, Any]] = {}
    planned: dict[Subject, dict[str, Any]] = {}
    for one in wakes:
        due = now if one.at is None else max(one.at, now)
        woken = {subject: _row(business, subject, one.reason, due, one.trace) for subject in one.subjects}
        if due <= now:
            rows |= woken
        else:
            sooner = {subject for subject in planned if subject in woken and planned[subject]["due_at"] <= due}
            planned |= {subject: row | {"trace": None} for subject, row in woken.items() if subject not in sooner}
    counts = [_wake(connection, planned, planned=True), _wake(connection, rows, planned=False)]
    if any(1 in woken.values() for woken in counts):  # a first wake; a later one finds the lane that the first made
        insert_new(connection, lanes, [{"business": business, "fence": 0}])
    if rows:
        tell(connection, business)
    return counts[0] | counts[1]


def _wake(connection: Connection, rows: dict[Subject, dict[str, Any]], *, planned: bool) -> dict[Subject, int]:
    if not rows:
        return {}
    ordered = [rows[subject] for subject in sorted(rows)]
    found = connection.execute(_waking(connection.dialect.name, planned=planned), ordered)
    return {Subject(row.kind, row.id): row.wanted for row in found}


def _row(business: BusinessCode, subject: Subject, reason: str, due: datetime, trace: str | None) -> dict[str, Any]:
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
