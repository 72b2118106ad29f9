"""What claims, leases and fences promise, on every database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from contract.store_work import ACME, BOXES, LEASE, MINUTE, claimed, ended, rental, taken
from databases import START, Place
from keyturn.clock import MovableClock
from keyturn.core.ids import BusinessCode
from keyturn.core.work import Lane
from keyturn.errors import LeaseLost
from keyturn.store.database import Database
from keyturn.store.lanes import seize
from keyturn.store.work import Work

ASKING = timedelta(seconds=2)


class LaneContract:
    """Claiming, leases and fences."""

    async def test_nothing_to_claim(self, database: Database) -> None:
        """Without a due row there is no lane."""
        assert await Work(database).claim("one", lease=LEASE) is None

    async def test_two_workers_claim_different_lanes(self, database: Database, clock: MovableClock) -> None:
        """The lane with the oldest row goes first; a lane that is held is not given again."""
        work = Work(database)
        await work.wake(BOXES, [rental(1)], "x")
        clock.advance(MINUTE)
        await work.wake(ACME, [rental(1)], "x")
        lanes = [await work.claim(holder, lease=LEASE) for holder in ("one", "two", "three")]

        assert [lane and (lane.business, lane.holder) for lane in lanes] == [(BOXES, "one"), (ACME, "two"), None]

    async def test_a_race_for_lanes(self, database_place: Place) -> None:
        """Workers on several machines that claim at the same time never get the same lane."""
        machines = [Work(await database_place.open()), Work(await database_place.another())]
        for number in range(4):
            await machines[0].wake(BusinessCode(f"b{number}"), [rental(1)], "x")
        lanes = await asyncio.gather(
            *(machines[number % 2].claim(f"worker {number}", lease=LEASE) for number in range(10))
        )

        assert sorted(lane.business for lane in lanes if lane) == ["b0", "b1", "b2", "b3"]

    async def test_a_lane_to_avoid(self, database: Database) -> None:
        """A worker may leave businesses out, whose upstream is paused."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")

        assert await work.claim("one", lease=LEASE, avoid=[ACME]) is None
        assert await work.next_due(START, avoid=[ACME]) is None

    async def test_each_claim_raises_the_fence(self, database: Database) -> None:
        """A lane that was released can be claimed again, behind a new fence."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        first = await claimed(work)
        await work.release(first)
        second = await claimed(work)

        assert second.fence == first.fence + 1

    async def test_release_puts_running_rows_back(self, database: Database) -> None:
        """Rows that were taken and not finished are due again after a release."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        lane = await claimed(work)
        await taken(work, lane)
        await work.release(lane)

        assert [item.wanted for item in await taken(work, await claimed(work))] == [1]

    async def test_a_dead_worker_is_replaced(self, database: Database, clock: MovableClock) -> None:
        """When the lease ends, another takes the lane and everything its holder had taken."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        await taken(work, await claimed(work))
        clock.advance(LEASE - timedelta(microseconds=1))

        assert await work.claim("two", lease=LEASE) is None

        clock.advance(timedelta(microseconds=1))
        items = await taken(work, await claimed(work, "two"))

        assert [(item.subject, item.wanted) for item in items] == [(rental(1), 1)]

    @pytest.mark.parametrize("replaced", [False, True])
    async def test_a_lost_lane_refuses_everything(
        self, database: Database, clock: MovableClock, *, replaced: bool
    ) -> None:
        """Whoever's lease has run out can neither take nor finish nor renew, whether or not somebody took over."""
        work = Work(database)
        await work.wake(ACME, [rental(1), rental(2)], "x")
        lane = await claimed(work)
        items = await taken(work, lane, limit=1)
        clock.advance(LEASE)
        successor = await claimed(work, "two") if replaced else None

        with pytest.raises(LeaseLost):
            await taken(work, lane)
        with pytest.raises(LeaseLost):
            await work.finish(lane, [ended(items[0])])

        assert await work.renew(lane, LEASE) is False

        row = await work.row(ACME, rental(1))

        assert row is not None
        assert row.handled == 0
        if successor is not None:
            await work.release(lane)

            assert await work.renew(successor, LEASE) is True

    async def test_renewing(self, database: Database, clock: MovableClock) -> None:
        """A renewed lease runs from the moment of renewal."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        lane = await claimed(work)
        clock.advance(timedelta(seconds=10))

        assert await work.renew(lane, LEASE) is True

        clock.advance(timedelta(seconds=10))

        assert await work.claim("two", lease=LEASE) is None
        assert [item.subject for item in await taken(work, lane)] == [rental(1)]

    async def test_next_due(self, database: Database, clock: MovableClock) -> None:
        """It says when a claim can succeed: now, at a planned look, or when a lease ends; and never in the past."""
        work = Work(database)

        assert await work.next_due(clock.now()) is None

        await work.wake(ACME, [rental(1)], "x", at=START + 9 * MINUTE)

        assert await work.next_due(clock.now()) == START + 9 * MINUTE

        await work.wake(ACME, [rental(2)], "x")
        clock.advance(MINUTE)

        assert await work.next_due(clock.now()) == clock.now()

        lane = await claimed(work)
        await taken(work, lane)

        assert await work.next_due(clock.now()) == clock.now() + LEASE

        await work.release(lane)

        assert await work.next_due(clock.now()) == clock.now()

    async def test_work_is_spread(self, database_place: Place) -> None:
        """Two workers that ask at the same moment get a lane each, and not the same one, as long as two are due."""
        machines = [Work(await database_place.open()), Work(await database_place.another())]
        for number in range(20):
            await machines[0].wake(BusinessCode(f"b{number:02}"), [rental(1)], "x")

        found: list[Lane | None] = []
        for _ in range(10):
            found += await asyncio.gather(
                *(work.claim(name, lease=LEASE) for work, name in zip(machines, "ab", strict=True))
            )

        assert sorted(lane.business for lane in found if lane) == [f"b{number:02}" for number in range(20)]


class CommandLaneContract:
    """A command that speaks to a business holds its lane."""

    async def test_a_lane_without_work(self, database: Database) -> None:
        """A business that was never woken has a lane as well."""
        work = Work(database)
        lane = await work.claim_first(ACME, "command", lease=LEASE, asking=ASKING)

        assert lane is not None
        assert await work.claim_first(ACME, "another", lease=LEASE, asking=ASKING) is None

    async def test_rows_stay_as_they_are(self, database: Database) -> None:
        """Claiming for a command and giving back changes no row, and no worker gets the lane meanwhile."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        before = await work.row(ACME, rental(1))
        lane = await work.claim_first(ACME, "command", lease=LEASE, asking=ASKING)

        assert lane is not None
        assert await work.claim("one", lease=LEASE) is None

        await work.release(lane)

        assert await work.row(ACME, rental(1)) == before
        assert [item.subject for item in await taken(work, await claimed(work))] == [rental(1)]

    async def test_a_busy_lane_is_asked_for(self, database: Database) -> None:
        """Its holder hears of it, keeps what is running, and after the release only the command gets the lane."""
        work = Work(database)
        await work.wake(ACME, [rental(1), rental(2)], "x")
        lane = await claimed(work)
        await taken(work, lane, limit=1)

        assert await work.is_asked_for(lane) is False
        assert await work.claim_first(ACME, "command", lease=LEASE, asking=ASKING) is None
        assert await work.is_asked_for(lane) is True
        assert await work.renew(lane, LEASE) is True

        await work.release(lane)

        late = partial(seize, business=ACME, holder="two", now=database.clock.now(), lease=LEASE)

        assert await work.claim("two", lease=LEASE) is None
        assert await database.write(late) is None
        assert await work.claim_first(ACME, "command", lease=LEASE, asking=ASKING) is not None

    async def test_a_command_that_went_away(self, database: Database, clock: MovableClock) -> None:
        """A command that asks no more is forgotten in time, and then a worker gets the lane."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        lane = await claimed(work)
        await work.claim_first(ACME, "command", lease=LEASE, asking=ASKING)
        await work.release(lane)

        assert await work.next_due(clock.now()) == clock.now() + ASKING

        clock.advance(ASKING)

        assert await work.claim("two", lease=LEASE) is not None

    async def test_a_dead_holder(self, database: Database, clock: MovableClock) -> None:
        """Rows that a dead worker left running are due again once a command took its lane over."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        await taken(work, await claimed(work))
        clock.advance(LEASE)
        lane = await work.claim_first(ACME, "command", lease=LEASE, asking=ASKING)

        assert lane is not None

        await work.release(lane)

        assert [item.wanted for item in await taken(work, await claimed(work))] == [1]
