"""What the installations promise, on every database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contract.store_inbox import delivery
from contract.store_work import ACME, claimed, rental, taken
from databases import START
from keyturn.clock import MovableClock
from keyturn.core.ids import AddonId, BusinessCode
from keyturn.core.installation import Installation, InstallationState
from keyturn.core.work import DELTA_SWEEP, UNIT_SWEEP, Kind
from keyturn.errors import AccountKnown, CodeTaken
from keyturn.store.businesses import Businesses
from keyturn.store.database import Database
from keyturn.store.inbox import Inbox
from keyturn.store.installations import Installations
from keyturn.store.work import Work

A1, A2 = AddonId("a1"), AddonId("a2")
ADDRESS = "https://acme.storeganise.com/api"
OTHER = "https://other.storeganise.com/api"


async def approved(store: Installations, addon_id: AddonId, address: str, code: str) -> Installation:
    """Register an installation and approve it, without a sweep."""
    await store.register(addon_id, address, wanted=code)
    await store.approve(addon_id, [])
    found = await store.find(addon_id)
    assert found is not None
    return found


class InstallationsContract:
    """Becoming known, waiting, being approved, being forgotten."""

    async def test_a_new_installation_gets_its_account_and_waits(self, database: Database) -> None:
        """The account is called as wanted, and remembered from now on."""
        store = Installations(database)
        made = await store.register(A1, ADDRESS, wanted="acme")

        assert (made.business, made.api_url, made.state) == ("acme", ADDRESS, InstallationState.WAITING)
        assert await store.find(A1) == made
        assert await store.of(ACME) == []
        assert await Businesses(database).since(ACME) == START

    async def test_one_that_is_served_is_not_registered_anew(self, database: Database) -> None:
        """Registering it again changes nothing, whatever it says now."""
        store = Installations(database)
        made = await approved(store, A1, ADDRESS, "acme")

        assert await store.register(A1, OTHER, wanted="other") == made
        assert await store.of(ACME) == [made]

    async def test_one_address_is_one_business(self, database: Database) -> None:
        """Two installations of one account share its code, whatever it would be called now."""
        store = Installations(database)
        await approved(store, A1, ADDRESS, "acme")
        second = await approved(store, A2, ADDRESS, "another")

        assert second.business == ACME
        assert [one.addon_id for one in await store.of(ACME)] == [A1, A2]

    async def test_a_code_that_another_account_has_is_not_used_twice(self, database: Database) -> None:
        """The second one is numbered."""
        store = Installations(database)
        await Businesses(database).remember(ACME, OTHER, START)

        assert (await approved(store, A1, ADDRESS, "acme")).business == "acme-2"

    async def test_the_account_of_the_settings_is_joined(self, database: Database) -> None:
        """An installation of an account that the settings name belongs to that business."""
        await Businesses(database).remember(ACME, ADDRESS, START)

        assert (await Installations(database).register(A1, ADDRESS, wanted="x")).business == ACME

    async def test_the_settings_must_call_a_known_account_by_its_code(self, database: Database) -> None:
        """Another code would be another memory."""
        await Installations(database).register(A1, ADDRESS, wanted="acme")
        with pytest.raises(AccountKnown, match=r"\[businesses\.acme\]"):
            await Businesses(database).remember(BusinessCode("berlin"), ADDRESS, START)

    async def test_deliveries_of_a_waiting_one_are_kept_and_wake_when_it_is_approved(
        self, database: Database, clock: MovableClock
    ) -> None:
        """Nothing is due before; afterwards everything the kept deliveries named."""
        store, inbox, work = Installations(database), Inbox(database), Work(database)
        await store.register(A1, ADDRESS, wanted="acme")
        await inbox.accept(delivery("e1", rental(1), rental(2), addon_id=A1))
        await inbox.accept(delivery("e2", rental(2), addon_id=A1))
        assert (await work.load(clock.now())).due == 0
        assert await store.kept() == {A1: 2}

        clock.advance(timedelta(minutes=1))
        assert await store.approve(A1, []) == 2
        assert [item.subject for item in await taken(work, await claimed(work))] == [rental(1), rental(2)]
        assert await store.kept() == {}
        assert await store.approve(A1) is None
        assert [one.last_seen for one in await store.all()] == [clock.now()]

    async def test_a_repeat_through_a_waiting_one_takes_nothing_back(self, database: Database) -> None:
        """An event that the plain webhook brought and that was woken stays woken."""
        store, inbox = Installations(database), Inbox(database)
        await store.register(A1, ADDRESS, wanted="acme")
        await inbox.accept(delivery("e1", rental(1)))
        await inbox.accept(delivery("e1", rental(1), addon_id=A1))

        assert await inbox.unread() == 1
        assert await store.kept() == {}

    async def test_approving_wakes_the_sweeps_of_its_account(self, database: Database, clock: MovableClock) -> None:
        """What happened before it was known is found as well."""
        store, work = Installations(database), Work(database)
        await store.register(A1, ADDRESS, wanted="acme")
        await store.approve(A1, [DELTA_SWEEP, UNIT_SWEEP])

        assert (await work.load(clock.now())).due == 2

    async def test_what_waited_for_a_forgotten_one_runs_when_it_is_back(
        self, database: Database, clock: MovableClock
    ) -> None:
        """Kept is kept: the events from before it was forgotten, and those that came meanwhile."""
        store, inbox, work = Installations(database), Inbox(database), Work(database)
        await store.register(A1, ADDRESS, wanted="acme")
        await inbox.accept(delivery("e1", rental(1), addon_id=A1))
        await store.forget(A1)
        await inbox.accept(delivery("e2", rental(2), addon_id=A1))
        await store.register(A1, ADDRESS, wanted="acme")

        assert await store.approve(A1, []) == 2
        assert (await work.load(clock.now())).due == 2

    async def test_since_when_changes_were_not_listed(self, database: Database) -> None:
        """The earliest instant stays until exactly that gap is closed."""
        store = Installations(database)
        await approved(store, A1, ADDRESS, "acme")
        await store.opened(A1, START)
        await store.opened(A1, START + timedelta(hours=1))
        await store.closed(A1, START + timedelta(hours=1))
        assert [one.unseen_since for one in await store.of(ACME)] == [START]
        await store.closed(A1, START)
        assert [one.unseen_since for one in await store.of(ACME)] == [None]

    async def test_a_code_is_not_given_to_another_account(self, database: Database) -> None:
        """Memory and keys of the account that installations are pinned to stay with its address."""
        await Installations(database).register(A1, ADDRESS, wanted="acme")
        with pytest.raises(CodeTaken, match=r"acme\.storeganise\.com"):
            await Businesses(database).remember(ACME, OTHER, START)
        await Installations(database).forget(A1)
        await Businesses(database).remember(ACME, OTHER, START)
        assert await Businesses(database).addresses() == {ACME: OTHER}

    async def test_deliveries_of_an_approved_one_wake_at_once(self, database: Database, clock: MovableClock) -> None:
        """They count as unread until they are looked at, as any other."""
        store, inbox, work = Installations(database), Inbox(database), Work(database)
        await approved(store, A1, ADDRESS, "acme")
        await inbox.accept(delivery("e1", rental(1), addon_id=A1))

        assert (await work.load(clock.now())).due == 1
        assert await inbox.unread() == 1
        assert (await inbox.recent(1))[0].addon_id == A1

    async def test_a_forgotten_one_wakes_nothing(self, database: Database, clock: MovableClock) -> None:
        """Its deliveries are kept; the next registration pins its address anew."""
        store, inbox, work = Installations(database), Inbox(database), Work(database)
        await approved(store, A1, ADDRESS, "acme")
        assert await store.forget(A1)
        await inbox.accept(delivery("e1", rental(1), addon_id=A1))

        assert (await work.load(clock.now())).due == 0
        assert await store.find(A1) is None
        assert not await store.forget(A1)
        assert (await store.register(A1, OTHER, wanted="other")).api_url == OTHER

    async def test_a_refused_address_is_remembered(self, database: Database) -> None:
        """An unknown installation is shown as refused; a known one keeps its state and its pinned address."""
        store = Installations(database)
        await store.refuse(A1, "https://evil.example")
        refused = await store.find(A1)
        assert refused is not None
        assert (refused.state, refused.business, refused.refused_url) == (
            InstallationState.REFUSED,
            None,
            "https://evil.example",
        )
        await approved(store, A1, ADDRESS, "acme")
        await store.refuse(A1, "https://other.example")
        known = await store.find(A1)
        assert known is not None
        assert (known.state, known.api_url, known.refused_at) == (InstallationState.APPROVED, ADDRESS, START)
        assert await store.counts() == {InstallationState.APPROVED: 1}

    async def test_who_named_a_subject_last(self, database: Database, clock: MovableClock) -> None:
        """The newest delivery counts; what the plain webhook named last has no installation."""
        store, inbox = Installations(database), Inbox(database)
        await approved(store, A1, ADDRESS, "acme")
        await approved(store, A2, ADDRESS, "acme")
        await inbox.accept(delivery("e1", rental(1), rental(2), rental(3), addon_id=A1))
        clock.advance(timedelta(seconds=1))
        await inbox.accept(delivery("e2", rental(2), addon_id=A2))
        await inbox.accept(delivery("e3", rental(3)))

        assert await store.last_named(ACME, Kind.RENTAL, [rental(n).id for n in (1, 2, 3, 4)]) == {
            rental(1).id: A1,
            rental(2).id: A2,
        }
