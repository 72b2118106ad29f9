"""What every command has: an example that works, and completion in the shell."""

from __future__ import annotations

import json
import platform
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cli.desk import ACME, ANOTHER, SETTINGS, Desk, delivery
from cli.program import COMMAND, environment
from keyturn.cli.app import build
from keyturn.core.ids import AddonId
from keyturn.store.database import Database
from keyturn.store.inbox import Inbox
from keyturn.store.installations import Installations

EXAMPLE = re.compile(r"^ *Example: (keyturn .+)$", re.MULTILINE)
EXAMPLE_ID = "5f1b0c2d3e4f5a6b7c8d9e0f"
STAYS = {"serve", "web", "worker", "simulate", "demo"}
"""Commands that run on until they are stopped, or for long; their examples are only read."""
ANSWERS = {"explain": {3}, "doctor": {1, 3}, "status": {1}}
"""How the others end here, where it is not with 0: nobody answers on the network, and an installation waits."""


def commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield every command with its full name."""
    for below, sub_command in getattr(command, "commands", {}).items():
        yield f"{name} {below}", sub_command
        yield from commands(f"{name} {below}", sub_command)


COMMANDS = dict(commands("keyturn", get_command(build())))


async def a_place(database: Database) -> None:
    """Let an installation wait and a webhook come."""
    installations = Installations(database)
    await installations.register(AddonId(EXAMPLE_ID), "https://acme.storeganise.com/api", wanted=ACME)
    await Inbox(database).accept(delivery("a", "r1"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_works(name: str, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line in the help can be run as it stands."""
    [example] = EXAMPLE.findall(COMMANDS[name].help)
    _, *words = shlex.split(example)
    own = name.split()[1:]
    start = words.index(own[0])
    desk.within(a_place)
    monkeypatch.chdir(desk.folder)

    assert words[start : start + len(own)] == own

    if own[0] in STAYS:
        COMMANDS[name].make_context(name, words[start + 1 :])
    else:
        assert desk.run(*words).code in ANSWERS.get(own[0], {0})


def shell(desk: Desk, *words: str, **variables: str) -> str:
    """Run the program as a shell's completion does."""
    around = environment(COMP_WORDS=" ".join(words), COMP_CWORD=str(len(words) - 1), **variables)
    ended = subprocess.run(  # noqa: S603  # our own program
        [*COMMAND], env=around, cwd=desk.folder, capture_output=True, text=True, check=True
    )
    return ended.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["keyturn", "wa"], ["wake"]),
        (["keyturn", "wake", "--business", ""], ["acme", "boxes"]),
        (["keyturn", "deliveries", "--business", "b"], ["boxes"]),
        (["keyturn", "deliveries", "--state", "un"], ["unresolved"]),
        (["keyturn", "addons", "ap"], ["approve"]),
    ],
)
def test_completion(desk: Desk, words: list[str], expected: list[str]) -> None:
    """The Tab key completes commands, options and the business codes of the settings."""
    desk.write(SETTINGS + ANOTHER)

    assert shell(desk, *words, _KEYTURN_COMPLETE="complete_bash").split() == expected


@pytest.mark.parametrize("settings", ["", "this is no TOML", "businesses = 3", "[businesses]\n", "\xff"])
def test_completion_never_complains(desk: Desk, settings: str) -> None:
    """Without usable settings there is nothing to complete, and no error on the screen."""
    desk.write(settings)

    assert shell(desk, "keyturn", "wake", "--business", "", _KEYTURN_COMPLETE="complete_bash").strip() == ""


def test_completion_of_named_settings(desk: Desk, tmp_path: Path) -> None:
    """A settings file named by an option or by the environment is the one that counts."""
    (tmp_path / "other.toml").write_text("[businesses.north]\n", encoding="utf-8")
    words = ["keyturn", "--config", "other.toml", "wake", "--business", ""]

    assert shell(desk, *words, _KEYTURN_COMPLETE="complete_bash").split() == ["north"]
    assert shell(
        desk, *words[:1], *words[3:], _KEYTURN_COMPLETE="complete_bash", KEYTURN_CONFIG="other.toml"
    ).split() == ["north"]


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell(desk: Desk, name: str) -> None:
    """The script to put into a shell's own files is printed, in a pipe too."""
    assert "_KEYTURN_COMPLETE=complete_" in shell(desk, "keyturn", _KEYTURN_COMPLETE=f"source_{name}")


def test_version(desk: Desk) -> None:
    """It says which program, which Python, and which tables; no settings are needed."""
    desk.config.unlink()
    document = desk.json("version")

    assert document == {
        "keyturn": document["keyturn"],
        "python": platform.python_version(),
        "database_revision": document["database_revision"],
    }
    assert re.fullmatch(r"\d{4}", document["database_revision"])
    assert [line.split()[-1] for line in desk.run("version").lines] == list(document.values())
    assert json.loads(desk.run("--json", "version").out) == document
