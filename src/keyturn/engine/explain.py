"""Why a tenant can or cannot open the door: what a look would see, decide and do, without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keyturn.clock import Clock
from keyturn.core.ids import RentalId
from keyturn.core.membership import Access, foresee
from keyturn.core.memory import Record
from keyturn.core.rental import Missing, Pin
from keyturn.core.work import Kind, Subject
from keyturn.engine.business import Business
from keyturn.engine.case import OwnerCase, RentalCase
from keyturn.engine.observe import Observer
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
    business: Business, rental: RentalId, observer: Observer, shelf: Shelf, clock: Clock
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
        "desired": _desired(found),
        "pin": _pin(owner, found),
        "known": [_record(record) for record in found.records],
        "would_do": [f"{call.verb.value} {call.record.external_id}: {call.reason}" for call in _calls(found)],
        "work": {"state": row.state.value, "reason": row.reason, "due_at": _when(row.due_at)} if row else None,
        "problems": [{"code": problem.code, "text": problem.text} for problem in problems],
    }
    held = found.desired.access is Access.HOLD and found.desired.in_scope
    ok = not (held or problems or document["would_do"])
    return Explanation(text=_text(document), document=document, ok=ok)


def _ids(found: RentalCase) -> set[str]:
    memory = found.memory
    return {str(id_) for id_ in (found.id, memory.owner_id, memory.unit_id, memory.site_id) if id_ is not None}


def _calls(found: RentalCase) -> list[Any]:
    wanted = found.wanted
    return list(foresee(wanted, found.records)) if wanted is not None else []


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
    for title in ("facts", "desired", "pin", "known", "would_do", "work", "problems"):
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
