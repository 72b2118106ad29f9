"""Storeganise's JSON turned into facts, and facts into request bodies.

Pure, and the only place that knows Storeganise's field names. Unknown keys are ignored and
nonsense becomes "not there"; only an answer about something else than what was asked is an
error (`Mismatch`), because believing it would open or close the wrong door.
Neighbour: `storeganise.client`.

Shapes: Storeganise help, article 189 ("Unit rental page") for the states, article 299 (the
Sensorberg case study) for the custom fields, article 343 ("Develop an add-on") for `include`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from keyturn.core.ids import AddonId, GroupId, JobId, OwnerId, RentalId, SiteId, UnitId, is_id
from keyturn.core.installation import AddonRecord
from keyturn.core.problem import Target
from keyturn.core.rental import Job, Missing, Owner, Pin, Rental, RentalState, Site, Tenancy, Unit
from keyturn.core.words import LANGUAGES
from keyturn.storeganise.fields import CREDENTIALS, GROUP, OVERLOCKED, RENTAL_PIN, SYSTEM

AnyId = TypeVar("AnyId", bound=str)
AnyRecord = TypeVar("AnyRecord", Unit, Owner)

_YEARS = (1970, 2200)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LANGUAGE = re.compile(r"([A-Za-z]{2})(?:[-_].*)?", re.ASCII)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_PIN = RENTAL_PIN.code
_OVERLOCKED = OVERLOCKED.code
_GROUP = GROUP.code
_SYSTEM = SYSTEM.code
_STATES = {state.value: state for state in RentalState}


class Mismatch(ValueError):
    """The answer is not about what was asked. The text names no value."""


def tenancy(value: object, *, asked: Collection[RentalId] | None = None, owner: OwnerId | None = None) -> Tenancy:
    """Read a rental with its nested unit and owner, each `None` where the answer lacks it or shows another.

    `asked`: the rental must be one of these. `owner`: it must belong to them.
    """
    row = _record(value)
    facts = rental(row)
    if asked is not None and facts.id not in asked:
        raise Mismatch("answered about something else: a rental that was not asked for")
    if owner is not None and facts.owner_id != owner:
        raise Mismatch("answered about something else: a rental of another owner")
    return Tenancy(
        rental=facts,
        unit=_nested(row, "unit", unit, facts.unit_id),
        owner=_nested(row, "owner", owner_record, facts.owner_id),
    )


def rental(value: object, *, asked: RentalId | None = None) -> Rental:
    """Read a unit rental."""
    row = _record(value)
    fields = _custom_fields(row)
    return Rental(
        id=RentalId(_own_id(row, asked)),
        state=_state(row.get("state")),
        owner_id=_typed(row, "ownerId", OwnerId),
        unit_id=_typed(row, "unitId", UnitId),
        site_id=_typed(row, "siteId", SiteId),
        start=_date(row.get("startDate")),
        end=_date(row.get("endDate")),
        overdue=_overdue(row),
        created=_instant(row.get("created")),
        updated=_instant(row.get("updated")),
        pin=_pin(fields),
        overlocked=_flag(fields),
    )


def rental_id(value: object) -> RentalId:
    """Read only which rental a row is about."""
    return RentalId(_own_id(_record(value), None))


def unit(value: object, *, asked: UnitId | None = None) -> Unit:
    """Read a unit."""
    row = _record(value)
    group = _text_field(_custom_fields(row), _GROUP)
    return Unit(
        id=UnitId(_own_id(row, asked)),
        site_id=_typed(row, "siteId", SiteId),
        name=_text(row.get("name")),
        rental_id=_typed(row, "rentalId", RentalId),
        group=group if isinstance(group, Missing) else GroupId(group),
        archived=row.get("state") == "archived",
    )


def owner_record(value: object, *, asked: OwnerId | None = None) -> Owner:
    """Read a user, who is an owner to us."""
    row = _record(value)
    language = _LANGUAGE.fullmatch(_text(row.get("language")) or "")
    return Owner(
        id=OwnerId(_own_id(row, asked)),
        name=_text(row.get("name")) or _joined(row.get("firstName"), row.get("lastName")),
        email=_text(row.get("email")),
        locale=language[1].lower() if language else None,
        created=_instant(row.get("created")),
        updated=_instant(row.get("updated")),
        pin=_pin(_custom_fields(row)),
    )


def site(value: object, *, asked: SiteId | None = None) -> Site:
    """Read a site, with its own provider credentials where its custom fields carry them."""
    row = _record(value)
    fields = _custom_fields(row)
    return Site(
        id=SiteId(_own_id(row, asked)),
        system=_text_field(fields, _SYSTEM),
        credentials=_credentials(fields),
        language=_staff_language(row),
    )


def addon(value: object, *, asked: AddonId | None = None) -> AddonRecord:
    """Read an installation's record. How it names its site is not documented: `siteId`, `site`, `siteIds` count."""
    row = _record(value)
    several = row.get("siteIds")
    named = [row.get("siteId"), row.get("site"), *(several if isinstance(several, list) else [])]
    return AddonRecord(
        id=AddonId(_own_id(row, asked)),
        sites=frozenset(SiteId(text) for value in named if (text := _id_of(value)) is not None),
        credentials=_credentials(_custom_fields(row)),
    )


