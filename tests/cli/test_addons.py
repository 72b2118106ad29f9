"""`keyturn addons`: who delivered, who is served, who is forgotten."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from cli.desk import ADDON, Desk, an_installation, delivery, nothing
from keyturn.core.ids import AddonId
from keyturn.store.database import Database
from keyturn.store.installations import Installations

OTHER = AddonId("addon2")
STRANGE = "https://evil.example/api"


async def two(database: Database) -> None:
    """Let one installation wait, and another name an address that is not believed."""
    await an_installation(database)
    await Installations(database).refuse(OTHER, STRANGE)


def some(desk: Desk) -> None:
    """Let both come, and two webhooks of the first."""
    desk.within(two, ago=timedelta(hours=2))
    desk.came(delivery("a", "r1", addon_id=ADDON), delivery("b", "r2", "r1", addon_id=ADDON), ago=timedelta(hours=1))


def test_the_list(any_desk: Desk) -> None:
    """Each installation is a line: its account, how far it is trusted, what is kept, what was refused."""
    some(any_desk)
    said = any_desk.run("addons")
    rows = [line.split() for line in said.lines[1:]]

    assert said.code == 0
    assert [[*row[:4], row[6], row[7]] for row in rows] == [
        ["addon1", "acme", "https://acme.storeganise.com/api", "waiting", "2", "-"],
        ["addon2", "-", "-", "refused", "0", STRANGE],
    ]


def test_for_machines(desk: Desk) -> None:
    """The document has the same, and null for what is not known."""
    some(desk)
    first, second = desk.json("addons")["addons"]

    assert {key: value for key, value in first.items() if not key.endswith("_seen")} == {
        "addon_id": "addon1",
        "business": "acme",
        "api_url": "https://acme.storeganise.com/api",
        "state": "waiting",
        "kept_events": 2,
        "refused_url": None,
        "refused_at": None,
    }
    assert (second["state"], second["business"], second["refused_url"]) == ("refused", None, STRANGE)
    assert desk.json("addons") == desk.json("--json", "addons")


def test_nobody_yet(desk: Desk) -> None:
    """Before the first event there is nothing to show, and that is no error."""
    desk.within(nothing)

    assert desk.run("addons").out == "No installation of the add-on has delivered yet.\n"
    assert desk.json("addons") == {"addons": []}


def test_approving(any_desk: Desk) -> None:
    """What was kept is due at once, with a sweep for what came before, and it says how much that was."""
    some(any_desk)

    assert any_desk.due() == set()

    said = any_desk.run("addons", "approve", ADDON)

    assert said.code == 0
    assert said.out == "addon1 is served as acme from now on. What 2 kept events named is due now.\n"
    assert any_desk.due() == {("acme", "rental", "r1"), ("acme", "rental", "r2"), ("acme", "sweep", "delta")}
    approved = any_desk.json("addons")["addons"][0]
    assert (approved["state"], approved["kept_events"]) == ("approved", 0)


def test_sub_commands_for_machines(desk: Desk) -> None:
    """--json counts wherever it stands."""
    some(desk)
    forgotten = {"addon_id": "addon1", "forgotten": True}

    assert desk.json("addons", "approve", ADDON) == {"addon_id": "addon1", "business": "acme", "released": 2}
    for before, between in ([["--json"], []], [[], ["--json"]]):
        said = desk.run(*before, "addons", *between, "forget", ADDON)
        assert json.loads(said.out) == forgotten
        desk.within(an_installation)


def test_forgetting(any_desk: Desk) -> None:
    """It is not served any more, what was kept stays, and its next event makes it known again."""
    some(any_desk)
    said = any_desk.run("addons", "forget", ADDON)

    assert (said.code, said.out) == (0, "addon1 is forgotten; its next event makes it known again.\n")
    assert [one["addon_id"] for one in any_desk.json("addons")["addons"]] == ["addon2"]
    assert len(any_desk.json("deliveries", "--state", "waiting")["deliveries"]) == 2

    any_desk.within(an_installation)

    assert any_desk.json("addons", "approve", ADDON)["released"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["approve", "addon9"], "no installation of this id has delivered yet"),
        (["forget", "addon9"], "no installation of this id has delivered yet"),
        (["approve", "addon2"], "named an address that may not be called"),
    ],
)
def test_what_cannot_be_done(desk: Desk, arguments: list[str], words: str) -> None:
    """An unknown installation, and a refused one, are one sentence and end with 1."""
    some(desk)
    said = desk.run("addons", *arguments)

    assert (said.code, said.out, len(said.err.splitlines())) == (1, "", 1)
    assert words in said.err


def test_approving_twice(desk: Desk) -> None:
    """The second time says that it is served already."""
    some(desk)
    desk.run("addons", "approve", ADDON)
    said = desk.run("addons", "approve", ADDON)

    assert (said.code, "served already" in said.err) == (1, True)


@pytest.mark.parametrize(
    "arguments", [["approve"], ["approve", "a/b"], ["forget", ""], ["forget"], ["refuse", "addon1"]]
)
def test_bad_input(desk: Desk, arguments: list[str]) -> None:
    """What cannot be meant ends with 2."""
    some(desk)
    said = desk.run("addons", *arguments)

    assert (said.code, said.out) == (2, "")


def test_status_says_who_waits(desk: Desk) -> None:
    """An installation that waits is something a person has to do."""
    some(desk)
    said = desk.run("status")

    assert said.code == 1
    assert "1 installation waits for approval; `keyturn addons` lists them." in said.lines

    desk.run("addons", "approve", ADDON)

    assert desk.json("status")["waiting_addons"] == 0
