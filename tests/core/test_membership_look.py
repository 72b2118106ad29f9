"""Which call comes next within one look, after what was answered so far."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from core.builders import (
    a_record,
    in_short,
    tried,
)
from core.membership_cases import (
    ENDED_KNOWN,
    GONE,
    HOLD_LOCKED,
    KNOWN,
    LOCKED,
    LOCKED_BEFORE_START,
    MEMBER,
    MOVED,
    NEW_RENTAL,
    NONE,
    OLD_BACKEND,
    SECOND,
    SECOND_KNOWN,
    SPENT,
    TO_COME,
    UNKNOWN,
    R,
    V,
    X,
)
from keyturn.core.ids import ExternalId
from keyturn.core.membership import (
    Answered,
    Call,
    History,
    Result,
    Stuck,
    Verb,
    Wanted,
    after_call,
    next_call,
)
from keyturn.core.memory import Record


@pytest.mark.parametrize(
    ("wanted", "records", "results", "expected"),
    [
        pytest.param(
            MEMBER,
            [UNKNOWN],
            {(V.AMEND, "r1"): R.DONE},
            "remove r1",
            id="looked at, and not certainly this user, group and start: removed",
        ),
        pytest.param(MEMBER, [UNKNOWN], {(V.AMEND, "r1"): R.REFUSED}, "stuck: amend", id="a look that is refused"),
        pytest.param(
            MEMBER, [ENDED_KNOWN], {(V.AMEND, "r1"): R.REFUSED}, "stuck: amend", id="an unlock that is refused"
        ),
        pytest.param(
            MEMBER, [GONE], {(V.AMEND, "r1"): R.MISSING}, "create r1 open-ended", id="looked at and not found: created"
        ),
        pytest.param(
            MEMBER,
            [UNKNOWN],
            {(V.CREATE, "r1"): R.TAKEN},
            "amend r1 open-ended",
            id="a create that is refused as taken: looked at",
        ),
        pytest.param(
            MEMBER,
            [SPENT],
            {(V.CREATE, "r1"): R.TAKEN, (V.AMEND, "r1"): R.MISSING},
            "create r1-2 open-ended",
            id="taken after the removal: the second id",
        ),
        pytest.param(
            MEMBER,
            [GONE],
            {(V.CREATE, "r1"): R.TAKEN, (V.AMEND, "r1"): R.MISSING},
            "create r1-2 open-ended",
            id="taken, and the look finds nothing: the second id, with nothing remembered",
        ),
        pytest.param(
            MEMBER,
            [SPENT, a_record(external_id=SECOND, state=X.GONE, spent=True)],
            {(V.CREATE, "r1-2"): R.TAKEN, (V.AMEND, "r1-2"): R.MISSING},
            "create r1-3 open-ended",
            id="the second is spent as well: the third id",
        ),
        pytest.param(
            MEMBER,
            [*(a_record(external_id=ExternalId(f"r1-{n}"), state=X.GONE, spent=True) for n in (9, 10))],
            {(V.CREATE, "r1-10"): R.TAKEN, (V.AMEND, "r1-10"): R.MISSING},
            "create r1-11 open-ended",
            id="ids are counted, not sorted as text",
        ),
        pytest.param(
            MEMBER,
            [a_record(external_id=SECOND, state=X.GONE)],
            {(V.CREATE, "r1-2"): R.TAKEN, (V.AMEND, "r1-2"): R.MISSING},
            "stuck: create",
            id="on mere suspicion only one further id is tried",
        ),
        pytest.param(
            NEW_RENTAL,
            [GONE],
            {(V.CREATE, "r1"): R.TAKEN, (V.AMEND, "r1"): R.MISSING},
            "stuck: create",
            id="a rental newer than our memory cannot have had a membership that was removed",
        ),
        pytest.param(
            MEMBER,
            [a_record(external_id=ExternalId("r1-3"), state=X.GONE)],
            {(V.CREATE, "r1-3"): R.TAKEN, (V.AMEND, "r1-3"): R.MISSING},
            "stuck: create",
            id="on mere suspicion ids are not counted for ever",
        ),
        pytest.param(MEMBER, [GONE], {(V.CREATE, "r1"): R.REFUSED}, "stuck: create", id="a create that is refused"),
        pytest.param(
            MEMBER,
            [GONE],
            {(V.CREATE, "r1"): R.MISSING},
            "stuck: create",
            id="a create that does not find its user or group",
        ),
        pytest.param(
            MEMBER,
            [GONE, OLD_BACKEND],
            {(V.CREATE, "r1"): R.DONE},
            "remove r1 elsewhere",
            id="what was done here says nothing about the old backend",
        ),
        pytest.param(
            MEMBER,
            [MOVED],
            {(V.REMOVE, "r1"): R.REFUSED},
            "amend r1 until 2027-05-10T11:59",
            id="a removal that is refused: it is ended a minute ago",
        ),
        pytest.param(
            MEMBER,
            [a_record(starts_at=TO_COME)],
            {(V.REMOVE, "r1"): R.REFUSED},
            "amend r1 until 2027-05-11T12:00",
            id="a removal that is refused before the start: it is ended at its start",
        ),
        pytest.param(
            LOCKED_BEFORE_START,
            [a_record(starts_at=TO_COME, state=X.UNKNOWN, made=False)],
            {(V.REMOVE, "r1"): R.REFUSED},
            "amend r1 until 2027-05-10T11:59",
            id="a removal that is refused, and whose start is only a guess: it is ended a minute ago",
        ),
        pytest.param(
            MEMBER,
            [UNKNOWN],
            {(V.AMEND, "r1"): R.DONE, (V.REMOVE, "r1"): R.REFUSED},
            "amend r1 until 2027-05-10T11:59",
            id="a look that opened somebody else's door is closed where it cannot be removed",
        ),
        pytest.param(
            LOCKED,
            [KNOWN],
            {(V.AMEND, "r1"): R.REFUSED},
            "remove r1",
            id="a lock that is refused: removed",
        ),
        pytest.param(
            LOCKED,
            [UNKNOWN],
            {(V.AMEND, "r1"): R.DONE},
            "remove r1",
            id="a lock on what is not certainly this membership: removed",
        ),
        pytest.param(
            LOCKED,
            [KNOWN],
            {(V.AMEND, "r1"): R.REFUSED, (V.REMOVE, "r1"): R.REFUSED},
            "amend r1 until 2027-05-10T11:59",
            id="lock and removal refused: ended a minute ago",
        ),
        pytest.param(
            LOCKED,
            [KNOWN, SECOND_KNOWN],
            {(V.AMEND, "r1"): R.REFUSED, (V.REMOVE, "r1"): R.REFUSED},
            "amend r1 until 2027-05-10T11:59",
            id="one that cannot be locked is tried to the end first",
        ),
        pytest.param(
            NONE,
            [KNOWN],
            {(V.REMOVE, "r1"): R.REFUSED},
            "amend r1 until 2027-05-10T11:59",
            id="a revoke that is refused: ended a minute ago",
        ),
        pytest.param(
            NONE,
            [KNOWN, OLD_BACKEND],
            {(V.REMOVE, "r1"): R.REFUSED},
            "amend r1 until 2027-05-10T11:59",
            id="a revoke that is refused here is ended here",
        ),
    ],
)
def test_within_a_look(
    wanted: Wanted, records: list[Record], results: Mapping[tuple[Verb, str], Result], expected: str
) -> None:
    """What an answer said decides the next call; no call is made twice for the same reason."""
    assert in_short(next_call(wanted, records, tried(results))) == expected


def _gave_up(wanted: Wanted, record: Record) -> History:
    """A look in which lock, removal and ending of this membership were all refused."""
    history = History()
    for _ in range(4):
        step = next_call(wanted, [record], history)
        if isinstance(step, Call):
            history = history.add(step, Answered(result=Result.REFUSED))
    return history


@pytest.mark.parametrize(
    ("wanted", "records", "expected"),
    [
        pytest.param(NONE, [KNOWN], "stuck: remove", id="a revoke that cannot be made ends as stuck"),
        pytest.param(LOCKED, [KNOWN], "stuck: remove", id="a lock that cannot be made ends as stuck"),
        pytest.param(HOLD_LOCKED, [KNOWN], "stuck: remove", id="a lock on hold that cannot be made ends as stuck"),
        pytest.param(NONE, [KNOWN, SECOND_KNOWN], "remove r1-2", id="the second id is removed all the same"),
        pytest.param(NONE, [KNOWN, OLD_BACKEND], "remove r1 elsewhere", id="the old backend's is removed all the same"),
        pytest.param(
            LOCKED, [KNOWN, SECOND_KNOWN], "amend r1-2 until 2027-05-08T06:30", id="the second id is ended all the same"
        ),
        pytest.param(
            LOCKED, [KNOWN, OLD_BACKEND], "remove r1 elsewhere", id="locked: the old backend's is removed all the same"
        ),
        pytest.param(
            HOLD_LOCKED,
            [KNOWN, OLD_BACKEND],
            "amend r1 elsewhere until 2027-05-08T06:30",
            id="locked on hold: the old backend's is ended all the same",
        ),
    ],
)
def test_what_is_stuck_stops_nothing_else(wanted: Wanted, records: list[Record], expected: str) -> None:
    """Lock and revoke go to every id not known gone, even where one of them cannot be touched."""
    assert in_short(next_call(wanted, records, _gave_up(wanted, records[0]))) == expected


def test_a_wrong_one_that_is_stuck_leaves_the_right_one_locked() -> None:
    """While locked, a membership of another group that cannot be removed does not keep the right one open."""
    history = _gave_up(LOCKED, MOVED)

    assert in_short(next_call(LOCKED, [MOVED, SECOND_KNOWN], history)) == "amend r1-2 until 2027-05-08T06:30"


def test_a_wrong_one_that_was_ended_makes_room() -> None:
    """Where removal is refused but ending works, the tenant gets the right membership under the next id."""
    history = tried({(V.REMOVE, "r1"): R.REFUSED})
    close = next_call(MEMBER, [MOVED], history)
    assert isinstance(close, Call)
    answer = Answered(result=Result.DONE, shown=True)
    step = next_call(MEMBER, [after_call(close, MOVED, answer)], history.add(close, answer))

    assert in_short(step) == "create r1-2 open-ended"


def test_after_a_removal_the_same_id_is_tried_first() -> None:
    """A create refused as taken before the removal says nothing about the id after it."""
    history = tried({(V.CREATE, "r1"): R.TAKEN, (V.AMEND, "r1"): R.DONE})
    removal = next_call(MEMBER, [UNKNOWN], history)
    assert isinstance(removal, Call)
    answer = Answered(result=Result.DONE)
    step = next_call(MEMBER, [after_call(removal, UNKNOWN, answer)], history.add(removal, answer))

    assert in_short(step) == "create r1 open-ended"


def test_creates_within_a_look_are_few() -> None:
    """However a backend answers, a look gives up after a few creates."""
    history = History(creates=3)

    assert next_call(MEMBER, [GONE], history) == Stuck(what=Verb.CREATE)
