"""A little model of one owner's PIN: fields in Storeganise, a code at the provider, and looks between staff's edits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from core.builders import NOW, digest, digits_of, hashed, pin_rules
from keyturn.core.fields import after_reading, answered, needs_write, sending
from keyturn.core.ids import PinHash
from keyturn.core.memory import FieldMemory
from keyturn.core.pin import PinCopy, PinDecision, merge_pins, pin_text
from keyturn.core.rental import Missing, Pin

OWNER = "o1"


class Fate(Enum):
    """What becomes of a write to Storeganise."""

    FINE = "fine"
    ANSWER_LOST = "its answer is lost"
    NEVER_ARRIVED = "it never arrived"


@dataclass(kw_only=True)
class PinWorld:
    """The records of one owner: the owner's own and their rentals'."""

    shown: dict[str, str]
    """What each record's field shows; "" is empty."""
    memories: dict[str, FieldMemory] = field(default_factory=dict)
    updated: dict[str, datetime] = field(default_factory=dict)
    in_force: str | None = None
    drawn: str | None = None
    """A PIN that was drawn and that nobody has seen yet."""
    draws: int = 0
    writes: int = 0
    taken: frozenset[PinHash] = frozenset()
    edits: int = 0

    def edit(self, record: str, digits: str) -> None:
        """Staff change a field."""
        self.edits += 1
        self.shown[record] = digits
        self.updated[record] = NOW + timedelta(minutes=self.edits)

    def decide(self) -> PinDecision:
        """Decide from what is shown and remembered."""
        in_force = [self.in_force] if self.in_force else []
        copies = [self._copy(record) for record in self.shown if record != OWNER]
        return merge_pins(self._copy(OWNER), copies, pin_rules(*in_force, taken=self.taken))

    def look(self, fates: Mapping[str, Fate] | None = None) -> None:
        """Decide, bring the PIN into force at the provider, then show it: the owner first, then the rentals."""
        decision = self.decide()
        if decision.hold is not None:
            return
        self.in_force = digits_of(decision.target) or self._draw()
        for record in self._to_write():
            fate = (fates or {}).get(record, Fate.FINE)
            self._write(record, fate)
            if record == OWNER and fate is not Fate.FINE:
                return
        self.drawn = None

    def look_and_echo(self) -> None:
        """Look, and once more when our own writes come back as an event."""
        self.look()
        self.look()

    @property
    def settled(self) -> bool:
        """Whether everybody sees the PIN that is in force."""
        return set(self.shown.values()) == {self.in_force}

    def _copy(self, record: str) -> PinCopy:
        return PinCopy(
            record=record,
            is_owner=record == OWNER,
            value=Pin(self.shown[record]) if self.shown[record] else Missing.EMPTY,
            memory=self.memories.get(record, FieldMemory()),
            updated=self.updated.get(record, NOW),
        )

    def _draw(self) -> str:
        if self.drawn is None:
            self.draws += 1
            self.drawn = f"70418{self.draws}"
        return self.drawn

    def _to_write(self) -> list[str]:
        """Remember what was read and what is about to be sent, all in one go; return the records to write."""
        wanted = hashed(self.in_force or "")
        due = []
        for record in sorted(self.shown, key=lambda record: (record != OWNER, record)):
            text = pin_text(self._copy(record).value, digest)
            memory = after_reading(self.memories.get(record, FieldMemory()), text)
            if needs_write(memory, text, wanted):
                memory = sending(memory, wanted)
                due.append(record)
            self.memories[record] = memory
        return due

    def _write(self, record: str, fate: Fate) -> None:
        self.writes += 1
        if fate is not Fate.NEVER_ARRIVED:
            self.shown[record] = self.in_force or ""
        if fate is Fate.FINE:
            self.memories[record] = answered(self.memories[record], None)
