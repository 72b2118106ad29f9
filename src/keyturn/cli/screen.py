"""What commands print: tables and sentences for people, JSON for machines.

A row of a table is one line, however long: nothing is shortened, so an id can be copied from a terminal and searched
for in a pipe. Colour is for terminals only, and not even there where NO_COLOR is set.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:  # imported where it is needed, so that `keyturn --help` stays quick
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    Row = Sequence[Text | str | int | None]
    """The cells of one line of a table."""

_WIDTH = 100_000
"""Wider than any row, so that nothing is broken or cut; lines are only as long as their text."""


def show(*parts: RenderableType) -> None:
    """Print tables and sentences, one after the other."""
    from rich.console import Console

    console = Console(width=_WIDTH, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    lines = captured.get().strip("\n").splitlines()
    typer.echo("\n".join(line.rstrip() for line in lines))  # takes the colours out where this is no terminal


def show_json(document: object) -> None:
    """Print a document for machines."""
    typer.echo(json.dumps(document, indent=2))


def table(*columns: str, rows: Sequence[Row], numbers: Collection[int] = ()) -> Table:
    """Return a table, without a head where no columns are named; those at positions in `numbers` stand to the right."""
    from rich.table import Table

    made = Table(
        *columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=bool(columns)
    )
    for row in rows:
        made.add_row(*(words(cell) if cell is None or isinstance(cell, str | int) else cell for cell in row))
    for position, column in enumerate(made.columns):
        column.no_wrap = True
        column.justify = "right" if position in numbers else "left"
    return made


def words(value: str | int | None, style: str = "") -> Text:
    """Return a value as text that cannot steer the terminal; `None` is a dash."""
    from rich.text import Text

    shown = "-" if value is None else str(value)
    return Text("".join(sign if sign.isprintable() else "\ufffd" for sign in shown), style)


def title(text: str) -> Text:
    """Return the line above a table, set apart from what came before."""
    from rich.text import Text

    return Text(f"\n{text}", "bold")


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return "1 delivery", "2 deliveries": a number with the right word."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def utc(instant: datetime | None) -> str | None:
    """Return an instant for people, as `--since` takes it."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if instant else None


def iso(instant: datetime | None) -> str | None:
    """Return an instant for machines."""
    return instant.isoformat() if instant else None


def span(length: timedelta) -> str:
    """Return a length of time in its largest unit, rounded down."""
    seconds = int(length.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
