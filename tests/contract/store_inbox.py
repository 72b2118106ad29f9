"""What the inbox, the businesses and the problems promise, on every database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from contract.store_work import ACME, BOXES, LEASE, claimed, ended, rental, taken
from databases import START, Place
from keyturn.clock import MovableClock
from keyturn.core.ids import RentalId
from keyturn.core.memory import TransferPair
from keyturn.core.work import Ending, Subject
from keyturn.errors import LeaseLost
from keyturn.store.businesses import Businesses
from keyturn.store.database import Database
from keyturn.store.inbox import Accepted, DeliveryState, Inbox
from keyturn.store.ledger import Ledger
from keyturn.store.problems import Problem, Problems
from keyturn.store.work import Work

MINUTE = timedelta(minutes=1)
OLD, NEW = RentalId("old"), RentalId("new")


def delivery(key: str, *subjects: Subject, **others: Any) -> Accepted:
    """Return a delivery that wakes `subjects`."""
    made = Accepted(
        business=ACME,
        key=key,
        event_id=key,
        type="unitRental.updated",
        document="{}",
        state=DeliveryState.ACCEPTED,
        subjects=subjects,
        reason="unitRental.updated",
    )
    return replace(made, **others)


class InboxContract:
    """Keeping deliveries and waking what they name."""

    async def test_a_delivery_is_kept_and_wakes(self, database: Database) -> None:
        """A new delivery is kept as it came, and its subjects are due."""
        inbox, work = Inbox(database), Work(database)
        new = await inbox.accept(delivery("e1", rental(2), rental(1), document='{"a": 1}'))
        kept = (await inbox.recent(9))[0]

        assert new is True
        assert (kept.business, kept.key, kept.event_id, kept.document) == (ACME, "e1", "e1", '{"a": 1}')
        assert (kept.type, kept.state, kept.repeats) == ("unitRental.updated", DeliveryState.ACCEPTED, 0)
        assert (kept.received_at, kept.last_at) == (START, START)
        assert kept.subjects == (rental(1), rental(2))
        assert [item.subject for item in await taken(work, await claimed(work))] == [rental(1), rental(2)]

    async def test_a_repeat_is_kept_once_and_wakes_again(self, database: Database, clock: MovableClock) -> None:
        """The same delivery again is counted, not kept again, and its subjects are looked at again."""
        inbox, work = Inbox(database), Work(database)
        await inbox.accept(delivery("e1", rental(1)))
        lane = await claimed(work)
        await work.finish(lane, [ended(item) for item in await taken(work, lane)])
        clock.advance(timedelta(seconds=9))
        new = await inbox.accept(delivery("e1", rental(1)))
        kept = await inbox.recent(9)

        assert new is False
        assert [(one.repeats, one.received_at, one.last_at) for one in kept] == [(1, START, clock.now())]
        assert [item.wanted for item in await taken(work, lane)] == [2]

    async def test_repeats_at_the_same_time(self, database_place: Place) -> None:
        """Of many copies that arrive together at several machines exactly one is new."""
        machines = [Inbox(await database_place.open()), Inbox(await database_place.another())]
        new = await asyncio.gather(*(machines[n % 2].accept(delivery("e1", rental(n))) for n in range(20)))
        kept = await machines[0].recent(9)

        assert sorted(new) == [False] * 19 + [True]
        assert [(one.repeats, len(one.subjects)) for one in kept] == [(19, 20)]

    async def test_overlapping_deliveries_on_two_machines(self, database_place: Place) -> None:
        """Machines that wake the same rentals in opposite orders neither fail nor lose a wake."""
        machines = [await database_place.open(), await database_place.another()]
        subjects = [rental(number) for number in range(12)]
        await asyncio.gather(
            *(
                Inbox(machines[number % 2]).accept(
                    delivery(f"e{number}", *(subjects if number % 2 else reversed(subjects)))
                )
                for number in range(40)
            )
        )
        work = Work(machines[0])
        items = await taken(work, await claimed(work))

        assert [item.wanted for item in items] == [40] * 12

    async def test_the_key_counts_within_a_business(self, database: Database) -> None:
        """Two businesses may use the same key."""
        inbox = Inbox(database)

        assert await inbox.accept(delivery("e1")) is True
        assert await inbox.accept(delivery("e1", business=BOXES)) is True
        assert [one.business for one in await inbox.recent(9, BOXES)] == [BOXES]

    async def test_one_transaction(self, database: Database) -> None:
        """A delivery whose subjects cannot be woken is not kept either."""
        broken: Any = Subject("rental", None)  # type: ignore[arg-type]  # what must not get half way
        with pytest.raises(IntegrityError):
            await Inbox(database).accept(delivery("e1", broken))

        assert await Inbox(database).recent(9) == []

    async def test_an_ignored_delivery(self, database: Database) -> None:
        """It is kept and wakes nothing."""
        inbox, work = Inbox(database), Work(database)
        await inbox.accept(delivery("e1", state=DeliveryState.IGNORED, event_id=None))

        assert [(one.state, one.event_id) for one in await inbox.recent(9)] == [(DeliveryState.IGNORED, None)]
        assert await work.claim("one", lease=LEASE) is None
        assert await inbox.unread() == 0

    async def test_the_newest_first(self, database: Database, clock: MovableClock) -> None:
        """Deliveries are listed from the newest on, as many as asked for."""
        inbox = Inbox(database)
        for key in ("a", "b", "c"):
            await inbox.accept(delivery(key))
            clock.advance(MINUTE)

        assert [one.key for one in await inbox.recent(2)] == ["c", "b"]

    async def test_forgetting(self, database: Database, clock: MovableClock) -> None:
        """Old deliveries can be deleted; a repeat keeps one young."""
        inbox = Inbox(database)
        for key in ("a", "b"):
            await inbox.accept(delivery(key, rental(1)))
        clock.advance(MINUTE)
        await inbox.accept(delivery("a", rental(1)))

        assert await inbox.forget(clock.now()) == 1
        assert [one.key for one in await inbox.recent(9)] == ["a"]

    async def test_a_transfer_is_noted_once(self, database: Database) -> None:
        """A repeated event does not undo that the lock was carried over."""
        inbox, work, ledger = Inbox(database), Work(database), Ledger(database)
        pair = TransferPair(old=OLD, new=NEW)
        await inbox.accept(delivery("e1", rental(1), transfer=pair))
        carried = replace(pair, carried=True)
        await ledger.save(await claimed(work), transfers=[carried])
        await inbox.accept(delivery("e1", rental(1), transfer=pair))

        assert (await ledger.load(ACME, rentals=[NEW])).transfers == (carried,)
        assert (await ledger.load(ACME, rentals=[OLD])).transfers == (carried,)
        assert (await ledger.load(BOXES, rentals=[OLD])).transfers == ()

    @pytest.mark.parametrize(("ending", "unread"), [(Ending.DONE, 0), (Ending.HELD, 0), (Ending.RETRY, 1)])
    async def test_unread(self, database: Database, ending: Ending, unread: int) -> None:
        """A delivery is unread until a look at one of its subjects was completed; a repeat makes it so again."""
        inbox, work = Inbox(database), Work(database)
        await inbox.accept(delivery("e1", rental(1), rental(2)))

        assert await inbox.unread() == 1

        lane = await claimed(work)
        items = await taken(work, lane)
        await inbox.accept(delivery("e2", rental(1)))

        assert await inbox.unread() == 2

        await work.finish(lane, [ended(items[0], ending, START + MINUTE)])

        assert await inbox.unread() == unread + 1
        assert (await work.load(START)).unread == unread + 1

        await inbox.accept(delivery("e1", rental(1)))

        assert await inbox.unread() == 2


class BusinessesContract:
    """What is known of each account."""

    async def test_memory_begins_once(self, database: Database) -> None:
        """The moment a business was first served is kept for good."""
        businesses = Businesses(database)

        assert await businesses.remember(ACME, f"https://{ACME}.example/api", START) == START
        assert await businesses.remember(ACME, f"https://{ACME}.example/api", START + MINUTE) == START
        assert await businesses.remember(BOXES, f"https://{BOXES}.example/api", START + MINUTE) == START + MINUTE

    async def test_the_cursor(self, database: Database, clock: MovableClock) -> None:
        """Only the lane's holder moves how far a business was swept."""
        businesses, work = Businesses(database), Work(database)
        await businesses.remember(ACME, f"https://{ACME}.example/api", START)
        await work.wake(ACME, [rental(1)], "x")
        lane = await claimed(work)

        assert await businesses.cursor(ACME) is None

        await businesses.move_cursor(lane, START + MINUTE)
        clock.advance(LEASE)
        with pytest.raises(LeaseLost):
            await businesses.move_cursor(lane, START)

        assert await businesses.cursor(ACME) == START + MINUTE
        assert await businesses.cursor(BOXES) is None


