"""Which call comes first, for every wish and everything that may be recorded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.builders import (
    DAY,
    ELSEWHERE,
    NOW,
    OVERDUE,
    STARTED,
    a_record,
    a_wanted,
    in_short,
)
from core.membership_cases import (
    ENDED_KNOWN,
    FUTURE,
    GONE,
    HOLD,
    HOLD_LOCKED,
    HOLD_NOBODY,
    KNOWN,
    LOCKED,
    LOCKED_BEFORE_START,
    MEMBER,
    MOVED,
    NEW_RENTAL,
    NONE,
    OLD_BACKEND,
    OTHERS,
    SECOND,
    SECOND_KNOWN,
    SECOND_UNKNOWN,
    SENT,
    SPENT,
    TO_COME,
    UNKNOWN,
    X,
)
from keyturn.core.membership import (
    Access,
    History,
    Wanted,
    next_call,
)
from keyturn.core.memory import Record


@pytest.mark.parametrize(
    ("wanted", "records", "expected"),
    [
        pytest.param(MEMBER, [KNOWN], "nothing", id="a member as wanted"),
        pytest.param(MEMBER, [], "amend r1 open-ended", id="a rental older than our memory is looked at"),
        pytest.param(NEW_RENTAL, [], "create r1 open-ended", id="a rental newer than our memory is created"),
        pytest.param(FUTURE, [a_record(starts_at=TO_COME)], "nothing", id="a future start as wanted"),
        pytest.param(MEMBER, [SENT], "amend r1 open-ended", id="an answer that was lost is looked at"),
        pytest.param(MEMBER, [UNKNOWN], "amend r1 open-ended", id="what is not known is looked at"),
        pytest.param(MEMBER, [GONE], "create r1 open-ended", id="what is gone is created"),
        pytest.param(MEMBER, [SPENT], "create r1 open-ended", id="an id that was removed is tried again"),
        pytest.param(MEMBER, [ENDED_KNOWN], "amend r1 open-ended", id="a lock that is over is opened"),
        pytest.param(
            a_wanted(ends_at=NOW + DAY), [KNOWN], "amend r1 until 2027-05-11T12:00", id="an end that changed is set"
        ),
        pytest.param(MEMBER, [OTHERS], "remove r1", id="another owner's membership is removed"),
        pytest.param(MEMBER, [MOVED], "remove r1", id="another group's membership is removed"),
        pytest.param(
            MEMBER,
            [a_record(starts_at=STARTED - DAY)],
            "nothing",
            id="two starts that are both past are as good as equal",
        ),
        pytest.param(
            a_wanted(starts_at=NOW), [KNOWN], "nothing", id="a start that is just now is as good as one in the past"
        ),
        pytest.param(
            a_wanted(starts_at=NOW + timedelta(seconds=1)),
            [KNOWN],
            "remove r1",
            id="a start that moved into the future",
        ),
        pytest.param(MEMBER, [a_record(starts_at=TO_COME)], "remove r1", id="a start that moved into the past"),
        pytest.param(
            FUTURE, [a_record(starts_at=TO_COME + DAY)], "remove r1", id="a future start that moved to another day"
        ),
        pytest.param(MEMBER, [SPENT, SECOND_KNOWN], "nothing", id="a member under a second id"),
        pytest.param(MEMBER, [SPENT, SECOND_UNKNOWN], "amend r1-2 open-ended", id="a second id that is not known"),
        pytest.param(
            MEMBER,
            [SPENT, a_record(external_id=SECOND, state=X.GONE)],
            "create r1-2 open-ended",
            id="the last id used is the one to create under",
        ),
        pytest.param(MEMBER, [UNKNOWN, SECOND_KNOWN], "remove r1", id="two memberships: the certain one stays"),
        pytest.param(MEMBER, [SECOND_KNOWN, UNKNOWN], "remove r1", id="two memberships, in whatever order"),
        pytest.param(
            MEMBER,
            [SPENT, SECOND_KNOWN, OLD_BACKEND],
            "remove r1 elsewhere",
            id="granted here, revoked at the old backend",
        ),
        pytest.param(NEW_RENTAL, [OLD_BACKEND], "create r1 open-ended", id="a new backend: the grant comes first"),
        pytest.param(
            MEMBER, [OLD_BACKEND], "amend r1 open-ended", id="a new backend: an older rental is looked at first"
        ),
        pytest.param(
            MEMBER, [KNOWN, a_record(tenant=ELSEWHERE, state=X.GONE)], "nothing", id="gone from the old backend"
        ),
        pytest.param(
            a_wanted(look_first=False, group=None), [], "stuck: create", id="without a group nothing can be created"
        ),
        pytest.param(
            a_wanted(look_first=False, user=None), [], "stuck: create", id="without a user nothing can be created"
        ),
        pytest.param(
            a_wanted(look_first=False, starts_at=None), [], "stuck: create", id="without a start nothing can be created"
        ),
    ],
)
def test_member(wanted: Wanted, records: list[Record], expected: str) -> None:
    """A member has exactly one membership, the wanted one; what is unknown is written, never assumed."""
    assert in_short(next_call(wanted, records, History())) == expected


@pytest.mark.parametrize(
    ("wanted", "records", "expected"),
    [
        pytest.param(LOCKED, [KNOWN], "amend r1 until 2027-05-08T06:30", id="an open membership is ended"),
        pytest.param(LOCKED, [ENDED_KNOWN], "nothing", id="an ended one is left alone"),
        pytest.param(LOCKED, [SENT], "amend r1 until 2027-05-08T06:30", id="a lost create is ended"),
        pytest.param(
            LOCKED,
            [a_record(ends_at=OVERDUE, state=X.SENT)],
            "amend r1 until 2027-05-08T06:30",
            id="a lost lock is repeated",
        ),
        pytest.param(LOCKED, [GONE], "nothing", id="none exists: none until release"),
        pytest.param(
            LOCKED, [], "amend r1 until 2027-05-08T06:30", id="a rental older than our memory is looked at, and ended"
        ),
        pytest.param(
            a_wanted(locked=True, ends_at=OVERDUE, look_first=False),
            [],
            "nothing",
            id="a new rental gets none until release",
        ),
        pytest.param(LOCKED, [OTHERS], "remove r1", id="another owner's is removed, and none made"),
        pytest.param(LOCKED, [MOVED], "remove r1", id="another group's is removed, and none made"),
        pytest.param(
            LOCKED,
            [KNOWN, SECOND_KNOWN],
            "amend r1 until 2027-05-08T06:30",
            id="every id not known gone is ended, beginning with the first",
        ),
        pytest.param(
            LOCKED, [ENDED_KNOWN, SECOND_KNOWN], "amend r1-2 until 2027-05-08T06:30", id="every id, the second as well"
        ),
        pytest.param(LOCKED, [ENDED_KNOWN, OLD_BACKEND], "remove r1 elsewhere", id="the old backend's is removed"),
        pytest.param(
            LOCKED_BEFORE_START, [a_record(starts_at=TO_COME)], "remove r1", id="before its start it is removed"
        ),
        pytest.param(LOCKED_BEFORE_START, [], "remove r1", id="before its start, and nothing is remembered"),
        pytest.param(LOCKED_BEFORE_START, [GONE], "nothing", id="before its start, and none exists"),
        pytest.param(
            a_wanted(locked=True, starts_at=NOW, ends_at=NOW),
            [a_record(starts_at=NOW)],
            "amend r1 until 2027-05-10T12:00",
            id="at its start it is ended",
        ),
        pytest.param(
            a_wanted(locked=True, starts_at=NOW + timedelta(seconds=1), ends_at=NOW + timedelta(seconds=1)),
            [a_record(starts_at=NOW + timedelta(seconds=1))],
            "remove r1",
            id="a second before its start it is removed",
        ),
        pytest.param(
            a_wanted(locked=True, starts_at=None, ends_at=OVERDUE), [KNOWN], "remove r1", id="without a start"
        ),
    ],
)
def test_locked(wanted: Wanted, records: list[Record], expected: str) -> None:
    """A locked tenant's memberships are ended; before their start they are removed, and none is made."""
    assert in_short(next_call(wanted, records, History())) == expected


