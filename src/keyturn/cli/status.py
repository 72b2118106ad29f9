"""`keyturn status`: how much there is to do, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from keyturn.cli import screen
from keyturn.cli.database import opened
from keyturn.cli.options import ConfigOption, JsonOption, run_async, settings_of, wants_json
from keyturn.cli.outcome import Exit

if TYPE_CHECKING:
    from rich.console import RenderableType

    from keyturn.core.work import Load
    from keyturn.settings import Settings
    from keyturn.store.problems import Problem
    from keyturn.store.work import WorkRow

LATE = timedelta(minutes=10)
"""Work that is older than this is not being done: no worker runs, or an upstream cannot be used."""
_MOST_LINES = 50
"""Of what is held and of what is wrong, so many are listed for people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """What the database says at `now`."""

    now: datetime
    load: Load
    held: list[WorkRow]
    failing: list[WorkRow]
    """Looks that failed and are repeated by themselves."""
    problems: list[Problem]
    waiting_addons: int
    """Installations of the add-on that wait for approval, and their webhooks with them."""

    @property
    def ok(self) -> bool:
        """Nothing is held, nobody has to do anything, and work does not pile up."""
        late = self.oldest_due >= LATE
        return not (self.load.held or self.problems or self.waiting_addons or late)

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
    something is held or wrong, or work is older than ten minutes. The service may be running or not.

    Example: keyturn status --json
    """
    status = run_async(look(settings_of(context, config)))
    if wants_json(context, json=json):
        screen.show_json(document(status))
    else:
        screen.show(*parts(status))
    raise typer.Exit(Exit.DONE if status.ok else Exit.WRONG)


async def look(settings: Settings) -> Status:
    """Read the state of the work. Raises `DatabaseUnavailable`."""
    from keyturn.core.installation import InstallationState
    from keyturn.store.installations import Installations
    from keyturn.store.problems import Problems
    from keyturn.store.work import Work

    async with opened(settings) as database:
        now, work = database.clock.now(), Work(database)
        addons = await Installations(database).counts()
        return Status(
            now=now,
            load=await work.load(now),
            held=await work.held(),
            failing=await work.failing(),
            problems=await Problems(database).open(),
            waiting_addons=addons.get(InstallationState.WAITING, 0),
        )


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
        "failing_subjects": [{**_held(row), "reason": row.last_error} for row in status.failing],
        "problems": [_problem(problem) for problem in status.problems],
        "waiting_addons": status.waiting_addons,
    }


def _held(row: WorkRow) -> dict[str, Any]:
    return {
        "business": row.business,
        "kind": row.subject.kind,
        "id": row.subject.id,
        "reason": row.result,
        "since": screen.iso(row.since),
        "again_at": screen.iso(row.due_at),
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "business": problem.business,
        "kind": problem.subject.kind,
        "id": problem.subject.id,
        "code": problem.code,
        "text": problem.text,
        "since": screen.iso(problem.since),
    }


def parts(status: Status) -> list[RenderableType]:
    """Return the status for people: counts, then what is held, then what is wrong."""
    shown: list[RenderableType] = [_counts(status.load)]
    if status.load.oldest_due:
        shown.append(f"The oldest has been waiting for {screen.span(status.oldest_due)}.")
    if status.waiting_addons:
        waiting = screen.counted(status.waiting_addons, "installation waits", "installations wait")
        shown.append(screen.words(f"{waiting} for approval; `keyturn addons` lists them.", "yellow"))
    held: list[screen.Row] = [
        (row.business, row.subject.kind, row.subject.id, _since(status, row.since), row.result or row.reason)
        for row in status.held
    ]
    failing: list[screen.Row] = [
        (row.business, row.subject.kind, row.subject.id, _since(status, row.since), row.last_error or row.reason)
        for row in status.failing
    ]
    wrong: list[screen.Row] = [
        (one.business, one.subject.kind, one.subject.id, _since(status, one.since), one.code, one.text)
        for one in status.problems
    ]
    if status.load.due and status.oldest_due >= LATE:
        shown.append(screen.words("Work piles up: does a worker run, and do the services answer?", "yellow"))
    shown += _section("Held", ("business", "kind", "id", "for", "reason"), held)
    shown += _section("Failed, and repeated by itself", ("business", "kind", "id", "for", "reason"), failing)
    shown += _section("Problems", ("business", "kind", "id", "for", "problem", "what to do"), wrong)
    return shown


def _counts(load: Load) -> RenderableType:
    rows: list[screen.Row] = [
        ("due", load.due, "to be looked at now"),
        ("running", load.running, "being looked at"),
        ("held", screen.words(load.held, "yellow" if load.held else ""), "waiting for new facts or for staff"),
        ("waiting", load.waiting, "planned for later"),
        ("unread", load.unread, "deliveries not looked at yet"),
    ]
    return screen.table(rows=rows, numbers=[1])


def _since(status: Status, since: datetime | None) -> str | None:
    return screen.span(max(status.now - since, timedelta())) if since else None


def _section(title: str, columns: tuple[str, ...], rows: list[screen.Row]) -> list[RenderableType]:
    if not rows:
        return []
    more = [f"... and {len(rows) - _MOST_LINES} more; --json lists all."] if len(rows) > _MOST_LINES else []
    return [screen.title(title), screen.table(*columns, rows=rows[:_MOST_LINES]), *more]
