"""The simulators' own HTTP door."""

from __future__ import annotations

import aiohttp

from simulation.counter import Counter


async def test_a_page_says_what_is_here(http: aiohttp.ClientSession) -> None:
    """The front page is plain text, and nobody finds it in the journal."""
    async with http.get("/") as response:
        text = await response.text()
    async with http.get("/_simulator/journal") as response:
        journal = await response.json()

    assert (text, journal) == ("a counter", [])


async def test_operations_are_called_by_name(counter: Counter, http: aiohttp.ClientSession) -> None:
    """An allowed operation runs with arguments by name or place, and its result comes back."""
    async with http.post("/_simulator/add", json={"by": 2}) as response:
        named = await response.json()
    async with http.post("/_simulator/add", json={"args": [3]}) as response:
        placed = await response.json()
    async with http.get("/_simulator/snapshot") as response:
        snapshot = await response.json()

    assert (named, placed, snapshot, counter.n) == ({"result": 2}, {"result": 5}, {"n": 5}, 5)


async def test_what_is_not_allowed_is_refused(counter: Counter, http: aiohttp.ClientSession) -> None:
    """An operation that is not in the table, or has wrong arguments, is answered 400 and does nothing."""
    statuses = [
        (await http.post("/_simulator/__init__")).status,
        (await http.post("/_simulator/add", json={"much": 1})).status,
        (await http.post("/_simulator/add", data=b"{")).status,
    ]

    assert (statuses, counter.n) == ([400, 400, 400], 0)


async def test_faults_can_be_planned_over_http(counter: Counter, http: aiohttp.ClientSession) -> None:
    """A PUT replaces the planned faults; they show until they are used up."""
    plan = [{"route": "count.post", "kind": "status", "code": 503, "retry_after": "1", "times": 1}]
    async with http.put("/_simulator/faults", json=plan) as response:
        planned = await response.json()
    statuses = [(await http.post("/count")).status, (await http.post("/count")).status]

    assert (planned, statuses) == ([{"route": "count.post", "kind": "status", "times": 1, "fired": 0}], [503, 201])
    assert counter.faults.planned == []


async def test_an_unknown_fault_changes_nothing(counter: Counter, http: aiohttp.ClientSession) -> None:
    """A plan that makes no sense is refused as a whole."""
    async with http.put("/_simulator/faults", json=[{"route": "count.post", "kind": "earthquake"}]) as response:
        status = response.status

    assert (status, counter.faults.planned) == (400, [])


async def test_the_journal_can_be_read_and_forgotten(counter: Counter, http: aiohttp.ClientSession) -> None:
    """The journal is shown as JSON; DELETE empties it."""
    await http.post("/count", json={"a": 1})
    async with http.get("/_simulator/journal") as response:
        shown = await response.json()
    await http.delete("/_simulator/journal")

    assert [(entry["route"], entry["status"], entry["body"]) for entry in shown] == [("count.post", 201, {"a": 1})]
    assert counter.journal.entries == []
