"""`make bench`: measure Keyturn as it is run, write build/bench.json and the figures of docs/performance.md.

    requests    what one event needs: requests, and round trips until the door works
    throughput  move-ins a second and their CPU, as fast as the machine goes
    waits       from the webhook to the door while every request takes 50 ms
    acks        how soon a webhook is answered, and whether what was answered is on the disk
    workers     one worker and two
    growth      memory and CPU per event, for 1,000 to 100,000 rentals
    soak        memory over a million events; only when asked for

The stub of both services and the sender of webhooks are this process; what is measured runs as processes of its
own, with default settings but for what a figure says. With `--peer`, the case study's handler is measured beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median_low
from typing import Any

import uvloop
from bench import acks, doors, growth, page, results
from bench.machine import described
from bench.postgres import Server, found_server
from bench.stub import Account, Stub
from bench.subjects import Subject, handler_running, keyturn_running
from bench.throughput import Throughput, throughput
from rich.console import Console

WIDE = {"storeganise_in_flight": 64, "sensorberg_in_flight": 64}
LATENCY_S = 0.05
BUSINESSES = 8
Start = Callable[[Stub, Sequence[str], Path], AbstractAsyncContextManager[Subject]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is there to measure with, and how long it may take."""

    folder: Path
    peer: Path | None
    server: Server | None
    quick: bool
    events: int

    def amount(self, full: int, quick: int) -> int:
        """Return how many there shall be."""
        return quick if self.quick else full

    def keyturn(self, *commands: str, postgres: bool = False, policy: dict[str, int] | None = None) -> Start:
        """Return how Keyturn is started."""

        @asynccontextmanager
        async def start(stub: Stub, codes: Sequence[str], folder: Path) -> AsyncIterator[Subject]:
            if not postgres or self.server is None:
                async with keyturn_running(folder, stub.url, codes, commands=commands, policy=policy) as subject:
                    yield subject
                return
            with self.server.database() as url:
                running = keyturn_running(folder, stub.url, codes, commands=commands, database_url=url, policy=policy)
                async with running as subject:
                    yield subject

        return start

    def handler(self) -> dict[str, Start]:
        """Return how the handler is started, if there is one."""
        if self.peer is None:
            return {}
        peer = self.peer
        return {"handler": lambda stub, codes, _folder: handler_running(peer, stub.url, codes)}

    @asynccontextmanager
    async def stage(
        self, start: Start, *, businesses: int = 1, latency_s: float = 0.0
    ) -> AsyncIterator[tuple[Stub, Subject, list[Account], Path]]:
        """Start a stub and one subject for the length of a block."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            stub = Stub(latency_s=latency_s)
            async with stub.serving():
                accounts = [stub.add_account(f"b{number}") for number in range(businesses)]
                async with start(stub, list(stub.accounts), Path(name)) as subject:
                    gc.collect()
                    gc.freeze()
                    yield stub, subject, accounts, Path(name)


async def requests(plan: Plan) -> Any:
    """Measure what single events need."""
    found = {}
    for name, start in {"keyturn": plan.keyturn("serve"), **plan.handler()}.items():
        async with plan.stage(start, latency_s=LATENCY_S) as (stub, subject, accounts, _):
            found[name] = [asdict(route) for route in await doors.routes(stub, subject, accounts)]
    return found


async def move_ins(plan: Plan) -> Any:
    """Measure throughput: each subject in turn, several rounds, the median of them."""
    subjects = {"serve": plan.keyturn("serve"), **plan.handler()}
    if plan.server is not None:
        subjects["serve, PostgreSQL"] = plan.keyturn("serve", postgres=True)
        subjects["web + worker, PostgreSQL"] = plan.keyturn("web", "worker", postgres=True)
    rounds: dict[str, list[Throughput]] = {name: [] for name in subjects}
    for _ in range(plan.amount(3, 1)):
        for name, start in subjects.items():
            async with plan.stage(start) as (stub, subject, accounts, _folder):
                count = plan.amount(2000, 300)
                rounds[name].append(await throughput(stub, subject, accounts, count=count, at_once=50))
    return {name: _shown(_middle(runs)) for name, runs in rounds.items()}


async def workers(plan: Plan) -> Any:
    """Measure one worker and two, beside one web, for several businesses."""
    if plan.server is None:
        return None
    found = {}
    for number in (1, 2):
        start = plan.keyturn("web", *["worker"] * number, postgres=True)
        async with plan.stage(start, businesses=BUSINESSES) as (stub, subject, accounts, _):
            count = plan.amount(2000, 300)
            found[str(number)] = _shown(await throughput(stub, subject, accounts, count=count, at_once=100))
    return found


async def waits(plan: Plan) -> Any:
    """Measure the time to the door: at a steady pace, 50 at once, and 300 in one moment."""
    wide = plan.keyturn("serve", policy=WIDE)
    subjects = {"keyturn": plan.keyturn("serve"), "keyturn, 64 in flight": wide, **plan.handler()}
    found: dict[str, dict[str, Any]] = {}
    for name, start in subjects.items():
        async with plan.stage(start, latency_s=LATENCY_S) as (stub, subject, accounts, _):
            found[name] = {
                "20 a second": await doors.steadily(
                    stub, subject, accounts, per_second=20, count=plan.amount(600, 100)
                ),
                "50 at once": await doors.at_once(stub, subject, accounts, count=plan.amount(500, 100), most=50),
                "a burst of 300": await doors.at_once(stub, subject, accounts, count=300, most=300),
            }
            found[name] = {how: asdict(one) for how, one in found[name].items()}
    return found


async def answers(plan: Plan) -> Any:
    """Measure how soon webhooks are answered."""
    subjects = {"serve, SQLite": (plan.keyturn("serve"), False)}
    if plan.server is not None:
        subjects["web + worker, PostgreSQL"] = plan.keyturn("web", "worker", postgres=True), True
    found = {}
    for name, (start, postgres) in subjects.items():
        async with plan.stage(start) as (stub, subject, accounts, folder):
            database = acks.Database(subject.database_url if postgres else None, folder / "data")
            steady = await acks.steady(stub, subject, accounts, database, per_second=200, seconds=plan.amount(60, 10))
            burst = await acks.burst(stub, subject, accounts, database, count=5000)
            found[name] = {"steady": asdict(steady), "burst": asdict(burst)}
    return found


async def sizes(plan: Plan) -> Any:
    """Measure what more rentals cost."""
    found = []
    for rentals in (1_000, 10_000, plan.amount(100_000, 30_000)):
        with tempfile.TemporaryDirectory(dir=plan.folder) as name:
            async with Stub().serving() as stub:
                events = plan.amount(5000, 1000)
                found.append(asdict(await growth.size(stub, Path(name), rentals=rentals, events=events)))
    return found


async def soak(plan: Plan) -> Any:
    """Send events for as long as it takes; what was seen so far is kept all the while."""
    found = []
    with tempfile.TemporaryDirectory(dir=plan.folder) as name:
        async with Stub().serving() as stub:
            samples = growth.soak(stub, Path(name), rentals=1000, events=plan.events, every=max(plan.events // 50, 1))
            async for sample in samples:
                found.append(asdict(sample))
                if not plan.quick:
                    results.keep("soak", found)
                Console().print(f"{sample.events:,} events: {sample.rss_mb:.1f} MB, {sample.seconds:,.0f} s")
    return found


MEASURES: dict[str, Callable[[Plan], Awaitable[Any]]] = {
    "requests": requests,
    "throughput": move_ins,
    "waits": waits,
    "acks": answers,
    "workers": workers,
    "growth": sizes,
    "soak": soak,
}


def _middle(runs: list[Throughput]) -> Throughput:
    pace = median_low(sorted(run.per_second for run in runs))
    return next(run for run in runs if run.per_second == pace)


def _shown(run: Throughput) -> dict[str, Any]:
    return asdict(run) | {"per_second": run.per_second, "cpu_ms": run.cpu_ms}


async def measure(plan: Plan, parts: Sequence[str]) -> None:
    """Measure these parts; show each as soon as it is done, and keep it unless this is only a short look."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _current().cancel)
    if not plan.quick:
        results.keep("machine", described(plan.folder))
    for part in parts:
        Console().print(f"[bold]{part}[/bold]")
        found = await MEASURES[part](plan)
        if found is None:
            continue
        Console().print(page.table(part, found), markup=False, soft_wrap=True)
        if not plan.quick:
            results.keep(part, found)


def _current() -> asyncio.Task[Any]:
    """Return the running task, so that being told to stop leaves no process and no database behind."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("there is no running task")
    return task


def main() -> None:
    """Read what is asked for, measure it, write the page."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("parts", nargs="*", choices=[*MEASURES, []], help="what to measure; all but soak if left out")
    asked.add_argument("--peer", type=Path, help="the case study's handler, as a script for Node")
    asked.add_argument("--quick", action="store_true", help="fewer of everything; the page is left as it is")
    asked.add_argument("--events", type=int, default=1_000_000, help="how many events a soak has")
    asked.add_argument("--folder", type=Path, default=Path("build"), help="on the disk that shall be measured")
    given = asked.parse_args()
    given.folder.mkdir(exist_ok=True)
    server = found_server(os.environ.get("KEYTURN_BENCH_POSTGRES"))
    plan = Plan(folder=given.folder.resolve(), peer=given.peer, server=server, quick=given.quick, events=given.events)
    uvloop.run(measure(plan, given.parts or [part for part in MEASURES if part != "soak"]))
    if not given.quick:
        page.write(results.load())


if __name__ == "__main__":
    main()
