"""What the work table promises, on every database."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from databases import START
from keyturn.clock import MovableClock
from keyturn.core.ids import BusinessCode
from keyturn.core.work import Ending, Kind, Lane, Load, Outcome, Subject, WorkItem
from keyturn.store.database import Database
from keyturn.store.words import WorkState
from keyturn.store.work import Work

ACME, BOXES = BusinessCode("acme"), BusinessCode("boxes")
LEASE = timedelta(seconds=15)
MINUTE = timedelta(minutes=1)


def rental(number: int) -> Subject:
    """Name a rental to look at."""
    return Subject.of(Kind.RENTAL, f"r{number}")


def ended(item: WorkItem, ending: Ending = Ending.DONE, again_at: datetime | None = None) -> Outcome:
    """Say how the look at `item` ended."""
    return Outcome(item=item, ending=ending, reason=f"it is {ending.value}", again_at=again_at)


async def claimed(work: Work, holder: str = "one") -> Lane:
    """Claim a lane that must be there."""
    lane = await work.claim(holder, lease=LEASE)

    assert lane is not None

    return lane


async def taken(work: Work, lane: Lane, *, limit: int = 50) -> list[WorkItem]:
    """Take what is due, of all kinds."""
    return await work.take(lane, list(Kind), limit=limit)


class WakingContract:
    """Waking, looking and finishing within one lane."""

    async def test_a_wake_becomes_one_look(self, database: Database) -> None:
        """A woken subject is handed out once, with the reason it was woken for."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "it moved in")
        lane = await claimed(work)

        assert await taken(work, lane) == [WorkItem(subject=rental(1), wanted=1, attempts=0, reason="it moved in")]
        assert await taken(work, lane) == []

    async def test_many_wakes_are_one_look(self, database: Database) -> None:
        """Wakes that come at once are answered together, in whatever order they name their subjects."""
        work = Work(database)
        await asyncio.gather(
            *(work.wake(ACME, [rental(1), rental(2)] if n % 2 else [rental(2), rental(1)], "x") for n in range(40))
        )
        items = await taken(work, await claimed(work))

        assert [item.subject for item in items] == [rental(1), rental(2)]

    async def test_waking_nothing(self, database: Database) -> None:
        """A wake that names nothing changes nothing."""
        work = Work(database)
        await work.wake(ACME, [], "x")

        assert await work.claim("one", lease=LEASE) is None

    @pytest.mark.parametrize("ending", list(Ending))
    async def test_a_wake_during_a_look_is_never_lost(self, database: Database, ending: Ending) -> None:
        """However the look ends, the row is due again at once."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "first")
        lane = await claimed(work)
        items = await taken(work, lane)
        await work.wake(ACME, [rental(1)], "second")

        assert await taken(work, lane) == []

        await work.finish(lane, [ended(items[0], ending, START + MINUTE)])
        again = await taken(work, lane)

        assert [(item.wanted, item.reason) for item in again] == [(2, "second")]
        assert [item.attempts for item in again] == [1 if ending is Ending.RETRY else 0]

    async def test_done(self, database: Database) -> None:
        """A look that is done leaves nothing to do."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        lane = await claimed(work)
        await work.finish(lane, [ended(item) for item in await taken(work, lane)])
        row = await work.row(ACME, rental(1))

        assert row is not None
        assert (row.state, row.due_at, row.since, row.handled) == (WorkState.IDLE, None, None, 1)
        assert (row.result, row.looked_at) == ("it is done", START)
        assert await work.next_due(START) is None

    async def test_a_planned_look(self, database: Database, clock: MovableClock) -> None:
        """A look planned for later comes at its time and not before, and says what the last one came to."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        lane = await claimed(work)
        await work.finish(lane, [ended(item, again_at=START + MINUTE) for item in await taken(work, lane)])
        await work.release(lane)
        clock.advance(MINUTE - timedelta(microseconds=1))

        assert await work.claim("one", lease=LEASE) is None

        clock.advance(timedelta(microseconds=1))
        items = await taken(work, await claimed(work))

        assert [item.reason for item in items] == ["it is done"]

    async def test_looks_planned_at_once(self, database: Database) -> None:
        """Of several instants the earliest counts, whichever wake comes first."""
        work, plans = Work(database), [START + timedelta(minutes=n) for n in (7, 3, 5)]
        await asyncio.gather(*(work.wake(ACME, [rental(1)], "x", at=plan) for plan in plans))
        row = await work.row(ACME, rental(1))

        assert row is not None
        assert row.due_at == plans[1]

    async def test_a_first_look_now_and_later(self, database: Database) -> None:
        """Asked for at once, of a business nobody knew: the look now can be claimed."""
        work = Work(database)
        await asyncio.gather(
            work.wake(ACME, [rental(1)], "later", at=START + MINUTE), work.wake(ACME, [rental(1)], "now")
        )

        assert [item.reason for item in await taken(work, await claimed(work))] == ["now"]

    async def test_an_immediate_wake_does_not_swallow_a_planned_look(
        self, database: Database, clock: MovableClock
    ) -> None:
        """The look that came first plans the later one anew."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        lane = await claimed(work)
        plan = START + timedelta(hours=1)
        await work.finish(lane, [ended(item, again_at=plan) for item in await taken(work, lane)])
        clock.advance(timedelta(seconds=3))
        await work.wake(ACME, [rental(1)], "now")
        await work.finish(lane, [ended(item, again_at=plan) for item in await taken(work, lane)])
        row = await work.row(ACME, rental(1))

        assert row is not None
        assert (row.state, row.due_at) == (WorkState.IDLE, plan)

    async def test_a_wake_for_later(self, database: Database, clock: MovableClock) -> None:
        """A wake for later waits for its time; it never delays a look that is due earlier."""
        work = Work(database)
        await work.wake(ACME, [rental(1), rental(2)], "later", at=START + MINUTE)
        await work.wake(ACME, [rental(2)], "now")
        await work.wake(ACME, [rental(2)], "later again", at=START + MINUTE)
        lane = await claimed(work)

        assert [item.subject for item in await taken(work, lane)] == [rental(2)]

        clock.advance(MINUTE)
        lane = await claimed(work)

        assert rental(1) in [item.subject for item in await taken(work, lane)]

    async def test_a_wake_for_later_during_a_look(self, database: Database) -> None:
        """It is kept for its time, also where the look itself planned nothing or something later."""
        work = Work(database)
        await work.wake(ACME, [rental(1), rental(2)], "x")
        lane = await claimed(work)
        first, second = await taken(work, lane)
        await work.wake(ACME, [rental(1), rental(2)], "later", at=START + MINUTE)
        await work.finish(lane, [ended(first), ended(second, again_at=START + 2 * MINUTE)])
        rows = [await work.row(ACME, rental(number)) for number in (1, 2)]

        assert [row and row.due_at for row in rows] == [START + MINUTE, START + MINUTE]

    async def test_a_retry(self, database: Database, clock: MovableClock) -> None:
        """A failed look is counted, explained and repeated at its time."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        lane = await claimed(work)
        later = START + timedelta(seconds=2)
        await work.finish(lane, [ended(item, Ending.RETRY, later) for item in await taken(work, lane)])
        row = await work.row(ACME, rental(1))

        assert row is not None
        assert (row.state, row.due_at, row.attempts) == (WorkState.DUE, later, 1)
        assert (row.last_error, row.since, row.handled) == ("it is retry", START, 0)
        assert await taken(work, lane) == []

        clock.advance_to(later)
        again = await taken(work, lane)

        assert [(item.attempts, item.reason) for item in again] == [(1, "x")]

        await work.finish(lane, [ended(item) for item in again])
        row = await work.row(ACME, rental(1))

        assert row is not None
        assert (row.attempts, row.last_error) == (0, None)

    async def test_a_retry_without_a_time(self, database: Database) -> None:
        """A retry that names no time is due at once: it is never forgotten."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        lane = await claimed(work)
        await work.finish(lane, [ended(item, Ending.RETRY) for item in await taken(work, lane)])

        assert len(await taken(work, lane)) == 1

    async def test_a_wake_cuts_a_retry_short(self, database: Database) -> None:
        """A woken row is looked at now, and the failed tries before still count."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        lane = await claimed(work)
        await work.finish(lane, [ended(item, Ending.RETRY, START + MINUTE) for item in await taken(work, lane)])
        await work.wake(ACME, [rental(1)], "now")

        assert [(item.wanted, item.attempts) for item in await taken(work, lane)] == [(2, 1)]

    async def test_a_hold(self, database: Database, clock: MovableClock) -> None:
        """A held row is listed with its reason and tried again at its time."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        lane = await claimed(work)
        await work.finish(lane, [ended(item, Ending.HELD, START + MINUTE) for item in await taken(work, lane)])
        held = await work.held(ACME)

        assert [(row.state, row.result, row.since) for row in held] == [(WorkState.HELD, "it is held", START)]
        assert await work.held(BOXES) == []
        assert await taken(work, lane) == []

        clock.advance(MINUTE)
        lane = await claimed(work)

        assert [item.subject for item in await taken(work, lane)] == [rental(1)]

    async def test_a_wake_lets_a_hold_go(self, database: Database) -> None:
        """New facts make a held row due, also one that has no next try; a wake for later leaves it held until then."""
        work = Work(database)
        await work.wake(ACME, [rental(1), rental(2)], "x")
        lane = await claimed(work)
        await work.finish(lane, [ended(item, Ending.HELD) for item in await taken(work, lane)])
        await work.wake(ACME, [rental(1)], "now")
        await work.wake(ACME, [rental(2)], "later", at=START + MINUTE)

        assert [item.subject for item in await taken(work, lane)] == [rental(1)]
        assert [(row.subject, row.due_at) for row in await work.held()] == [(rental(2), START + MINUTE)]

    async def test_the_oldest_first(self, database: Database, clock: MovableClock) -> None:
        """Rows are handed out by age, as many as asked for, of the kinds asked for."""
        work = Work(database)
        for number in (3, 1, 2):
            await work.wake(ACME, [rental(number)], "x")
            clock.advance(timedelta(seconds=1))
        await work.wake(ACME, [Subject.of(Kind.JOB, "j")], "x")
        lane = await claimed(work)
        jobs = await work.take(lane, [Kind.JOB], limit=9)

        assert [item.subject.id for item in jobs] == ["j"]
        assert [item.subject.id for item in await taken(work, lane, limit=2)] == ["r3", "r1"]
        assert [item.subject.id for item in await taken(work, lane, limit=2)] == ["r2"]

    async def test_another_look_in_time_keeps_its_age(self, database: Database, clock: MovableClock) -> None:
        """A second wake does not send a row to the back of the queue."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        clock.advance(MINUTE)
        await work.wake(ACME, [rental(2)], "x")
        await work.wake(ACME, [rental(1)], "x")
        items = await taken(work, await claimed(work), limit=1)

        assert [item.subject for item in items] == [rental(1)]

    async def test_a_finish_counts_once(self, database: Database) -> None:
        """An outcome for a row that does not run is ignored."""
        work = Work(database)
        await work.wake(ACME, [rental(1)], "x")
        lane = await claimed(work)
        items = await taken(work, lane)
        await work.finish(lane, [ended(items[0], Ending.RETRY, START + MINUTE)])
        await work.finish(lane, [ended(items[0])])
        row = await work.row(ACME, rental(1))

        assert row is not None
        assert (row.state, row.attempts) == (WorkState.DUE, 1)

    async def test_an_unknown_row(self, database: Database) -> None:
        """A subject that was never woken has no row."""
        assert await Work(database).row(ACME, rental(1)) is None

    async def test_load(self, database: Database, clock: MovableClock) -> None:
        """Each row is counted once, and the oldest that is not done shows how long it has been so."""
        work = Work(database)
        await work.wake(ACME, [rental(number) for number in range(6)], "x")
        clock.advance(MINUTE)
        lane = await claimed(work)
        items = await taken(work, lane, limit=5)
        endings = [Ending.DONE, Ending.DONE, Ending.HELD, Ending.RETRY]
        plans = [None, START + 9 * MINUTE, START + 9 * MINUTE, START + 9 * MINUTE]
        await work.finish(lane, [ended(*one) for one in zip(items[:4], endings, plans, strict=True)])
        expected = Load(due=1, running=1, held=1, waiting=2, unread=0, oldest_due=START)

        assert await work.load(clock.now()) == expected

        clock.advance(LEASE)

        assert (await work.load(clock.now())).due == 2
        assert await Work(database).load(START - MINUTE) == Load(
            due=0, running=1, held=1, waiting=3, unread=0, oldest_due=None
        )
