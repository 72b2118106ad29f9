"""PINs, rules and a short word for a decision, shared by the tests of the PIN."""

from __future__ import annotations

from collections.abc import Sequence

from core.builders import (
    digits_of,
    hashed,
    pin_rules,
)
from keyturn.core.memory import FieldMemory
from keyturn.core.pin import PinCopy, PinRules, merge_pins
from keyturn.core.rental import Missing

OLD, NEW, NEWER = "135790", "246813", "908172"
WEAK, SHORT, EMPTY = "112112", "8352", Missing.EMPTY
FIRST = FieldMemory()
UNKNOWN = Missing.UNKNOWN


def decided(owner: PinCopy, copies: Sequence[PinCopy], rules: PinRules) -> str:
    """Say what was decided in one line: the digits, `new`, or `hold`; then whose values are overwritten."""
    decision = merge_pins(owner, copies, rules)
    what = "hold" if decision.hold else "new" if decision.generate else str(digits_of(decision.target))
    refused = ", ".join(item.record for item in decision.refused)
    return f"{what}, not {refused}" if refused else what


IN_FORCE = pin_rules(OLD)
TAKEN = pin_rules(OLD, taken=frozenset({hashed(NEW)}))
REJECTED = pin_rules(OLD, rejected={hashed(NEW): "the access system refuses it"})
NOTHING = pin_rules()
