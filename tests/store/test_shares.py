"""Shares of a backend's limit: they never add up to more than it, and become even."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from databases import Place
from keyturn.clock import MovableClock
from keyturn.store.database import Database
from keyturn.store.schema import shares as table
from keyturn.store.shares import Shares, fair_share, granted

LEASE = timedelta(seconds=15)
HOLDERS = ("one", "two", "three", "four", "five")


@dataclass(slots=True)
class Model:
    """What one process holds and uses."""

    held: int = 0
    allowed: int = 0
    in_use: int = 0


class Table:
    """The arithmetic without a database: who holds how much."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.alive: dict[str, Model] = {}

    def beat(self, name: str) -> None:
        """Renew one share, as a process does; join where it is new."""
        mine = self.alive.setdefault(name, Model())
        others = sum(one.held for holder, one in self.alive.items() if holder != name)
        asked = max(mine.allowed, mine.in_use)
        mine.held = granted(limit=self.limit, others=others, alive=len(self.alive), asked=asked)
        mine.allowed = min(mine.held, fair_share(self.limit, len(self.alive)))

    def call(self, name: str, wanted: int) -> None:
        """Let calls start, as many as are allowed."""
        if name in self.alive:
            mine = self.alive[name]
            mine.in_use = max(mine.in_use, min(wanted, mine.allowed))

    def end(self, name: str, count: int) -> None:
        """Let calls end."""
        if name in self.alive:
            self.alive[name].in_use = max(self.alive[name].in_use - count, 0)

    def leave(self, name: str) -> None:
        """End a process, or let its share run out."""
        self.alive.pop(name, None)


STEPS = st.lists(
    st.tuples(st.sampled_from(["beat", "beat", "call", "end", "leave"]), st.sampled_from(HOLDERS), st.integers(0, 40)),
    max_size=60,
)


@given(limit=st.integers(1, 40), steps=STEPS)
@settings(max_examples=400)
def test_shares_never_exceed_the_limit(limit: int, steps: list[tuple[str, str, int]]) -> None:
    """Whoever joins, calls, ends and leaves in whatever order: shares fit the limit, and calls fit the shares."""
    processes = Table(limit)
    actions: dict[str, Callable[[str, int], None]] = {
        "beat": lambda name, _: processes.beat(name),
        "call": processes.call,
        "end": processes.end,
        "leave": lambda name, _: processes.leave(name),
    }
    for action, name, number in steps:
        actions[action](name, number)

        assert sum(one.held for one in processes.alive.values()) <= limit
        assert all(one.in_use <= one.held for one in processes.alive.values())


@given(limit=st.integers(1, 40), steps=STEPS)
@settings(max_examples=200)
def test_shares_become_even(limit: int, steps: list[tuple[str, str, int]]) -> None:
    """Whatever went before, once calls have ended and everybody has renewed a few times, everybody has the even share.

    Where there are more processes than requests, as many as there are requests have one each.
    """
    processes = Table(limit)
    for action, name, number in steps:
        match action:
            case "beat":
                processes.beat(name)
            case "call":
                processes.call(name, number)
            case _:
                processes.end(name, number)
    for _ in range(2):
        for name in processes.alive:
            processes.end(name, 40)
            processes.beat(name)
            processes.beat(name)

    held = sorted(one.held for one in processes.alive.values())
    even = fair_share(limit, max(len(held), 1))
    assert held == [0] * (len(held) - limit) + [even] * min(len(held), limit)


async def total(database: Database) -> int:
    """Return what all hold together."""
    summed = select(func.coalesce(func.sum(table.c.amount), 0))

    def ask(connection: Connection) -> int:
        return int(connection.execute(summed).scalar_one())

    return await database.read(ask)


async def test_the_first_gets_everything(database: Database) -> None:
    """Alone, a process holds the whole limit from its first renewal on."""
    share = await Shares(database).renew("one", asked=0, limit=31, lease=LEASE)

    assert (share.amount, share.fair) == (31, 31)


async def test_the_second_waits_for_the_first(database: Database) -> None:
    """It gets nothing until the first has given back, and then its even share."""
    shares = Shares(database)
    await shares.renew("one", asked=0, limit=31, lease=LEASE)
    second = await shares.renew("two", asked=0, limit=31, lease=LEASE)
    first = await shares.renew("one", asked=31, limit=31, lease=LEASE)

    assert (second.amount, second.fair) == (0, 15)
    assert (first.amount, first.fair) == (31, 15)

    first = await shares.renew("one", asked=15, limit=31, lease=LEASE)
    second = await shares.renew("two", asked=0, limit=31, lease=LEASE)

    assert (first.amount, second.amount) == (15, 15)


async def test_a_dead_process_loses_its_share(database: Database, clock: MovableClock) -> None:
    """When its share has run out, another may have it; coming back late, it gets what is left."""
    shares = Shares(database)
    await shares.renew("one", asked=0, limit=8, lease=LEASE)
    clock.advance(LEASE)
    second = await shares.renew("two", asked=0, limit=8, lease=LEASE)
    first = await shares.renew("one", asked=8, limit=8, lease=LEASE)

    assert (second.amount, first.amount) == (8, 0)


async def test_whoever_leaves_gives_everything_back(database: Database) -> None:
    """Its share is free at once."""
    shares = Shares(database)
    await shares.renew("one", asked=0, limit=8, lease=LEASE)
    await shares.leave("one")

    assert (await shares.renew("two", asked=0, limit=8, lease=LEASE)).amount == 8


async def test_many_machines_at_once(postgres_place: Place) -> None:
    """Processes on several machines that renew at the same time never hold more than the limit together."""
    machines = [await postgres_place.open() for _ in range(3)]
    asked: dict[str, int] = dict.fromkeys(HOLDERS, 0)

    async def live(number: int, name: str) -> None:
        for _ in range(8):
            share = await Shares(machines[number % 3]).renew(name, asked=asked[name], limit=12, lease=LEASE)
            asked[name] = min(share.amount, share.fair)

            assert await total(machines[0]) <= 12

    await asyncio.gather(*(live(number, name) for number, name in enumerate(HOLDERS)))

    assert list(asked.values()) == [2] * 5
