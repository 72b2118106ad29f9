"""Show in Storeganise what is in force: the owner's PIN, its copies, the overlock flag.

Only what differs is written, both fields of a rental in one request, the owner before the
rentals. What goes out is remembered before it leaves, so that its echo is recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from keyturn.core.fields import Reading, after_reading, answered, classify, needs_write, sending
from keyturn.core.ids import PinHash, RentalId
from keyturn.core.membership import Access
from keyturn.core.memory import FieldMemory, Record, RecordState, RentalMemory
from keyturn.core.overlock import flag
from keyturn.core.pin import pin_text
from keyturn.core.problem import Problem, ProblemCode
from keyturn.core.rental import Missing, Owner, Pin, Rental, RentalState
from keyturn.core.work import Lane
from keyturn.engine.account import Account
from keyturn.engine.case import OwnerCase, RentalCase
from keyturn.engine.source import Source
from keyturn.engine.steps import together
from keyturn.errors import UpstreamError
from keyturn.store.ledger import Ledger

Digest = Callable[[Pin], PinHash]
_OVER = {RentalState.ENDED, RentalState.CANCELLED, RentalState.ABANDONED}


@dataclass(frozen=True, kw_only=True, slots=True)
class RentalWrite:
    """What is written to one rental, and its memory once that is on its way."""

    memory: RentalMemory
    pin: Pin | Missing | None = None
    overlocked: bool | None = None

    @property
    def needed(self) -> bool:
        """Whether there is anything to write."""
        return self.pin is not None or self.overlocked is not None

    def without_pin(self) -> RentalWrite:
        """The PIN copy waits for the owner's field; what is cleared and the flag do not."""
        return replace(self, pin=None) if isinstance(self.pin, Pin) else self


@dataclass(frozen=True, kw_only=True, slots=True)
class Writes:
    """Everything one look writes to Storeganise."""

    owner: Owner | None
    owner_field: FieldMemory | None
    """The owner's PIN field after the read; `None` where the PIN was not settled."""
    owner_pin: Pin | None
    rentals: tuple[RentalWrite, ...]
    problems: tuple[Problem, ...]


def plan_writes(
    case: OwnerCase,
    owner_memory: FieldMemory | None,
    *,
    pin: Pin | None,
    records: Mapping[RentalId, tuple[Record, ...]],
    failed: Collection[RentalId],
    covered: Mapping[RentalId, RentalId],
    digest: Digest,
) -> Writes:
    """Decide what to write. `pin` is the PIN in force everywhere, `None` where none is."""
    owner = case.owner
    field, owner_pin = _plan_owner(owner, owner_memory, pin, digest)
    rentals = tuple(
        _plan_rental(
            rental,
            pin=pin if _carries_pin(rental, records[rental.id], covered) else None,
            failed=rental.id in failed,
            covered_by=covered.get(rental.id),
            digest=digest,
        )
        for rental in case.rentals
    )
    return Writes(
        owner=owner,
        owner_field=field,
        owner_pin=owner_pin,
        rentals=rentals,
        problems=tuple(_not_kept(case, field, rentals)),
    )


def _plan_owner(
    owner: Owner | None, memory: FieldMemory | None, pin: Pin | None, digest: Digest
) -> tuple[FieldMemory | None, Pin | None]:
    """The owner's field follows the PIN in force. Without one, an edit is not yet seen, for it still has to count."""
    if owner is None or memory is None or owner.pin is Missing.UNKNOWN:
        return None, None
    text = pin_text(owner.pin, digest)
    if pin is None:
        settled = classify(memory, text) in {Reading.SAME, Reading.NOT_KEPT}
        return (after_reading(memory, text) if settled and memory.answered else None), None
    field = after_reading(memory, text)
    if needs_write(field, text, digest(pin)):
        return sending(field, digest(pin)), pin
    return field, None


def _carries_pin(rental: RentalCase, records: tuple[Record, ...], covered: Mapping[RentalId, RentalId]) -> bool:
    has_access = any(record.state is not RecordState.GONE for record in records) or rental.id in covered
    return rental.desired.in_scope and rental.desired.access is not Access.NONE and has_access


def _plan_rental(
    rental: RentalCase, *, pin: Pin | None, failed: bool, covered_by: RentalId | None, digest: Digest
) -> RentalWrite:
    memory = replace(rental.memory, covered_by=covered_by)
    facts = rental.tenancy.rental if rental.tenancy else None
    if facts is None or failed or not rental.desired.in_scope:
        return RentalWrite(memory=memory)
    memory, pin_write = _plan_pin(memory, facts, pin, digest)
    memory, flag_write = _plan_flag(memory, facts, rental)
    return RentalWrite(memory=memory, pin=pin_write, overlocked=flag_write)


