"""One PIN per owner: which codes are acceptable, and which one counts.

The owner's field is the PIN; each live rental carries a copy, which is what the tenant sees.
Staff may edit either. `merge_pins` looks at all of them at once and names the one PIN that
everything should converge to; it is the only place that decides this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from keyturn.core.fields import Reading, classify
from keyturn.core.ids import PinHash
from keyturn.core.memory import FieldMemory
from keyturn.core.rental import Missing, Pin

SHORTEST, LONGEST = 4, 8
"""The lengths of a code that Sensorberg installations use (Kinnovis help, "Manage PIN codes for Sensorberg")."""

Digest = Callable[[Pin], PinHash]
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def is_weak(digits: str) -> bool:
    """Say whether a code is too easily guessed.

    At most two distinct digits, a constant step of one up or down, equal halves, or a palindrome.
    """
    steps = {int(after) - int(before) for before, after in pairwise(digits)}
    half = len(digits) // 2
    return (
        len(set(digits)) <= 2  # noqa: PLR2004 - the rule itself says two
        or steps in ({1}, {-1})
        or (len(digits) % 2 == 0 and digits[:half] == digits[half:])
        or digits == digits[::-1]
    )


def draw_pin(length: int, randbelow: Callable[[int], int]) -> Pin:
    """Draw a code that is not weak. `randbelow` must be a cryptographic source."""
    while True:
        digits = f"{randbelow(10**length):0{length}d}"
        if not is_weak(digits):
            return Pin(digits)


def edit_fault(pin: Pin, length: int) -> str | None:
    """Return why a code typed by staff cannot be used, or `None`."""
    digits = pin.reveal()
    if not _all_digits(digits) or len(digits) != length:
        return f"it must have exactly {length} digits"
    return "it is too easily guessed" if is_weak(digits) else None


def existing_fault(pin: Pin) -> str | None:
    """Return why a code found in place cannot stay, or `None`. Weak ones and other lengths stay."""
    digits = pin.reveal()
    if not _all_digits(digits) or not SHORTEST <= len(digits) <= LONGEST:
        return f"it must have {SHORTEST} to {LONGEST} digits"
    return None


def _all_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


@dataclass(frozen=True, kw_only=True, slots=True)
class PinCopy:
    """The PIN field of one record, as read, with what is remembered of it."""

    record: str
    """The id of the owner or of the rental."""
    is_owner: bool
    value: Pin | Missing
    memory: FieldMemory
    updated: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedPin:
    """A value that is overwritten, with the reason in words."""

    record: str
    is_owner: bool
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PinDecision:
    """What everything should converge to."""

    target: Pin | None
    """The PIN; `None` when `generate` or `hold` says what to do instead."""
    generate: str | None = None
    """Why a new PIN has to be drawn."""
    hold: str | None = None
    """Why nothing may change."""
    changes: bool = False
    """The owner gets another PIN than the one their field shows, so every live rental of theirs must have been read."""
    refused: tuple[RefusedPin, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PinRules:
    """What `merge_pins` has to know besides the copies."""

    length: int
    digest: Digest
    in_force: frozenset[PinHash]
    """The codes the provider confirmed last for this owner."""
    taken: frozenset[PinHash] = frozenset()
    """Those of the copies' codes that belong to somebody else."""
    rejected: Mapping[PinHash, str] = field(default_factory=dict)
    """Codes the provider refused during this look, with the reason in words."""


def pin_text(value: Pin | Missing, digest: Digest) -> str:
    """Return a PIN field as the memory holds it: its hash, or "" when empty."""
    return digest(value) if isinstance(value, Pin) else ""


def merge_pins(owner: PinCopy, copies: Sequence[PinCopy], rules: PinRules) -> PinDecision:
    """Decide the PIN of an owner from their field and the copies on their live rentals."""
    if any(copy.value is Missing.UNKNOWN for copy in (owner, *copies)):
        return PinDecision(target=None, hold="Storeganise did not return the custom fields that hold the PIN")
    records = (owner, *copies)
    edits = [copy for copy in records if _is_edit(copy, rules)]
    cleared = _reading(owner, rules) is Reading.EDIT and owner.value is Missing.EMPTY
    faults = {copy.record: fault for copy in edits if (fault := _fault(copy, rules, edited=True))}
    refused = tuple(
        RefusedPin(record=c.record, is_owner=c.is_owner, reason=faults[c.record]) for c in edits if c.record in faults
    )
    accepted = [copy for copy in edits if copy.record not in faults] + ([owner] if cleared else [])
    if accepted:
        return _newest(accepted, refused)
    return _unchanged(owner, copies, rules, refused)


def _reading(copy: PinCopy, rules: PinRules) -> Reading:
    return classify(copy.memory, pin_text(copy.value, rules.digest))


def _is_edit(copy: PinCopy, rules: PinRules) -> bool:
    return isinstance(copy.value, Pin) and _reading(copy, rules) is Reading.EDIT


def _fault(copy: PinCopy, rules: PinRules, *, edited: bool) -> str | None:
    if not isinstance(copy.value, Pin):
        return None
    digest = rules.digest(copy.value)
    if digest in rules.taken:
        return "it belongs to somebody else"
    if digest in rules.rejected:
        return rules.rejected[digest]
    in_use = digest in rules.in_force
    return edit_fault(copy.value, rules.length) if edited and not in_use else existing_fault(copy.value)


