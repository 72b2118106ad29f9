"""`keyturn status`: how much there is to do, and what is wrong."""

from __future__ import annotations

import json as jsonlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from keyturn.cli.options import ConfigOption, JsonOption, run_async, settings_of, wants_json
from keyturn.cli.outcome import Exit

if TYPE_CHECKING:
    from keyturn.core.work import Load
    from keyturn.settings import Settings
    from keyturn.store.problems import Problem
    from keyturn.store.work import WorkRow

_MOST_LINES = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """What the database says at `now`."""

    now: datetime
    load: Load
    held: list[WorkRow]
    problems: list[Problem]

    @property
    def ok(self) -> bool:
        """Nothing is held and nobody has to do anything."""
        return not self.load.held and not self.problems

    @property
    def oldest_due(self) -> timedelta:
        """For how long the oldest work has been waiting; zero when there is none."""
        waited = self.now - self.load.oldest_due if self.load.oldest_due else timedelta()
        return max(waited, timedelta())


def command(
    context: typer.Context,
    config: ConfigOption = None,
    json: JsonOption = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Show how much there is to do, and what is wrong.

    Counts what is due, running, held and unread, and lists what people must solve. Ends with 1 when
    something is held or wrong. The service may be running or not.
    """
    status = run_async(look(settings_of(context, config)))
    typer.echo(jsonlib.dumps(document(status), indent=2) if wants_json(context, json=json) else text(status))
    raise typer.Exit(Exit.DONE if status.ok else Exit.WRONG)


async def look(settings: Settings) -> Status:
    """Read the state of the work. Raises `DatabaseUnavailable`."""
    from keyturn.clock import SystemClock
    from keyturn.store.database import open_database
    from keyturn.store.problems import Problems
    from keyturn.store.work import Work

    url = settings.database.url.get_secret_value() if settings.database.url else None
    database = await open_database(url=url, data_dir=settings.database.data_dir, clock=SystemClock(), shared=True)
    try:
        now = database.clock.now()
        work = Work(database)
        return Status(
            now=now, load=await work.load(now), held=await work.held(), problems=await Problems(database).open()
        )
    finally:
        await database.close()


def document(status: Status) -> dict[str, Any]:
    """Return the status for machines; times are seconds or UTC instants."""
    load = status.load
    return {
        "ok": status.ok,
        "due": load.due,
        "running": load.running,
        "held": load.held,
        "waiting": load.waiting,
        "unread": load.unread,
        "oldest_due_s": round(status.oldest_due.total_seconds(), 3),
        "held_subjects": [_held(row) for row in status.held],
        "problems": [_problem(problem) for problem in status.problems],
    }


def _held(row: WorkRow) -> dict[str, Any]:
    return {
        "business": row.business,
        "kind": row.subject.kind,
        "id": row.subject.id,
        "reason": row.result,
        "since": _instant(row.since),
        "again_at": _instant(row.due_at),
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "business": problem.business,
        "kind": problem.subject.kind,
        "id": problem.subject.id,
        "code": problem.code,
        "text": problem.text,
        "since": _instant(problem.since),
    }


def _instant(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def text(status: Status) -> str:
    """Return the status for people."""
    load = status.load
    lines = [
        f"due      {load.due:>6}   to be looked at now",
        f"running  {load.running:>6}   being looked at",
        f"held     {load.held:>6}   waiting for new facts or for staff",
        f"waiting  {load.waiting:>6}   planned for later",
        f"unread   {load.unread:>6}   deliveries not looked at yet",
    ]
    if load.oldest_due:
        lines.append(f"The oldest has been waiting for {_words(status.oldest_due)}.")
    lines += _section(
        "Held:",
        [_sentence(row.business, row.subject.kind, row.subject.id, row.result or row.reason) for row in status.held],
    )
    lines += _section(
        "Problems:", [_sentence(p.business, p.subject.kind, p.subject.id, p.text) for p in status.problems]
    )
    return "\n".join(lines)


def _section(title: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    more = [f"  ... and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    return ["", title, *lines[:_MOST_LINES], *more]


def _sentence(business: str, kind: str, subject: str, words: str) -> str:
    return f"  {business}: {kind} {subject}: {words}"


def _words(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
