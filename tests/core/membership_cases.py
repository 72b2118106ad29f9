"""Wishes and records that the tests of the membership planner share."""

from __future__ import annotations

from core.builders import (
    DAY,
    ELSEWHERE,
    NOW,
    OVERDUE,
    STRANGER,
    a_record,
    a_wanted,
)
from keyturn.core.ids import ExternalId, GroupId
from keyturn.core.membership import (
    Access,
    Result,
    Verb,
)
from keyturn.core.memory import RecordState

V, R, X = Verb, Result, RecordState
SECOND = ExternalId("r1-2")
OTHER_GROUP = GroupId("g2")
TO_COME = NOW + DAY

MEMBER = a_wanted()
NEW_RENTAL = a_wanted(look_first=False)
FUTURE = a_wanted(starts_at=TO_COME)
LOCKED = a_wanted(locked=True, ends_at=OVERDUE)
LOCKED_BEFORE_START = a_wanted(locked=True, starts_at=TO_COME, ends_at=TO_COME)
NONE = a_wanted(access=Access.NONE, user=None, group=None, starts_at=None)
HOLD = a_wanted(access=Access.HOLD, group=None)
HOLD_LOCKED = a_wanted(access=Access.HOLD, group=None, locked=True, ends_at=OVERDUE)
HOLD_NOBODY = a_wanted(access=Access.HOLD, user=None, group=None, starts_at=None)

KNOWN = a_record()
ENDED_KNOWN = a_record(ends_at=OVERDUE)
SENT = a_record(state=X.SENT, made=False)
UNKNOWN = a_record(state=X.UNKNOWN, made=False)
GONE = a_record(state=X.GONE, made=False)
SPENT = a_record(state=X.GONE, made=False, spent=True)
SECOND_KNOWN = a_record(external_id=SECOND)
SECOND_UNKNOWN = a_record(external_id=SECOND, state=X.UNKNOWN, made=False)
OLD_BACKEND = a_record(tenant=ELSEWHERE)
OTHERS = a_record(owner_id=STRANGER)
MOVED = a_record(group=OTHER_GROUP)
