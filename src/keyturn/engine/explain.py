"""Why a tenant can or cannot open the door: what a look would see, decide and do, without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keyturn.clock import Clock
from keyturn.core.ids import RentalId
from keyturn.core.membership import Access, foresee
from keyturn.core.memory import FieldMemory, Record
from keyturn.core.rental import Missing, Pin
from keyturn.core.work import Kind, Subject
from keyturn.engine.business import Business
from keyturn.engine.case import OwnerCase, RentalCase
from keyturn.engine.observe import Observer
from keyturn.engine.writeback import Digest, plan_writes
from keyturn.store.ledger import Ledger
from keyturn.store.problems import Problems
from keyturn.store.work import Work


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """What `explain` reads of the database."""

    work: Work
    ledger: Ledger
    problems: Problems


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """The answer, for people and for machines."""

    text: str
    document: dict[str, Any]
    ok: bool
    """Nothing is wrong, held or left to do."""


async def explain_rental(
    business: Business, rental: RentalId, observer: Observer, shelf: Shelf, clock: Clock, digest: Digest
) -> Explanation:
    """Read the rental at Storeganise and in memory, decide, and describe. Raises `UpstreamError`."""
    observed = await observer.observe(business, [rental], clock.now())
    for error in observed.unread.values():
        raise error
    owner = next(case for case in observed.cases if any(found.id == rental for found in case.rentals))
    found = next(found for found in owner.rentals if found.id == rental)
    row = await shelf.work.row(business.code, Subject.of(Kind.RENTAL, rental))
    problems = [p for p in await shelf.problems.open(business.code) if p.subject.id in _ids(found)]
    document = {
        "business": business.code,
        "rental": rental,
        "facts": _facts(found),
        "rules": _rules(found, business),
        "desired": _desired(found),
        "pin": _pin(owner, found),
        "known": [_record(record) for record in found.records],
        "would_do": [*_calls(found), *_code(owner), *_writes(owner, found, digest)],
        "work": {"state": row.state.value, "last": row.result, "due_at": _when(row.due_at)} if row else None,
        "problems": [{"code": problem.code, "text": problem.text} for problem in problems],
    }
    held = found.desired.access is Access.HOLD and found.desired.in_scope
    ok = not (held or problems or document["would_do"])
    return Explanation(text=_text(document), document=document, ok=ok)


def _ids(found: RentalCase) -> set[str]:
    memory = found.memory
    return {str(id_) for id_ in (found.id, memory.owner_id, memory.unit_id, memory.site_id) if id_ is not None}


def _calls(found: RentalCase) -> list[str]:
    """Name the membership calls that would follow, as far as each one succeeds."""
    calls = foresee(found.wanted, found.records) if found.wanted is not None else []
    return [f"{call.verb.value} membership {call.record.external_id}: {call.reason}" for call in calls]


def _code(owner: OwnerCase) -> list[str]:
    """Name the backends at which a code would be set."""
    decision = owner.pin
    if decision is None or decision.hold is not None:
        return []
    pin = "a new PIN" if decision.target is None else "the PIN"
    codes = [owner.code(tenant) for tenant in owner.tenants]
    due = [code.tenant for code in codes if decision.changes or code.in_force is None or code.sent is not None]
    return [f"set {pin} at {tenant}: it is not known to hold it" for tenant in due]


def _writes(owner: OwnerCase, found: RentalCase, digest: Digest) -> list[str]:
    """Name the fields that would be written in Storeganise."""
    target = owner.pin.target if owner.pin else None
    memory = owner.memory.pin if owner.memory else FieldMemory()
    records = {rental.id: rental.records for rental in owner.rentals}
    if found.desired.access is Access.MEMBER and found.wanted is not None:
        records[found.id] = tuple(call.record for call in foresee(found.wanted, found.records)) or found.records
    writes = plan_writes(owner, memory, pin=target, records=records, failed=(), covered={}, digest=digest)
    mine = next(write for write in writes.rentals if write.memory.id == found.id)
    named = {
        "write the PIN to the owner": writes.owner_pin is not None,
        "write the PIN to the rental": isinstance(mine.pin, Pin),
        "clear the PIN of the rental": mine.pin is Missing.EMPTY,
        "tick sensorberg_overlocked": mine.overlocked is True,
        "untick sensorberg_overlocked": mine.overlocked is False,
    }
    return [text for text, due in named.items() if due]


def _rules(found: RentalCase, business: Business) -> list[str]:
    """Say which rules decided, in the order in which they were asked."""
    desired, tenancy = found.desired, found.tenancy
    if tenancy is None:
        return [desired.reason]
    system = _field(found.site.system) if found.site else "unknown"
    scope = "in scope" if desired.in_scope else "out of scope"
    rules = [f"the site's security system is {system}: {scope}"]
    if not desired.in_scope:
        return [*rules, desired.reason]
    rules.append(f"the rental is {tenancy.rental.state.value}")
    if desired.access is Access.NONE:
        return [*rules, desired.reason]
    if desired.starts_at is not None:
        zone = business.zone(tenancy.rental.site_id)
        rules.append(f"access starts with {tenancy.rental.start}, {zone}")
    if desired.group is not None:
        rules.append(f"the unit's access group is {desired.group}")
    rules.append("locked" if desired.locked else "not locked")
    return [*rules, desired.reason]


def _facts(found: RentalCase) -> dict[str, Any]:
    if found.tenancy is None:
        return {"state": "not shown by Storeganise"}
    rental, unit = found.tenancy.rental, found.tenancy.unit
    return {
        "state": rental.state.value,
        "owner": rental.owner_id,
        "unit": unit.name if unit else rental.unit_id,
        "group": _field(unit.group) if unit else "unknown",
        "site": rental.site_id,
        "security_system": _field(found.site.system) if found.site else "unknown",
        "start": rental.start.isoformat() if rental.start else None,
        "end": rental.end.isoformat() if rental.end else None,
        "overdue": _when(rental.overdue),
        "pin": _field(rental.pin),
        "overlocked": rental.overlocked if isinstance(rental.overlocked, bool) else rental.overlocked.value,
    }


def _desired(found: RentalCase) -> dict[str, Any]:
    desired, memory = found.desired, found.memory
    return {
        "access": desired.access.value if desired.in_scope else "out of scope",
        "because": desired.reason,
        "locked": desired.locked,
        "from": _when(desired.starts_at),
        "until": _when(desired.ends_at),
        "group": desired.group,
        "staff_lock": memory.staff_lock,
        "released_for": _when(memory.release_for),
        "lock_carried_from": memory.carried_from,
    }


def _pin(owner: OwnerCase, found: RentalCase) -> dict[str, Any]:
    decision = owner.pin
    if decision is None or not found.live:
        return {"state": "none is due"}
    state = decision.hold or decision.generate or ("changes" if decision.changes else "in order")
    backends = {
        code.tenant: _code_state(code.in_force, code.sent) for code in (owner.memory.codes if owner.memory else ())
    }
    return {"state": state, "backends": backends, "refused": [refused.reason for refused in decision.refused]}


def _code_state(in_force: str | None, sent: str | None) -> str:
    if sent is not None:
        return "sent, not confirmed"
    return "confirmed" if in_force is not None else "unknown"


def _record(record: Record) -> dict[str, Any]:
    return {
        "external_id": record.external_id,
        "state": record.state.value,
        "group": record.group,
        "from": _when(record.starts_at),
        "until": _when(record.ends_at) or "open-ended",
        "backend": record.tenant,
    }


def _field(value: object) -> object:
    """Show that a field is filled, never a PIN."""
    if isinstance(value, Missing):
        return value.value
    return "set" if isinstance(value, Pin) else value


def _when(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def _text(document: dict[str, Any]) -> str:
    """Lay the document out for people."""
    lines = [f"Rental {document['rental']} of {document['business']}"]
    for title in ("facts", "rules", "desired", "pin", "known", "would_do", "work", "problems"):
        lines += ["", title.replace("_", " ").capitalize()]
        lines += [f"  {line}" for line in _lines(document[title])]
    return "\n".join(lines)


def _lines(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{key.replace('_', ' ')}: {_word(entry)}" for key, entry in value.items()]
    if isinstance(value, list) and value:
        return [_word(entry) for entry in value]
    return ["nothing"]


def _word(value: object) -> str:
    match value:
        case None | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{key.replace('_', ' ')} {_word(entry)}" for key, entry in value.items())
        case list():
            return ", ".join(map(_word, value))
        case _:
            return str(value)
