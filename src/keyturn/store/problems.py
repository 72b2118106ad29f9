"""What a person has to solve, each once per subject until it is gone. A text never shows a PIN or a name.

A problem that can be seen on a record of Storeganise is told there once, as a task:

    noted ──▶ telling_at stored ──▶ the task goes out ──▶ told_at stored
                  ▲                        │
                  └── telling_at taken back, when it is certain that no task was left

What is found under way by somebody else (it died, or lost its lane) counts as told, for the task may be there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    RowMapping,
    Select,
    Update,
    and_,
    delete,
    func,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from keyturn.core import problem as core
from keyturn.core.ids import BusinessCode
from keyturn.core.work import TASKS, Lane, Subject
from keyturn.store.database import Database
from keyturn.store.lanes import business_scope, fenced
from keyturn.store.rows import from_row, insert
from keyturn.store.schema import problems
from keyturn.store.waking import wake

LASTING = (core.ProblemCode.PIN_REFUSED, core.ProblemCode.CONFIRM_STAFF_LOCK, core.ProblemCode.FIELD_NOT_KEPT)
"""Problems that a look reports once; they stand for `LASTS`, so that staff have the chance to see them."""
LASTS = timedelta(days=7)
FORGOTTEN_AFTER = timedelta(days=1)
AT_ONCE = 100
"""How many problems are read at a time to be told."""
_KINDS = {kind.value: kind for kind in core.TargetKind}


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """An open problem."""

    business: BusinessCode
    subject: Subject
    code: str
    """Stable, for machines; a subject has at most one problem of each code."""
    text: str
    since: datetime
    seen_at: datetime
    """When a look found it last."""
    details: Mapping[str, str] = field(default_factory=dict)
    """What its sentence names; empty where a version without tasks wrote the row."""
    target: core.Target | None = None
    """The record of Storeganise on which staff are told."""
    telling_at: datetime | None = None
    """When its task went out, or was about to."""
    told_at: datetime | None = None
    """When that was over: the task is there, or it was refused, or nobody can know."""


class Problems:
    """All open problems of all businesses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, business: BusinessCode, subject: Subject, code: str, text: str, now: datetime) -> bool:
        """Record that the problem is there; say whether it is new."""
        row = {
            "business": business,
            "subject_kind": subject.kind,
            "subject_id": subject.id,
            "code": code,
            "text": text,
            "since": now,
            "seen_at": now,
        }
        return await self._database.write(lambda connection: _note(connection, row), scope=business_scope(business))

    async def settle(
        self,
        business: BusinessCode,
        found: Collection[core.Problem],
        solved: Collection[tuple[tuple[str, str], core.ProblemCode]],
        now: datetime,
        *,
        trace: str | None = None,
    ) -> list[core.Problem]:
        """Record what a batch of looks found, forget what it found solved; return the problems that are new.

        Where one of them is to be told as a task, the row that does so is woken in the same transaction.
        """
        if not found and not solved:
            return []
        return await self._database.write(
            lambda connection: _settle(
                connection, business, found, solved, now, due=self._database.clock.now(), trace=trace
            ),
            scope=business_scope(business),
        )

    async def untold(self, business: BusinessCode, limit: int = AT_ONCE) -> list[Problem]:
        """Return the oldest problems to be told as a task that are not; those under way are among them."""
        asked = select(problems).where(
            problems.c.business == business, problems.c.target_kind.in_(_KINDS), problems.c.told_at.is_(None)
        )
        ordered = asked.order_by(problems.c.since, *problems.primary_key).limit(limit)
        return await self._database.read(lambda connection: _problems(connection, ordered))

    async def telling(self, lane: Lane, problem: Problem, now: datetime) -> bool:
        """Record that the problem's task is about to go out. Raises `LeaseLost`.

        `False`, and nothing is recorded: it is gone, or somebody else told it or tells it.
        """
        begun = update(problems).where(*_untouched(problem), problems.c.telling_at.is_(None)).values(telling_at=now)
        return await self._database.write(
            lambda connection: _fenced(connection, lane, self._database.clock.now(), begun),
            scope=business_scope(lane.business),
        )

    async def told(self, problem: Problem, now: datetime) -> None:
        """Record that nothing more is to be done about the problem's task."""
        await self._write(problem, update(problems).where(*_untouched(problem)).values(told_at=now))

    async def not_told(self, problem: Problem, telling_at: datetime) -> None:
        """Take back what `telling` recorded at `telling_at`: it is certain that no task was left.

        It needs no lease: nothing is taken back that anybody else has counted as told.
        """
        mine = problems.c.telling_at == telling_at
        await self._write(problem, update(problems).where(*_untouched(problem), mine).values(telling_at=None))

    async def _write(self, problem: Problem, statement: Update) -> None:
        scope = business_scope(problem.business)
        await self._database.write(lambda connection: connection.execute(statement), scope=scope)

    async def clear(self, business: BusinessCode, subject: Subject, codes: Collection[str] | None = None) -> int:
        """Forget the subject's problems, or those with these codes; return how many there were."""
        gone = _one(business, subject)
        if codes is not None:
            gone = gone.where(problems.c.code.in_(codes))
        return await self._database.write(
            lambda connection: connection.execute(gone).rowcount, scope=business_scope(business)
        )

    async def open(self, business: BusinessCode | None = None) -> list[Problem]:
        """Return the open problems, the oldest first."""
        asked = select(problems).order_by(problems.c.since, *problems.primary_key)
        if business is not None:
            asked = asked.where(problems.c.business == business)
        return await self._database.read(lambda connection: _problems(connection, asked))


