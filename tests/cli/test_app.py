"""The command line as a whole: options, exit codes, errors as sentences."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from cli.program import COMMAND, environment
from keyturn.cli.app import run
from keyturn.cli.outcome import exit_code
from keyturn.errors import (
    AccountKnown,
    Busy,
    CredentialsRejected,
    DatabaseTooNew,
    DatabaseUnavailable,
    HostNotAllowed,
    KeyturnError,
    NotFound,
    NotKept,
    Refused,
    SettingsError,
    StartError,
    Unavailable,
)

SETTINGS = '[server]\nsecret_key = "0123456789abcdef"\n[businesses.acme]\napi_key = "a"\nwebhook_secret = "w"\n'


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SettingsError(["x"]), 2),
        (HostNotAllowed("sensorberg", "users.post", "x"), 2),
        (DatabaseUnavailable("x"), 3),
        (Unavailable("storeganise", "units.get", "x"), 3),
        (CredentialsRejected("storeganise", "units.get", "x"), 3),
        (DatabaseTooNew("x"), 3),
        (Busy("acme"), 3),
        (AccountKnown("acme", "boxes"), 2),
        (NotKept("x"), 1),
        (StartError("x"), 1),
        (Refused("storeganise", "units.get", "x", status=422), 1),
        (NotFound("storeganise", "units.get", "x", status=404), 1),
        (KeyturnError("x"), 1),
    ],
)
def test_each_error_has_its_exit_code(error: KeyturnError, expected: int) -> None:
    """Scripts can tell wrong, unusable and unreachable apart."""
    assert exit_code(error) == expected


def test_every_problem_of_the_settings_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad settings file ends with 2 and one line per problem on standard error, nothing else."""
    path = tmp_path / "bad.toml"
    path.write_text("[server]\nport = 0\n", encoding="utf-8")

    code = run(["--config", str(path), "status"])
    captured = capsys.readouterr()
    starts = [line.split(" is ")[0] for line in captured.err.splitlines()]
    expected = [f"keyturn: {path}: {key}:" for key in ("businesses", "server.port", "server.secret_key")]
    assert (code, captured.out) == (2, "")
    assert [start[: len(line)] for start, line in zip(starts, expected, strict=True)] == expected


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["status", "--nonsense"], ["explain"], ["simulate", "--storeganise-port", "0"], ["explain", "a/b"]],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Usage errors say what is wrong and end with 2."""
    code = run(arguments)

    assert (code, capsys.readouterr().out) == (2, "")


def test_an_unknown_business_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A business the settings do not have is a usage error that names those they have."""
    path = tmp_path / "keyturn.toml"
    path.write_text(SETTINGS, encoding="utf-8")

    code = run(["explain", "r1", "--business", "beta", "--config", str(path)])
    assert (code, "acme" in capsys.readouterr().err) == (2, True)


def test_help_and_version_are_fine(capsys: pytest.CaptureFixture[str]) -> None:
    """Asking what there is ends with 0."""
    assert [run(["--help"]), run(["--version"]), run(["serve", "--help"])] == [0, 0, 0]
    assert "Exit codes:" in capsys.readouterr().out


def test_the_settings_file_can_come_from_the_environment(tmp_path: Path) -> None:
    """KEYTURN_CONFIG names the file where no option does, and an option wins."""
    around = environment(KEYTURN_CONFIG=str(tmp_path / "from-environment.toml"))

    def complaint(*options: str) -> str:
        run = subprocess.run([*COMMAND, *options], env=around, capture_output=True, text=True, check=False)  # noqa: S603  # our own program
        return run.stderr

    assert "from-environment.toml: there is no such file" in complaint("status")
    assert "named.toml: there is no such file" in complaint("--config", "named.toml", "status")
    assert "last.toml: there is no such file" in complaint("--config", "named.toml", "status", "--config", "last.toml")


def test_json_may_be_asked_for_before_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`keyturn --json status` is `keyturn status --json`."""
    path = tmp_path / "keyturn.toml"
    path.write_text(SETTINGS, encoding="utf-8")

    run(["--json", "--config", str(path), "status"])
    captured = capsys.readouterr()
    assert captured.err != "" or json.loads(captured.out)["due"] == 0
