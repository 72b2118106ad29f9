"""Do the custom fields exist? Storeganise lists none of its definitions, so it shows in what the records carry.

A field that no record shows may just be empty everywhere. It counts as missing where a value must be by now: a
unit without any group, a live rental without any PIN. Before that, it is only noted as not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from keyturn.core.ids import BusinessCode, RentalId
from keyturn.core.memory import FieldMemory, RentalMemory
from keyturn.core.problem import ProblemCode
from keyturn.core.rental import Missing, Owner, Rental, Site, Unit
from keyturn.doctor.field_list import RECORDS
from keyturn.doctor.finding import Code, Finding, Severity
from keyturn.store.problems import Problem
from keyturn.storeganise.fields import GROUP, OVERLOCKED, OWNER_PIN, RENTAL_PIN, SYSTEM, CustomField

_LIST = "`keyturn doctor --fix-fields` lists all fields and where to create them."
_THEN = {
    GROUP: "Then enter the access group of each unit.",
    SYSTEM: "Then enter `sensorberg` at each site that Keyturn shall look after.",
    OWNER_PIN: "Then enter a PIN there for each tenant who has none; Keyturn sends it to Sensorberg.",
    RENTAL_PIN: "Then enter another PIN in the field of the user; Keyturn shows it on the rentals.",
    OVERLOCKED: "Then tick it on the rentals that are to be locked.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What was read of an account."""

    sites: Sequence[Site] = ()
    units: Sequence[Unit] = ()
    rentals: Sequence[Rental] = ()
    owners: Sequence[Owner] = ()
    remembered: Mapping[RentalId, RentalMemory] = field(default_factory=dict)
    """What Keyturn knows of these rentals."""


def of_records(business: BusinessCode, shown: Shown, *, plain: bool) -> list[Finding]:
    """Look for each field on the records. `plain`: sites are in scope by their field."""
    live = {one.id for one in shown.remembered.values() if one.live and _was_written(one.pin)}
    tenants = {rental.owner_id for rental in shown.rentals if rental.id in live}
    locked = any(one.lock_at is not None for one in shown.remembered.values())
    evidence: list[tuple[CustomField, list[object], bool]] = [
        (GROUP, [unit.group for unit in shown.units], True),
        (OWNER_PIN, [owner.pin for owner in shown.owners], any(owner.id in tenants for owner in shown.owners)),
        (RENTAL_PIN, [rental.pin for rental in shown.rentals], bool(live)),
        (OVERLOCKED, [rental.overlocked for rental in shown.rentals], locked),
    ]
    if plain:
        evidence.insert(0, (SYSTEM, [site.system for site in shown.sites], True))
    absent = [(one, due) for one, values, due in evidence if _on_none(values)]
    unseen = [one for one, due in absent if not due]
    return [*(_missing(business, one) for one, due in absent if due), *_unseen(business, unseen)]


def _was_written(field: FieldMemory) -> bool:
    """Say whether a value of ours arrived there, or Storeganise said that it took one."""
    return bool(field.seen or field.not_kept or field.answered)


def _on_none(values: Sequence[object]) -> bool:
    """Say whether custom fields were returned and none of them has a value here."""
    return Missing.EMPTY in values and all(isinstance(value, Missing) for value in values)


def _missing(business: BusinessCode, one: CustomField) -> Finding:
    return Finding(
        code=Code.FIELD_MISSING,
        severity=Severity.WARNING,
        business=business,
        about=f"field {one.code} of a {RECORDS[one.on]}",
        text=f"No {RECORDS[one.on]} shows it: it seems not to exist in Storeganise, or it is empty everywhere.",
        advice=f"{where(one)} {_THEN[one]} {_LIST}",
    )


def _unseen(business: BusinessCode, fields: Sequence[CustomField]) -> Iterator[Finding]:
    if fields:
        names = ", ".join(f"{one.code} of a {RECORDS[one.on]}" for one in fields)
        yield Finding(
            code=Code.FIELD_UNSEEN,
            severity=Severity.NOTE,
            business=business,
            about="custom fields",
            text=f"Whether these exist cannot be told, for none has a value yet: {names}.",
            advice=f"Make sure that they exist. {_LIST}",
        )


def where(one: CustomField) -> str:
    """Say where in Storeganise a field is created."""
    return f"Create it in Storeganise under Main settings > Custom fields: {RECORDS[one.on]}, code {one.code}."


def of_problems(business: BusinessCode, problems: Sequence[Problem]) -> Iterator[Finding]:
    """Report values that Storeganise did not take."""
    lost = [problem for problem in problems if problem.code == ProblemCode.FIELD_NOT_KEPT.value]
    refused = [problem for problem in problems if problem.code == ProblemCode.WRITE_REFUSED.value]
    if lost:
        yield Finding(
            code=Code.FIELD_NOT_KEPT,
            severity=Severity.ERROR,
            business=business,
            about=_subjects(lost),
            text="Storeganise accepted values and does not show them: a custom field does not exist or takes nothing.",
            advice=f"Create it, writable over the API. {_THEN[OWNER_PIN]} {_LIST}",
        )
    if refused:
        yield Finding(
            code=Code.WRITE_REFUSED,
            severity=Severity.ERROR,
            business=business,
            about=_subjects(refused),
            text="Storeganise refuses to write the fields of these rentals, or of their tenants.",
            advice=f"Create the fields, and give the API key the role admin. It is tried again every hour. {_LIST}",
        )


def _subjects(problems: Sequence[Problem], most: int = 5) -> str:
    names = [f"{problem.subject.kind} {problem.subject.id}" for problem in problems]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
