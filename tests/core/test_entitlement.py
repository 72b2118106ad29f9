"""Who may enter: from the facts about one rental to the access it should have."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.builders import (
    BERLIN,
    DAY,
    GROUP,
    NOW,
    OVERDUE,
    OWNER,
    RENTAL,
    START,
    STARTED,
    STRANGER,
    UNIT,
    a_policy,
    a_rental,
    a_site,
    a_situation,
    a_tenancy,
    an_owner,
    memory_lost,
)
from core.situations import (
    ENDED_STATES,
    PREPARING,
    RELEASED,
    STAFF_LOCKED,
    TOMORROW,
    S,
    in_short,
)
from keyturn.core.entitlement import Situation, decide
from keyturn.core.ids import OwnerId, SiteId
from keyturn.core.membership import Access
from keyturn.core.overlock import PROVIDER_MARGIN
from keyturn.core.rental import Missing, RentalState, Site
from keyturn.core.zones import first_instant


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        pytest.param(
            a_situation(), "member from 04-30T22:00 open-ended", id="occupied is a member from the start date on"
        ),
        pytest.param(
            a_situation(memory=memory_lost(), has_membership=False),
            "member from 04-30T22:00 open-ended",
            id="occupied, and nothing is remembered",
        ),
        pytest.param(
            a_situation(a_rental(end=START)),
            "member from 04-30T22:00 open-ended",
            id="an end date in the past ends nothing",
        ),
        pytest.param(
            a_situation(a_rental(end=TOMORROW)),
            "member from 04-30T22:00 open-ended",
            id="a planned move-out ends nothing",
        ),
        pytest.param(
            a_situation(a_rental(start=TOMORROW)),
            "member from 05-10T22:00 open-ended",
            id="a future start is a member at once, guarded by its start",
        ),
        pytest.param(
            a_situation(a_rental(overdue=OVERDUE)),
            "member from 04-30T22:00 until 05-08T06:30 locked",
            id="overdue is the same membership, ended at the overdue timestamp",
        ),
        pytest.param(
            a_situation(a_rental(overdue=OVERDUE), memory_lost(), has_membership=False),
            "member from 04-30T22:00 until 05-08T06:30 locked",
            id="overdue, and nothing is remembered",
        ),
        pytest.param(
            a_situation(a_rental(overlocked=True), STAFF_LOCKED),
            "member from 04-30T22:00 until 05-09T12:00 locked",
            id="a staff lock ends it when it was first seen",
        ),
        pytest.param(
            a_situation(a_rental(overlocked=True)),
            "member from 04-30T22:00 until 05-10T11:59 locked",
            id="a staff lock set just now ends it a minute ago",
        ),
        pytest.param(
            a_situation(a_rental(overdue=OVERDUE, overlocked=False), RELEASED),
            "member from 04-30T22:00 open-ended",
            id="overdue but released by staff is open",
        ),
        pytest.param(
            a_situation(a_rental(start=TOMORROW, overdue=OVERDUE)),
            "member from 05-10T22:00 until 05-10T22:00 locked",
            id="locked before the start is never open",
        ),
        pytest.param(
            a_situation(carried_lock=True, memory=memory_lost(), has_membership=False),
            "member from 04-30T22:00 until 05-10T11:59 locked",
            id="a transferred staff lock: the new membership is born locked",
        ),
        *[
            pytest.param(a_situation(a_rental(state=state)), "none", id=f"{state.value} has no access")
            for state in (*ENDED_STATES, S.RESERVED)
        ],
        *[
            pytest.param(
                a_situation(a_rental(state=state), memory_lost(), has_membership=False),
                "none",
                id=f"{state.value} has no access, and nothing is remembered",
            )
            for state in (*ENDED_STATES, S.RESERVED)
        ],
        pytest.param(
            a_situation(a_rental(state=S.ENDED, owner_id=None, start=None, unit_id=None, overlocked=Missing.UNKNOWN)),
            "none",
            id="ended has no access, whatever else is missing",
        ),
        pytest.param(
            a_situation(a_rental(state=S.ENDED, overdue=OVERDUE)), "none", id="ended and overdue has no access"
        ),
        pytest.param(
            a_situation(a_rental(state=S.RESERVED), policy=PREPARING),
            "member from 04-30T22:00 until 05-01T22:00",
            id="reserved is prepared for 24 hours where policy says so",
        ),
        pytest.param(
            a_situation(a_rental(state=S.RESERVED, start=TOMORROW), policy=PREPARING, has_membership=False),
            "member from 05-10T22:00 until 05-11T22:00",
            id="reserved from tomorrow is prepared already",
        ),
        pytest.param(
            a_situation(a_rental(state=S.RESERVED, start=date(2027, 3, 28)), policy=PREPARING),
            "member from 03-27T23:00 until 03-28T23:00",
            id="24 hours are 24 hours on the day clocks go forward",
        ),
        pytest.param(
            a_situation(a_rental(state=S.OCCUPIED), policy=PREPARING),
            "member from 04-30T22:00 open-ended",
            id="a prepared rental becomes open-ended once occupied",
        ),
        pytest.param(
            a_situation(a_rental(state=S.RESERVED, overdue=OVERDUE), policy=PREPARING),
            "none",
            id="reserved and overdue is not prepared",
        ),
        pytest.param(
            a_situation(a_rental(state=S.RESERVED, overdue=OVERDUE, overlocked=False), RELEASED, policy=PREPARING),
            "none",
            id="reserved and overdue is not prepared, released or not",
        ),
        pytest.param(
            a_situation(a_rental(state=S.RESERVED, overlocked=True), STAFF_LOCKED, policy=PREPARING),
            "none",
            id="reserved and locked by staff is not prepared",
        ),
        pytest.param(
            a_situation(a_rental(state=S.RESERVED, start=None), policy=PREPARING), "hold", id="reserved without a start"
        ),
        pytest.param(a_situation(a_rental(state=S.UNKNOWN)), "hold", id="an unknown state is held"),
        pytest.param(
            a_situation(a_rental(state=S.UNKNOWN), memory_lost(), has_membership=False),
            "hold",
            id="an unknown state is held, and nothing is remembered",
        ),
        pytest.param(
            a_situation(a_rental(state=S.UNKNOWN, overdue=OVERDUE)),
            "hold locked",
            id="an unknown state and overdue is locked",
        ),
    ],
)
def test_states(situation: Situation, expected: str) -> None:
    """The state, the lock and the start date decide; end dates never do."""
    assert in_short(decide(situation)) == expected


class TestZone:
    """The membership begins at 00:00 in the site's zone."""

    @pytest.mark.parametrize(
        ("zone", "start", "expected"),
        [
            pytest.param("Europe/Berlin", "2027-03-28", "2027-03-27T23:00", id="Berlin, the day clocks go forward"),
            pytest.param("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", id="Berlin, the day clocks go back"),
            pytest.param("America/Los_Angeles", "2027-05-01", "2027-05-01T07:00", id="west of UTC"),
            pytest.param("Pacific/Auckland", "2027-05-01", "2027-04-30T12:00", id="east of UTC"),
            pytest.param("Asia/Kathmandu", "2027-05-01", "2027-04-30T18:15", id="a zone with odd minutes"),
            pytest.param("America/Havana", "2027-03-14", "2027-03-14T05:00", id="a day without midnight"),
        ],
    )
    def test_start(self, zone: str, start: str, expected: str) -> None:
        """The start date becomes the first instant of that local date."""
        rental = a_rental(start=date.fromisoformat(start))
        desired = decide(a_situation(rental, zone=ZoneInfo(zone)))

        assert desired.starts_at == datetime.fromisoformat(expected).replace(tzinfo=UTC)

    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            pytest.param(
                STARTED - timedelta(seconds=1), False, id="a second before midnight the start is still to come"
            ),
            pytest.param(STARTED, True, id="at midnight it has started"),
            pytest.param(STARTED + timedelta(seconds=1), True, id="a second after midnight it has started"),
        ],
    )
    def test_start_day(self, now: datetime, *, expected: bool) -> None:
        """The membership is the same before and after the start; its own start guards the door."""
        desired = decide(a_situation(now=now, provider_now=now, has_membership=False))

        assert (desired.access, desired.starts_at, now >= STARTED) == (Access.MEMBER, STARTED, expected)


