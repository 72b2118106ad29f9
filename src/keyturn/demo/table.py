"""The day as a table: step, what was asked, what the doors did, how long access took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby

from rich.console import Group
from rich.table import Table
from rich.text import Text

from keyturn.demo.doors import Seen
from keyturn.demo.scene import Result

WIDE = 110
"""Columns from which everything has a column of its own; below, a step's cells stand under each other."""
MOST_DOORS = 4
"""So many doors of a step are named; more are counted."""
A_WHILE = timedelta(seconds=10)
"""From here on, milliseconds say nothing."""


def day_table(results: Sequence[Result], width: int) -> Table:
    """Return the table of all steps for a screen of `width` columns."""
    table = Table(pad_edge=False, box=None, header_style="bold", padding=(0, 2, 1, 0))
    table.add_column("", no_wrap=True)
    table.add_column("Step", ratio=4 if width >= WIDE else None)
    if width >= WIDE:
        table.add_column("Asked", ratio=5)
        table.add_column("Door", no_wrap=True)
        table.add_column("", no_wrap=True)
    table.add_column("Time to access", justify="right")
    for result in results:
        table.add_row(*(_wide(result) if width >= WIDE else _narrow(result)))
    return table


def moved(result: Result) -> int:
    """Count the doors that did something else after the step than before it."""
    return sum(seen.before is not seen.after for seen in result.doors)


def in_words(took: timedelta) -> str:
    """Return a duration for people."""
    if took < A_WHILE:
        return f"{took / timedelta(milliseconds=1):,.0f} ms"
    return f"{took.total_seconds():,.0f} s"


def _wide(result: Result) -> tuple[Text, ...]:
    lines, doors = Text("\n"), list(_doors(result.doors))
    whose, did = lines.join(whose for whose, _ in doors), lines.join(did for _, did in doors)
    return _hour(result), _title(result), Text(result.asked), whose, did, _time(result)


def _narrow(result: Result) -> tuple[Text | Group, ...]:
    lines = [Text.assemble("  ", whose, ": ", did) for whose, did in _doors(result.doors)]
    return _hour(result), Group(_title(result), Text(result.asked), *lines), _time(result)


def _hour(result: Result) -> Text:
    return Text(f"{result.at:%H:%M}")


def _title(result: Result) -> Text:
    return Text(result.title, style="bold red" if result.wrong else "bold")


def _time(result: Result) -> Text:
    if result.took is None:
        return Text("never", style="bold red") if result.wrong else Text("no change", style="dim")
    words = Text(in_words(result.took), style="cyan")
    if result.measured:
        words.append(f"\n{result.measured}", style="dim")
    return words


def _doors(doors: Sequence[Seen]) -> Iterator[tuple[Text, Text]]:
    """Return lines of two parts: which door and PIN, and what it did."""
    if len(doors) <= MOST_DOORS:
        for seen in doors:
            yield Text(f"{seen.door}, {seen.words}"), _verdict(seen)
        return
    for _, group in groupby(sorted(doors, key=_kind), key=_kind):
        alike = list(group)
        yield Text(f"{len(alike)} doors" if len(alike) > 1 else "one door"), _verdict(alike[0])


def _kind(seen: Seen) -> tuple[bool, bool, bool]:
    return seen.before is seen.after, not seen.after, seen.right


def _verdict(seen: Seen) -> Text:
    words = {True: "open", False: "shut"}
    style = "green" if seen.after else "yellow"
    text = f"stays {words[seen.after]}" if seen.before is seen.after else f"{words[seen.before]} → {words[seen.after]}"
    return Text(text, style=style) if seen.right else Text(f"{text}, WRONG", style="bold red")
