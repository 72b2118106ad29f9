"""Traces: off at no cost, on without secrets, and never in the way."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyturn import telemetry
from keyturn.clock import MovableClock
from keyturn.core.work import Ending
from keyturn.errors import Refused, Unavailable
from keyturn.telemetry.outbox import BATCH, EVERY_S, MOST, Outbox
from keyturn.telemetry.tracer import Tracer
from keyturn.upstream.collector import Collector as Sender
from keyturn.upstream.http import HttpClient, Operation
from telemetry.collector import Collector, collector

_ASIDE = Operation("test", "aside")
NOW = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
NOT_KEPT = f"00-{'1' * 32}-{'a' * 16}-00"
KEPT = f"00-{'2' * 32}-{'b' * 16}-01"
SETTINGS = """
[server]
secret_key = "0123456789abcdef"
port = {port}
[network]
allowed_hosts = ["127.0.0.1"]
[businesses.acme]
api_url = "http://127.0.0.1:1/api"
api_key = "key"
webhook_secret = "secret"
[telemetry]
endpoint = "http://127.0.0.1:1"
"""


def _collecting(
    http: HttpClient, traces: Collector, clock: MovableClock | None = None, sample: float = 1.0
) -> AbstractAsyncContextManager[None]:
    used = clock or MovableClock(NOW)
    send = Sender(http=http, clock=used, endpoint=traces.url).send
    return telemetry.collecting(sample=sample, version="1", clock=used, send=send)


@asynccontextmanager
async def _traced(sample: float = 1.0) -> AsyncIterator[Collector]:
    """Give a collector that has everything once the block has ended."""
    async with collector() as traces, HttpClient(["127.0.0.1"]) as http, _collecting(http, traces, sample=sample):
        yield traces


def test_off_is_nothing() -> None:
    """While nobody collects, a span is one thing that does nothing, and there is no trace to store."""
    spans = [telemetry.received("a"), telemetry.woken("b", ["c"]), telemetry.calling("d"), telemetry.span("e")]
    with spans[0] as span:
        span.note(business="acme")

        assert telemetry.current_trace() is None
    assert len({id(span) for span in spans}) == 1


def test_off_imports_nothing() -> None:
    """The whole service comes up without a package of OpenTelemetry."""
    script = "import sys, keyturn.bootstrap; print([name for name in sys.modules if 'opentelemetry' in name])"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)  # noqa: S603  # our own words

    assert ended.stdout.strip() == "[]"


def test_on_without_the_packages_is_a_sentence(tmp_path: Path) -> None:
    """Traces that cannot be collected stop the start, with what to install."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        (tmp_path / "keyturn.toml").write_text(SETTINGS.format(port=free.getsockname()[1]))
    script = (
        "import sys; sys.modules['opentelemetry'] = None; from keyturn.cli.app import run; "
        "sys.exit(run(['--config', 'keyturn.toml', 'serve']))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=tmp_path, text=True, check=False)  # noqa: S603  # our own words

    assert ended.returncode == 2
    assert 'install Keyturn with its extra "telemetry"' in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_what_a_span_shows() -> None:
    """Known attributes with plain values are shown; an unknown name and a long text are not."""
    async with _traced() as traces:
        with telemetry.received("webhook", business="acme", pin="739105", state=Ending.DONE) as span:
            span.note(count=3, event=None, subject_id="x" * 500, name="Canary")

    [seen] = traces.spans
    shown = {"keyturn.business": "acme", "keyturn.state": "done", "keyturn.count": 3, "keyturn.subject_id": "x" * 200}
    assert seen.attributes == shown
    assert not any(word in traces.bodies[0] for word in (b"739105", b"Canary", b"pin"))


@pytest.mark.parametrize(
    ("error", "word"),
    [(Refused("sensorberg", "set a code", "739105", status=422), "refused"), (KeyError("739105"), "KeyError")],
)
async def test_a_failure_is_marked_without_its_words(error: Exception, word: str) -> None:
    """A span that failed carries the error's code or type, never its message or where it happened."""
    async with _traced() as traces:
        with pytest.raises(type(error)), telemetry.received("webhook"):
            raise error

    [seen] = traces.spans
    assert (seen.failed, seen.attributes) == (True, {"error.type": word})
    assert not any(text in traces.bodies[0] for text in (b"739105", b"Traceback", b"test_telemetry", b"exception"))


async def test_nothing_of_the_machine_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment and the name of the machine stay here."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "canary=739105")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "canary")
    async with _traced() as traces:
        with telemetry.received("webhook"):
            pass

    assert b"keyturn" in traces.bodies[0]
    assert b"canary" not in traces.bodies[0]


async def test_what_is_not_kept_stays_so_and_what_is_goes_on() -> None:
    """The share decides about new traces; what goes on in one, or is linked to one, follows it."""
    async with _traced(sample=0.0) as traces:
        for asked in ([None], [NOT_KEPT], [NOT_KEPT, None], [KEPT], [NOT_KEPT, KEPT], ["nonsense"], []):
            with telemetry.woken("look", asked, count=len(asked)), telemetry.span("part"):
                pass
        with telemetry.received("webhook"):
            trace = telemetry.current_trace()

    looks = traces.named("look")
    assert [(look.attributes["keyturn.count"], look.parent, len(look.links)) for look in looks] == [
        (1, "b" * 16, 0),
        (2, "", 2),
    ]
    assert len(traces.named("part")) == 2
    assert trace is not None
    assert not int(trace[-2:], 16) & 1  # the flag that says "kept"


async def test_rows_of_one_trace_go_on_in_it() -> None:
    """Several rows with different spans of one trace have one look in it, linked to the others."""
    other = KEPT.replace("b" * 16, "c" * 16)
    async with _traced() as traces:
        with telemetry.woken("look", [KEPT, other, KEPT]):
            pass

    [look] = traces.spans
    assert (look.trace, look.parent, look.links) == ("2" * 32, "b" * 16, ["2" * 32])


async def test_sending_is_not_traced_itself() -> None:
    """An export makes no span, or there would be no end to them."""
    clock = MovableClock(NOW)
    async with (
        collector() as traces,
        HttpClient(["127.0.0.1"]) as http,
        _collecting(http, traces, clock),
    ):
        with telemetry.received("webhook"):
            pass
        for _ in range(3):
            clock.advance(timedelta(seconds=EVERY_S))
            await http.request("POST", f"{traces.url}/v1/traces", operation=_ASIDE, headers={})

    assert {span.name for span in traces.spans} == {"webhook", "test: aside"}


async def test_an_export_follows_the_rules_of_every_request(log: io.StringIO) -> None:
    """A collector whose host is not allowed gets nothing, and one line says so."""
    async with collector() as traces, HttpClient(["*.example"]) as http:
        async with _collecting(http, traces):
            with telemetry.received("webhook"):
                pass
        assert traces.requests == 0
    [line] = [json.loads(line) for line in log.getvalue().splitlines()]
    assert (line["action"], line["reason"]) == ("traces_not_sent", "the host is not in network.allowed_hosts")


class Away:
    """A way to send that fails as long as it is told to."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.tries = 0
        self.taken = 0

    async def send(self, body: bytes) -> None:
        self.tries += 1
        if self.error is not None:
            raise self.error
        self.taken += body.count(b"webhook")


async def _webhooks(number: int) -> None:
    for _ in range(number):
        with telemetry.received("webhook"):
            pass


async def _after_a_while(clock: MovableClock, away: Away, tries: int) -> None:
    """Let time pass until the outbox has tried so often."""
    while away.tries < tries:
        clock.advance(timedelta(seconds=EVERY_S))
        for _ in range(20):
            await _turn()


async def _turn() -> None:
    """Let the others have a turn."""
    await asyncio.sleep(0)


async def test_a_collector_that_is_away_costs_one_line(log: io.StringIO) -> None:
    """Failures are said once, as is the recovery; what was missed is sent then, but no more than is kept."""
    clock, away = MovableClock(NOW), Away(Unavailable("telemetry", "send traces", "no connection"))
    async with telemetry.collecting(sample=1, version="1", clock=clock, send=away.send):
        await _webhooks(MOST + 100)
        await _after_a_while(clock, away, 3)
        away.error = None
        await _after_a_while(clock, away, 4)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]

    assert away.taken == MOST
    assert [(line["action"], line["level"]) for line in lines] == [
        ("traces_not_sent", "warning"),
        ("traces_sent_again", "info"),
    ]


async def test_the_end_does_not_wait_for_a_silent_collector(log: io.StringIO) -> None:
    """A collector that takes a request and says nothing keeps nobody from stopping."""
    tries: list[int] = []

    async def silent(body: bytes) -> None:
        tries.append(len(body))
        await asyncio.Event().wait()

    outbox = Outbox(silent, MovableClock(NOW), last_try_s=0.01)
    tracer = Tracer(sample=1, version="1", outbox=outbox)
    async with outbox.open():
        with tracer.received("webhook", {}):
            pass
    [line] = [json.loads(line) for line in log.getvalue().splitlines()]

    assert (len(tries), line["action"], line["reason"]) == (1, "traces_not_sent", "no answer in time")


@pytest.mark.parametrize(
    "error", [Refused("telemetry", "send traces", "answered 400", status=400), ValueError("739105")]
)
async def test_what_cannot_be_taken_is_dropped(error: Exception, log: io.StringIO) -> None:
    """What the collector refuses is not sent again, and no failure of ours reaches anybody."""
    away = Away(error)
    async with telemetry.collecting(sample=1, version="1", clock=MovableClock(NOW), send=away.send):
        await _webhooks(BATCH - 1)
    assert (away.tries, log.getvalue().count("traces_not_sent")) == (1, 1)
    assert "739105" not in log.getvalue()