STATES = st.sampled_from(list(RentalState))
SITES = st.sampled_from([a_site(), a_site("other"), a_site(Missing.EMPTY), a_site(Missing.UNKNOWN), None])
READINGS = st.builds(
    a_rental,
    state=STATES,
    owner_id=st.sampled_from([OWNER, OWNER, OWNER, STRANGER, None]),
    unit_id=st.sampled_from([UNIT, UNIT, None]),
    start=st.sampled_from([START, START, TOMORROW, date(2027, 5, 10), None]),
    overdue=st.sampled_from([None, OVERDUE, NOW, NOW + DAY]),
    overlocked=st.sampled_from([True, False, Missing.EMPTY, Missing.UNKNOWN]),
)


@given(rentals=st.lists(st.tuples(READINGS, SITES), min_size=1, max_size=6), prepare=st.booleans(), has=st.booleans())
def test_what_never_happens(rentals: list[tuple[Any, Site | None]], *, prepare: bool, has: bool) -> None:
    """Over any run of reads: who is out of the rental is never let in, and who is locked is never open-ended."""
    memory = memory_lost()
    for rental, site in rentals:
        tenancy = a_tenancy(rental, owner=an_owner(id=rental.owner_id or OwnerId("?")))
        policy = a_policy(prepare_reserved=prepare)
        desired = decide(a_situation(tenancy=tenancy, site=site, memory=memory, policy=policy, has_membership=has))
        memory = desired.memory

        if rental.state in ENDED_STATES:
            assert desired.access is not Access.MEMBER
        if desired.access is Access.MEMBER:
            assert site == a_site()
            assert (desired.user, desired.group) == (rental.owner_id, GROUP)
            assert desired.starts_at == first_instant(rental.start, BERLIN)
        if desired.locked:
            assert desired.ends_at is not None
            assert desired.ends_at <= max(NOW - PROVIDER_MARGIN, desired.starts_at or NOW - PROVIDER_MARGIN)
        assert desired.reason


def test_sites_are_told_apart() -> None:
    """A rental that moved to another site is decided by that site."""
    rental = a_rental(site_id=SiteId("s2"))

    assert decide(a_situation(rental)).memory.site_id == "s2"


def test_the_rental_is_the_one_that_was_read() -> None:
    """The memory that comes back is that of the rental itself."""
    assert decide(a_situation()).memory.id == RENTAL