def _staff_language(row: Mapping[str, Any]) -> str | None:
    """Read the language of a site's staff: its own field, else the only one of ours in which the title is written.

    A site record has no documented language; `title` is a map from language to text (captured samples).
    """
    own = _LANGUAGE.fullmatch(_text(row.get("language")) or "")
    if own is not None and own[1].lower() in LANGUAGES:
        return own[1].lower()
    titles = _mapping(row.get("title"))
    written = [language for language in LANGUAGES if _text(titles.get(language)) is not None]
    return written[0] if len(written) == 1 else None


def _credentials(fields: Mapping[str, Any] | None) -> dict[str, str]:
    found = {ours: _text_field(fields, theirs) for ours, theirs in CREDENTIALS.items()}
    return {name: text for name, text in found.items() if isinstance(text, str)}


def job(value: object, *, asked: JobId | None = None) -> Job:
    """Read a job: the rentals and the unit it concerns, from its result, else from its steps' results.

    Unit: `result`, else the steps, else `data` (in jobs of move-ins the data often lacks it). A transfer's old rental
    may stand in `data` alone.
    `job.ownerId` can be the user behind an API key and is not read.
    """
    row = _record(value)
    results = [_mapping(row.get("result")), *_step_results(row)]
    named = [*results, _mapping(row.get("data"))]
    old, new = _first_id(named, "oldRentalId"), _first_id(named, "newRentalId")
    pair = (RentalId(old), RentalId(new)) if old is not None and new is not None and old != new else None
    unit_id = _first_id(named, "unitId") or _first_id(named, "newUnitId")
    return Job(
        id=JobId(_own_id(row, asked)),
        type=_text(row.get("type")) or "",
        rentals=tuple(
            dict.fromkeys([*_job_rentals(results), *(RentalId(id_) for id_ in (old, new) if id_ is not None)])
        ),
        transfer=pair,
        unit_id=None if unit_id is None else UnitId(unit_id),
    )


def rows(value: object) -> Sequence[object]:
    """Return the rows of a list answer: a bare array, or an object that holds one as `data`."""
    if isinstance(value, dict):
        value = value.get("data")
    if not isinstance(value, list):
        raise Mismatch("the answer is not a list")
    return value


def is_resource(value: object) -> bool:
    """Say whether the answer to a write shows the record that was written."""
    return isinstance(value, dict) and is_id(value.get("id"))


def owner_body(pin: Pin) -> bytes:
    """Write an owner's PIN field; other custom fields stay (article 299)."""
    return _body({_PIN: pin.reveal()})


def rental_body(*, pin: Pin | Missing | None, overlocked: bool | None) -> bytes | None:
    """Write a rental's fields; `None` leaves one alone, a `Missing` PIN clears it. `None`: nothing to write."""
    fields: dict[str, str | bool | None] = {}
    if pin is not None:
        fields[_PIN] = pin.reveal() if isinstance(pin, Pin) else None
    if overlocked is not None:
        fields[_OVERLOCKED] = overlocked
    return _body(fields) if fields else None


def task_body(target: Target, title: str, text: str) -> bytes:
    """Write a task for site staff about one record (add-on starter template)."""
    about = {"targetType": target.kind.value, "targetId": target.id, "title": title, "desc": text}
    return _json({"type": "task", "ownerId": None, "data": about})


