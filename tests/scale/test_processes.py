"""Two webs and two workers on one PostgreSQL: every door right, and no limit exceeded.

`make scale` tells the long story of 1,000 events and shows its figures; the ordinary tests tell a short one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from keyturn.clock import SystemClock
from nursery import Nursery
from scale.fleet import CLIENTS, TENANTS, Command, Fleet, fleet
from scale.town import Town

LIMIT = 6
"""Requests under way to one Sensorberg tenant; one of them is kept for commands."""
EVENTS = int(os.environ.get("KEYTURN_SCALE_EVENTS") or "100")
"""Things that happen to tenants; each is one webhook or several, and its write-backs come back as more."""
Record = Callable[[str, object], None]


def looks(command: Command) -> int:
    """Count the looks of a worker."""
    return len(command.said("looked"))


def within_limits(run: Fleet) -> None:
    """Check what was under way at once, in all processes together."""
    journal = run.storeganise.journal
    lists = {account.code: journal.peak("list", account.code) for account in run.accounts}
    singles = {account.code: journal.peak("single", account.code) for account in run.accounts}

    assert max(lists.values()) <= 1
    assert max(singles.values()) <= 4
    assert max(tenant.journal.peak("single") for tenant in run.tenants) <= LIMIT - 1


def lanes(command: Command) -> int:
    """Count the businesses that a worker has worked on."""
    return len({line["business"] for line in command.said("looked")})


def figures(run: Fleet, town: Town, seconds: float) -> str:
    """Say how much there was, and how much of it at once."""
    journal = run.storeganise.journal
    requests = [len(journal.entries), *(len(tenant.journal.entries) for tenant in run.tenants)]
    return (
        f"{town.events} events of {len(run.accounts)} businesses, {run.delivered} webhooks, {len(town.stays)} rentals "
        f"in {seconds:.1f} s; looks {[looks(one) for one in run.commands]} "
        f"at {[lanes(one) for one in run.commands]} businesses; requests {requests}; at once: "
        f"lists {journal.peak('list')}, singles {journal.peak('single')}, "
        f"Sensorberg {[tenant.journal.peak('single') for tenant in run.tenants]}; tokens {run.minted()}"
    )


@pytest.mark.timeout(400)
async def test_two_webs_and_two_workers(
    nursery: Nursery, tmp_path: Path, postgres_url: str, record_property: Record
) -> None:
    """Events of twenty businesses come through both webs while both workers work; at the end every door is right."""
    policy = {"sensorberg_in_flight": LIMIT}
    async with fleet(tmp_path, postgres_url, nursery, businesses=20, policy=policy) as run:
        started = await asyncio.gather(*(run.start(word) for word in ("web", "web", "worker", "worker")))
        webs, workers = started[:2], started[2:]
        town = Town(fleet=run, random=Random(7))  # noqa: S311  # a repeatable story
        began = SystemClock().now()
        turn = 0
        while town.events < EVENTS:
            run.send_to(webs[turn % 2])
            if turn % 12 == 0:
                town.arrive(2)
                await run.until_all(lambda: all(stay.pin or stay.gone for stay in town.stays))
            town.happen()
            await run.deliver()
            turn += 1
        await town.settle()
        record_property("scale", figures(run, town, (SystemClock().now() - began).total_seconds()))

        within_limits(run)

        assert run.minted() == [CLIENTS] * TENANTS
        assert min(lanes(worker) for worker in workers) >= len(run.accounts) / 10
        assert await asyncio.gather(*(command.stop() for command in started)) == [0, 0, 0, 0]


async def test_a_worker_that_is_killed(nursery: Nursery, tmp_path: Path, postgres_url: str) -> None:
    """Its lanes and its share of the backends go over to the other when they run out, and every door is right."""
    async with fleet(tmp_path, postgres_url, nursery, businesses=6, timing={"lease": "3s"}) as run:
        web, *workers = await asyncio.gather(*(run.start(word) for word in ("web", "worker", "worker")))
        run.send_to(web)
        town = Town(fleet=run, random=Random(11))  # noqa: S311  # a repeatable story
        town.arrive(2)
        await run.deliver()
        await run.until_all(lambda: any(tenant.memberships for tenant in run.tenants))
        await workers[0].kill()
        town.happen()
        town.arrive(1)
        await town.settle()

        assert looks(workers[1]) > 0
        assert run.storeganise.journal.peak("list") <= 1
        assert await workers[1].stop() == 0
