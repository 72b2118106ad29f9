"""The request journal."""

from __future__ import annotations

import asyncio

import aiohttp

from keyturn.simulation.faults import Fault, Gate
from simulation.counter import Counter


async def test_every_request_is_an_entry(counter: Counter, http: aiohttp.ClientSession) -> None:
    """An entry says what was asked, when, with what, and how it ended."""
    await http.post("/count?a=1", json={"x": "ü", "client_secret": "hidden"})
    entry = counter.journal.entries[0]

    assert (entry.sequence, entry.instant, entry.method, entry.path, entry.query) == (
        1,
        counter.clock.now(),
        "POST",
        "/count",
        {"a": "1"},
    )
    assert (entry.route, entry.account, entry.status, entry.body) == ("count.post", "one", 201, {"x": "ü"})


async def test_an_entry_hides_its_body(counter: Counter, http: aiohttp.ClientSession) -> None:
    """A body may hold a PIN, so it does not show in a repr."""
    await http.post("/count", json={"pin": "739105"})

    assert "739105" not in repr(counter.journal.entries)


async def test_requests_can_be_counted_and_split_at_a_mark(counter: Counter, http: aiohttp.ClientSession) -> None:
    """Counts, writes and everything since a mark are at hand."""
    await http.get("/count")
    mark = counter.journal.mark()
    await http.post("/count", headers={"account": "two"})
    await http.get("/nowhere")
    journal = counter.journal

    assert [entry.route for entry in journal.since(mark)] == ["count.post", "unknown"]
    assert (journal.count(), journal.count(route="count.get"), journal.count(method="GET")) == (3, 1, 2)
    assert (len(journal.writes()), len(journal.writes("one")), journal.count(account="two")) == (1, 0, 1)


async def test_the_peak_is_counted_per_account_and_kind(counter: Counter, http: aiohttp.ClientSession) -> None:
    """What is in flight at once is counted for lists and single requests apart, per account."""
    gate = Gate()
    counter.faults.add(route="*", fault=Fault.hold(gate), times=None)
    requests = [
        asyncio.ensure_future(http.get(path, headers={"account": account}))
        for path, account in [("/all", "one"), ("/count", "one"), ("/count", "one"), ("/count", "two")]
    ]
    await gate.reached(4)
    gate.open()
    await asyncio.gather(*requests)
    peak = counter.journal.peak

    assert (peak("list"), peak("single"), peak("single", "two"), peak("list", "two")) == (1, 2, 1, 0)
    assert max(entry.singles_in_flight for entry in counter.journal.entries) == 2


async def test_a_finished_request_is_no_longer_in_flight(counter: Counter, http: aiohttp.ClientSession) -> None:
    """One request after the other never counts as two at once; `clear` forgets entries and peaks."""
    for _ in range(3):
        await http.get("/count")
    peak = counter.journal.peak("single")
    counter.journal.clear()

    assert (peak, counter.journal.entries, counter.journal.peak("single")) == (1, [], 0)


async def test_unknown_paths_and_methods_are_told_apart(counter: Counter, http: aiohttp.ClientSession) -> None:
    """A known path with another method is 405, an unknown one 404; both are journalled."""
    statuses = [(await http.delete("/count")).status, (await http.get("/count/")).status]

    assert (statuses, counter.journal.count(route="unknown")) == ([405, 404], 2)


async def test_an_encoded_slash_stays_in_its_part(http: aiohttp.ClientSession) -> None:
    """A percent-encoded slash is part of an id, not a path separator."""
    async with http.get("/things/a%2Fb") as response:
        params = await response.json()

    assert params == {"id": "a/b"}