def _newest(accepted: Sequence[PinCopy], refused: tuple[RefusedPin, ...]) -> PinDecision:
    """Pick the edit that counts: the newest; the owner's before a rental's; then the smaller id."""
    first = min(accepted, key=lambda c: (-(c.updated or _LONG_AGO).timestamp(), not c.is_owner, c.record))
    if isinstance(first.value, Pin):
        return PinDecision(target=first.value, changes=True, refused=refused)
    return PinDecision(target=None, generate="staff cleared the owner's PIN", changes=True, refused=refused)


def _unchanged(
    owner: PinCopy, copies: Sequence[PinCopy], rules: PinRules, refused: tuple[RefusedPin, ...]
) -> PinDecision:
    """Decide when there is no edit to follow: the PIN stays, is put back, or there is none yet."""
    if _owner_field_not_kept(owner, rules):
        return _without_owner_field((owner, *copies), rules, refused)
    if isinstance(owner.value, Pin) and _owner_field_behind(owner, rules):
        return _catch_up(owner, copies, rules, refused)
    refused = (*refused, *_existing_refused(owner, rules, refused))
    if any(item.is_owner for item in refused):
        return _put_back(copies, rules, refused)
    if isinstance(owner.value, Pin):
        return PinDecision(target=owner.value, refused=refused)
    return _none_yet(copies, rules, refused)


def _owner_field_not_kept(owner: PinCopy, rules: PinRules) -> bool:
    return owner.memory.not_kept is not None or _reading(owner, rules) is Reading.NOT_KEPT


def _owner_field_behind(owner: PinCopy, rules: PinRules) -> bool:
    """Say whether a write to the owner's field was lost, so that it still shows the PIN before."""
    return owner.memory.sent is not None and _reading(owner, rules) is Reading.SAME


def _catch_up(
    owner: PinCopy, copies: Sequence[PinCopy], rules: PinRules, refused: tuple[RefusedPin, ...]
) -> PinDecision:
    """The owner's field is behind: the PIN in force counts, else the one that was being written, else what it shows."""
    written = [copy for copy in copies if pin_text(copy.value, rules.digest) == owner.memory.sent]
    sent = [copy.value for copy in written if _fault(copy, rules, edited=True) is None]
    own = owner.value if _fault(owner, rules, edited=True) is None else Missing.EMPTY
    usable = [pin for pin in (_in_use((owner, *copies), rules), *sent, own) if isinstance(pin, Pin)]
    generate = None if usable else "no usable PIN is left"
    return PinDecision(target=next(iter(usable), None), generate=generate, changes=True, refused=refused)


def _without_owner_field(records: Sequence[PinCopy], rules: PinRules, refused: tuple[RefusedPin, ...]) -> PinDecision:
    """The owner's field cannot be trusted: the PIN the provider has stays, and no new one is issued."""
    in_use = _in_use(records, rules)
    hold = None if in_use else "Storeganise does not keep the owner's PIN field"
    return PinDecision(target=in_use, hold=hold, refused=refused)


def _existing_refused(owner: PinCopy, rules: PinRules, refused: tuple[RefusedPin, ...]) -> tuple[RefusedPin, ...]:
    if any(item.is_owner for item in refused):
        return ()
    fault = _fault(owner, rules, edited=False)
    return (RefusedPin(record=owner.record, is_owner=True, reason=fault),) if fault else ()


def _put_back(copies: Sequence[PinCopy], rules: PinRules, refused: tuple[RefusedPin, ...]) -> PinDecision:
    """The owner's value is refused: overwrite it from a copy that shows the PIN in force, else issue a new one."""
    in_use = _in_use(copies, rules)
    generate = None if in_use else "no usable PIN is left"
    return PinDecision(target=in_use, generate=generate, changes=True, refused=refused)


def _in_use(copies: Sequence[PinCopy], rules: PinRules) -> Pin | None:
    """Return the PIN the provider has, from a record that still shows it."""
    usable = (copy.value for copy in copies if _fault(copy, rules, edited=False) is None)
    return next((pin for pin in usable if isinstance(pin, Pin) and rules.digest(pin) in rules.in_force), None)


def _none_yet(copies: Sequence[PinCopy], rules: PinRules, refused: tuple[RefusedPin, ...]) -> PinDecision:
    """Keep the PIN in force, adopt the one on which all copies agree, else ask for a new one.

    Copies are adopted only for an owner who never had a code of ours: once there was one, copies that show
    another are behind, and adopting them would undo a rotation.
    """
    in_use = _in_use(copies, rules)
    if in_use is not None:
        return PinDecision(target=in_use, changes=True, refused=refused)
    shown = {copy.value for copy in copies if isinstance(copy.value, Pin)}
    faulty = bool(refused) or any(_fault(copy, rules, edited=False) for copy in copies)
    if not rules.in_force and not faulty and len(shown) == 1:
        return PinDecision(target=shown.pop(), changes=True, refused=refused)
    return PinDecision(target=None, generate="the owner has no PIN yet", changes=True, refused=refused)