def _settle(
    connection: Connection,
    business: BusinessCode,
    found: Collection[core.Problem],
    solved: Collection[tuple[tuple[str, str], core.ProblemCode]],
    now: datetime,
    *,
    due: datetime,
    trace: str | None,
) -> list[core.Problem]:
    subjects = {(problem.subject_kind, problem.subject_id) for problem in found} | {subject for subject, _ in solved}
    keys = tuple_(problems.c.subject_kind, problems.c.subject_id)
    asked = select(*list(problems.primary_key)[1:], problems.c.target_kind)
    rows = connection.execute(asked.where(problems.c.business == business, keys.in_(sorted(subjects))))
    open_now = {(row.subject_kind, row.subject_id, row.code): row.target_kind is not None for row in rows}
    _forget(connection, business, now)
    for (kind, id_), code in solved:
        if (kind, id_, code.value) in open_now:
            connection.execute(_one(business, Subject(kind, id_)).where(problems.c.code == code.value))
    new = [problem for problem in found if _note(connection, _row(business, problem, now))]
    # A row of a version without tasks gets its target when the problem is found again.
    aimed_now = [problem for problem in found if not open_now.get(_key(problem), False)]
    if any(problem.target is not None for problem in (*new, *aimed_now)):
        wake(connection, business, [TASKS], "a problem to tell site staff of", now=due, trace=trace)
    return new


def _key(problem: core.Problem) -> tuple[str, str, str]:
    return problem.subject_kind, problem.subject_id, problem.code.value


def _forget(connection: Connection, business: BusinessCode, now: datetime) -> None:
    """Drop what no look has found again for a while: what still stands is looked at, and found, every hour."""
    lasting = problems.c.code.in_([code.value for code in LASTING])
    unseen = or_(problems.c.seen_at < now - LASTS, and_(not_(lasting), problems.c.seen_at < now - FORGOTTEN_AFTER))
    connection.execute(delete(problems).where(problems.c.business == business, unseen))


def _one(business: BusinessCode, subject: Subject) -> Delete:
    return delete(problems).where(
        problems.c.business == business,
        problems.c.subject_kind == subject.kind,
        problems.c.subject_id == subject.id,
    )


def _row(business: BusinessCode, problem: core.Problem, now: datetime) -> dict[str, object]:
    return {
        "business": business,
        "subject_kind": problem.subject_kind,
        "subject_id": problem.subject_id,
        "code": problem.code.value,
        "text": problem.text,
        "since": now,
        "seen_at": now,
        "details": json.dumps(dict(problem.details), sort_keys=True),
        "target_kind": problem.target.kind.value if problem.target is not None else None,
        "target_id": problem.target.id if problem.target is not None else None,
    }


def _note(connection: Connection, row: dict[str, object]) -> bool:
    added = insert(connection.dialect.name, problems).values(**row).on_conflict_do_nothing().returning(problems.c.code)
    if connection.execute(added).first() is not None:
        return True
    same = [column == row[column.name] for column in problems.primary_key]
    renewed: dict[str, Any] = {name: row[name] for name in ("text", "seen_at", "details") if name in row}
    for name in ("target_kind", "target_id"):  # where it was told, or is to be, stays
        renewed[name] = func.coalesce(problems.c[name], row.get(name))
    connection.execute(update(problems).where(*same).values(**renewed))
    return False


def _untouched(problem: Problem) -> list[ColumnElement[bool]]:
    """Select this very problem while it is not told; one that went and came back is another."""
    c, subject = problems.c, problem.subject
    return [
        c.business == problem.business,
        c.subject_kind == subject.kind,
        c.subject_id == subject.id,
        c.code == problem.code,
        c.since == problem.since,
        c.told_at.is_(None),
    ]


def _fenced(connection: Connection, lane: Lane, now: datetime, statement: Update) -> bool:
    fenced(connection, lane, now)
    return connection.execute(statement).rowcount == 1


def _problems(connection: Connection, asked: Select[Any]) -> list[Problem]:
    return [_problem(row) for row in connection.execute(asked).mappings()]


def _problem(row: RowMapping) -> Problem:
    kind = _KINDS.get(row["target_kind"] or "")
    return from_row(
        Problem,
        row,
        subject=Subject(row["subject_kind"], row["subject_id"]),
        details=json.loads(row["details"] or "{}"),
        target=None if kind is None else core.Target(kind=kind, id=row["target_id"]),
    )
