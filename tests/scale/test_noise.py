"""Businesses with much to do beside one with little: as many as there are workers, and one backend for all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median

from keyturn.clock import SystemClock
from keyturn.storeganise.simulator import Account
from nursery import Nursery
from scale.fleet import PATIENCE_S, TENANTS, Fleet, fleet

NOISE = 800
"""Rentals that are due at once in each of them."""
TIMES = 3
MOST_DELAY_S = 1.0 if "KEYTURN_SCALE_EVENTS" in os.environ else 4.0
"""Where nothing else runs, as with `make scale`; among the ordinary tests, far less than the turn of a busy lane."""
LATENCY_S = 0.1
"""Long enough that requests are waited for, and not the machine."""


async def test_noise_delays_nobody(
    nursery: Nursery, tmp_path: Path, postgres_url: str, record_property: Callable[[str, object], None]
) -> None:
    """While 800 rentals are due in a business for each worker, another's event waits at most a second longer."""
    async with fleet(tmp_path, postgres_url, nursery, businesses=3 * TENANTS) as run:
        *noisy, quiet = run.accounts[::TENANTS]
        backend = run.tenants[0]
        backend.latency_s = run.storeganise.latency_s = LATENCY_S
        web, *_ = await asyncio.gather(run.start("web"), *(run.start("worker") for _ in noisy))
        run.send_to(web)
        site = quiet.add_site("Leise", {"securitySystem": "sensorberg"})
        alone = [await move_in(run, quiet, site, f"alone{number}") for number in range(TIMES)]
        for account in noisy:
            await make_noise(run, account)
        async with asyncio.timeout(PATIENCE_S):
            await backend.until(lambda: {account.code for account in noisy} <= at_work(run))
        beside = [await move_in(run, quiet, site, f"beside{number}") for number in range(TIMES)]
        left = NOISE * len(noisy) + 2 * TIMES - len(backend.state.tenant.rows)
        told = f"event to door {median(alone):.2f} s alone, at most {max(beside):.2f} s while {left} others are due"
        record_property("scale", told)

        assert left > NOISE
        assert max(beside) - median(alone) <= MOST_DELAY_S


def at_work(run: Fleet) -> set[str]:
    """Return the businesses one of whose tenants has got a membership."""
    return {str(row.group).partition("-")[0] for row in run.tenants[0].state.tenant.rows.values()}


async def move_in(run: Fleet, account: Account, site: str, name: str) -> float:
    """Let one tenant move in; return how many seconds after the event the door opens."""
    known, clock = run.tenants[0].state.tenant, SystemClock()
    rental, owner = rent(run, account, site, name)

    def opens() -> bool:
        user = known.user_by_external(owner)
        return known.row_by_external(rental) is not None and user is not None and user.code is not None

    began = clock.now()
    await account.deliver()
    async with asyncio.timeout(PATIENCE_S):
        await run.tenants[0].until(opens)
    return (clock.now() - began).total_seconds()


async def make_noise(run: Fleet, account: Account) -> None:
    """Let many tenants move in unheard; one event then has the account asked for all that changed."""
    account.subscriptions = frozenset()
    site = account.add_site("Laut", {"securitySystem": "sensorberg"})
    for number in range(NOISE):
        rent(run, account, site, f"noise{number}")
    await account.send(account.forge("unitRental.updated", {}, secret=account.webhook_secret))


def rent(run: Fleet, account: Account, site: str, name: str) -> tuple[str, str]:
    """Let a new tenant move into a new unit; return the rental and the tenant."""
    name = f"{account.code}-{name}"
    unit = account.add_unit(site, name, {"sensorberg_id": run.tenants[0].add_group(name)})
    owner = account.add_user("Jörg", f"Müller {name}", f"{name}@example.com")
    return account.move_in(owner, unit, account.today() - timedelta(days=1)), owner
