"""`make bench`: ratios, each measured side by side in one run on one machine.

    acknowledging   deliveries stored durably: many callers share a commit, against one caller at a time
    a burst         overdue rentals locked: all events at once, against one event after the other

Absolute figures say something about this machine; only the ratios are meant to be compared.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from keyturn.clock import SystemClock
from keyturn.core.ids import BusinessCode
from keyturn.core.work import Kind, Subject
from keyturn.demo.world import World, started
from keyturn.logs import configure
from keyturn.store.database import open_database
from keyturn.store.inbox import Accepted, DeliveryState, Inbox

DELIVERIES = 2000
CALLERS = 64
BURST = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two ways to do the same, and what each took."""

    what: str
    ours: str
    other: str
    ours_s: float
    other_s: float
    ours_requests: int | None = None
    other_requests: int | None = None


async def acknowledging(folder: Path) -> Comparison:
    """Store deliveries with many callers at once, and one after the other; each returns after the fsync."""
    database = await open_database(url=None, data_dir=folder, clock=SystemClock())
    inbox = Inbox(database)

    async def store(first: int, count: int) -> None:
        for number in range(first, first + count):
            await inbox.accept(_delivery(number))

    share = DELIVERIES // CALLERS
    together = await _seconds(lambda: _all(store(caller * share, share) for caller in range(CALLERS)))
    alone = await _seconds(lambda: store(DELIVERIES, share * CALLERS))
    await database.close()
    return Comparison(
        what=f"acknowledge {share * CALLERS:,} deliveries",
        ours=f"{CALLERS} senders share commits",
        other="one sender, one commit each",
        ours_s=together,
        other_s=alone,
    )


async def burst(folder: Path) -> Comparison:
    """Lock overdue tenants: all at once, and after payment one after the other."""
    async with started(folder) as world:
        world.storeganise.latency_s = world.sensorberg.latency_s = 0.01
        account, rentals = world.account, list(world.operator.occupied)[:BURST]
        for rental in rentals:
            account.edit_rental(rental, labels=["seen"])
        await _quiet(world)
        mark = _requests(world)
        account.run_overdue(rentals)
        together = await _seconds(lambda: _quiet(world))
        at_once = _requests(world) - mark
        for rental in rentals:
            account.pay(rental)
        await _quiet(world)
        mark = _requests(world)
        one_by_one = await _seconds(lambda: _in_series(world, rentals))
        return Comparison(
            what=f"lock {BURST} overdue rentals, 10 ms per request",
            ours="all events at once",
            other="one event after the other",
            ours_s=together,
            other_s=one_by_one,
            ours_requests=at_once,
            other_requests=_requests(world) - mark,
        )


async def _in_series(world: World, rentals: list[str]) -> None:
    for rental in rentals:
        world.account.mark_overdue(rental)
        await _quiet(world)


async def _quiet(world: World) -> None:
    """Deliver what is queued and return once Keyturn has nothing left to do, echoes included."""
    while world.account.outbox or not await _idle(world):
        await world.account.deliver()


async def _idle(world: World) -> bool:
    now = world.clock.now()
    due = await world.service.work.next_due(now)
    load = await world.service.work.load(now)
    return load.running == 0 and (due is None or due > now + timedelta(seconds=5))


def _requests(world: World) -> int:
    return len(world.storeganise.journal.entries) + len(world.sensorberg.journal.entries)


def _delivery(number: int) -> Accepted:
    return Accepted(
        business=BusinessCode("bench"),
        key=f"id:{number}",
        event_id=str(number),
        type="unitRental.updated",
        document="{}",
        state=DeliveryState.ACCEPTED,
        subjects=(Subject.of(Kind.RENTAL, f"rental-{number % 500}"),),
        reason="bench",
    )


async def _all(steps: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*steps)


async def _seconds(step: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await step()
    return time.perf_counter() - began


def show(found: list[Comparison]) -> None:
    """Print two rows per comparison and the ratio between them."""
    table = Table("what", "how", "seconds", "requests", "times as long")
    for row in found:
        ratio = f"{row.other_s / row.ours_s:.1f}"
        table.add_row(row.what, row.ours, f"{row.ours_s:.2f}", str(row.ours_requests or "-"), "1.0")
        table.add_row("", row.other, f"{row.other_s:.2f}", str(row.other_requests or "-"), ratio, end_section=True)
    Console().print(table)


async def compare(folder: Path) -> list[Comparison]:
    """Run both comparisons."""
    return [await acknowledging(folder / "store"), await burst(folder)]


def main() -> None:
    """Work in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder, Path(folder, "bench.log").open("w") as log:
        configure(stream=log)
        show(asyncio.run(compare(Path(folder))))


if __name__ == "__main__":
    main()
