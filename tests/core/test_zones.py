"""Calendar dates to instants: 00:00 is the first instant of the local date, wherever and whenever that is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.zones import first_instant

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Los_Angeles",
    "Pacific/Auckland",
    "Asia/Kathmandu",
    "America/Havana",
    "Asia/Beirut",
    "Africa/Cairo",
    "America/Nuuk",
    "America/Santiago",
    "Pacific/Kiritimati",
    "Pacific/Niue",
]


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        pytest.param("UTC", "2027-05-01", "2027-05-01T00:00", id="UTC is taken as it is"),
        pytest.param("Europe/Berlin", "2027-01-15", "2027-01-14T23:00", id="Berlin in winter is an hour ahead"),
        pytest.param("Europe/Berlin", "2027-07-15", "2027-07-14T22:00", id="Berlin in summer is two hours ahead"),
        pytest.param("Europe/Berlin", "2027-03-27", "2027-03-26T23:00", id="Berlin, the day before clocks go forward"),
        pytest.param("Europe/Berlin", "2027-03-28", "2027-03-27T23:00", id="Berlin, the day clocks go forward"),
        pytest.param("Europe/Berlin", "2027-03-29", "2027-03-28T22:00", id="Berlin, the day after clocks go forward"),
        pytest.param("Europe/Berlin", "2026-10-24", "2026-10-23T22:00", id="Berlin, the day before clocks go back"),
        pytest.param("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", id="Berlin, the day clocks go back"),
        pytest.param("Europe/Berlin", "2026-10-26", "2026-10-25T23:00", id="Berlin, the day after clocks go back"),
        pytest.param("America/Los_Angeles", "2027-03-14", "2027-03-14T08:00", id="Los Angeles, clocks go forward"),
        pytest.param("America/Los_Angeles", "2027-03-15", "2027-03-15T07:00", id="Los Angeles, summer, west of UTC"),
        pytest.param("America/Los_Angeles", "2027-11-07", "2027-11-07T07:00", id="Los Angeles, clocks go back"),
        pytest.param("America/Los_Angeles", "2027-11-08", "2027-11-08T08:00", id="Los Angeles, winter"),
        pytest.param(
            "Pacific/Auckland", "2027-01-01", "2026-12-31T11:00", id="Auckland starts the year half a day early"
        ),
        pytest.param("Pacific/Auckland", "2027-04-05", "2027-04-04T12:00", id="Auckland, winter in the south"),
        pytest.param("Asia/Kathmandu", "2027-05-01", "2027-04-30T18:15", id="Kathmandu is 5 h 45 min ahead"),
        pytest.param(
            "America/Havana", "2027-03-14", "2027-03-14T05:00", id="Havana skips midnight: the day begins at 01:00"
        ),
        pytest.param(
            "America/Havana", "2026-11-01", "2026-11-01T04:00", id="Havana has midnight twice: the first counts"
        ),
        pytest.param("Asia/Beirut", "2027-03-28", "2027-03-27T22:00", id="Beirut skips midnight"),
        pytest.param("Asia/Beirut", "2026-10-25", "2026-10-24T22:00", id="Beirut repeats the hour before midnight"),
        pytest.param("Africa/Cairo", "2027-04-30", "2027-04-29T22:00", id="Cairo skips midnight"),
        pytest.param("Africa/Cairo", "2026-10-30", "2026-10-29T22:00", id="Cairo repeats the hour before midnight"),
        pytest.param("America/Nuuk", "2027-03-28", "2027-03-28T01:00", id="Nuuk skips the last hour of the day before"),
        pytest.param("America/Santiago", "2027-09-05", "2027-09-05T04:00", id="Santiago skips midnight, in the south"),
        pytest.param("Pacific/Apia", "2011-12-30", "2011-12-30T10:00", id="Apia skipped the whole day"),
        pytest.param("Pacific/Kiritimati", "2028-02-29", "2028-02-28T10:00", id="a leap day, as far east as it gets"),
    ],
)
def test_first_instant(zone: str, day: str, expected: str) -> None:
    """A local date begins at its first instant, given in UTC."""
    instant = first_instant(date.fromisoformat(day), ZoneInfo(zone))

    assert instant == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert instant.tzinfo is UTC


@given(day=st.dates(date(2020, 1, 1), date(2035, 12, 31)), zone=st.sampled_from(ZONES).map(ZoneInfo))
def test_nothing_of_the_date_comes_earlier(day: date, zone: ZoneInfo) -> None:
    """The instant has the local date, and the moment before it has an earlier one."""
    instant = first_instant(day, zone)

    assert instant.astimezone(zone).date() == day
    assert (instant - timedelta(seconds=1)).astimezone(zone).date() < day


@given(day=st.dates(date(2020, 1, 1), date(2035, 12, 30)), zone=st.sampled_from(ZONES).map(ZoneInfo))
def test_days_follow_each_other(day: date, zone: ZoneInfo) -> None:
    """A day lasts 23 to 25 hours."""
    length = first_instant(day + timedelta(days=1), zone) - first_instant(day, zone)

    assert timedelta(hours=23) <= length <= timedelta(hours=25)
