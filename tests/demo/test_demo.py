"""The demo as people meet it: a whole day that is right, and days that are not."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from cli.program import COMMAND, environment
from keyturn import demo
from keyturn.clock import SystemClock
from keyturn.demo.morning import first_look
from keyturn.demo.scene import Scene, Step
from keyturn.demo.stage import Stage
from keyturn.demo.world import OPENING
from keyturn.providers.sensorberg.simulator import SensorbergSimulator
from keyturn.simulation.operator import believable_operator
from keyturn.storeganise.simulator import StoreganiseSimulator

AT_ONCE_S = 60
INTERRUPTED = 130
_CURL = re.compile(r"curl -s (\S+) -d '(.*)'")


def _start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the demo in a process of its own, with an empty home and its own temporary folder."""
    return subprocess.Popen(  # noqa: S603  # our own program
        (*COMMAND, "demo", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment(HOME=str(folder), TMPDIR=str(folder), PYTHONWARNINGS="error", PYTHONIOENCODING="utf-8"),
    )


def _read_until(program: subprocess.Popen[str], words: str) -> str:
    """Read lines up to the one with these words."""
    assert program.stdout is not None
    lines: list[str] = []
    for line in program.stdout:
        lines.append(line)
        if words in line:
            break
    return "".join(lines)


def _ask(command: str) -> dict[str, Any]:
    """Do what a printed curl command does; return the result."""
    match = _CURL.search(command)
    assert match is not None, command
    request = Request(match[1], data=match[2].encode())  # noqa: S310  # an address on this machine
    with urlopen(request, timeout=AT_ONCE_S) as answer:  # noqa: S310  # the same
        result: dict[str, Any] = json.load(answer)["result"]
    return result


def _history_pins() -> set[str]:
    clock = SystemClock()
    return set(believable_operator(StoreganiseSimulator(clock), SensorbergSimulator(clock)).pins.values())


def test_the_day_is_right_and_goes_on_when_served(tmp_path: Path) -> None:
    """The whole day ends with every door right; with --serve all answers until Ctrl-C; nothing stays behind."""
    with _start(tmp_path, "--serve") as program:
        day = _read_until(program, "Everything keeps running")
        offered = _read_until(program, "explain RENTAL")
        first_door = _ask(next(line for line in offered.splitlines() if "try_door" in line))
        program.send_signal(signal.SIGINT)
        rest, errors = program.communicate(timeout=AT_ONCE_S)

    assert first_door["state"] == "approved"
    assert "tries): 0 wrong." in day
    assert day.count("  right  ") == len(demo.STEPS)
    assert "WRONG" not in day
    assert "\x1b" not in day + offered + rest
    assert not [pin for pin in _history_pins() if pin in day]
    assert errors == ""
    assert program.returncode == 0
    assert not list(tmp_path.glob("keyturn-demo-*"))


def test_interrupted_in_the_middle(tmp_path: Path) -> None:
    """Ctrl-C during the day ends it without a traceback and without leaving files."""
    with _start(tmp_path) as program:
        _read_until(program, "08:55")
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=AT_ONCE_S)

    assert program.returncode == INTERRUPTED
    assert errors == ""
    assert not list(tmp_path.glob("keyturn-demo-*"))


def _tampering(act_on: str) -> Step:
    """Return a step in which somebody changes a door by hand, behind Keyturn's back."""

    def prepare(stage: Stage) -> Scene:
        tenant, empty = stage.person("Jürgen"), stage.free_unit()
        group = stage.doors.group(empty)

        async def act() -> None:
            if act_on == "delete":
                stage.world.sensorberg.delete_membership(stage.rental_of(tenant))
            if act_on == "add":
                stage.world.sensorberg.add_manual_membership(tenant, group)
            if act_on == "code":
                stage.world.sensorberg.set_code(tenant, "271828")

        return Scene(at=OPENING, title="Tampering", asked="a hand at Sensorberg", tries=[], act=act)

    return prepare


@pytest.mark.parametrize(
    ("act_on", "said"),
    [
        ("delete", "N101 stays shut with the PIN of Jürgen Groß"),
        ("add", "S108 opens with the PIN of Jürgen Groß"),
        ("code", "N101 opens with a PIN that is nobody's any more"),
    ],
)
def test_a_wrong_door_turns_it_red(
    act_on: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A door that is wrong at the end is named, the log is kept, and the exit code says so."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    code = demo.run(serve=False, steps=[first_look, _tampering(act_on)])

    shown = capsys.readouterr().out
    log = next(tmp_path.glob("keyturn-demo-*/keyturn.log"))
    assert code == 1
    assert said in shown
    assert "tries): 0 wrong." not in shown
    assert str(log) in shown
    assert not [pin for pin in {*_history_pins(), "271828"} if pin in shown + log.read_text(encoding="utf-8")]


def test_a_wrong_door_within_a_step_turns_it_red(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A door that should stay shut and opens after a step is named, even if it is mended by the evening."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    rows: list[str] = []

    def opened_by_hand(stage: Stage) -> Scene:
        tenant, empty = stage.person("Jürgen"), stage.free_unit()
        group = stage.doors.group(empty)

        async def act() -> None:
            rows.append(stage.world.sensorberg.add_manual_membership(tenant, group))

        shut = stage.attempt(tenant, empty, opens=False)
        return Scene(at=OPENING, title="By hand", asked="a hand opens a door", tries=[shut], act=act)

    def shut_by_hand(stage: Stage) -> Scene:
        async def act() -> None:
            stage.world.sensorberg.delete_membership(rows[0])

        return Scene(at=OPENING, title="Back", asked="the hand takes it back", tries=[], act=act)

    code = demo.run(serve=False, steps=[first_look, opened_by_hand, shut_by_hand])

    shown = capsys.readouterr().out
    assert code == 1
    assert "By hand: S108 (Jürgen's PIN) opens and should stay shut" in shown
    assert "tries): 0 wrong." in shown


def test_a_short_day_ends_with_what_to_try_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A right day without --serve ends by itself with 0 and leaves nothing behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    code = demo.run(serve=False, steps=[first_look])

    assert code == 0
    assert "keyturn demo --serve" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
