"""What a PIN decision says besides the PIN, and what is never decided."""

from __future__ import annotations

from datetime import datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.builders import (
    MINUTE,
    NOW,
    a_copy,
    an_owners,
    digits_of,
    hashed,
    pin_rules,
    was,
)
from core.pin_cases import (
    EMPTY,
    FIRST,
    IN_FORCE,
    NEW,
    NOTHING,
    OLD,
    REJECTED,
    SHORT,
    TAKEN,
    UNKNOWN,
    WEAK,
    decided,
)
from keyturn.core.memory import FieldMemory
from keyturn.core.pin import PinCopy, PinRules, existing_fault, merge_pins
from keyturn.core.rental import Missing, Pin


@pytest.mark.parametrize(
    ("owner", "copies", "rules", "expected"),
    [
        pytest.param(an_owners(OLD), [a_copy(OLD)], IN_FORCE, False, id="a PIN that stays"),
        pytest.param(an_owners(OLD), [a_copy(WEAK, was(OLD))], IN_FORCE, False, id="a refused edit of a copy"),
        pytest.param(an_owners(OLD), [a_copy(NEW, was(OLD))], IN_FORCE, True, id="an edit of a copy"),
        pytest.param(an_owners(NEW, was(OLD)), [], IN_FORCE, True, id="an edit of the owner's"),
        pytest.param(an_owners(WEAK, was(OLD)), [a_copy(OLD)], IN_FORCE, True, id="a refused edit of the owner's"),
        pytest.param(an_owners(EMPTY, was(OLD)), [], IN_FORCE, True, id="a cleared PIN"),
        pytest.param(an_owners(EMPTY, FIRST), [], NOTHING, True, id="none yet"),
        pytest.param(an_owners(EMPTY, FIRST), [a_copy(OLD, FIRST)], NOTHING, True, id="an adopted PIN"),
        pytest.param(an_owners(EMPTY, FIRST), [a_copy(OLD, FIRST)], IN_FORCE, True, id="a PIN put back"),
        pytest.param(an_owners(UNKNOWN), [], IN_FORCE, False, id="a hold"),
    ],
)
def test_changes(owner: PinCopy, copies: list[PinCopy], rules: PinRules, *, expected: bool) -> None:
    """A decision says when all live rentals of the owner have to be read before it may be carried out."""
    assert merge_pins(owner, copies, rules).changes is expected


@pytest.mark.parametrize(
    ("value", "rules", "expected"),
    [
        pytest.param(WEAK, IN_FORCE, "it is too easily guessed", id="weak"),
        pytest.param(SHORT, IN_FORCE, "it must have exactly 6 digits", id="of another length"),
        pytest.param(NEW, TAKEN, "it belongs to somebody else", id="taken"),
        pytest.param(NEW, REJECTED, "the access system refuses it", id="refused by the provider"),
    ],
)
def test_refused(value: str, rules: PinRules, expected: str) -> None:
    """A refused edit is named with its record and its reason."""
    (refused,) = merge_pins(an_owners(OLD), [a_copy(value, was(OLD))], rules).refused

    assert (refused.record, refused.is_owner, refused.reason) == ("r1", False, expected)


@pytest.mark.parametrize(
    ("owner", "rules", "expected"),
    [
        pytest.param(an_owners(EMPTY, was(OLD)), IN_FORCE, "staff cleared the owner's PIN", id="cleared"),
        pytest.param(an_owners(EMPTY, FIRST), NOTHING, "the owner has no PIN yet", id="none yet"),
        pytest.param(an_owners("12", FIRST), NOTHING, "no usable PIN is left", id="none that can be used"),
    ],
)
def test_why_a_new_one(owner: PinCopy, rules: PinRules, expected: str) -> None:
    """A new PIN is drawn for a reason in words."""
    assert merge_pins(owner, [], rules).generate == expected


@pytest.mark.parametrize("length", [4, 5, 7, 8])
def test_length_of_the_policy(length: int) -> None:
    """An edit has the length the operator chose."""
    typed = "83521947"[:length]

    assert decided(an_owners(OLD), [a_copy(typed, was(OLD))], pin_rules(OLD, length=length)) == typed


