"""What an answer makes of a record, and what is foreseen."""

from __future__ import annotations

from typing import Any

import pytest

from core.backend import Backend, World
from core.builders import (
    GROUP,
    HERE,
    MINUTE,
    NOW,
    OVERDUE,
    OWNER,
    RENTAL,
    STARTED,
    a_record,
    a_wanted,
    in_short,
)
from core.membership_cases import (
    GONE,
    HOLD,
    KNOWN,
    LOCKED,
    MEMBER,
    MOVED,
    NEW_RENTAL,
    NONE,
    OLD_BACKEND,
    SECOND_UNKNOWN,
    SPENT,
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
    Wanted,
    after_call,
    foresee,
    next_call,
)
from keyturn.core.memory import Record


def _create(**changes: Any) -> Call:
    return Call(verb=V.CREATE, record=a_record(state=X.UNKNOWN, made=False, **changes), reason="")


def _amend(**changes: Any) -> Call:
    return Call(verb=V.AMEND, record=a_record(ends_at=OVERDUE, **changes), reason="")


def _remove(**changes: Any) -> Call:
    return Call(verb=V.REMOVE, record=a_record(**changes), reason="")


UNSURE = {"state": X.UNKNOWN, "made": False}


@pytest.mark.parametrize(
    ("call", "before", "answer", "expected"),
    [
        pytest.param(_create(), None, Answered(result=R.DONE), a_record(), id="created: known, and made by us"),
        pytest.param(
            _create(),
            SPENT,
            Answered(result=R.DONE, shown=True),
            a_record(),
            id="created under an id that was removed before",
        ),
        pytest.param(_create(), None, Answered(result=R.TAKEN), a_record(**UNSURE), id="taken: it may be anything"),
        pytest.param(_create(), None, Answered(result=R.REFUSED), GONE, id="a create refused: there is none"),
        pytest.param(_create(), SPENT, Answered(result=R.REFUSED), SPENT, id="a create refused: as it was before"),
        pytest.param(
            _create(), None, Answered(result=R.MISSING), GONE, id="a create without user or group: there is none"
        ),
        pytest.param(
            _amend(),
            KNOWN,
            Answered(result=R.DONE, shown=True),
            a_record(ends_at=OVERDUE),
            id="amended, and shown: known",
        ),
        pytest.param(
            _amend(), KNOWN, Answered(result=R.DONE), a_record(ends_at=OVERDUE), id="amended, made by us: known"
        ),
        pytest.param(
            _amend(**UNSURE),
            UNKNOWN,
            Answered(result=R.DONE, shown=True),
            a_record(ends_at=OVERDUE),
            id="looked at, and shown as recorded: known",
        ),
        pytest.param(
            _amend(**UNSURE),
            UNKNOWN,
            Answered(result=R.DONE),
            a_record(ends_at=OVERDUE, **UNSURE),
            id="looked at, and not shown: still unknown",
        ),
        pytest.param(
            _amend(),
            KNOWN,
            Answered(result=R.DONE, shown=False),
            a_record(ends_at=OVERDUE, **UNSURE),
            id="amended, and shown as another's: not known any more",
        ),
        pytest.param(
            _amend(),
            KNOWN,
            Answered(result=R.MISSING),
            a_record(ends_at=OVERDUE, state=X.GONE, made=False, spent=True),
            id="not found, though made by us: gone, and its id was in use",
        ),
        pytest.param(
            _amend(**UNSURE),
            UNKNOWN,
            Answered(result=R.MISSING),
            a_record(ends_at=OVERDUE, state=X.GONE, made=False),
            id="looked at and not found: gone",
        ),
        pytest.param(_amend(), KNOWN, Answered(result=R.REFUSED), KNOWN, id="an amendment refused: as it was before"),
        pytest.param(
            _amend(**UNSURE),
            None,
            Answered(result=R.REFUSED),
            a_record(ends_at=OVERDUE, **UNSURE),
            id="a first look refused: unknown",
        ),
        pytest.param(_remove(), KNOWN, Answered(result=R.DONE), SPENT, id="removed: gone, its id was in use"),
        pytest.param(
            _remove(), None, Answered(result=R.DONE), SPENT, id="removed without a record: its id may have been"
        ),
        pytest.param(_remove(**UNSURE), UNKNOWN, Answered(result=R.MISSING), GONE, id="not there to be removed: gone"),
        pytest.param(_remove(), KNOWN, Answered(result=R.REFUSED), KNOWN, id="a removal refused: as it was before"),
        pytest.param(
            _remove(**UNSURE),
            None,
            Answered(result=R.REFUSED),
            UNKNOWN,
            id="a removal refused without a record: unknown",
        ),
    ],
)
def test_after_call(call: Call, before: Record | None, answer: Answered, expected: Record) -> None:
    """Only a success is known; everything else is what it was, or unknown."""
    assert after_call(call, before, answer) == expected


