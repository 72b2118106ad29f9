"""May a request that failed have had its effect? What must not be done twice depends on it."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

import pytest

from keyturn.clock import MovableClock
from keyturn.errors import Unavailable
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.http import HttpClient, Operation, Response, failure, read_json
from upstream.raw_server import SILENCE, answer, raw_server

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POST = Operation("storeganise", "post a task")


async def _asked(url: str, **limits: float) -> Unavailable:
    """Send something that is not read-only, and return how it failed."""
    async with HttpClient(["127.0.0.1"], **limits) as http:  # type: ignore[arg-type]  # all but one are seconds
        with pytest.raises(Unavailable) as caught:
            await http.request("POST", url, operation=POST, headers={}, body=b"{}")
        return caught.value


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(None, id="the connection is reset"),
        pytest.param(answer(b"{}")[:-1], id="the answer is torn"),
        pytest.param(b"SSH-2.0-x\r\n", id="the answer is no HTTP"),
        pytest.param(SILENCE, id="no answer comes in time"),
    ],
)
async def test_what_went_out_may_have_happened(reply: bytes | None) -> None:
    """The request left, and nothing says that it had no effect."""
    async with raw_server(lambda _: reply) as server:
        assert (await _asked(server.url, read_timeout_s=0.2)).uncertain is True


async def test_without_a_connection_nothing_happened() -> None:
    """Nobody listens, so nothing was sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    assert (await _asked(f"http://127.0.0.1:{port}/")).uncertain is False


@pytest.mark.parametrize(
    ("status", "uncertain"),
    [(408, False), (425, False), (429, False), (500, False), (502, False), (503, False), (504, True), (599, False)],
)
def test_answers(status: int, *, uncertain: bool) -> None:
    """An error that was answered had no effect, except that a gateway does not know what became of a request."""
    error = failure(Response(status=status, headers={}, body=b""), POST, now=NOW)

    assert isinstance(error, Unavailable)
    assert error.uncertain is uncertain


def test_a_success_that_cannot_be_read_may_have_happened() -> None:
    """A page instead of an answer says nothing."""
    with pytest.raises(Unavailable) as caught:
        read_json(Response(status=200, headers={}, body=b"<html>"), POST, due=False)

    assert caught.value.uncertain is True


def test_a_pause_sends_nothing() -> None:
    """What a circuit keeps back did not happen, whatever it was paused for."""
    circuit = Circuit("storeganise", MovableClock(NOW), timedelta(minutes=15))
    circuit.failed(Unavailable("storeganise", "x", "no answer in time", pauses=True, uncertain=True), "s")
    with pytest.raises(Unavailable) as caught:
        circuit.check("post a task")

    assert caught.value.uncertain is False
