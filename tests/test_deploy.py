"""The files for installing fit the program: its commands, its settings, its ports and each other.

No container runs here. docs/deploying.md says what was tried with them, and how.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from keyturn.cli.app import run
from keyturn.settings import Settings, parse_settings

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
UNIT = (ROOT / "deploy/keyturn.service").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/deploying.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "deploy/keyturn.toml").read_text(encoding="utf-8")
MOUNT = "/run/secrets/"


def found(pattern: str, text: str) -> list[str]:
    """Return the first group of every match, each line for itself."""
    matches: list[str] = re.findall(pattern, text, re.MULTILINE)
    return matches


def only(pattern: str, text: str) -> str:
    """Return the one thing the pattern finds, however often it is there."""
    (value,) = set(found(pattern, text))
    return value


def health_check() -> list[str]:
    """Return the image's health check, with this Python."""
    _, *arguments = json.loads(only(r"^    CMD (\[.*\])$", DOCKERFILE))
    return [sys.executable, *arguments]


def loaded(text: str, folder: Path) -> Settings:
    """Load settings whose secrets are files in `folder`, which are made here."""
    for name in found(r'file = "(?:/run/)?secrets/(\w+)"', text):
        content = "postgresql://keyturn:word@postgres/keyturn" if name == "database_url" else "a-secret-of-some-length"
        (folder / name).write_text(content + "\n", encoding="utf-8")
    moved = re.sub(r'file = "(?:/run/)?secrets/', 'file = "', text)
    return parse_settings(tomllib.loads(moved), name="example", folder=folder, environ={})


COMMANDS: list[list[str]] = [json.loads(command) for command in found(r"^    command: (\[.*\])$", COMPOSE)]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_what_compose_starts_is_a_command(arguments: list[str]) -> None:
    """The program knows each command and its options."""
    assert run([*arguments, "--help"]) == 0


def test_compose_starts_both_halves() -> None:
    """There is a process that takes webhooks and one that works."""
    assert [command for command, *_ in COMMANDS] == ["web", "worker"]


def test_the_image_starts_a_command() -> None:
    """Without arguments, the image runs something the program knows."""
    assert only(r"^ENTRYPOINT (.*)$", DOCKERFILE) == '["keyturn"]'
    assert run([*json.loads(only(r"^CMD (.*)$", DOCKERFILE)), "--help"]) == 0


def test_the_unit_starts_a_command() -> None:
    """The unit's line is one the program knows, and the page installs the program where the unit looks for it."""
    program, *arguments = only(r"^ExecStart=(.*)$", UNIT).split()

    assert run([*arguments, "--help"]) == 0
    assert program == only(r"deploy/install\.sh (/\S+)$", PAGE) + "/bin/keyturn"
    assert arguments[arguments.index("--config") + 1] in PAGE


def test_an_unknown_option_would_be_noticed() -> None:
    """`--help` behind it does not hide an option that is not there."""
    assert run(["serve", "--no-such-option", "--help"]) == 2


def test_nothing_runs_as_root() -> None:
    """The last user of the image and the unit's user are others."""
    *_, user = found(r"^USER (\d+):\d+$", DOCKERFILE)

    assert DOCKERFILE.rindex("\nUSER ") > DOCKERFILE.rindex("\nFROM ")
    assert int(user) > 0
    assert only(r"^User=(.*)$", UNIT) == "keyturn"


def test_containers_are_locked_down() -> None:
    """No container may write to its image, keep a capability it does not need, or gain one."""
    for block in (COMPOSE.split("x-keyturn:")[1].split("\nservices:")[0], COMPOSE.split("\n  postgres:\n")[1]):
        assert "read_only: true" in block
        assert "cap_drop: [ALL]" in block
        assert 'security_opt: ["no-new-privileges:true"]' in block
    assert found(r"^    <<: \*(\w+)$", COMPOSE) == ["keyturn", "keyturn"]


def test_the_python_of_the_image_is_supported() -> None:
    """Both stages use the same Python, and the project allows it."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = project["requires-python"].removeprefix(">=")
    image = only(r"^FROM python:([\d.]+)-\S+", DOCKERFILE)

    assert [int(part) for part in image.split(".")] >= [int(part) for part in oldest.split(".")]


def test_all_speak_of_the_same_port(tmp_path: Path) -> None:
    """Settings, image, health check, worker and the published port agree."""
    port = loaded(EXAMPLE, tmp_path).server.port

    assert int(only(r"^EXPOSE (\d+)$", DOCKERFILE)) == port
    assert int(only(r"HTTPConnection as C; c = C\('127\.0\.0\.1', (\d+)", DOCKERFILE)) == port
    assert int(only(r'"--port", "(\d+)"', COMPOSE)) == port
    assert int(only(r'ports: \["127\.0\.0\.1:\d+:(\d+)"\]', COMPOSE)) == port


def test_the_settings_for_compose_load(tmp_path: Path) -> None:
    """They name PostgreSQL, and listen where other containers and the published port reach them."""
    settings = loaded(EXAMPLE, tmp_path)

    assert settings.database.url is not None
    assert settings.server.host == "0.0.0.0"  # noqa: S104  # inside the container


def test_the_settings_of_the_page_load(tmp_path: Path) -> None:
    """The settings for the service keep the database where the unit lets it write."""
    settings = loaded(found(r"```toml\n((?:.*\n)*?)```", PAGE)[0], tmp_path)

    assert settings.database.url is None
    assert settings.database.data_dir == Path("/var/lib") / only(r"^StateDirectory=(.*)$", UNIT)


def test_each_secret_of_the_settings_is_in_the_container() -> None:
    """Every file the settings name is given to the containers, and each that is given is described."""
    given = only(r"^  secrets: \[(.*)\]$", COMPOSE).split(", ")
    described = dict(re.findall(r"^  (\w+): \{file: \./secrets/(\w+)\}$", COMPOSE, re.MULTILINE))

    assert set(given) == set(found(rf'file = "{MOUNT}(\w+)"', EXAMPLE))
    assert {*given, "postgres_password"} == set(described)
    assert all(name == file for name, file in described.items())


def test_no_settings_and_no_secrets_go_into_the_image() -> None:
    """The build is given a list of what it needs, and nothing else."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert "*" in lines
    assert allowed == {"LICENSE", "README.md", "pyproject.toml", "requirements.lock", "deploy/install.sh", "src"}
    assert set(found(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE)) == {
        "pyproject.toml requirements.lock README.md LICENSE",
        "deploy/install.sh",
        "src",
    }


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_believes_200_alone(status: int, code: int) -> None:
    """It ends with 0 when the process answers well, else with 1."""
    with answering(status) as port:
        assert asked(port) == code


def test_the_health_check_notices_silence() -> None:
    """It ends with 1 where nobody listens."""
    with answering(200) as port:
        pass

    assert asked(port) == 1


def asked(port: int) -> int:
    """Run the health check against another port than the image's; return its exit code."""
    command = [part.replace("8080", str(port)) for part in health_check()]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL, timeout=30).returncode  # noqa: S603


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Answer GET /healthz with `status`, anything else with 404; gives the port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the standard library's name
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