@pytest.mark.parametrize(
    ("wanted", "records", "expected"),
    [
        pytest.param(MEMBER, [KNOWN], [], id="nothing is to be done"),
        pytest.param(NEW_RENTAL, [], ["create r1 open-ended"], id="a grant"),
        pytest.param(MEMBER, [], ["amend r1 open-ended"], id="a look"),
        pytest.param(MEMBER, [MOVED], ["remove r1", "create r1 open-ended"], id="another unit"),
        pytest.param(
            NEW_RENTAL,
            [OLD_BACKEND],
            ["create r1 open-ended", "remove r1 elsewhere"],
            id="another backend, under the same id",
        ),
        pytest.param(LOCKED, [KNOWN], ["amend r1 until 2027-05-08T06:30"], id="a lock"),
        pytest.param(NONE, [KNOWN, SECOND_UNKNOWN], ["remove r1", "remove r1-2"], id="a revoke of two ids"),
        pytest.param(HOLD, [KNOWN], [], id="a hold"),
        pytest.param(a_wanted(group=None, look_first=False), [], [], id="what is stuck is not foreseen"),
    ],
)
def test_foresee(wanted: Wanted, records: list[Record], expected: list[str]) -> None:
    """A plan is the calls that follow when each one succeeds."""
    assert [in_short(call) for call in foresee(wanted, records)] == expected


def test_every_call_says_why() -> None:
    """Each call carries its reason in words."""
    calls = [*foresee(MEMBER, [MOVED, SECOND_UNKNOWN]), *foresee(LOCKED, [KNOWN]), *foresee(NONE, [OLD_BACKEND])]

    assert all(call.reason for call in calls)


def test_the_created_record() -> None:
    """A create carries everything that was wanted, under the rental's id."""
    step = next_call(NEW_RENTAL, [], History())
    assert isinstance(step, Call)
    record = step.record

    assert (record.tenant, record.external_id, record.rental_id) == (HERE, ExternalId(RENTAL), RENTAL)
    assert (record.owner_id, record.group, record.starts_at, record.ends_at) == (OWNER, GROUP, STARTED, None)
    assert (record.state, record.made) == (X.UNKNOWN, False)


def test_an_id_is_marked_as_spent_for_the_next_create() -> None:
    """A create under an id that was in use remembers that it was."""
    step = next_call(MEMBER, [SPENT], History())
    assert isinstance(step, Call)

    assert step.record.spent is True


def test_the_model_is_honest() -> None:
    """The model of a backend says who can open what, so the properties can be trusted."""
    backend = Backend()
    World(backends={HERE: backend}).look(NEW_RENTAL)

    assert backend.opens(NOW) == [(OWNER, GROUP)]
    assert backend.answer(_amend()).result is R.DONE
    assert backend.opens(OVERDUE - MINUTE) == [(OWNER, GROUP)]
    assert backend.opens(NOW) == []
