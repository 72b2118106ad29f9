"""`keyturn replay`: it counts, asks, and wakes."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from cli.desk import ACME, ADDON, ANOTHER, BOXES, SETTINGS, Desk, Said, an_installation, delivery, nothing
from cli.program import COMMAND, environment
from keyturn.core.work import Subject
from keyturn.store.database import Database
from keyturn.store.inbox import DeliveryState
from keyturn.store.installations import Installations

HOUR = timedelta(hours=1)


def some(desk: Desk) -> None:
    """Let webhooks come, look at everything, and let one more come that names nothing."""
    desk.came(delivery("a", "r1", "r2"), delivery("b", "r2", business=BOXES), ago=5 * HOUR)
    desk.came(delivery("c", "r3"), ago=2 * HOUR)
    desk.settle()
    desk.came(delivery("d", type="invoice.paid", state=DeliveryState.IGNORED), ago=HOUR)


def ids(desk: Desk) -> dict[str, str]:
    return {one["event_id"]: str(one["id"]) for one in desk.json("deliveries")["deliveries"]}


def test_it_only_counts_when_told_so(any_desk: Desk) -> None:
    """A dry run says how many there are and wakes nothing."""
    some(any_desk)
    said = any_desk.run("replay", "--since", "9h", "--dry-run")

    assert (said.code, said.lines) == (
        0,
        [
            "3 deliveries to replay; together they name 4 things.",
            "  acme: 2",
            "  boxes: 1",
            "Left out, because they name nothing: 1.",
        ],
    )
    assert any_desk.json("replay", "--since", "9h", "--dry-run") == {
        "deliveries": 3,
        "businesses": {"acme": 2, "boxes": 1},
        "subjects": 4,
        "not_approved": 0,
        "naming_nothing": 1,
        "replayed": 0,
    }
    assert any_desk.due() == set()


@pytest.mark.parametrize(
    ("options", "woken"),
    [
        (["--since", "9h"], {("acme", "r1"), ("acme", "r2"), ("acme", "r3"), ("boxes", "r2")}),
        (["--since", "3h"], {("acme", "r3")}),
        (["--business", "boxes"], {("boxes", "r2")}),
        (["--rental", "r2"], {("acme", "r1"), ("acme", "r2"), ("boxes", "r2")}),
        (["--type", "unitRental.updated", "--business", "acme"], {("acme", "r1"), ("acme", "r2"), ("acme", "r3")}),
        (["--state", "ignored"], set()),
        (["--state", "unresolved"], set()),
    ],
)
def test_it_wakes_what_fits(desk: Desk, options: list[str], woken: set[tuple[str, str]]) -> None:
    """What the chosen deliveries named is due again, nothing else, and counts as not looked at."""
    some(desk)
    said = desk.run("replay", *options, "--yes")

    assert said.code == 0
    assert desk.due() == {(business, "rental", rental) for business, rental in woken}


def test_by_id(any_desk: Desk) -> None:
    """Deliveries are replayed by the ids that the list shows."""
    some(any_desk)
    known = ids(any_desk)
    document = any_desk.json("replay", known["b"], known["c"], known["d"], "--yes")

    assert (document["replayed"], document["naming_nothing"]) == (2, 1)
    assert any_desk.due() == {("boxes", "rental", "r2"), ("acme", "rental", "r3")}
    assert [one["looked_at"] for one in any_desk.json("deliveries")["deliveries"]] == [False, False, False, True]


def test_an_unresolved_one_wakes_a_sweep(desk: Desk) -> None:
    """Where nobody knows what was meant, everything that changed is looked for."""
    desk.came(delivery("a", subjects=(Subject("sweep", "delta"),), state=DeliveryState.UNRESOLVED))
    desk.settle()
    desk.run("replay", "--state", "unresolved", "--yes")

    assert desk.due() == {("acme", "sweep", "delta")}


def test_an_id_that_is_not_there(desk: Desk) -> None:
    """One unknown id among others: nothing is replayed, and the sentence says which."""
    some(desk)
    said = desk.run("replay", "1", "98", "97", "--yes")

    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("keyturn: there is no delivery 97, 98;")
    assert desk.due() == set()


def test_installations_that_are_not_approved_are_left_out(any_desk: Desk) -> None:
    """Kept webhooks cannot be released behind the back of an approval."""
    any_desk.within(an_installation)
    any_desk.came(delivery("a", "r1", addon_id=ADDON), delivery("b", "r2"))
    any_desk.settle()
    said = any_desk.run("replay", "--since", "1h", "--yes")

    assert said.lines[1] == "Left out, because their installation is not approved (keyturn addons): 1."
    assert any_desk.due() == {("acme", "rental", "r2")}

    async def approve(database: Database) -> None:
        assert await Installations(database).approve(ADDON) == 1

    any_desk.within(approve)
    any_desk.settle()

    assert any_desk.json("replay", "--since", "1h", "--yes")["replayed"] == 2
    assert any_desk.due() == {("acme", "rental", "r1"), ("acme", "rental", "r2")}


def test_many_go_in_batches(desk: Desk) -> None:
    """More deliveries than fit into one transaction are all replayed."""
    desk.came(*(delivery(f"k{number}", f"r{number}") for number in range(450)))
    desk.settle()
    document = desk.json("replay", "--since", "1h", "--yes")

    assert (document["deliveries"], document["replayed"], document["subjects"]) == (450, 450, 450)
    assert len(desk.due()) == 450


def test_nothing_matches(desk: Desk) -> None:
    """Nothing to replay is no error, and nobody is asked."""
    desk.within(nothing)
    said = desk.run("replay", "--since", "1h")

    assert (said.code, said.out) == (0, "No delivery matches.\n")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--yes"],
        ["--dry-run"],
        ["x"],
        ["0"],
        ["99999999999999999999"],
        ["1", "--since", "1h"],
        ["--since", "soon"],
        ["--rental", "a b"],
        ["--business", "unknown", "--yes"],
        [str(number) for number in range(1, 1002)],
    ],
)
def test_bad_options(desk: Desk, options: list[str]) -> None:
    """What cannot be meant ends with 2 and wakes nothing."""
    some(desk)
    said = desk.run("replay", *options)

    assert (said.code, desk.due()) == (2, set())


def without_terminal(desk: Desk, *options: str) -> Said:
    """Replay everything with nobody there who could answer."""
    command = [*COMMAND, "--config", str(desk.config), "replay", "--since", "9h", *options]
    ended = subprocess.run(  # noqa: S603  # our own program
        command, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return Said(code=ended.returncode, out=ended.stdout, err=ended.stderr)


def test_without_a_terminal_nobody_can_be_asked(desk: Desk) -> None:
    """A script that does not say --yes gets the count, 2, and what to write; nothing is woken."""
    some(desk)
    said = without_terminal(desk)

    assert (said.code, said.lines[0]) == (2, "3 deliveries to replay; together they name 4 things.")
    assert "--yes" in said.err
    assert desk.due() == set()
    assert without_terminal(desk, "--yes").code == 0
    assert len(desk.due()) == 4


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """Open a terminal: the end a person sits at, and the program's end."""
    person, program = pty.openpty()
    try:
        yield person, program
    finally:
        os.close(person)
        os.close(program)


