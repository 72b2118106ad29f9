"""Killed anywhere, again and again: nothing acknowledged is lost, and every door ends right.

Each life of the service takes webhooks and works until it is killed, and the next life begins where that one ended.
Kill points go along a life: death before the first, the second, the third call of one kind, until a life is over before
its turn comes; then from the start again. `make crash` goes through a thousand; the ordinary tests through a few.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from random import Random

import pytest

from crash.promises import Promises
from crash.strace import Blow, needs_strace, traced
from keyturn.clock import SystemClock
from nursery import Nursery
from scale.fleet import Command, Fleet, Launch, fleet, free_port
from scale.town import Town

POINTS = int(os.environ.get("KEYTURN_CRASH_POINTS") or "16") // 2
"""Lives that end at a system call, on each of two databases."""
KILLS = int(os.environ.get("KEYTURN_CRASH_KILLS") or "8") // 2
"""Lives that end at any moment, on each of two databases."""
EVERY = "KEYTURN_CRASH_POINTS" in os.environ
"""Whether each call has its turn; the few kill points of the ordinary tests are spread over a life."""
QUIET_EVERY = 25
"""Lives until one is left to finish its work."""
MOST_WAITING = 4
"""How much may happen in an account before all is right again."""
LIFE_S = 6.0
CALM_S = 0.2
"""How long a life goes on after all is right at the doors: what is written last is a kill point as well."""
CALLS = {"SQLite": {"pwrite64": 61, "fdatasync": 17, "write": 23}, "PostgreSQL": {"sendto": 41, "write": 23}}
"""The calls to the disk and to the network, each with the step between two of its few kill points."""
Record = Callable[[str, object], None]


class KillPoints:
    """Where the lives end: after one more call each time, and from the first call on again once a life had no more."""

    def __init__(self, steps: Mapping[str, int]) -> None:
        self._steps = steps
        self._turns = cycle(steps)
        self._nth = dict.fromkeys(steps, 1)
        self.farthest = dict.fromkeys(steps, 0)

    def next(self) -> Blow:
        """Return the next one; each kind of call has its turn."""
        call = next(self._turns)
        return Blow(call=call, nth=self._nth[call])

    def note(self, blow: Blow, *, hit: bool) -> None:
        """Go on from a point that was reached, or from the beginning."""
        step = self._steps[blow.call]
        self._nth[blow.call] = blow.nth + step if hit else 1 + blow.nth % step
        if hit:
            self.farthest[blow.call] = max(self.farthest[blow.call], blow.nth)


class Lives:
    """One story, in which the service dies and dies."""

    def __init__(self, run: Fleet) -> None:
        self._run = run
        self._port = free_port()
        self._waiting = 0
        """Things that happened since all was right."""
        self.town = Town(fleet=run, random=Random(13))  # noqa: S311  # a repeatable story
        self.promises = Promises(run, self.town)

    async def until_killed(self, by: Launch, *, within_s: float = LIFE_S) -> bool:
        """Live until the kill comes, or everything is done; say whether it came."""
        self._let_things_happen()
        service = await self._run.launch("serve", by=by, port=self._port)
        self._run.send_to(service)
        over, done = asyncio.create_task(service.ended()), asyncio.create_task(self._all_done(service))
        await asyncio.wait({over, done}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        killed = service.process.returncode is not None
        done.cancel()
        service.process.kill()
        await over
        assert service.process.returncode == -signal.SIGKILL, "it ended by itself"
        with suppress(asyncio.CancelledError):
            await done
        return killed

    async def to_the_end(self) -> None:
        """Let one life do all the work there is, and check what was promised."""
        service = await self._run.start("serve", port=self._port)
        self._run.send_to(service)
        try:
            await self._run.until(self.promises.kept)
        except TimeoutError:
            raise AssertionError(self.promises.broken()) from None
        await self._run.leave_database()
        self._waiting = 0

        assert self.promises.lost() == set()

        await service.kill()

    def _let_things_happen(self) -> None:
        """Let something happen in each account, unless much waits already."""
        if not self.town.stays:
            self.town.arrive(4)
        elif self._waiting < MOST_WAITING:
            self.town.happen()
            self._waiting += 1

    async def _all_done(self, service: Command) -> None:
        """Return a moment after all is right and nothing waits to be delivered."""
        try:
            await service.until("started")
        except AssertionError:  # it ended before
            await service.ended()
            return

        assert self.promises.lost() == set()

        await self._run.until_all(lambda: not self._run.waiting and self.town.right())
        self._waiting = 0
        await SystemClock().wait(asyncio.Event(), seconds=CALM_S)


@pytest.mark.timeout(7200)
async def test_at_every_call(
    nursery: Nursery, tmp_path: Path, database_url: str | None, record_property: Record
) -> None:
    """Killed at the first, second, third call to the disk and to the network: every promise is kept."""
    needs_strace()
    hits, lives = Counter[str](), 0
    async with fleet(tmp_path, database_url, nursery, businesses=2, timing={"lease": "1s"}) as run:
        steps = CALLS[run.database_name]
        plan = KillPoints(dict.fromkeys(steps, 1) if EVERY else steps)
        story = make_story(run)
        while hits.total() < POINTS:
            blow = plan.next()
            hit = await story.until_killed(traced(nursery, *blow.options))
            plan.note(blow, hit=hit)
            hits[blow.call] += hit
            lives += 1
            if lives % QUIET_EVERY == 0:
                await story.to_the_end()
        await story.to_the_end()
        record_property(
            "crash",
            f"{hits.total()} kill points in {lives} lives on {run.database_name}: {dict(hits)}, "
            f"farthest {plan.farthest}; {told(story)}",
        )


@pytest.mark.timeout(7200)
async def test_at_any_moment(
    nursery: Nursery, tmp_path: Path, database_url: str | None, record_property: Record
) -> None:
    """Killed at random moments under load: every promise is kept."""
    random, killed = Random(17), 0  # noqa: S311  # a repeatable story
    async with fleet(tmp_path, database_url, nursery, businesses=2, timing={"lease": "1s"}) as run:
        story = make_story(run)
        for life in range(1, KILLS + 1):
            killed += not await story.until_killed(nursery.launch, within_s=random.uniform(0.05, 3.0))
            if life % QUIET_EVERY == 0:
                await story.to_the_end()
        await story.to_the_end()
        record_property("crash", f"{killed} kills at any moment on {run.database_name}; {told(story)}")


def make_story(run: Fleet) -> Lives:
    """Return a story beside backends that would keep a second membership if they were asked for one."""
    for tenant in run.tenants:
        tenant.knobs = replace(tenant.knobs, membership_dup_external="second_row")
    return Lives(run)


def told(story: Lives) -> str:
    """Say what went on between the kills."""
    return f"{story.town.events} events, {len(story.promises.answered)} webhooks answered 200, none lost"
