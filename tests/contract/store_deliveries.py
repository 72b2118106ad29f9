"""What finding and replaying kept deliveries promises, on every database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from contract.store_inbox import delivery
from contract.store_work import ACME, BOXES, LEASE, claimed, ended, rental, taken
from databases import START
from keyturn.clock import MovableClock
from keyturn.core.ids import AddonId, RentalId
from keyturn.core.work import Ending, Subject
from keyturn.store.database import Database
from keyturn.store.deliveries import Deliveries, Delivery, DeliveryFilter, Standing
from keyturn.store.inbox import DeliveryState, Inbox
from keyturn.store.installations import Installations
from keyturn.store.work import Work

MINUTE = timedelta(minutes=1)
ADDON = AddonId("addon1")
SWEEP = Subject("sweep", "delta")
ACCOUNT = "https://acme.example/api"


async def registered(database: Database, *, trusted: bool = False) -> None:
    """Make the installation known; not `trusted`, it waits for approval. Its account is called acme."""
    installations = Installations(database)
    await installations.register(ADDON, ACCOUNT, wanted=ACME)
    if trusted:
        await installations.approve(ADDON, [])


async def looked(database: Database) -> None:
    """Look at everything that is due."""
    work = Work(database)
    lane = await claimed(work)
    await work.finish(lane, [ended(item) for item in await taken(work, lane)])
    await work.release(lane)


async def due(database: Database) -> set[Subject]:
    """Name what is due, and hand it back."""
    work = Work(database)
    lane = await work.claim("one", lease=LEASE)
    if lane is None:
        return set()
    found = {item.subject for item in await taken(work, lane)}
    await work.release(lane)
    return found


def keys(found: list[Delivery]) -> list[str]:
    return [one.key for one in found]


class DeliveriesContract:
    """Finding what came, and waking it once more."""

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            (DeliveryFilter(), ["f", "e", "d", "c", "b", "a"]),
            (DeliveryFilter(business=BOXES), ["b"]),
            (DeliveryFilter(type="user.updated"), ["c"]),
            (DeliveryFilter(rental=RentalId("r1")), ["b", "a"]),
            (DeliveryFilter(rental=RentalId("r1"), business=ACME), ["a"]),
            (DeliveryFilter(rental=RentalId("owner1")), []),
            (DeliveryFilter(standing=Standing.IGNORED), ["d"]),
            (DeliveryFilter(standing=Standing.UNRESOLVED), ["e"]),
            (DeliveryFilter(standing=Standing.WAITING), ["f"]),
            (DeliveryFilter(standing=Standing.ACCEPTED), ["c", "b", "a"]),
            (DeliveryFilter(since=START + 3 * MINUTE), ["f", "e", "d"]),
            (DeliveryFilter(since=START + 2 * MINUTE, standing=Standing.ACCEPTED, business=ACME), ["c"]),
            (DeliveryFilter(ids=(10**9,)), []),
        ],
    )
    async def test_filters(
        self, database: Database, clock: MovableClock, wanted: DeliveryFilter, expected: list[str]
    ) -> None:
        """What is asked for is found, the newest first, and nothing else."""
        await registered(database)
        came: list[dict[str, Any]] = [
            {"key": "a", "subjects": (rental(1), rental(2))},
            {"key": "b", "subjects": (rental(1),), "business": BOXES},
            {"key": "c", "subjects": (Subject("owner", "owner1"),), "type": "user.updated"},
            {"key": "d", "state": DeliveryState.IGNORED},
            {"key": "e", "subjects": (SWEEP,), "state": DeliveryState.UNRESOLVED},
            {"key": "f", "subjects": (rental(3),), "addon_id": ADDON},
        ]
        for one in came:
            await Inbox(database).accept(delivery(**one))
            clock.advance(MINUTE)

        assert keys(await Deliveries(database).newest(wanted, 9)) == expected
        assert keys(await Deliveries(database).newest(wanted, 1)) == expected[:1]

    async def test_one_by_its_id(self, database: Database) -> None:
        """A delivery is found by its id, with where it came from and all that it named."""
        await registered(database, trusted=True)
        await Inbox(database).accept(delivery("a", rental(2), rental(1), addon_id=ADDON))
        [kept] = await Deliveries(database).newest(DeliveryFilter(), 9)
        found = await Deliveries(database).one(kept.id)

        assert found == kept
        assert (kept.addon_id, kept.subjects, kept.standing) == (ADDON, (rental(1), rental(2)), Standing.ACCEPTED)
        assert await Deliveries(database).one(kept.id + 1) is None

    @pytest.mark.parametrize(("ending", "expected"), [(Ending.DONE, True), (Ending.HELD, True), (Ending.RETRY, False)])
    async def test_looked_at(self, database: Database, *, ending: Ending, expected: bool) -> None:
        """A delivery is looked at once a look at one of its subjects was completed, and no more when it repeats."""
        inbox, work = Inbox(database), Work(database)
        await inbox.accept(delivery("a", rental(1), rental(2)))

        assert [one.looked_at for one in await inbox.recent(9)] == [False]

        lane = await claimed(work)
        items = await taken(work, lane)
        await work.finish(lane, [ended(items[0], ending, START + MINUTE)])

        assert [one.looked_at for one in await inbox.recent(9)] == [expected]

        await inbox.accept(delivery("a", rental(1), rental(2)))

        assert [one.looked_at for one in await inbox.recent(9)] == [False]

    async def test_choosing_counts_first(self, database: Database) -> None:
        """Before a replay it is known how many deliveries there are and what is left out; nothing is woken."""
        await registered(database)
        inbox = Inbox(database)
        await inbox.accept(delivery("a", rental(1), rental(2)))
        await inbox.accept(delivery("b", rental(2)))
        await inbox.accept(delivery("c", rental(2), business=BOXES))
        await inbox.accept(delivery("d", state=DeliveryState.IGNORED))
        await inbox.accept(delivery("e", rental(9), addon_id=ADDON))
        await inbox.accept(delivery("f", state=DeliveryState.IGNORED, addon_id=ADDON))
        await looked(database)
        await looked(database)
        ids = {one.key: one.id for one in await inbox.recent(9)}
        choice = await Deliveries(database).choose(DeliveryFilter(ids=(*ids.values(), 10**9)))

        assert choice.ids == {ACME: [ids["a"], ids["b"]], BOXES: [ids["c"]]}
        assert (choice.deliveries, choice.subjects) == (3, 3)
        assert (choice.not_approved, choice.nothing, choice.missing) == (2, 1, (10**9,))
        assert await due(database) == set()

    @pytest.mark.parametrize("standing", list(Standing))
    async def test_choosing_by_standing(self, database: Database, standing: Standing) -> None:
        """What is counted is what the filter takes, and no subject of others."""
        await registered(database)
        inbox = Inbox(database)
        await inbox.accept(delivery("accepted", rental(1)))
        await inbox.accept(delivery("ignored", state=DeliveryState.IGNORED))
        await inbox.accept(delivery("unresolved", SWEEP, state=DeliveryState.UNRESOLVED))
        await inbox.accept(delivery("waiting", rental(2), addon_id=ADDON))
        wanted = DeliveryFilter(standing=standing, rental=RentalId("r1") if standing is Standing.ACCEPTED else None)
        choice = await Deliveries(database).choose(wanted)
        woken = standing in {Standing.ACCEPTED, Standing.UNRESOLVED}

        assert keys(await Deliveries(database).newest(wanted, 9)) == [standing.value]
        assert (choice.deliveries, choice.subjects) == (int(woken), int(woken))
        assert choice.not_approved == int(standing is Standing.WAITING)

    async def test_a_replay_wakes_what_was_named(self, database: Database) -> None:
        """Everything a delivery named is due again, once, and the delivery counts as not looked at until it was."""
        inbox = Inbox(database)
        await inbox.accept(delivery("a", rental(1), rental(2)))
        await inbox.accept(delivery("b", rental(2)))
        await inbox.accept(delivery("c", rental(3)))
        await inbox.accept(delivery("d", SWEEP, state=DeliveryState.UNRESOLVED))
        await looked(database)
        ids = {one.key: one.id for one in await inbox.recent(9)}

        assert await Deliveries(database).replay(ACME, [ids["a"], ids["b"], ids["d"]]) == 3
        assert await inbox.unread() == 2
        assert {one.key: one.looked_at for one in await inbox.recent(9)} == {
            "a": False,
            "b": False,
            "c": True,
            "d": False,
        }
        assert await due(database) == {rental(1), rental(2), SWEEP}

        await looked(database)

        assert all(one.looked_at for one in await inbox.recent(9))

    async def test_a_replay_lets_held_work_go(self, database: Database) -> None:
        """What was held is looked at again."""
        inbox, work = Inbox(database), Work(database)
        await inbox.accept(delivery("a", rental(1)))
        lane = await claimed(work)
        [item] = await taken(work, lane)
        await work.finish(lane, [ended(item, Ending.HELD, START + 60 * MINUTE)])
        await work.release(lane)
        [kept] = await inbox.recent(9)
        await Deliveries(database).replay(ACME, [kept.id])

        assert await due(database) == {rental(1)}

    async def test_a_replay_of_others(self, database: Database) -> None:
        """Ids of another business, of an installation that waits, and of nothing wake nothing."""
        await registered(database)
        inbox = Inbox(database)
        await inbox.accept(delivery("a", rental(1), business=BOXES))
        await inbox.accept(delivery("b", rental(2), addon_id=ADDON))
        await inbox.accept(delivery("c", state=DeliveryState.IGNORED))
        await looked(database)
        ids = [one.id for one in await inbox.recent(9)]

        assert await Deliveries(database).replay(ACME, [*ids, 10**9]) == 0
        assert await due(database) == set()
        assert [one.waiting for one in await inbox.recent(9)] == [False, True, False]

    async def test_a_forgotten_installation_is_not_replayed(self, database: Database) -> None:
        """Its deliveries stay, woken ones as accepted, and are left out of a replay."""
        await registered(database, trusted=True)
        inbox, deliveries = Inbox(database), Deliveries(database)
        await inbox.accept(delivery("a", rental(1), addon_id=ADDON))
        await looked(database)
        await Installations(database).forget(ADDON)
        [kept] = await inbox.recent(9)
        choice = await deliveries.choose(DeliveryFilter(ids=(kept.id,)))

        assert kept.standing is Standing.ACCEPTED
        assert (choice.deliveries, choice.not_approved) == (0, 1)
        assert await deliveries.replay(ACME, [kept.id]) == 0

    async def test_an_approval_ends_the_wait(self, database: Database) -> None:
        """What waited is accepted once its installation is approved, and can be replayed."""
        await registered(database)
        inbox, deliveries = Inbox(database), Deliveries(database)
        await inbox.accept(delivery("a", rental(1), addon_id=ADDON))

        assert [one.standing for one in await inbox.recent(9)] == [Standing.WAITING]

        await Installations(database).approve(ADDON)
        [kept] = await inbox.recent(9)

        assert kept.standing is Standing.ACCEPTED
        assert await deliveries.replay(ACME, [kept.id]) == 1

    async def test_many(self, database: Database) -> None:
        """More deliveries than fit into one question are listed with what each of them named."""
        inbox = Inbox(database)
        await asyncio.gather(*(inbox.accept(delivery(f"k{number}", rental(number))) for number in range(510)))
        found = await inbox.recent(1000)

        assert (len(found), {one.subjects for one in found}) == (510, {(rental(number),) for number in range(510)})
