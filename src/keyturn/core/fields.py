"""One custom field, seen and sent: what tells an edit by staff from our own write.

A value is *ours* when it equals the last one seen or the one sent; everything else is an
edit. A write that was answered with success and that a later read does not show is *not
kept*, which is a problem for a person and no reason to write again.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from keyturn.core.memory import FieldMemory


class Reading(Enum):
    """What a value just read says about the field."""

    FIRST = "first"
    """The field was never read before."""
    SAME = "same"
    """Nothing happened, or a write of ours went astray."""
    OURS = "ours"
    """Our own write arrived."""
    NOT_KEPT = "not kept"
    """Our write was answered with success, and the value before it is still there."""
    EDIT = "edit"
    """Somebody else changed it."""


def classify(memory: FieldMemory, value: str) -> Reading:
    """Say what reading `value` means, given what was seen and sent before."""
    if memory.seen is None:
        return Reading.FIRST
    if value == memory.sent and value != memory.seen:
        return Reading.OURS
    if value != memory.seen:
        return Reading.EDIT
    return Reading.NOT_KEPT if memory.answered else Reading.SAME


def after_reading(memory: FieldMemory, value: str) -> FieldMemory:
    """Remember `value` as seen. A read closes a write, whichever way it went."""
    match classify(memory, value):
        case Reading.NOT_KEPT:
            return FieldMemory(seen=value, not_kept=memory.sent)
        case Reading.SAME:
            return FieldMemory(seen=value, not_kept=memory.not_kept)
        case Reading.FIRST | Reading.OURS | Reading.EDIT:
            return FieldMemory(seen=value)


def under_key(memory: FieldMemory, key_id: str) -> FieldMemory:
    """Forget hashes made with another key: they cannot be compared, so the field counts as never read."""
    hashes = [value for value in (memory.seen, memory.sent, memory.not_kept) if value]
    return memory if all(value.startswith(f"{key_id}:") for value in hashes) else FieldMemory()


def sending(memory: FieldMemory, value: str) -> FieldMemory:
    """Remember, before the request leaves, that `value` is being written."""
    return replace(memory, sent=value, answered=False)


def answered(memory: FieldMemory, shown: str | None) -> FieldMemory:
    """Remember that the write was answered with success; `shown` is the value in the answer, if it is trusted."""
    if shown is not None and shown == memory.sent:
        return FieldMemory(seen=shown)
    return replace(memory, answered=True)


def needs_write(memory: FieldMemory, value: str, wanted: str) -> bool:
    """Say whether `wanted` has to be written over `value`: only when it differs, and not where it is not kept."""
    return wanted not in {value, memory.not_kept}