@pytest.mark.parametrize("first", [True, False], ids=["the owner's backend here first", "the other backend first"])
def test_several_backends(*, first: bool) -> None:
    """Whatever is in force at any of the owner's backends can be put back."""
    rules = pin_rules(OLD, NEW)
    copies = [a_copy(OLD), a_copy(NEW, record="r2")]

    assert decided(an_owners(EMPTY), copies if first else copies[::-1], rules) == (OLD if first else NEW)


VALUES = [OLD, NEW, WEAK, SHORT, "12", Missing.EMPTY]
MEMORIES = [
    FIRST,
    was(""),
    was(OLD),
    was(NEW),
    was(OLD, sent=NEW),
    was(NEW, sent=OLD, answered=True),
    was(WEAK, sent=OLD),
]


@given(
    owner=st.sampled_from(list(product(VALUES, MEMORIES))),
    copies=st.lists(st.tuples(st.sampled_from(VALUES), st.sampled_from(MEMORIES)), max_size=3),
    in_force=st.sets(st.sampled_from([OLD, NEW, WEAK]), max_size=2),
    taken=st.sets(st.sampled_from([OLD, NEW, SHORT]), max_size=2),
    dates=st.lists(st.sampled_from([None, NOW, NOW + MINUTE]), min_size=4, max_size=4),
)
def test_what_is_never_picked(
    owner: tuple[str | Missing, FieldMemory],
    copies: list[tuple[str | Missing, FieldMemory]],
    in_force: set[str],
    taken: set[str],
    dates: list[datetime | None],
) -> None:
    """Whatever is read and remembered: no PIN of somebody else, no unusable one, no refused edit is picked."""
    rules = pin_rules(*in_force - taken, taken=frozenset(map(hashed, taken)))
    owners = an_owners(*owner, updated=dates[3])
    rentals = [a_copy(*copy, record=f"r{number}", updated=dates[number]) for number, copy in enumerate(copies)]
    decision = merge_pins(owners, rentals, rules)

    assert (decision.target is None) == bool(decision.generate or decision.hold)
    if decision.target is not None:
        assert existing_fault(decision.target) is None
        assert decision.target.reveal() not in taken
        shown = [copy for copy in (owners, *rentals) if copy.value == decision.target]
        refused = {item.record for item in decision.refused}
        assert any(copy.record not in refused for copy in shown)


@given(
    owner=st.sampled_from(VALUES),
    copies=st.lists(st.sampled_from(VALUES), max_size=3),
    in_force=st.sets(st.sampled_from([OLD, NEW]), max_size=1),
)
def test_a_first_sight_never_edits(owner: str | Missing, copies: list[str | Missing], in_force: set[str]) -> None:
    """With nothing remembered an owner's valid PIN stays, whatever the copies show, and no copy is called an edit."""
    rentals = [a_copy(value, FIRST, record=f"r{number}") for number, value in enumerate(copies)]
    decision = merge_pins(an_owners(owner, FIRST), rentals, pin_rules(*in_force))

    if isinstance(owner, str) and existing_fault(Pin(owner)) is None:
        assert digits_of(decision.target) == owner
    assert all(item.is_owner for item in decision.refused)


@given(order=st.permutations(range(3)), values=st.lists(st.sampled_from(VALUES), min_size=3, max_size=3))
def test_the_order_of_the_copies_does_not_matter(order: list[int], values: list[str | Missing]) -> None:
    """However Storeganise sorts its answer, the same PIN is decided."""
    rentals = [a_copy(value, was(OLD), record=f"r{number}") for number, value in enumerate(values)]
    one = merge_pins(an_owners(OLD), rentals, IN_FORCE)
    other = merge_pins(an_owners(OLD), [rentals[number] for number in order], IN_FORCE)

    assert (one.target, one.generate) == (other.target, other.generate)
    assert {item.record for item in one.refused} == {item.record for item in other.refused}
