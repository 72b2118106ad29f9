"""What a person has to solve, each once per subject until it is gone. A text never shows a PIN or a name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Delete, Select, and_, delete, not_, or_, select, update

from keyturn.core import problem as core
from keyturn.core.ids import BusinessCode
from keyturn.core.work import Subject
from keyturn.store.database import Database
from keyturn.store.lanes import business_scope
from keyturn.store.rows import from_row, insert
from keyturn.store.schema import problems

LASTING = (core.ProblemCode.PIN_REFUSED, core.ProblemCode.CONFIRM_STAFF_LOCK, core.ProblemCode.FIELD_NOT_KEPT)
"""Problems that a look reports once; they stand for `LASTS`, so that staff have the chance to see them."""
LASTS = timedelta(days=7)
FORGOTTEN_AFTER = timedelta(days=1)


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
    ) -> list[core.Problem]:
        """Record what a batch of looks found, forget what it found solved; return the problems that are new."""
        if not found and not solved:
            return []
        return await self._database.write(
            lambda connection: _settle(connection, business, found, solved, now), scope=business_scope(business)
        )

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
) -> list[core.Problem]:
    open_now = {
        (row.subject_kind, row.subject_id, row.code)
        for row in connection.execute(select(*list(problems.primary_key)[1:]).where(problems.c.business == business))
    }
    _forget(connection, business, now)
    for (kind, id_), code in solved:
        if (kind, id_, code.value) in open_now:
            connection.execute(_one(business, Subject(kind, id_)).where(problems.c.code == code.value))
    return [problem for problem in found if _note(connection, _row(business, problem, now))]


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
    }


def _note(connection: Connection, row: dict[str, object]) -> bool:
    added = insert(connection.dialect.name, problems).values(**row).on_conflict_do_nothing().returning(problems.c.code)
    if connection.execute(added).first() is not None:
        return True
    same = [column == row[column.name] for column in problems.primary_key]
    connection.execute(update(problems).where(*same).values(text=row["text"], seen_at=row["seen_at"]))
    return False


def _problems(connection: Connection, asked: Select[Any]) -> list[Problem]:
    return [
        from_row(Problem, row, subject=Subject(row["subject_kind"], row["subject_id"]))
        for row in connection.execute(asked).mappings()
    ]