def _body(fields: Mapping[str, str | bool | None]) -> bytes:
    return _json({"customFields": dict(fields)})


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _record(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Mismatch("the answer is not a record")
    return value


def _nested(
    row: Mapping[str, Any], key: str, read: Callable[[object], AnyRecord], expected: str | None
) -> AnyRecord | None:
    """Read a nested record if it is the one the rental names; a stray one must not spoil a whole list."""
    try:
        found = read(row.get(key))
    except Mismatch:
        return None
    return found if found.id == expected else None


def _own_id(row: Mapping[str, Any], asked: str | None) -> str:
    found = row.get("id")
    if not isinstance(found, str) or not is_id(found):
        raise Mismatch("the answer is a record without an id")
    if asked is not None and found != asked:
        raise Mismatch("answered about something else: another id")
    return found


def _typed(row: Mapping[str, Any], key: str, kind: Callable[[str], AnyId]) -> AnyId | None:
    found = _id_of(row.get(key))
    return None if found is None else kind(found)


def _id_of(value: object) -> str | None:
    """Read an id given as text or as an object that carries one."""
    plain = value.get("id") if isinstance(value, dict) else value
    return plain if isinstance(plain, str) and is_id(plain) else None


def _job_rentals(results: Sequence[Mapping[str, Any]]) -> tuple[RentalId, ...]:
    """Name the rentals of the first result that names any: the job's own, else each step's."""
    own, *steps = results
    found = _rentals_in([own]) or _rentals_in(steps)
    return tuple(dict.fromkeys(found))


def _rentals_in(results: Sequence[Mapping[str, Any]]) -> list[RentalId]:
    keys = ("unitRentalId", "oldRentalId", "newRentalId")
    found = [_id_of(result.get(key)) for result in results for key in keys]
    return [RentalId(text) for text in found if text is not None]


def _step_results(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    steps = row.get("steps")
    return [_mapping(_mapping(step).get("result")) for step in steps] if isinstance(steps, list) else []


def _first_id(places: Sequence[Mapping[str, Any]], key: str) -> str | None:
    return next((found for place in places if (found := _id_of(place.get(key))) is not None), None)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _state(value: object) -> RentalState:
    return _STATES.get(value, RentalState.UNKNOWN) if isinstance(value, str) else RentalState.UNKNOWN


def _date(value: object) -> date | None:
    """Read a calendar date. A year no rental can have is a slip and counts as missing."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        read = date.fromisoformat(value)
    except ValueError:
        return None
    return read if _YEARS[0] <= read.year <= _YEARS[1] else None


def _instant(value: object) -> datetime | None:
    """Read an ISO instant with an offset or Z. A local time without one names no instant."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
        return read.astimezone(UTC) if read.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _overdue(row: Mapping[str, Any]) -> datetime | None:
    """Read since when a rental is overdue. Any value that is not empty means that it is.

    A value that is no instant must not let an overdue tenant in, and must be the same at each
    read, since a release is bound to it: a local time counts as UTC, anything else as the
    instant the rental was created.
    """
    value = row.get("overdue")
    if not value:
        return None
    return (
        _instant(value)
        or _instant(f"{value}Z")
        or _instant(f"{value}T00Z")
        or _instant(row.get("created"))
        or _LONG_AGO
    )


def _text(value: object) -> str | None:
    """Return stripped text; blank text and anything else is not there."""
    return (value.strip() or None) if isinstance(value, str) else None


def _joined(*parts: object) -> str | None:
    return " ".join(text for part in parts if (text := _text(part))) or None


def _custom_fields(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the custom fields; `None` when the answer does not carry them, which is not the same as empty."""
    fields = row.get("customFields")
    return fields if isinstance(fields, dict) else None


def _text_field(fields: Mapping[str, Any] | None, key: str) -> str | Missing:
    """Read a text field. A number is its digits; any other kind of value says nothing we understand."""
    if fields is None:
        return Missing.UNKNOWN
    value = fields.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    match value:
        case None:
            return Missing.EMPTY
        case bool() | float() | dict() | list():
            return Missing.UNKNOWN
        case _:
            return str(value).strip() or Missing.EMPTY


def _pin(fields: Mapping[str, Any] | None) -> Pin | Missing:
    text = _text_field(fields, _PIN)
    return text if isinstance(text, Missing) else Pin(text)


def _flag(fields: Mapping[str, Any] | None) -> bool | Missing:
    if fields is None:
        return Missing.UNKNOWN
    value = fields.get(_OVERLOCKED)
    if isinstance(value, bool):
        return value
    if value is None:
        return Missing.EMPTY
    words: Mapping[str, bool | Missing] = {"true": True, "false": False, "": Missing.EMPTY}
    return words.get(value.strip().lower(), Missing.UNKNOWN) if isinstance(value, str) else Missing.UNKNOWN
