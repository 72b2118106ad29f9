"""One PIN per owner: which of the values read counts."""

from __future__ import annotations

import pytest

from core.builders import (
    DAY,
    MINUTE,
    NOW,
    a_copy,
    an_owners,
    hashed,
    pin_rules,
    was,
)
from core.pin_cases import (
    EMPTY,
    FIRST,
    IN_FORCE,
    NEW,
    NEWER,
    NOTHING,
    OLD,
    REJECTED,
    SHORT,
    TAKEN,
    UNKNOWN,
    WEAK,
    decided,
)
from keyturn.core.pin import PinCopy, PinRules


@pytest.mark.parametrize(
    ("owner", "copies", "rules", "expected"),
    [
        # quiet
        pytest.param(an_owners(OLD), [a_copy(OLD)], IN_FORCE, OLD, id="nothing happened"),
        pytest.param(an_owners(OLD), [], IN_FORCE, OLD, id="an owner without a live rental"),
        pytest.param(an_owners(OLD), [a_copy(EMPTY)], IN_FORCE, OLD, id="a copy that was never written"),
        pytest.param(
            an_owners(OLD), [a_copy(EMPTY, was(OLD))], IN_FORCE, OLD, id="a copy that staff cleared is put back"
        ),
        pytest.param(an_owners(OLD), [a_copy(NEW)], IN_FORCE, OLD, id="a copy that is merely behind is no edit"),
        pytest.param(
            an_owners(NEW), [a_copy(OLD, was(OLD, sent=NEW))], pin_rules(NEW), NEW, id="a copy whose write went astray"
        ),
        pytest.param(
            an_owners(NEW), [a_copy(NEW, was(OLD, sent=NEW))], pin_rules(NEW), NEW, id="a copy whose write arrived"
        ),
        pytest.param(
            an_owners(NEW), [a_copy(OLD, was(OLD, sent=NEW, answered=True))], pin_rules(NEW), NEW, id="a copy not kept"
        ),
        pytest.param(
            an_owners(SHORT), [a_copy(SHORT)], pin_rules(SHORT), SHORT, id="an old PIN of another length stays"
        ),
        pytest.param(an_owners(WEAK), [a_copy(WEAK)], pin_rules(WEAK), WEAK, id="an old PIN that is weak stays"),
        pytest.param(an_owners("035790"), [], pin_rules("035790"), "035790", id="a leading zero survives"),
        # first sight
        pytest.param(
            an_owners(OLD, FIRST), [a_copy(NEW, FIRST)], NOTHING, OLD, id="first sight: the owner's PIN counts"
        ),
        pytest.param(
            an_owners(OLD, FIRST), [a_copy(NEW, FIRST, updated=NOW + DAY)], NOTHING, OLD, id="first sight, newer"
        ),
        pytest.param(an_owners(OLD), [a_copy(NEW, FIRST)], IN_FORCE, OLD, id="a new rental receives the owner's PIN"),
        pytest.param(
            an_owners(SHORT, FIRST), [], NOTHING, SHORT, id="first sight: a valid PIN of another length stays"
        ),
        pytest.param(
            an_owners("12", FIRST), [], NOTHING, "new, not o1", id="first sight: a PIN that is too short goes"
        ),
        pytest.param(
            an_owners("12", FIRST), [a_copy(OLD, FIRST)], NOTHING, "new, not o1", id="first sight: no copy helps"
        ),
        pytest.param(an_owners(NEW, FIRST), [], TAKEN, "new, not o1", id="first sight: somebody else's PIN goes"),
        pytest.param(an_owners(EMPTY, FIRST), [], NOTHING, "new", id="first sight: none yet"),
        pytest.param(an_owners(EMPTY, FIRST), [a_copy(EMPTY, FIRST)], NOTHING, "new", id="first sight: none anywhere"),
        pytest.param(
            an_owners(EMPTY, FIRST), [a_copy(OLD, FIRST)], NOTHING, OLD, id="first sight: the only copy is adopted"
        ),
        pytest.param(
            an_owners(EMPTY, FIRST),
            [a_copy(OLD, FIRST), a_copy(OLD, FIRST, record="r2"), a_copy(EMPTY, FIRST, record="r3")],
            NOTHING,
            OLD,
            id="first sight: the PIN on which all copies agree is adopted",
        ),
        pytest.param(
            an_owners(EMPTY, FIRST),
            [a_copy(OLD, FIRST), a_copy(NEW, FIRST, record="r2")],
            NOTHING,
            "new",
            id="first sight: copies that do not agree",
        ),
        pytest.param(
            an_owners(EMPTY, FIRST), [a_copy("12", FIRST)], NOTHING, "new", id="first sight: a copy that is too short"
        ),
        pytest.param(
            an_owners(EMPTY, FIRST), [a_copy(NEW, FIRST)], TAKEN, "new", id="first sight: a copy of another's PIN"
        ),
        pytest.param(
            an_owners(EMPTY, FIRST),
            [a_copy(OLD, FIRST), a_copy("12", FIRST, record="r2")],
            NOTHING,
            "new",
            id="first sight: a valid copy and one that is not do not agree",
        ),
        pytest.param(
            an_owners(EMPTY, FIRST),
            [a_copy(NEW, FIRST), a_copy(OLD, FIRST, record="r2")],
            IN_FORCE,
            OLD,
            id="first sight: the copy of the PIN in force",
        ),
        pytest.param(
            an_owners(EMPTY, FIRST), [a_copy(NEW, FIRST)], IN_FORCE, "new", id="first sight: no copy is in force"
        ),
        pytest.param(an_owners(OLD, FIRST), [a_copy(NEW, was(OLD))], IN_FORCE, NEW, id="an edit beside a first sight"),
        # edits
        pytest.param(an_owners(NEW, was(OLD)), [a_copy(OLD)], IN_FORCE, NEW, id="staff edit the owner's PIN"),
        pytest.param(an_owners(OLD), [a_copy(NEW, was(OLD))], IN_FORCE, NEW, id="staff edit a copy"),
        pytest.param(an_owners(OLD), [a_copy(NEW, was(""))], IN_FORCE, NEW, id="staff fill an empty copy"),
        pytest.param(an_owners(NEW, was("")), [], NOTHING, NEW, id="staff fill the owner's empty field"),
        pytest.param(
            an_owners(OLD),
            [a_copy(NEWER, was(OLD, sent=NEW))],
            IN_FORCE,
            NEWER,
            id="staff edit while our write is under way",
        ),
        pytest.param(
            an_owners(NEW, was(OLD)),
            [a_copy(NEWER, was(OLD), updated=NOW + MINUTE)],
            IN_FORCE,
            NEWER,
            id="two edits: the newer one counts, on a rental",
        ),
        pytest.param(
            an_owners(NEW, was(OLD), updated=NOW + MINUTE),
            [a_copy(NEWER, was(OLD))],
            IN_FORCE,
            NEW,
            id="two edits: the newer one counts, on the owner",
        ),
        pytest.param(
            an_owners(NEW, was(OLD)),
            [a_copy(NEWER, was(OLD), record="a1")],
            IN_FORCE,
            NEW,
            id="two edits at once: the owner's counts, whatever the ids are",
        ),
        pytest.param(
            an_owners(OLD),
            [a_copy(NEWER, was(OLD), record="r2"), a_copy(NEW, was(OLD), record="r1")],
            IN_FORCE,
            NEW,
            id="two edits at once: that of the smaller id counts",
        ),
        pytest.param(
            an_owners(OLD),
            [a_copy(NEW, was(OLD), updated=None), a_copy(NEWER, was(OLD), record="r2")],
            IN_FORCE,
            NEWER,
            id="an edit without a date is the oldest",
        ),
        pytest.param(
            an_owners(OLD),
            [a_copy(NEW, was(OLD)), a_copy(WEAK, was(OLD), record="r2", updated=NOW + DAY)],
            IN_FORCE,
            f"{NEW}, not r2",
            id="a newer edit that is refused does not stand in the way of an older one",
        ),
        pytest.param(
            an_owners(OLD),
            [a_copy(SHORT, was(OLD))],
            pin_rules(SHORT),
            SHORT,
            id="an edit back to the PIN in force is fine",
        ),
        # refused edits
        pytest.param(an_owners(OLD), [a_copy(WEAK, was(OLD))], IN_FORCE, f"{OLD}, not r1", id="a weak edit of a copy"),
        pytest.param(
            an_owners(OLD), [a_copy(SHORT, was(OLD))], IN_FORCE, f"{OLD}, not r1", id="an edit that is too short"
        ),
        pytest.param(an_owners(OLD), [a_copy(NEW, was(OLD))], TAKEN, f"{OLD}, not r1", id="an edit that is taken"),
        pytest.param(
            an_owners(OLD), [a_copy(NEW, was(OLD))], REJECTED, f"{OLD}, not r1", id="an edit the provider refuses"
        ),
        pytest.param(
            an_owners(WEAK, was(OLD)),
            [a_copy(OLD)],
            IN_FORCE,
            f"{OLD}, not o1",
            id="a weak edit of the owner's is put back",
        ),
        pytest.param(
            an_owners(NEW, was(OLD)),
            [a_copy(OLD)],
            TAKEN,
            f"{OLD}, not o1",
            id="a taken edit of the owner's is put back",
        ),
        pytest.param(
            an_owners(NEW, was(OLD)), [a_copy(OLD)], REJECTED, f"{OLD}, not o1", id="a rejected edit of the owner's"
        ),
        pytest.param(
            an_owners(WEAK, was(OLD)),
            [],
            IN_FORCE,
            "new, not o1",
            id="a refused edit, and no copy shows the PIN in force",
        ),
        pytest.param(
            an_owners(WEAK, was(OLD)),
            [a_copy(NEW)],
            IN_FORCE,
            "new, not o1",
            id="a refused edit, and the copy is behind",
        ),
        pytest.param(
            an_owners(WEAK, was(OLD)),
            [a_copy(SHORT, was(OLD))],
            IN_FORCE,
            "new, not o1, r1",
            id="refused edits everywhere",
        ),
        pytest.param(
            an_owners(NEW), [a_copy(NEW)], REJECTED, "new, not o1", id="a PIN in place that the provider refuses"
        ),
        pytest.param(
            an_owners(EMPTY), [a_copy(WEAK, was(""))], NOTHING, "new, not r1", id="a refused edit is not adopted either"
        ),
        # cleared
        pytest.param(
            an_owners(EMPTY, was(OLD)), [a_copy(OLD)], IN_FORCE, "new", id="staff clear the owner's: a new one"
        ),
        pytest.param(
            an_owners(EMPTY, was(OLD)),
            [a_copy(NEW, was(OLD), updated=NOW + MINUTE)],
            IN_FORCE,
            NEW,
            id="staff clear the owner's, then type one on a rental",
        ),
        pytest.param(
            an_owners(EMPTY, was(OLD), updated=NOW + MINUTE),
            [a_copy(NEW, was(OLD))],
            IN_FORCE,
            "new",
            id="staff type one on a rental, then clear the owner's",
        ),
        pytest.param(
            an_owners(EMPTY, was("", sent=NEW)),
            [a_copy(OLD)],
            pin_rules(NEW),
            "new",
            id="a rotated PIN that nobody has seen is drawn again, not undone",
        ),
        pytest.param(an_owners(EMPTY), [a_copy(OLD)], IN_FORCE, OLD, id="an owner's field that was always empty"),
        # behind and not kept
        pytest.param(
            an_owners(OLD, was(OLD, sent=NEW)),
            [a_copy(NEW)],
            pin_rules(NEW),
            NEW,
            id="an edit whose way to the owner was lost is not undone",
        ),
        pytest.param(
            an_owners(WEAK, was(WEAK, sent=OLD)),
            [a_copy(OLD)],
            IN_FORCE,
            OLD,
            id="a refused edit does not come into force because its overwriting was lost",
        ),
        pytest.param(
            an_owners(OLD, was(OLD, sent=NEW)),
            [a_copy(NEW)],
            NOTHING,
            NEW,
            id="behind, and nothing is in force: the one sent",
        ),
        pytest.param(
            an_owners(OLD, was(OLD, sent=NEW)),
            [a_copy(OLD)],
            NOTHING,
            OLD,
            id="behind, and only the old one is to be seen",
        ),
        pytest.param(
            an_owners(WEAK, was(WEAK, sent=OLD)), [a_copy(WEAK)], NOTHING, "new", id="behind, and nothing is of any use"
        ),
        pytest.param(
            an_owners(OLD, was(OLD, sent=NEW)),
            [a_copy(NEW)],
            pin_rules(taken=frozenset({hashed(NEW)})),
            OLD,
            id="behind, and the one sent belongs to somebody else",
        ),
        pytest.param(
            an_owners(OLD, was(OLD, sent=NEW)),
            [a_copy(NEW)],
            pin_rules(rejected={hashed(NEW): "refused", hashed(OLD): "refused"}),
            "new",
            id="behind, and the provider refuses both",
        ),
        pytest.param(
            an_owners(OLD, was(OLD, sent=NEW, answered=True)),
            [a_copy(NEW)],
            pin_rules(NEW),
            NEW,
            id="the owner's field is not kept: the PIN in force stays",
        ),
        pytest.param(
            an_owners(OLD, was(OLD, not_kept=NEW)), [a_copy(NEW)], pin_rules(NEW), NEW, id="not kept, and read again"
        ),
        pytest.param(
            an_owners(EMPTY, was("", sent=NEW, answered=True)),
            [a_copy(EMPTY)],
            pin_rules(NEW),
            "hold",
            id="no field is kept: no reason for yet another PIN",
        ),
        # unknown
        pytest.param(an_owners(UNKNOWN), [a_copy(OLD)], IN_FORCE, "hold", id="the owner's custom fields are unknown"),
        pytest.param(an_owners(OLD), [a_copy(UNKNOWN)], IN_FORCE, "hold", id="a rental's custom fields are unknown"),
        pytest.param(
            an_owners(NEW, was(OLD)), [a_copy(UNKNOWN)], IN_FORCE, "hold", id="an edit waits for unknown custom fields"
        ),
    ],
)
def test_merge(owner: PinCopy, copies: list[PinCopy], rules: PinRules, expected: str) -> None:
    """All records of an owner converge to one PIN: an edit that may be, else the one in force, else a new one."""
    assert decided(owner, copies, rules) == expected