def _plan_pin(
    memory: RentalMemory, rental: Rental, pin: Pin | None, digest: Digest
) -> tuple[RentalMemory, Pin | Missing | None]:
    """The copy follows the PIN in force; that of a rental that is over, or of the owner before, is cleared."""
    of_owner_before = memory.pin.seen is None and memory.pin.sent == ""
    over = rental.state in _OVER or of_owner_before
    if rental.pin is Missing.UNKNOWN or (pin is None and not over):
        return memory, None
    text = pin_text(rental.pin, digest)
    wanted = "" if pin is None else digest(pin)
    field = after_reading(memory.pin, text)
    if not needs_write(field, text, wanted):
        return replace(memory, pin=field), None
    return replace(memory, pin=sending(field, wanted)), pin or Missing.EMPTY


def _plan_flag(memory: RentalMemory, rental: Rental, case: RentalCase) -> tuple[RentalMemory, bool | None]:
    locked = case.desired.locked
    value, wanted = flag(rental.overlocked), flag(locked)
    if not case.desired.shows_flag or rental.overlocked is Missing.UNKNOWN:
        return memory, None
    if not needs_write(memory.overlock, value, wanted):
        return memory, None
    return replace(memory, overlock=sending(memory.overlock, wanted)), locked


def _not_kept(case: OwnerCase, owner: FieldMemory | None, rentals: tuple[RentalWrite, ...]) -> list[Problem]:
    found = []
    if owner is not None and owner.not_kept is not None and case.owner_id is not None:
        found.append(_field_problem("owner", case.owner_id, "sensorberg_pin"))
    for memory in (write.memory for write in rentals):
        if memory.pin.not_kept is not None:
            found.append(_field_problem("rental", memory.id, "sensorberg_pin"))
        if memory.overlock.not_kept is not None:
            found.append(_field_problem("rental", memory.id, "sensorberg_overlocked"))
    return found


def _field_problem(kind: str, subject: str, name: str) -> Problem:
    details = {"field": name, **({"customer": "yes"} if kind == "owner" else {})}
    return Problem(code=ProblemCode.FIELD_NOT_KEPT, subject_kind=kind, subject_id=subject, details=details)


class WriteBack:
    """Carries out planned writes within one lane."""

    def __init__(self, *, source: Source, ledger: Ledger, lane: Lane) -> None:
        self._source = source
        self._ledger = ledger
        self._lane = lane

    async def write(
        self, writes: Writes, before: Mapping[RentalId, RentalMemory], account: Account | None
    ) -> dict[RentalId, UpstreamError]:
        """Write the owner, then the rentals; return what failed, per rental.

        Everything that is about to go out is remembered in one transaction first. Raises `LeaseLost`.
        """
        changed = [write.memory for write in writes.rentals if write.memory != before.get(write.memory.id)]
        if account is not None and writes.owner_field is not None:
            await account.remember_fields(writes.owner_field, changed)
        elif changed:
            await self._ledger.save(self._lane, rentals=changed)
        failed = await self._write_owner(writes, account)
        errors = {} if failed is None else {write.memory.id: failed for write in writes.rentals}
        shown = [write if failed is None else write.without_pin() for write in writes.rentals]
        due = [write for write in shown if write.needed]
        results = await together(self._write_rental(write) for write in due)
        after = [memory for memory, _ in results if memory is not None]
        if after:
            await self._ledger.save(self._lane, rentals=after)
        return errors | {
            write.memory.id: error for write, (_, error) in zip(due, results, strict=True) if error is not None
        }

    async def _write_owner(self, writes: Writes, account: Account | None) -> UpstreamError | None:
        if writes.owner_field is None or account is None or writes.owner is None:
            return None
        if writes.owner_pin is not None:
            try:
                await self._source.write_owner_pin(writes.owner.id, writes.owner_pin)
            except UpstreamError as error:
                return error
            await account.remember_fields(answered(writes.owner_field, None), ())
            account.shown()
        return None

    async def _write_rental(self, write: RentalWrite) -> tuple[RentalMemory | None, UpstreamError | None]:
        memory = write.memory
        try:
            shown = await self._source.write_rental(memory.id, pin=write.pin, overlocked=write.overlocked)
        except UpstreamError as error:
            return None, error
        if write.pin is not None:
            memory = replace(memory, pin=answered(memory.pin, None))
        if write.overlocked is not None:
            value = None if shown is None or isinstance(shown.overlocked, Missing) else flag(shown.overlocked)
            memory = replace(memory, overlock=answered(memory.overlock, value))
        return memory, None
