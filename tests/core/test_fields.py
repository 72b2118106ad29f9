"""One custom field, seen and sent: an edit by staff is told from our own write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.fields import Reading, after_reading, answered, classify, needs_write, sending, under_key
from keyturn.core.memory import FieldMemory

SENT_UNANSWERED = FieldMemory(seen="old", sent="new")
SENT_ANSWERED = FieldMemory(seen="old", sent="new", answered=True)
NOT_KEPT = FieldMemory(seen="old", not_kept="new")


@pytest.mark.parametrize(
    ("memory", "value", "expected", "after"),
    [
        pytest.param(
            FieldMemory(),
            "old",
            Reading.FIRST,
            FieldMemory(seen="old"),
            id="a value never read before is a first sight",
        ),
        pytest.param(
            FieldMemory(),
            "",
            Reading.FIRST,
            FieldMemory(seen=""),
            id="an empty field never read before is a first sight",
        ),
        pytest.param(
            FieldMemory(sent="new"),
            "new",
            Reading.FIRST,
            FieldMemory(seen="new"),
            id="a first read is a first sight even after a write",
        ),
        pytest.param(
            FieldMemory(seen="old"), "old", Reading.SAME, FieldMemory(seen="old"), id="the value last seen is no edit"
        ),
        pytest.param(
            FieldMemory(seen="old"), "typed", Reading.EDIT, FieldMemory(seen="typed"), id="another value is an edit"
        ),
        pytest.param(FieldMemory(seen="old"), "", Reading.EDIT, FieldMemory(seen=""), id="emptying a field is an edit"),
        pytest.param(
            FieldMemory(seen=""), "typed", Reading.EDIT, FieldMemory(seen="typed"), id="filling it is an edit"
        ),
        pytest.param(
            SENT_UNANSWERED,
            "new",
            Reading.OURS,
            FieldMemory(seen="new"),
            id="a write whose answer was lost has arrived",
        ),
        pytest.param(
            SENT_UNANSWERED,
            "old",
            Reading.SAME,
            FieldMemory(seen="old"),
            id="a write whose answer was lost never arrived",
        ),
        pytest.param(
            SENT_UNANSWERED,
            "typed",
            Reading.EDIT,
            FieldMemory(seen="typed"),
            id="staff edited while our write was lost",
        ),
        pytest.param(SENT_ANSWERED, "new", Reading.OURS, FieldMemory(seen="new"), id="a confirmed write is shown"),
        pytest.param(SENT_ANSWERED, "old", Reading.NOT_KEPT, NOT_KEPT, id="a confirmed write is not shown"),
        pytest.param(
            SENT_ANSWERED, "typed", Reading.EDIT, FieldMemory(seen="typed"), id="staff edited after a confirmed write"
        ),
        pytest.param(NOT_KEPT, "old", Reading.SAME, NOT_KEPT, id="a field that was not kept stays so"),
        pytest.param(
            NOT_KEPT, "typed", Reading.EDIT, FieldMemory(seen="typed"), id="an edit shows that the field works"
        ),
    ],
)
def test_reading(memory: FieldMemory, value: str, expected: Reading, after: FieldMemory) -> None:
    """A read is classified by what was seen and sent before, and closes a write that was under way."""
    assert (classify(memory, value), after_reading(memory, value)) == (expected, after)


@pytest.mark.parametrize(
    ("memory", "value", "wanted", "expected"),
    [
        pytest.param(FieldMemory(seen="old"), "old", "new", True, id="a different value is written"),
        pytest.param(FieldMemory(seen="old"), "old", "old", False, id="an equal value is not written"),
        pytest.param(NOT_KEPT, "old", "new", False, id="a value that was not kept is not written again"),
        pytest.param(NOT_KEPT, "old", "newer", True, id="another value may be tried"),
        pytest.param(SENT_UNANSWERED, "old", "new", True, id="a write that may have been lost is repeated"),
    ],
)
def test_needs_write(memory: FieldMemory, value: str, wanted: str, *, expected: bool) -> None:
    """Only what differs is written, and nothing again that Storeganise does not keep."""
    assert needs_write(memory, value, wanted) is expected


@pytest.mark.parametrize(
    ("shown", "after"),
    [
        pytest.param("new", FieldMemory(seen="new"), id="an answer that shows the value closes the write"),
        pytest.param(None, SENT_ANSWERED, id="an answer that shows nothing leaves it to the next read"),
        pytest.param("old", SENT_ANSWERED, id="an answer that shows another value leaves it to the next read"),
    ],
)
def test_answered(shown: str | None, after: FieldMemory) -> None:
    """A successful answer is remembered; it closes the write if it shows what was sent."""
    assert answered(SENT_UNANSWERED, shown) == after


def test_sending() -> None:
    """What is about to be written is remembered next to what was seen, as not answered."""
    assert sending(SENT_ANSWERED, "newer") == FieldMemory(seen="old", sent="newer")


def test_sending_keeps_what_was_not_kept() -> None:
    """A try with another value does not forget the one that was not kept."""
    assert sending(NOT_KEPT, "newer") == FieldMemory(seen="old", sent="newer", not_kept="new")


@pytest.mark.parametrize(
    ("memory", "after"),
    [
        pytest.param(FieldMemory(seen="k1:aa"), FieldMemory(seen="k1:aa"), id="the same key keeps the memory"),
        pytest.param(FieldMemory(seen="k2:aa"), FieldMemory(), id="another key makes the next read a first sight"),
        pytest.param(FieldMemory(seen="k1:aa", sent="k2:bb"), FieldMemory(), id="a write under another key"),
        pytest.param(
            FieldMemory(seen="k1:aa", not_kept="k2:bb"), FieldMemory(), id="a value not kept under another key"
        ),
        pytest.param(FieldMemory(seen=""), FieldMemory(seen=""), id="an empty field needs no key"),
        pytest.param(FieldMemory(), FieldMemory(), id="nothing remembered stays nothing"),
        pytest.param(FieldMemory(seen="k11:aa"), FieldMemory(), id="a key whose id only begins alike is another"),
    ],
)
def test_under_key(memory: FieldMemory, after: FieldMemory) -> None:
    """Hashes made with another key are forgotten: they cannot be compared."""
    assert under_key(memory, "k1") == after


VALUES = st.sampled_from(["", "a", "b", "c"])
MEMORIES = st.builds(
    FieldMemory,
    seen=st.none() | VALUES,
    sent=st.none() | VALUES,
    answered=st.booleans(),
    not_kept=st.none() | VALUES,
)


@given(memory=MEMORIES, value=VALUES)
def test_a_second_read_is_never_an_edit(memory: FieldMemory, value: str) -> None:
    """Once a value has been read, reading it again is no edit and changes nothing more."""
    once = after_reading(memory, value)

    assert classify(once, value) in {Reading.SAME, Reading.OURS}
    assert after_reading(after_reading(once, value), value) == after_reading(once, value)


@given(memory=MEMORIES, wanted=VALUES, lost=st.booleans(), arrives=st.booleans())
def test_our_own_write_is_never_an_edit(memory: FieldMemory, wanted: str, *, lost: bool, arrives: bool) -> None:
    """Whether its answer is lost or not, and whether it arrives or not, our write is not taken for an edit."""
    read = after_reading(memory, "a")
    sent = sending(read, wanted)
    after = sent if lost else answered(sent, None)

    assert classify(after, wanted if arrives else "a") is not Reading.EDIT


@given(memory=MEMORIES, value=VALUES)
def test_without_memory_nothing_is_an_edit(memory: FieldMemory, value: str) -> None:
    """A field that was never read is a first sight, whatever was sent."""
    lost = FieldMemory(sent=memory.sent, answered=memory.answered, not_kept=memory.not_kept)

    assert classify(lost, value) is Reading.FIRST
