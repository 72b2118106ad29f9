"""Log lines: what they look like, and what can never be in one."""

from __future__ import annotations

import ast
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

import keyturn
from keyturn import logs
from keyturn.core.rental import Pin
from keyturn.core.work import Ending
from keyturn.errors import Unavailable

CANARIES = ("739105", "sk-canary", "Canary Person", "canary@example.com")
SOURCE = Path(next(iter(keyturn.__path__)))
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """A stream that gets everything, as JSON; afterwards logging is as it was."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    stream = io.StringIO()
    logs.configure(stream=stream, pretty=False)
    yield stream
    structlog.reset_defaults()
    root.level, root.handlers = before


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def canaries_in(out: io.StringIO) -> list[str]:
    return [canary for canary in CANARIES if canary in out.getvalue()]


def test_a_line_is_an_action_and_fields(out: io.StringIO) -> None:
    """One event is one JSON line with its action, its level, its time and its fields."""
    logs.logger().info("lane_claimed", business="acme", fence=3, ending=Ending.DONE, seconds=timedelta(minutes=1))

    [line] = lines(out)
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo == UTC
    assert line == {
        "action": "lane_claimed",
        "business": "acme",
        "fence": 3,
        "ending": "done",
        "seconds": 60.0,
        "level": "info",
    }


def test_on_a_terminal_a_line_is_for_people() -> None:
    """The pretty form has no JSON."""
    stream = io.StringIO()
    logs.configure(stream=stream, pretty=True)
    logs.logger().info("lane_claimed", business="acme")
    structlog.reset_defaults()

    assert "lane_claimed" in stream.getvalue()
    assert "{" not in stream.getvalue()


def test_an_unknown_field_loses_its_value(out: io.StringIO) -> None:
    """A field nobody allowed keeps its name and loses what it says."""
    logs.logger().info("owner_seen", owner="o1", name="Canary Person", email="canary@example.com", pin="739105")

    [line] = lines(out)
    assert (line["owner"], line["dropped"], canaries_in(out)) == ("o1", "email name pin", [])


def test_an_action_is_a_constant_word(out: io.StringIO) -> None:
    """A sentence with something filled in is not an action and is not shown."""
    logs.logger().info("the PIN is 739105")

    [line] = lines(out)
    assert (line["action"], canaries_in(out)) == ("unworded", [])


def test_a_value_that_is_not_plain_is_only_its_type(out: io.StringIO) -> None:
    """A document or an object in an allowed field cannot carry anything along."""
    logs.logger().info("odd", reason={"pin": "739105"}, subject=Pin("739105"), rental=["Canary Person"])

    [line] = lines(out)
    assert (line["reason"], line["subject"], line["rental"], canaries_in(out)) == ("dict", "Pin", "list", [])


def test_one_of_our_errors_is_its_type_and_code(out: io.StringIO) -> None:
    """Our own errors need no frames."""
    logs.logger().warning("look_failed", exc_info=Unavailable("sensorberg", "users.post", "canary@example.com"))

    [line] = lines(out)
    assert (line["error"], line["error_code"], canaries_in(out)) == ("Unavailable", "upstream_unavailable", [])
    assert "frames" not in line


def test_a_foreign_error_is_its_places_without_messages_and_locals(out: io.StringIO) -> None:
    """A driver's exception says where it came from, never what it carried."""

    def read_row(secret: str) -> None:
        try:
            dict[str, str]()[secret]
        except KeyError as error:
            raise RuntimeError(f"row of {secret}") from error

    try:
        read_row("sk-canary")
    except RuntimeError as error:
        logs.logger().error("look_failed", exc_info=error)

    [line] = lines(out)
    assert (line["error"], canaries_in(out)) == ("RuntimeError", [])
    assert "read_row" in line["frames"]
    assert "KeyError" in line["frames"]


def test_a_librarys_line_is_only_its_template(out: io.StringIO) -> None:
    """What a library fills into its message is not shown, and nothing below a warning is."""
    foreign = logging.getLogger("some.library")
    foreign.warning("cannot reach %s", "canary@example.com")
    foreign.error("task failed\nfuture: Canary Person", exc_info=ValueError("739105"))
    foreign.info("connecting with sk-canary")

    first, second = lines(out)
    assert (first["library"], first["reason"], first["level"]) == ("some.library", "cannot reach %s", "warning")
    assert (second["reason"], second["error"], second["level"]) == ("task failed", "ValueError", "error")
    assert canaries_in(out) == []


def test_nothing_is_shown_before_logging_is_set_up(capsys: pytest.CaptureFixture[str]) -> None:
    """A logger taken before `configure` already drops what is not allowed and shows no local variables."""
    structlog.reset_defaults()
    secret = "sk-canary"
    try:
        dict[str, str]()[secret]
    except KeyError as error:
        logs.logger().error("early", name="Canary Person", exc_info=error)
    structlog.reset_defaults()

    shown = "".join(capsys.readouterr())
    assert "early" in shown
    assert [canary for canary in CANARIES if canary in shown] == []


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Find every call in our source that looks like a log line: `...log.level("action", ...)`."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                not isinstance(node, ast.Call)
                or not isinstance(node.func, ast.Attribute)
                or node.func.attr not in LEVELS
            ):
                continue
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name.strip("_") == "log":
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node


def test_every_line_in_the_source_uses_constant_words_and_known_fields() -> None:
    """Nobody logs a built sentence, or a field that would be dropped."""
    wrong = []
    for place, call in log_calls():
        fields = {keyword.arg for keyword in call.keywords}
        if not (len(call.args) == 1 and isinstance(call.args[0], ast.Constant)) or fields - logs.FIELDS - {"exc_info"}:
            wrong.append(place)

    assert wrong == []
