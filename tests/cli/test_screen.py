"""What commands print in pipes and on terminals."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from cli.desk import ACME, Desk, delivery
from cli.program import COMMAND, environment
from keyturn.core.work import Subject
from keyturn.store.database import Database
from keyturn.store.problems import Problems

LONG = "unitRental." + "x" * 80
EVIL = "\x1b[2Jgone \x07\r\n\x9b31m\u202eright to left [bold]100%[/bold] :warning:"


async def a_problem(database: Database) -> None:
    """Let a unit be called something that would steer a terminal."""
    await Problems(database).note(ACME, Subject("unit", "u1"), "unmapped", f"unit {EVIL}", database.clock.now())


def in_a_pipe(desk: Desk, *arguments: str, **variables: str) -> str:
    """Run the program with its output in a pipe."""
    command = [*COMMAND, "--config", str(desk.config), *arguments]
    around = environment(**variables)
    return subprocess.run(command, env=around, capture_output=True, text=True, check=False).stdout  # noqa: S603  # our own program


def on_a_terminal(desk: Desk, *arguments: str, **variables: str) -> str:
    """Run the program with its output on a terminal of 80 columns."""
    person, program = pty.openpty()
    command = [*COMMAND, "--config", str(desk.config), *arguments]
    plain = {"TERM": "xterm-256color", "COLUMNS": "80"}
    around = {name: value for name, value in environment().items() if name != "NO_COLOR"} | plain | variables
    with subprocess.Popen(command, env=around, stdin=program, stdout=program, stderr=subprocess.DEVNULL):  # noqa: S603  # our own program
        os.close(program)
        shown = b""
        while piece := _read(person):
            shown += piece
    os.close(person)
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the program has let go of its end
        return b""


@pytest.mark.parametrize("variables", [{}, {"COLUMNS": "20"}, {"FORCE_COLOR": "1"}, {"TERM": "xterm-256color"}])
def test_in_a_pipe_a_row_is_one_whole_line(desk: Desk, variables: dict[str, str]) -> None:
    """Nothing is shortened, broken or coloured, whatever the environment says about a terminal."""
    rentals = [f"5f1b0c2d3e4f5a6b7c8d{number:04}" for number in range(30)]
    desk.came(delivery("a", *rentals, type=LONG))
    desk.within(a_problem)
    listed = in_a_pipe(desk, "deliveries", **variables)
    [_, row] = listed.splitlines()

    assert LONG in row
    assert all(rental in row for rental in rentals)
    assert "…" not in listed
    assert "\x1b" not in listed + in_a_pipe(desk, "status", **variables)
    assert [line for line in listed.splitlines() if line != line.rstrip()] == []


def test_on_a_terminal_there_is_colour(desk: Desk) -> None:
    """Heads are bold and what needs attention is coloured; an id stays in one piece even where a row is too long."""
    rental = "5f1b0c2d3e4f5a6b7c8d9e0f"
    desk.came(delivery("a", rental, type=LONG), delivery("b", subjects=(Subject("sweep", "delta"),)))
    shown = on_a_terminal(desk, "deliveries")

    assert "\x1b[1m" in shown
    assert rental in shown
    assert "…" not in shown


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colour_where_nobody_wants_it(desk: Desk, variables: dict[str, str]) -> None:
    """NO_COLOR and a dumb terminal are respected."""
    desk.within(a_problem)
    held = on_a_terminal(desk, "status", **variables)

    assert "\x1b[3" not in held
    assert "Problems" in held


def test_what_comes_from_outside_cannot_steer_the_terminal(desk: Desk) -> None:
    """Signs that move the cursor or turn the text round are replaced, and markup is only text."""
    desk.within(a_problem)
    shown = desk.run("status").out

    assert not {"\x1b", "\x07", "\r", "\x9b", "\u202e"} & set(shown)
    assert "[bold]100%[/bold] :warning:" in shown
    assert [line for line in shown.splitlines() if line.startswith("acme")] == [shown.splitlines()[-1]]


def test_a_reader_that_goes_away_is_no_fault(desk: Desk) -> None:
    """`keyturn deliveries | head` leaves no traceback."""
    desk.came(*(delivery(f"k{number}", f"r{number}") for number in range(400)))
    reader, writer = os.pipe()
    os.close(reader)
    command = [*COMMAND, "--config", str(desk.config), "deliveries", "--limit", "400"]
    ended = subprocess.run(command, env=environment(), stdout=writer, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603  # our own program
    os.close(writer)

    assert ended.stderr == ""
