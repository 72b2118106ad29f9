"""Which codes are acceptable, and how one is drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.builders import (
    a_copy,
    an_owners,
    digest,
    pin_rules,
    was,
)
from core.pin_cases import (
    NEW,
    OLD,
    WEAK,
)
from keyturn.core.pin import draw_pin, edit_fault, existing_fault, is_weak, merge_pins, pin_text
from keyturn.core.rental import Missing, Pin


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        pytest.param("111111", True, id="one digit"),
        pytest.param("121121", True, id="two digits"),
        pytest.param("112223", False, id="three digits, in no order"),
        pytest.param("123456", True, id="counting up"),
        pytest.param("987654", True, id="counting down"),
        pytest.param("012345", True, id="counting up from zero"),
        pytest.param("135790", False, id="counting up in twos"),
        pytest.param("123457", False, id="almost counting up"),
        pytest.param("901234", False, id="counting up over nine"),
        pytest.param("487487", True, id="equal halves"),
        pytest.param("4874875", False, id="equal parts of an odd length"),
        pytest.param("123321", True, id="a palindrome"),
        pytest.param("12321", True, id="a palindrome of odd length"),
        pytest.param("1357531", True, id="a longer palindrome"),
        pytest.param("135790", False, id="none of these"),
        pytest.param("1029", False, id="four digits, none of these"),
        pytest.param("1010", True, id="four digits, two of them distinct"),
    ],
)
def test_weak(digits: str, *, expected: bool) -> None:
    """A code is weak when it is easily guessed: two digits, counting, equal halves, a palindrome."""
    assert is_weak(digits) is expected


@pytest.mark.parametrize(
    ("digits", "as_edit", "in_place"),
    [
        pytest.param("135790", True, True, id="six digits"),
        pytest.param("035790", True, True, id="a leading zero"),
        pytest.param("83521", False, True, id="five digits stay, but are no edit"),
        pytest.param("8352", False, True, id="four digits stay, but are no edit"),
        pytest.param("835", False, False, id="three digits are too few"),
        pytest.param("83521947", False, True, id="eight digits stay, but are no edit"),
        pytest.param("835219470", False, False, id="nine digits are too many"),
        pytest.param("111111", False, True, id="a weak one stays, but is no edit"),
        pytest.param("13579a", False, False, id="a letter"),
        pytest.param("135 79", False, False, id="a blank"),
        pytest.param("-13579", False, False, id="a sign"),
        pytest.param("１３５７９０", False, False, id="digits of another script"),
        pytest.param("", False, False, id="nothing"),
    ],
)
def test_faults(digits: str, *, as_edit: bool, in_place: bool) -> None:
    """An edit has exactly the policy's length and is not weak; what is in place stays if it is 4 to 8 digits."""
    assert (edit_fault(Pin(digits), 6) is None, existing_fault(Pin(digits)) is None) == (as_edit, in_place)


@pytest.mark.parametrize("length", [4, 5, 6, 7, 8])
def test_drawn(length: int) -> None:
    """A drawn code has the policy's length and is drawn again while it is weak; leading zeros count."""
    numbers = iter([0, 10**length - 1, 12345678 % 10**length, 352])

    drawn = draw_pin(length, lambda below: next(numbers) % below).reveal()
    assert (len(drawn), is_weak(drawn), drawn.isdigit()) == (length, False, True)


@given(number=st.integers(0, 10**8 - 1), length=st.integers(4, 8))
def test_drawn_codes_are_good_edits(number: int, length: int) -> None:
    """A drawn code passes every test an edit has to pass."""
    start = iter(range(number, number + 10**5))

    assert edit_fault(draw_pin(length, lambda below: next(start) % below), length) is None


def test_a_pin_is_not_shown() -> None:
    """The digits of a PIN appear in no representation of it, and of nothing that holds it."""
    shown = repr(merge_pins(an_owners(OLD, was(NEW)), [a_copy(WEAK, was(NEW))], pin_rules()))

    assert OLD not in repr(Pin(OLD))
    assert OLD not in shown
    assert WEAK not in shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(Pin(OLD), f"k:{OLD}", id="a PIN by its hash"),
        pytest.param(Missing.EMPTY, "", id="an empty field"),
    ],
)
def test_text(value: Pin | Missing, expected: str) -> None:
    """A PIN field is remembered as a hash, an empty one as nothing."""
    assert pin_text(value, digest) == expected
