"""Faults are played exactly as planned, and the client really sees them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import aiohttp
import pytest

from keyturn.simulation.faults import Fault, Gate
from simulation.counter import Counter

SHORT = aiohttp.ClientTimeout(total=0.05)


@pytest.mark.parametrize(("fault", "applied"), [(Fault.reset_before(), 0), (Fault.reset_after(), 1)])
async def test_a_reset_drops_the_connection(
    counter: Counter, http: aiohttp.ClientSession, fault: Fault, applied: int
) -> None:
    """The client sees a closed connection; whether the effect happened depends on the fault alone."""
    counter.faults.add(route="count.post", fault=fault)
    with pytest.raises(aiohttp.ClientConnectionError):
        await http.post("/count")

    assert (counter.n, counter.journal.entries[0].status) == (applied, "reset")


@pytest.mark.parametrize(("fault", "applied"), [(Fault.timeout_before(), 0), (Fault.timeout_after(), 1)])
async def test_a_time_out_never_answers(
    counter: Counter, http: aiohttp.ClientSession, fault: Fault, applied: int
) -> None:
    """The client gives up; whether the effect happened depends on the fault alone."""
    counter.faults.add(route="count.post", fault=fault)
    with pytest.raises(TimeoutError):
        await http.post("/count", timeout=SHORT)
    await counter.journal.until(lambda: counter.journal.entries[0].status is not None)

    assert (counter.n, counter.journal.entries[0].status) == (applied, "timeout")


async def test_a_status_fault_uses_the_services_own_error(counter: Counter, http: aiohttp.ClientSession) -> None:
    """An injected status comes with the service's error body and the planned Retry-After, without an effect."""
    counter.faults.add(route="count.post", fault=Fault.status(503, retry_after="2"))
    async with http.post("/count") as response:
        seen = (response.status, response.headers["Retry-After"], await response.json())

    assert (seen, counter.n) == ((503, "2", {"own": 503}), 0)


async def test_an_error_after_the_commit(counter: Counter, http: aiohttp.ClientSession) -> None:
    """A status fault with `applied` happens after the effect."""
    counter.faults.add(route="count.post", fault=Fault.status(500, applied=True))
    async with http.post("/count") as response:
        status = response.status

    assert (status, counter.n) == (500, 1)


@pytest.mark.parametrize(
    ("fault", "status", "body", "applied"),
    [
        (Fault.html(502), 502, "<html>", 0),
        (Fault.html(200), 200, "<html>", 1),
        (Fault.empty(), 200, "", 1),
        (Fault.truncated(), 201, '{"cou', 1),
        (Fault.status(400, body={"a": 1}), 400, '{"a": 1}', 0),
        (Fault.status(400, body="<p>no</p>"), 400, "<p>no</p>", 0),
        (Fault.status(400, body=b"\xff"), 400, "\ufffd", 0),
    ],
)
async def test_unreadable_answers(
    counter: Counter, http: aiohttp.ClientSession, fault: Fault, status: int, body: str, applied: int
) -> None:
    """HTML, empty, half and foreign bodies arrive as planned; only a success has done the work."""
    counter.faults.add(route="count.post", fault=fault)
    async with http.post("/count") as response:
        text = (await response.read()).decode("utf-8", "replace")

    assert (response.status, text.startswith(body), counter.n) == (status, True, applied)


async def test_a_fault_hits_the_planned_requests_only(counter: Counter, http: aiohttp.ClientSession) -> None:
    """`after` lets requests pass, `times` limits the hits, other routes and accounts are left alone."""
    planned = counter.faults.add(route="count.*", fault=Fault.status(500), after=1, times=2, account="one")
    statuses = []
    for path, account in [("/all", "one"), ("/all", "two"), ("/count", "one"), ("/count", "one"), ("/count", "one")]:
        async with http.get(path, headers={"account": account}) as response:
            statuses.append(response.status)

    assert (statuses, planned.fired) == ([200, 200, 500, 500, 200], 2)


async def test_a_fault_may_choose_by_the_request(counter: Counter, http: aiohttp.ClientSession) -> None:
    """`when` sees the call, so one thing of many can fail, for ever or until it is removed."""
    planned = counter.faults.add(
        route="things.get", fault=Fault.status(404), times=None, when=lambda call: call.params["id"] == "b"
    )
    statuses = []
    for ident in ("a", "b", "b"):
        async with http.get(f"/things/{ident}") as response:
            statuses.append(response.status)
    planned.remove()
    async with http.get("/things/b") as response:
        statuses.append(response.status)

    assert statuses == [200, 404, 404, 200]


async def test_a_gate_holds_a_request_before_its_effect(counter: Counter, http: aiohttp.ClientSession) -> None:
    """While a request waits at a gate it is in flight and has done nothing; then it goes on."""
    gate = Gate()
    counter.faults.add(route="count.post", fault=Fault.hold(gate))
    request = asyncio.ensure_future(http.post("/count"))
    await gate.reached()
    held = (counter.n, counter.journal.entries[0].status, gate.waiting)
    gate.open()
    response = await request

    assert (held, response.status, counter.n) == ((0, None, 1), 201, 1)


async def test_a_gate_can_hold_the_answer(counter: Counter, http: aiohttp.ClientSession) -> None:
    """`hold_after` does the work and keeps the answer back."""
    gate = Gate()
    counter.faults.add(route="count.post", fault=Fault.hold_after(gate))
    request = asyncio.ensure_future(http.post("/count"))
    await gate.reached()
    held = counter.n
    gate.open()

    assert (held, (await request).status) == (1, 201)


async def test_a_late_effect_happens_though_the_client_left(counter: Counter, http: aiohttp.ClientSession) -> None:
    """A held request still takes effect after its client gave up, as a slow server's does."""
    gate = Gate()
    counter.faults.add(route="count.post", fault=Fault.hold(gate))
    with pytest.raises(TimeoutError):
        await http.post("/count", timeout=SHORT)
    gate.open()
    await counter.journal.until(lambda: counter.n == 1 or counter.journal.entries[0].status is not None)

    assert counter.n == 1


async def test_a_delay_follows_the_clock(counter: Counter, http: aiohttp.ClientSession) -> None:
    """A delayed request is answered when the clock has moved on."""
    counter.faults.add(route="count.post", fault=Fault.delay(30))
    request = asyncio.ensure_future(http.post("/count"))
    await counter.journal.until(lambda: counter.journal.count() == 1)
    early = counter.n
    counter.clock.advance(timedelta(seconds=31))
    await request

    assert (early, counter.n) == (0, 1)