class ProblemsContract:
    """What a person has to solve."""

    async def test_a_problem_is_new_once(self, database: Database) -> None:
        """A problem seen again keeps when it began; only the first sight is new."""
        problems = Problems(database)
        new = [
            await problems.note(ACME, rental(1), "no_group", text, START + seen * MINUTE)
            for seen, text in enumerate(("unit A", "unit B"))
        ]

        assert new == [True, False]
        assert await problems.open() == [
            Problem(
                business=ACME, subject=rental(1), code="no_group", text="unit B", since=START, seen_at=START + MINUTE
            )
        ]

    async def test_clearing(self, database: Database) -> None:
        """What is mended goes; what is not stays; and it is new when it comes back."""
        problems = Problems(database)
        for code in ("a", "b", "c"):
            await problems.note(ACME, rental(1), code, "x", START)
        await problems.note(BOXES, rental(1), "a", "x", START)

        assert await problems.clear(ACME, rental(1), ["a", "z"]) == 1
        assert await problems.clear(ACME, rental(2)) == 0
        assert [(one.business, one.code) for one in await problems.open()] == [(ACME, "b"), (ACME, "c"), (BOXES, "a")]
        assert await problems.clear(ACME, rental(1)) == 2
        assert await problems.open(ACME) == []
        assert await problems.note(ACME, rental(1), "a", "x", START) is True
