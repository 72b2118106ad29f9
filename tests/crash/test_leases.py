"""A worker that is killed or stopped with work in its hands: another takes over, and the late one spoils nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import psycopg

from crash.promises import Promises
from keyturn.clock import SystemClock
from keyturn.simulation.faults import Fault, Gate
from nursery import Nursery
from scale.fleet import PATIENCE_S, Command, Fleet, fleet
from scale.town import Town

LONG = "KEYTURN_CRASH_POINTS" in os.environ
LEASE_S, RENTALS, MORE_S = (15, 200, 5) if LONG else (3, 30, 20)
"""The default lease and many rentals for `make crash`; for the ordinary tests, less of both on a busy machine."""
BUSINESSES = 10
ENDS_WITHIN_S = 10 if LONG else 20
"""What is promised, and what a busy machine may make of it."""
Record = Callable[[str, object], None]


async def started(run: Fleet, *words: str) -> list[Command]:
    """Start these commands side by side; the first takes the webhooks."""
    commands = await asyncio.gather(*(run.start(word) for word in words))
    run.send_to(commands[0])
    return commands


async def hands_full(run: Fleet, town: Town, rentals: int) -> tuple[Command, Gate]:
    """Let rentals be begun in all businesses by two workers; return the one with more of them, and what holds them."""
    _, *workers = await started(run, "web", "worker", "worker")
    gate = Gate()
    for tenant in run.tenants:
        tenant.faults.add(route="memberships.post", fault=Fault.hold(gate), times=None)
    town.arrive(rentals // len(run.accounts))
    await run.deliver()
    async with asyncio.timeout(PATIENCE_S):
        await gate.reached(2)
    return max(workers, key=lambda worker: held(run)[name(worker)]), gate


async def test_a_worker_killed_with_its_hands_full(
    nursery: Nursery, tmp_path: Path, postgres_url: str, record_property: Record
) -> None:
    """Calls of both workers are under way: one is killed, and the other soon has finished all rentals."""
    timing, clock = {"lease": f"{LEASE_S}s"}, SystemClock()
    async with fleet(tmp_path, postgres_url, nursery, businesses=BUSINESSES, timing=timing) as run:
        town = Town(fleet=run, random=Random(29))  # noqa: S311  # a repeatable story
        promises = Promises(run, town)
        victim, gate = await hands_full(run, town, RENTALS)
        lanes, left = held(run)[name(victim)], len(town.wrong())
        await victim.kill()
        killed_at = clock.now()
        gate.open()
        await run.until_all(town.right)
        took_s = (clock.now() - killed_at).total_seconds()
        await run.until(promises.kept)
        told = f"{lanes} of {BUSINESSES} businesses and {left} of {RENTALS} rentals not done"
        record_property("crash", f"worker killed with {told}: all done after {took_s:.1f} s, lease {LEASE_S} s")

        assert (lanes > 0, left) == (True, RENTALS)
        assert took_s <= LEASE_S + MORE_S


async def test_a_worker_told_to_stop_with_its_hands_full(
    nursery: Nursery, tmp_path: Path, postgres_url: str, record_property: Record
) -> None:
    """It ends within ten seconds although no call comes back, and leaves no lane for a lease to run out."""
    clock = SystemClock()
    async with fleet(tmp_path, postgres_url, nursery, businesses=2, timing={"lease": "10m"}) as run:
        town = Town(fleet=run, random=Random(37))  # noqa: S311  # a repeatable story
        promises = Promises(run, town)
        victim, gate = await hands_full(run, town, 8)
        told_at = clock.now()
        code = await victim.stop()
        took_s = (clock.now() - told_at).total_seconds()
        left = held(run)[name(victim)]
        gate.open()
        await run.until(promises.kept)
        record_property("crash", f"worker told to stop with its hands full: ended after {took_s:.1f} s")

        assert (code, left) == (0, 0)
        assert took_s <= ENDS_WITHIN_S


def name(worker: Command) -> str:
    """Return the name under which a worker holds its lanes."""
    return str(worker.said("worker_started")[0]["worker"])


def held(run: Fleet) -> Counter[str]:
    """Count the lanes by holder."""
    with psycopg.connect(run.database_url or "") as connection:
        return Counter(str(row[0]) for row in connection.execute("SELECT holder FROM lanes WHERE holder IS NOT NULL"))


async def test_a_worker_that_sleeps_past_its_lease(nursery: Nursery, tmp_path: Path, postgres_url: str) -> None:
    """Its call lands after the tenant has left; awake again, it records nothing, and the door is closed again."""
    async with fleet(tmp_path, postgres_url, nursery, businesses=1, timing={"lease": "2s"}) as run:
        _, sleeper = await started(run, "web", "worker")
        town, gate = Town(fleet=run, random=Random(31)), Gate()  # noqa: S311  # a repeatable story
        run.tenants[0].faults.add(route="memberships.post", fault=Fault.hold(gate))
        town.arrive(1)
        stay = town.stays[0]
        await run.deliver()
        async with asyncio.timeout(PATIENCE_S):
            await gate.reached()
        sleeper.process.send_signal(signal.SIGSTOP)
        fence = fence_of(run)
        await started(run, "web", "worker")
        await town.settle()
        stay.leave()
        await town.settle()
        gate.open()
        await run.until_all(lambda: not town.right())
        before = sleeper.said("looked")
        sleeper.process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(PATIENCE_S):
            await sleeper.until("lease_lost")
        await town.settle()

        assert [line["fence"] for line in sleeper.said("lease_lost")] == [fence]
        assert sleeper.said("looked") == before


def fence_of(run: Fleet) -> int:
    """Return the fence of the one lane there is."""
    with psycopg.connect(run.database_url or "") as connection:
        row = connection.execute("SELECT fence FROM lanes").fetchone()
    return int(row[0]) if row else 0