@pytest.mark.parametrize(
    ("answer", "code", "due", "end"),
    [("y\n", 0, 4, "3 deliveries replayed; what they named is due now.\n"), ("n\n", 1, 0, ""), ("\n", 1, 0, "")],
)
def test_on_a_terminal_it_asks(desk: Desk, answer: str, code: int, due: int, end: str) -> None:
    """The number is said first; only a yes wakes anything."""
    some(desk)
    command = [*COMMAND, "--config", str(desk.config), "replay", "--since", "9h"]
    with terminal() as (person, program):
        os.write(person, answer.encode())
        ended = subprocess.run(  # noqa: S603  # our own program
            command, env=environment(), stdin=program, capture_output=True, text=True, check=False
        )

    assert ended.returncode == code
    assert "Replay 3 deliveries? [y/N]" in ended.stderr
    assert ended.stdout.startswith("3 deliveries to replay")
    assert ended.stdout.endswith(end)
    assert ("Nothing was replayed." in ended.stderr) is bool(code)
    assert len(desk.due()) == due


def test_several_businesses_are_told_apart(desk: Desk) -> None:
    """The same rental id in two businesses is two rentals."""
    desk.write(SETTINGS + ANOTHER)
    desk.came(delivery("a", "r1"), delivery("a", "r1", business=BOXES))
    desk.settle()
    desk.run("replay", "--rental", "r1", "--business", ACME, "--yes")

    assert desk.due() == {("acme", "rental", "r1")}