@pytest.mark.parametrize(
    ("wanted", "records", "expected"),
    [
        pytest.param(NONE, [], "remove r1", id="nothing remembered: it may exist, so it is removed"),
        pytest.param(NONE, [KNOWN], "remove r1", id="a membership is removed"),
        pytest.param(NONE, [SENT], "remove r1", id="one that may exist is removed"),
        pytest.param(NONE, [UNKNOWN], "remove r1", id="one that is not known is removed"),
        pytest.param(NONE, [GONE], "nothing", id="one that is gone is left alone"),
        pytest.param(NONE, [GONE, SECOND_UNKNOWN], "remove r1-2", id="every id not known gone"),
        pytest.param(NONE, [OLD_BACKEND], "remove r1 elsewhere", id="at every backend"),
        pytest.param(NONE, [GONE, OLD_BACKEND], "remove r1 elsewhere", id="at the old backend, too"),
        pytest.param(HOLD, [KNOWN], "nothing", id="hold: an open one is left as it is"),
        pytest.param(HOLD, [ENDED_KNOWN], "nothing", id="hold: a locked one is not opened"),
        pytest.param(HOLD, [], "nothing", id="hold: nothing is granted"),
        pytest.param(HOLD, [GONE], "nothing", id="hold: nothing is granted again"),
        pytest.param(HOLD, [UNKNOWN], "nothing", id="hold: nothing is looked at, for a look may open"),
        pytest.param(HOLD, [OTHERS], "remove r1", id="hold: what belongs to the owner before is removed"),
        pytest.param(HOLD_NOBODY, [OTHERS], "nothing", id="hold without an owner: nobody is known to be another"),
        pytest.param(HOLD_LOCKED, [KNOWN], "amend r1 until 2027-05-08T06:30", id="hold and locked: it is ended"),
        pytest.param(HOLD_LOCKED, [ENDED_KNOWN], "nothing", id="hold and locked: ended already"),
        pytest.param(HOLD_LOCKED, [], "nothing", id="hold and locked: nothing is made"),
        pytest.param(HOLD_LOCKED, [GONE], "nothing", id="hold and locked: nothing is made again"),
        pytest.param(
            HOLD_LOCKED,
            [ENDED_KNOWN, OLD_BACKEND],
            "amend r1 elsewhere until 2027-05-08T06:30",
            id="hold and locked: at every backend",
        ),
        pytest.param(HOLD_LOCKED, [OTHERS], "remove r1", id="hold and locked: the owner before is removed"),
        pytest.param(
            a_wanted(access=Access.HOLD, locked=True, starts_at=TO_COME, ends_at=TO_COME),
            [KNOWN],
            "remove r1",
            id="hold and locked: a start that moved into the future keeps no door open until then",
        ),
        pytest.param(
            a_wanted(access=Access.HOLD, locked=True, starts_at=NOW, ends_at=NOW),
            [a_record(starts_at=NOW)],
            "amend r1 until 2027-05-10T12:00",
            id="hold and locked: at its start it is ended",
        ),
        pytest.param(
            a_wanted(access=Access.HOLD, locked=True, starts_at=None, ends_at=OVERDUE),
            [KNOWN],
            "amend r1 until 2027-05-08T06:30",
            id="hold and locked: without a start it is ended",
        ),
        pytest.param(
            HOLD_LOCKED,
            [MOVED],
            "amend r1 until 2027-05-08T06:30",
            id="hold and locked: whatever its group was, it is ended",
        ),
    ],
)
def test_none_and_hold(wanted: Wanted, records: list[Record], expected: str) -> None:
    """Without access everything is removed; on hold nothing is widened."""
    assert in_short(next_call(wanted, records, History())) == expected
