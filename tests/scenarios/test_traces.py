"""One trace leads from a webhook to the door."""

from __future__ import annotations

import aiohttp

from keyturn.simulation.exchange import Call
from keyturn.simulation.faults import Fault
from scenarios.world import SECRET, World, WorldMaker
from telemetry.collector import Collector, Seen, collector

MOVE_IN = "job.unit_moveIn.completed"
SERVER, CLIENT, CONSUMER = 2, 3, 5
"""Kinds of spans (OpenTelemetry protocol, `Span.SpanKind`)."""


def _webhook(traces: Collector, event: str) -> Seen:
    """Find the one webhook of this event."""
    [found] = [span for span in traces.named("webhook") if span.attributes["keyturn.event"] == event]
    return found


def _path(traces: Collector, span: Seen) -> list[str]:
    """Name a span and those above it, up to the root."""
    by_id = {one.id: one for one in traces.spans}
    names = [span.name]
    while span.parent:
        span = by_id[span.parent]
        names.append(span.name)
    return names


async def test_a_move_in_is_one_trace_from_the_webhook_to_the_door(make_world: WorldMaker) -> None:
    """The webhook, the look it wakes and each request of that look belong together, write-backs included."""
    async with collector() as traces:
        async with make_world(telemetry={"endpoint": traces.url}) as told:
            rental = told.move_in()
            await told.settle()
            assert told.door("A1", told.pin_of(rental)) == "approved"
        webhook = _webhook(traces, MOVE_IN)
        family = [span for span in traces.spans if span.trace == webhook.trace]
    requests = {span.attributes["keyturn.operation"]: span for span in family if span.kind == CLIENT}

    assert (webhook.parent, webhook.kind) == ("", SERVER)
    assert {"create a user", "create a membership", "set a code", "write an owner's PIN"} < requests.keys()
    assert requests["create a membership"].attributes == {
        "keyturn.upstream": "sensorberg",
        "keyturn.operation": "create a membership",
        "keyturn.outcome": "2xx",
    }
    for operation in ("read a rental", "create a membership", "write a rental's fields"):
        assert _path(traces, requests[operation])[1:] == ["look", "webhook"]
    [look] = [span for span in family if span.name == "look"]
    assert (look.kind, look.attributes["keyturn.subject_id"]) == (CONSUMER, rental)


async def test_the_trace_goes_on_through_a_job(make_world: WorldMaker) -> None:
    """An event that names only a job is resolved into the rental, in the same trace."""
    async with collector() as traces:
        async with make_world(telemetry={"endpoint": traces.url}) as told:
            told.move_in()
            told.account.outbox.clear()
            job = next(iter(told.account.table["jobs"]))
            await _deliver(told, MOVE_IN, {"jobId": job})
            await told.settle()
        [membership] = [
            span for span in traces.spans if span.attributes.get("keyturn.operation") == "create a membership"
        ]
        path = _path(traces, membership)

    assert path == ["sensorberg: create a membership", "look", "resolve", "webhook"]


async def _deliver(told: World, kind: str, named: dict[str, str], headers: dict[str, str] | None = None) -> None:
    forged = told.account.forge(kind, named, secret=SECRET)
    url = f"{told.url}/webhooks/storeganise/acme"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=forged.body, headers=forged.headers | (headers or {})) as answer,
    ):
        assert answer.status == 200


async def test_several_webhooks_in_one_batch(make_world: WorldMaker) -> None:
    """A batch that several webhooks woke is a trace of its own, linked to each of theirs."""
    async with collector() as traces:
        async with make_world(telemetry={"endpoint": traces.url}) as told:
            told.move_in("A1")
            told.move_in("A2")
            await told.settle()
        webhooks = {span.trace for span in traces.named("webhook") if span.attributes["keyturn.event"] == MOVE_IN}
        [batch] = [span for span in traces.named("look") if webhooks <= set(span.links)]

    assert len(webhooks) == 2
    assert (batch.parent, batch.trace in webhooks, batch.attributes["keyturn.count"]) == ("", False, 2)


async def test_a_retry_stays_in_the_trace(make_world: WorldMaker) -> None:
    """A look that must wait for an upstream goes on in the trace of the webhook."""
    async with collector() as traces:
        async with make_world(telemetry={"endpoint": traces.url}) as told:
            told.sensorberg.faults.add(route="users.*", fault=Fault.status(503))
            told.move_in()
            await told.settle()
            told.clock.advance(told.settings.timing.retry_cap)
            await told.settle()
        webhook = _webhook(traces, MOVE_IN)
        looks = [span for span in traces.named("look") if span.trace == webhook.trace]

    assert [span.attributes["keyturn.ending"] for span in looks] == ["retry", "done"]


async def test_a_stranger_does_not_choose_the_trace(make_world: WorldMaker) -> None:
    """What a webhook's headers say about traces is not believed."""
    theirs = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "canary=1"}
    async with collector() as traces:
        async with make_world(telemetry={"endpoint": traces.url}) as told:
            await _deliver(told, "unitRental.updated", {"unitRentalId": told.move_in()}, theirs)
            await told.settle()
        spans = traces.spans

    assert len(spans) > 3
    assert "0af7651916cd43dd8448eb211c80319c" not in {span.trace for span in spans}
    assert not any(b"canary" in body for body in traces.bodies)


async def test_nothing_is_sent_on_to_others(make_world: WorldMaker) -> None:
    """No upstream gets to see a trace."""
    heads: list[str] = []

    def overhear(call: Call) -> bool:
        heads.extend(name.lower() for name in call.headers)
        return False

    async with collector() as traces, make_world(telemetry={"endpoint": traces.url}) as told:
        for simulator in (told.sensorberg, told.storeganise):
            simulator.faults.add(route="*", fault=Fault.empty(), times=None, when=overhear)
        told.move_in()
        await told.settle()

    assert "authorization" in heads
    assert not {"traceparent", "tracestate", "baggage"} & set(heads)


async def test_a_share_of_none(make_world: WorldMaker) -> None:
    """With a share of 0 nothing is sent, and everything works."""
    async with collector() as traces:
        async with make_world(telemetry={"endpoint": traces.url, "sample": 0}) as told:
            rental = told.move_in()
            await told.settle()
            assert told.door("A1", told.pin_of(rental)) == "approved"
        sent = traces.requests

    assert sent == 0


async def test_a_collector_that_is_away_changes_nothing(make_world: WorldMaker) -> None:
    """Doors open, and the service stops, whatever becomes of the traces."""
    async with collector() as traces:
        traces.status = 503
        async with make_world(telemetry={"endpoint": traces.url}) as told:
            rental = told.move_in()
            await told.settle()
            assert told.door("A1", told.pin_of(rental)) == "approved"

    assert traces.requests > 0
