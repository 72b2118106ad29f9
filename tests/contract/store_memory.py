"""What the ledger promises, on every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.store_work import ACME, BOXES, LEASE, rental, taken
from databases import START
from keyturn.clock import MovableClock
from keyturn.core.ids import BusinessCode, ExternalId, GroupId, OwnerId, PinHash, RentalId, SiteId, TenantUrl, UnitId
from keyturn.core.memory import CodeMemory, FieldMemory, OwnerMemory, Record, RecordState, RentalMemory, TransferPair
from keyturn.core.work import Lane, Subject
from keyturn.errors import LeaseLost
from keyturn.store import schema
from keyturn.store.database import Database
from keyturn.store.ledger import Ledger, Remembered
from keyturn.store.rows import to_row
from keyturn.store.work import Work

DOOR, OTHER_DOOR = TenantUrl("https://door.example"), TenantUrl("https://other.example")
GROUP, SITE, UNIT = GroupId("g1"), SiteId("s1"), UnitId("u1")
ANN, BOB = OwnerId("ann"), OwnerId("bob")
R1, R2, R3 = RentalId("r1"), RentalId("r2"), RentalId("r3")
NUMBERS = count(1)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
instants = st.datetimes(datetime(1971, 1, 1), datetime(2150, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
fields = st.builds(
    FieldMemory, seen=st.none() | texts, sent=st.none() | texts, answered=st.booleans(), not_kept=st.none() | texts
)
rentals = st.builds(
    RentalMemory,
    owner_id=st.none() | texts,
    state=texts,
    start=st.none() | st.dates(),
    created=st.none() | instants,
    first_seen=st.none() | instants,
    staff_lock_since=st.none() | instants,
    release_for=st.none() | instants,
    lock_at=st.none() | instants,
    vanished_at=st.none() | instants,
    overlock=fields,
    pin=fields,
    **{name: st.none() | texts for name in ("unit_id", "site_id", "tenant", "group", "carried_from", "covered_by")},
    **{name: st.booleans() for name in ("live", "staff_lock", "staff_lock_at_end")},
    id=texts,
    ended=st.none() | st.dates(),
)
records = st.builds(
    Record,
    starts_at=instants,
    ends_at=st.none() | instants,
    state=st.sampled_from(RecordState),
    **dict.fromkeys(("tenant", "external_id", "rental_id", "owner_id", "group"), texts),
)


def record(rental_id: RentalId, state: RecordState = RecordState.KNOWN, **others: object) -> Record:
    """Return a membership of a rental."""
    made = Record(
        tenant=DOOR,
        external_id=ExternalId(rental_id),
        rental_id=rental_id,
        owner_id=ANN,
        group=GROUP,
        starts_at=START,
        ends_at=None,
        state=state,
        made=True,
    )
    return replace(made, **others)  # type: ignore[arg-type]  # each test names fields that exist


async def lane_of(database: Database, business: BusinessCode = ACME) -> Lane:
    """Wake something in the business and claim its lane."""
    work = Work(database)
    await work.wake(business, [Subject("test", "lane")], "x")
    lane = await work.claim("one", lease=LEASE)

    assert lane is not None

    return lane


class LedgerContract:
    """Remembering between two looks."""

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(value=rentals, membership=records, pin=fields)
    async def test_everything_comes_back_as_it_was(
        self, database: Database, value: RentalMemory, membership: Record, pin: FieldMemory
    ) -> None:
        """Whatever is saved is loaded again, equal in every field, and a second save of it changes nothing."""
        business = BusinessCode(f"b{next(NUMBERS)}")
        lane = await lane_of(database, business)
        kept = replace(membership, rental_id=value.id)
        owner = OwnerMemory(id=ANN, pin=pin, codes=(CodeMemory(tenant=DOOR, in_force=PinHash("k:1")),))
        for _ in range(2):
            await Ledger(database).save(lane, rentals=[value], owners=[owner], records=[kept])
        loaded = await Ledger(database).load(business, rentals=[value.id], owners=[ANN])

        assert loaded.rentals[value.id] == value
        assert loaded.owners == {ANN: owner}
        assert loaded.records[value.id] == (kept,)

    async def test_nothing_is_known_yet(self, database: Database) -> None:
        """What was never saved is simply not there; each asked rental has its empty list of records."""
        expected = Remembered(rentals={}, owners={}, records={R1: ()}, transfers=())

        assert await Ledger(database).load(ACME, rentals=[R1], owners=[ANN]) == expected

    async def test_what_a_look_needs(self, database: Database) -> None:
        """Asked rentals come, all rentals of the asked owners, and the records and transfers of both."""
        ledger, lane = Ledger(database), await lane_of(database)
        known = [
            RentalMemory(id=R1, owner_id=ANN),
            RentalMemory(id=R2, owner_id=BOB),
            RentalMemory(id=R3, owner_id=BOB),
        ]
        again = record(R3, RecordState.GONE, external_id=ExternalId("r3-2"))
        pair = TransferPair(old=RentalId("r0"), new=R3)
        await ledger.save(
            lane, rentals=known, owners=[OwnerMemory(id=BOB)], records=[record(R3), again], transfers=[pair]
        )
        by_rental = await ledger.load(ACME, rentals=[R1])
        by_owner = await ledger.load(ACME, rentals=[R1], owners=[BOB])

        assert list(by_rental.rentals) == [R1]
        assert list(by_owner.rentals) == [R1, R2, R3]
        assert by_owner.owners == {BOB: OwnerMemory(id=BOB)}
        assert by_owner.records == {R1: (), R2: (), R3: (record(R3), again)}
        assert (by_rental.transfers, by_owner.transfers) == ((), (pair,))

    async def test_businesses_do_not_mix(self, database: Database) -> None:
        """The same ids in two businesses are different rentals and owners."""
        ledger = Ledger(database)
        for business, owner in ((ACME, ANN), (BOXES, BOB)):
            lane = await lane_of(database, business)
            await ledger.save(
                lane,
                rentals=[RentalMemory(id=R1, owner_id=owner, unit_id=UNIT)],
                records=[record(R1, owner_id=owner)],
            )
        loaded = await ledger.load(BOXES, rentals=[R1])

        assert loaded.rentals[R1].owner_id == BOB
        assert [one.owner_id for one in loaded.records[R1]] == [BOB]
        assert await ledger.owners_of(ACME, [R1, R2]) == {R1: ANN}
        assert [one.owner_id for one in await ledger.on_unit(ACME, UNIT)] == [ANN]
        assert await ledger.rentals_of(ACME, BOB) == []

    async def test_the_codes_of_an_owner_are_overwritten(self, database: Database) -> None:
        """Each by itself: those at other tenants and of other owners stay."""
        ledger, lane = Ledger(database), await lane_of(database)
        both = (CodeMemory(tenant=DOOR), CodeMemory(tenant=OTHER_DOOR))
        await ledger.save(lane, owners=[OwnerMemory(id=ANN, codes=both), OwnerMemory(id=BOB, codes=both)])
        moved = OwnerMemory(id=ANN, codes=(CodeMemory(tenant=OTHER_DOOR, user_known=True, sent=PinHash("k:2")),))
        await ledger.save(lane, owners=[moved])
        loaded = await ledger.load(ACME, owners=[ANN, BOB])

        assert loaded.owners == {
            ANN: OwnerMemory(id=ANN, codes=(CodeMemory(tenant=DOOR), *moved.codes)),
            BOB: OwnerMemory(id=BOB, codes=both),
        }

    @pytest.mark.parametrize("replaced", [False, True])
    async def test_without_a_lease_nothing_is_written(
        self, database: Database, clock: MovableClock, *, replaced: bool
    ) -> None:
        """A save after the lease has run out is refused as a whole, whether or not somebody took over."""
        ledger, lane = Ledger(database), await lane_of(database)
        clock.advance(LEASE)
        if replaced:
            await lane_of(database)
        with pytest.raises(LeaseLost):
            await ledger.save(lane, rentals=[RentalMemory(id=R1)], records=[record(R1)])
        loaded = await ledger.load(ACME, rentals=[R1])

        assert (loaded.rentals, loaded.records) == ({}, {R1: ()})

    async def test_the_rentals_of_an_owner(self, database: Database) -> None:
        """All of them, whatever is due to them."""
        ledger, lane = Ledger(database), await lane_of(database)
        live, over = RentalMemory(id=R1, owner_id=ANN, live=True), RentalMemory(id=R2, owner_id=ANN)
        await ledger.save(lane, rentals=[live, over])

        assert await ledger.rentals_of(ACME, ANN) == [live, over]

    async def test_what_is_not_over(self, database: Database) -> None:
        """Rentals without an end count, and those whose membership is not confirmed gone, remembered or not."""
        ledger, lane = Ledger(database), await lane_of(database)
        over = date(2026, 2, 1)
        ended = [RentalMemory(id=R2, ended=over), RentalMemory(id=R3, ended=over)]
        lost = RentalId("r4")
        await ledger.save(
            lane,
            rentals=[RentalMemory(id=R1), *ended],
            records=[
                record(R1, RecordState.GONE),
                record(R2, RecordState.GONE),
                record(R3, RecordState.SENT),
                record(lost),
            ],
        )

        assert await ledger.not_over(ACME) == [R1, R3, lost]
        assert await ledger.not_over(BOXES) == []

    async def test_who_is_on_a_group(self, database: Database) -> None:
        """Rentals of all businesses mapped to the group or with a membership on it; not those gone from it."""
        ledger, lane = Ledger(database), await lane_of(database)
        mapped = RentalMemory(id=R1, owner_id=ANN, tenant=DOOR, group=GROUP)
        moved = RentalMemory(id=R2, tenant=DOOR, group=GroupId("g2"))
        left = RentalMemory(id=R3, tenant=DOOR, group=GroupId("g2"))
        old, gone = record(R2, RecordState.UNKNOWN), record(R3, RecordState.GONE)
        await ledger.save(lane, rentals=[mapped, moved, left], records=[old, gone])
        other = await lane_of(database, BOXES)
        elsewhere = record(RentalId("r9"), tenant=OTHER_DOOR)
        unknown = record(RentalId("r8"))
        await ledger.save(other, records=[elsewhere, unknown])

        assert await ledger.on_group(DOOR, GROUP) == [
            (ACME, mapped, ()),
            (ACME, moved, (old,)),
            (BOXES, RentalMemory(id=RentalId("r8"), owner_id=ANN), (unknown,)),
        ]

    async def test_how_many_live_at_a_site(self, database: Database) -> None:
        """Rentals with a membership that is not gone are counted once each."""
        ledger, lane = Ledger(database), await lane_of(database)
        await ledger.save(
            lane,
            rentals=[RentalMemory(id=one, site_id=SITE) for one in (R1, R2, R3)],
            records=[
                record(R1),
                record(R1, RecordState.SENT, external_id=ExternalId("r1-2")),
                record(R2, RecordState.GONE),
            ],
        )

        assert await ledger.live_at_site(ACME, SITE) == 1
        assert await ledger.live_at_site(BOXES, SITE) == 0

    async def test_how_many_vanished_at_a_site(self, database: Database) -> None:
        """Those not found at the given instant or later are counted."""
        ledger, lane = Ledger(database), await lane_of(database)
        times = [START - timedelta(days=1, seconds=1), START - timedelta(days=1), START, None]
        await ledger.save(
            lane,
            rentals=[
                RentalMemory(id=RentalId(f"r{n}"), site_id=SITE, vanished_at=time) for n, time in enumerate(times)
            ],
        )

        assert await ledger.vanished_at_site(ACME, SITE, START - timedelta(days=1)) == 2
        assert await ledger.vanished_at_site(ACME, SiteId("s2"), START - timedelta(days=9)) == 0

    async def test_marking_unknown(self, database: Database, clock: MovableClock) -> None:
        """Without any lease, everything becomes unknown, what was gone too, and the rentals are due; here alone."""
        ledger, work, lane = Ledger(database), Work(database), await lane_of(database)
        gone = record(R1, RecordState.GONE, external_id=ExternalId("r1-2"))
        await ledger.save(lane, records=[record(R1), gone, record(R2)])
        await ledger.save(await lane_of(database, BOXES), records=[record(R1)])
        await taken(work, lane)
        clock.advance(LEASE)
        await ledger.mark_unknown(ACME, [R1], "the lease was lost during a call")
        loaded = await ledger.load(ACME, rentals=[R1, R2])
        row = await work.row(ACME, rental(1))

        doubted = record(R1, RecordState.UNKNOWN, external_id=ExternalId("r1-2"))
        assert loaded.records == {R1: (record(R1, RecordState.UNKNOWN), doubted), R2: (record(R2),)}
        assert (await ledger.load(BOXES, rentals=[R1])).records == {R1: (record(R1),)}
        assert row is not None
        assert row.due_at == clock.now()

    async def test_text_that_a_database_refuses(self, database: Database) -> None:
        """A NUL or half a character from outside is stored as a mark, and found by what it came as."""
        ledger, lane = Ledger(database), await lane_of(database)
        odd = UnitId("a\0b\ud800")
        await ledger.save(lane, rentals=[RentalMemory(id=R1, unit_id=odd)])

        assert [one.unit_id for one in await ledger.on_unit(ACME, odd)] == ["a\ufffdb?"]

    async def test_a_group_of_odd_text(self, database: Database) -> None:
        """What an operator may type into the field of a unit is found by what it came as."""
        ledger, lane = Ledger(database), await lane_of(database)
        odd = GroupId("a\0b\ud800")
        await ledger.save(lane, rentals=[RentalMemory(id=R1, tenant=DOOR, group=odd)])

        assert [memory.id for _, memory, _ in await ledger.on_group(DOOR, odd)] == [R1]

    async def test_dates(self, database: Database) -> None:
        """A calendar date stays a date."""
        ledger, lane = Ledger(database), await lane_of(database)
        await ledger.save(lane, rentals=[RentalMemory(id=R1, start=date(2026, 2, 28))])

        assert (await ledger.load(ACME, rentals=[R1])).rentals[R1].start == date(2026, 2, 28)

    def test_every_field_has_its_column(self) -> None:
        """A value and its row have the same names, so that no field is forgotten."""
        pairs = [
            (schema.rentals, RentalMemory(id=R1), {"business"}),
            (schema.memberships, record(R1), {"business"}),
            (schema.transfers, TransferPair(old=R1, new=R2), {"business"}),
            (schema.codes, CodeMemory(tenant=DOOR), {"business", "owner_id"}),
        ]
        for table, value, others in pairs:
            assert set(table.columns.keys()) == to_row(value).keys() | others
