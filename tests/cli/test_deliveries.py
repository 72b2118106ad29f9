"""`keyturn deliveries`: what it prints and how it ends."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from cli.desk import ACME, ADDON, ANOTHER, BOXES, SETTINGS, Desk, an_installation, delivery, nothing
from keyturn.core.work import Subject
from keyturn.store.inbox import DeliveryState

HOUR = timedelta(hours=1)
SWEEP = Subject("sweep", "delta")


def some(desk: Desk) -> None:
    """Let webhooks of all kinds come, the last one an hour ago."""
    desk.within(an_installation, ago=10 * HOUR)
    desk.came(delivery("a", "r1", "r2"), ago=5 * HOUR)
    desk.came(delivery("b", "r1", business=BOXES, type="unitRental.markOverdue"), ago=4 * HOUR)
    desk.came(delivery("c", type="invoice.paid", state=DeliveryState.IGNORED), ago=3 * HOUR)
    desk.came(delivery("d", subjects=(SWEEP,), state=DeliveryState.UNRESOLVED), ago=2 * HOUR)
    desk.came(delivery("e", "r3", addon_id=ADDON), ago=HOUR)


def keys(desk: Desk, *options: str) -> str:
    return "".join(one["event_id"] for one in desk.json("deliveries", *options)["deliveries"])


def test_a_row_for_each_the_newest_first(any_desk: Desk) -> None:
    """Each delivery is one line with all that people ask about."""
    some(any_desk)
    said = any_desk.run("deliveries")
    rows = [line.split() for line in said.lines[1:]]

    assert said.code == 0
    assert [int(row[0]) - int(rows[-1][0]) for row in rows] == [4, 3, 2, 1, 0]
    assert [row[2:6] for row in rows] == [
        ["acme", "addon1", "unitRental.updated", "waiting"],
        ["acme", "plain", "unitRental.updated", "unresolved"],
        ["acme", "plain", "invoice.paid", "ignored"],
        ["boxes", "plain", "unitRental.markOverdue", "accepted"],
        ["acme", "plain", "unitRental.updated", "accepted"],
    ]
    assert [row[6:] for row in rows] == [
        ["rental", "r3", "0", "-"],
        ["sweep", "delta", "0", "no"],
        ["-", "0", "-"],
        ["rental", "r1", "0", "no"],
        ["rental", "r1,", "rental", "r2", "0", "no"],
    ]
    assert " ".join(said.lines[0].split()) == "id received business via type state names repeats looked at"


def test_for_machines(desk: Desk) -> None:
    """The document has the whole delivery, with what is kept of the webhook."""
    desk.came(delivery("a", "r1"))
    desk.came(delivery("a", "r1"))
    [one] = desk.json("deliveries")["deliveries"]

    assert one["received_at"] < one["last_at"]
    assert {key: value for key, value in one.items() if not key.endswith("_at") or key == "looked_at"} == {
        "id": 1,
        "business": "acme",
        "addon_id": None,
        "type": "unitRental.updated",
        "event_id": "a",
        "state": "accepted",
        "repeats": 1,
        "names": [{"kind": "rental", "id": "r1"}],
        "looked_at": False,
        "document": {"id": "a", "data": {"unitRentalIds": ["r1"]}},
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--business", "boxes"], "b"),
        (["--type", "invoice.paid"], "c"),
        (["--rental", "r1"], "ba"),
        (["--rental", "r1", "--business", "acme"], "a"),
        (["--state", "accepted"], "ba"),
        (["--state", "ignored"], "c"),
        (["--state", "unresolved"], "d"),
        (["--state", "waiting"], "e"),
        (["--since", "150m"], "ed"),
        (["--since", "2020-01-01T12:00+02:00"], "edcba"),
        (["--since", "2120-01-01 12:00:00Z"], ""),
        (["--limit", "2"], "ed"),
        (["--rental", "r9"], ""),
    ],
)
def test_filters(desk: Desk, options: list[str], expected: str) -> None:
    """Each option leaves what fits it."""
    desk.write(SETTINGS + ANOTHER)
    some(desk)

    assert keys(desk, *options) == expected


def test_it_says_when_there_are_more(desk: Desk) -> None:
    """What a limit leaves out is said, to people and to machines."""
    desk.came(delivery("a", "r1"), delivery("b", "r1"))

    assert desk.json("deliveries", "--limit", "1")["more"] is True
    assert desk.json("deliveries", "--limit", "2")["more"] is False
    assert desk.run("deliveries", "--limit", "1").lines[-1] == "There are older ones; --limit 2 shows more."


def test_none_at_all(desk: Desk) -> None:
    """Nothing to show is no error."""
    desk.within(nothing)

    assert desk.run("deliveries").out == "No delivery matches.\n"
    assert desk.json("deliveries") == {"deliveries": [], "more": False}


def test_one_in_detail(any_desk: Desk) -> None:
    """A delivery by its id comes with what became of the things it names."""
    any_desk.came(delivery("a", "r1"))
    any_desk.settle()
    [listed] = any_desk.json("deliveries")["deliveries"]
    said = any_desk.run("deliveries", str(listed["id"]))
    document = any_desk.json("deliveries", str(listed["id"]))

    assert said.code == 0
    assert [line.split() for line in said.lines if line.startswith(("names", "looked at"))] == [
        ["names", "rental", "r1"],
        ["looked", "at", "yes"],
    ]
    assert said.lines[-1] == json.dumps(document["document"])
    [work] = document.pop("work")
    assert document == listed
    assert (work["kind"], work["id"], work["state"], work["result"]) == ("rental", "r1", "idle", "in order")


def test_one_that_is_not_there(desk: Desk) -> None:
    """An id that is not kept any more is one sentence, and ends with 1."""
    desk.within(nothing)
    said = desk.run("deliveries", "17")

    assert (said.code, said.out) == (1, "")
    assert said.err == "keyturn: there is no delivery 17; they are forgotten after 30 days\n"


@pytest.mark.parametrize(
    "options",
    [
        ["0"],
        ["x"],
        ["99999999999999999999"],
        ["1", "--business", "acme"],
        ["1", "--since", "2h"],
        ["--limit", "0"],
        ["--state", "lost"],
        ["--rental", "a/b"],
        ["--rental", ""],
        ["--since", "2 hours"],
        ["--since", "0m"],
        ["--since", "yesterday"],
        ["--since", "2026-03-01"],
        ["--since", "2026-03-01T12:00"],
        ["--since", "0001-01-01T00:00+14:00"],
        ["--since", ""],
        ["--business", "unknown"],
    ],
)
def test_bad_options(desk: Desk, options: list[str]) -> None:
    """What cannot be meant ends with 2 and nothing on standard output."""
    desk.within(nothing)
    said = desk.run("deliveries", *options)

    assert (said.code, said.out) == (2, "")


def test_an_unknown_business_names_those_there_are(desk: Desk) -> None:
    """A wrong code is told apart from a business nobody wrote for."""
    desk.within(nothing)

    assert "there are: acme" in desk.run("deliveries", "--business", "acne").err
    assert desk.run("deliveries", "--business", ACME).code == 0


def test_without_a_database(desk: Desk) -> None:
    """A database that is not there is one sentence, and ends with 3."""
    said = desk.run("deliveries")

    assert (said.code, said.out, len(said.err.splitlines())) == (3, "", 1)
