"""What is counted, and under which labels."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from keyturn.clock import MovableClock
from keyturn.core.ids import AddonId, BusinessCode
from keyturn.core.installation import InstallationState
from keyturn.core.problem import Problem, ProblemCode
from keyturn.errors import HostNotAllowed, Unavailable
from keyturn.store.installations import Installations
from keyturn.store.problems import Problems
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.http import HttpClient, Operation
from keyturn.web.metrics import Metrics
from upstream.raw_server import SILENCE, answer, raw_server
from web.site import Site

READ = Operation("storeganise", "read a rental")
LABELS = 'operation="read a rental"'
NOW = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)


def value(metrics: Metrics, series: str) -> float:
    """Return the value of a series, named as Prometheus writes it."""
    [line] = [line for line in metrics.render().decode().splitlines() if line.startswith(f"{series} ")]
    return float(line.rpartition(" ")[2])


async def test_requests_are_counted_and_timed() -> None:
    """A request is under way until it has its answer; then it is counted by outcome, and its time is kept."""
    asked, metrics = asyncio.Event(), Metrics()

    def respond(number: int) -> bytes:
        asked.set()
        return SILENCE if number == 1 else answer(b"{}", status=404)

    async with raw_server(respond) as server, HttpClient(["127.0.0.1"], watch=metrics) as http:
        asking = asyncio.create_task(http.request("GET", server.url, operation=READ, headers={}))
        await asked.wait()
        under_way = value(metrics, 'keyturn_upstream_requests_in_flight{upstream="storeganise"}')
        server.silent.set()
        await asking

    assert under_way == 1
    assert value(metrics, 'keyturn_upstream_requests_in_flight{upstream="storeganise"}') == 0
    for outcome in ("no answer", "4xx"):
        series = f'keyturn_upstream_requests_total{{{LABELS},outcome="{outcome}",upstream="storeganise"}}'
        assert value(metrics, series) == 1
    assert value(metrics, f'keyturn_upstream_request_seconds_count{{{LABELS},upstream="storeganise"}}') == 2
    assert value(metrics, f'keyturn_upstream_request_seconds_sum{{{LABELS},upstream="storeganise"}}') > 0


async def test_a_refused_address_is_counted_as_not_sent() -> None:
    """A request that our own rules stop shows in the counter, and is not left under way."""
    metrics = Metrics()
    async with HttpClient(["*.example"], watch=metrics) as http:
        with pytest.raises(HostNotAllowed):
            await http.request("GET", "https://evil.test/", operation=READ, headers={})

    series = f'keyturn_upstream_requests_total{{{LABELS},outcome="not sent",upstream="storeganise"}}'
    assert value(metrics, series) == 1
    assert value(metrics, 'keyturn_upstream_requests_in_flight{upstream="storeganise"}') == 0


async def test_calls_that_a_pause_keeps_back_are_counted() -> None:
    """The counter says which upstream and why, and nothing of which account."""
    metrics = Metrics()
    async with HttpClient([], watch=metrics) as http:
        circuit = Circuit("storeganise of acme", MovableClock(NOW), timedelta(minutes=15), on_paused=http.paused)
        circuit.failed(Unavailable("storeganise", "x", "answered 429", pauses=True), "r1")
        for _ in range(2):
            with pytest.raises(Unavailable):
                circuit.check("read a rental")

    assert value(metrics, 'keyturn_upstream_paused_calls_total{reason="busy",upstream="storeganise"}') == 2


async def test_answers_to_webhooks_are_timed(site: Site) -> None:
    """Whatever the answer, its time is kept, under no label."""
    for secret in (b"secret-of-acme", b"guess"):
        await site.post(json.dumps({"id": "e1", "type": "unitRental.updated"}).encode(), secret=secret)

    assert value(site.metrics, "keyturn_webhook_answer_seconds_count") == 2


async def test_problems_and_installations_are_counted_in_the_database(site: Site) -> None:
    """The gauges show what is open at the moment they are asked for, and 0 for what is not."""
    problems, installations = Problems(site.database), Installations(site.database)
    found = [Problem(code=ProblemCode.NO_PIN, subject_kind="owner", subject_id=one) for one in ("o1", "o2")]
    await problems.settle(BusinessCode("acme"), found, (), NOW)
    await installations.register(AddonId("a1"), "https://acme.storeganise.com/api", wanted="acme")
    before = (await site.get("/metrics")).body.decode()
    await problems.settle(BusinessCode("acme"), (), {(("owner", "o1"), ProblemCode.NO_PIN)}, NOW)
    after = (await site.get("/metrics")).body.decode()

    assert 'keyturn_problems_open{code="no_pin"} 2.0' in before
    assert 'keyturn_problems_open{code="no_pin"} 1.0' in after
    for text in (before, after):
        assert 'keyturn_problems_open{code="vanished"} 0.0' in text
        assert 'keyturn_installations{state="waiting"} 1.0' in text
        assert 'keyturn_installations{state="approved"} 0.0' in text
        assert {"a1", "o1", "o2"} & set(text.replace('"', " ").split()) == set()


def test_the_gauges_of_a_process_without_webhooks() -> None:
    """A process that takes no webhook shows the same metrics, at nothing."""
    metrics = Metrics()
    metrics.show_census({ProblemCode.NO_PIN: 3}, {InstallationState.APPROVED: 1})

    assert value(metrics, "keyturn_webhook_answer_seconds_count") == 0
    assert value(metrics, 'keyturn_problems_open{code="no_pin"}') == 3
    assert "_created" not in metrics.render().decode()


def test_the_version_is_shown() -> None:
    """`keyturn_build_info` says what runs."""
    [line] = [line for line in Metrics().render().decode().splitlines() if line.startswith("keyturn_build_info")]

    assert line.startswith('keyturn_build_info{version="')
    assert line.endswith('"} 1.0')
