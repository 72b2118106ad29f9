"""Which trace a look goes on in, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contract.store_work import ACME, MINUTE, claimed, ended, rental, taken
from databases import START
from keyturn.clock import MovableClock
from keyturn.core.work import Ending
from keyturn.store.database import Database
from keyturn.store.inbox import Accepted, DeliveryState, Inbox
from keyturn.store.work import Work

FIRST = f"00-{'1' * 32}-{'a' * 16}-01"
SECOND = f"00-{'2' * 32}-{'b' * 16}-01"


async def test_a_look_goes_on_in_the_trace_of_the_last_wake(database: Database) -> None:
    """The trace of a delivery comes with the work it wakes, and a later one takes its place."""
    work, inbox = Work(database), Inbox(database)
    delivery = Accepted(
        business=ACME,
        key="id:e1",
        event_id="e1",
        type="unitRental.updated",
        document="{}",
        state=DeliveryState.ACCEPTED,
        subjects=(rental(1), rental(2)),
        reason="event unitRental.updated",
        trace=FIRST,
    )
    await inbox.accept(delivery)
    await work.wake(ACME, [rental(2)], "x", trace=SECOND)
    await work.wake(ACME, [rental(3)], "x")

    assert [item.trace for item in await taken(work, await claimed(work))] == [FIRST, SECOND, None]


@pytest.mark.parametrize(
    ("ending", "trace"), [(Ending.DONE, None), (Ending.HELD, None), (Ending.RETRY, FIRST)], ids=str
)
async def test_a_trace_ends_with_what_it_was_for(
    database: Database, clock: MovableClock, ending: Ending, trace: str | None
) -> None:
    """A retry belongs to the trace of the wake; a look that is planned, or tried after a hold, to none."""
    work = Work(database)
    await work.wake(ACME, [rental(1)], "x", trace=FIRST)
    lane = await claimed(work)
    await work.finish(lane, [ended(item, ending, START + MINUTE) for item in await taken(work, lane)])
    clock.advance(timedelta(minutes=2))

    assert [item.trace for item in await taken(work, await claimed(work))] == [trace]


@pytest.mark.parametrize("ending", list(Ending))
async def test_a_wake_during_a_look_brings_its_own_trace(database: Database, ending: Ending) -> None:
    """However the look ends, the next one belongs to the wake that came meanwhile."""
    work = Work(database)
    await work.wake(ACME, [rental(1)], "x", trace=FIRST)
    lane = await claimed(work)
    items = await taken(work, lane)
    await work.wake(ACME, [rental(1)], "y", trace=SECOND)
    await work.finish(lane, [ended(item, ending, START + MINUTE) for item in items])

    assert [item.trace for item in await taken(work, lane)] == [SECOND]


async def test_a_planned_wake_brings_no_trace(database: Database, clock: MovableClock) -> None:
    """What is only planned for later is no part of what planned it, and takes no other's trace away."""
    work = Work(database)
    await work.wake(ACME, [rental(1)], "x", trace=FIRST)
    for number in (1, 2):
        await work.wake(ACME, [rental(number)], "later", at=START + MINUTE, trace=SECOND)
    clock.advance(timedelta(minutes=2))

    assert {item.subject: item.trace for item in await taken(work, await claimed(work))} == {
        rental(1): FIRST,
        rental(2): None,
    }
