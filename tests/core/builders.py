"""Small builders for the tests of the decisions: one correct case each, of which a test changes what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from keyturn.core.entitlement import Situation
from keyturn.core.ids import ExternalId, GroupId, OwnerId, PinHash, RentalId, SiteId, TenantUrl, UnitId
from keyturn.core.membership import Access, Answered, Call, History, Result, Stuck, Verb, Wanted
from keyturn.core.memory import FieldMemory, Record, RecordState, RentalMemory
from keyturn.core.pin import PinCopy, PinRules
from keyturn.core.policy import Policy
from keyturn.core.rental import Missing, Owner, Pin, Rental, RentalState, Site, Tenancy, Unit

RENTAL = RentalId("r1")
OWNER = OwnerId("o1")
STRANGER = OwnerId("o2")
UNIT = UnitId("u1")
SITE = SiteId("s1")
GROUP = GroupId("g1")
HERE = TenantUrl("https://here.sensorberg.io")
ELSEWHERE = TenantUrl("https://elsewhere.sensorberg.io")
BERLIN = ZoneInfo("Europe/Berlin")

NOW = datetime(2027, 5, 10, 12, tzinfo=UTC)
START = date(2027, 5, 1)
STARTED = datetime(2027, 4, 30, 22, tzinfo=UTC)
"""The first instant of `START` in Berlin."""
OVERDUE = datetime(2027, 5, 8, 6, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def a_rental(**changes: Any) -> Rental:
    """An occupied rental that started some days ago, with empty custom fields."""
    facts: dict[str, Any] = {
        "id": RENTAL,
        "state": RentalState.OCCUPIED,
        "owner_id": OWNER,
        "unit_id": UNIT,
        "site_id": SITE,
        "start": START,
        "end": None,
        "overdue": None,
        "created": STARTED - 7 * DAY,
        "updated": NOW,
        "pin": Missing.EMPTY,
        "overlocked": Missing.EMPTY,
    }
    return Rental(**{**facts, **changes})


def a_unit(**changes: Any) -> Unit:
    """A unit with an access group."""
    facts: dict[str, Any] = {"id": UNIT, "site_id": SITE, "name": "A-01", "rental_id": RENTAL, "group": GROUP}
    return Unit(**{**facts, **changes})


def an_owner(**changes: Any) -> Owner:
    """A customer without a PIN."""
    facts: dict[str, Any] = {
        "id": OWNER,
        "name": "Erika Musterfrau",
        "email": "erika@example.org",
        "locale": "de",
        "created": STARTED - 7 * DAY,
        "updated": NOW,
        "pin": Missing.EMPTY,
    }
    return Owner(**{**facts, **changes})


def a_site(system: str | Missing = "sensorberg") -> Site:
    """A site that uses the access system."""
    return Site(id=SITE, system=system)


def a_policy(**changes: Any) -> Policy:
    """The default rules."""
    return Policy(**{"system": "sensorberg", **changes})


def a_memory(**changes: Any) -> RentalMemory:
    """An occupied rental as remembered after a first, quiet look; `memory_lost` is the memory without one."""
    remembered: dict[str, Any] = {
        "id": RENTAL,
        "owner_id": OWNER,
        "unit_id": UNIT,
        "site_id": SITE,
        "tenant": HERE,
        "group": GROUP,
        "state": "occupied",
        "live": True,
        "start": START,
        "created": STARTED - 7 * DAY,
        "first_seen": STARTED,
        "overlock": FieldMemory(seen="false"),
        "pin": FieldMemory(seen=""),
    }
    return RentalMemory(**{**remembered, **changes})


def memory_lost() -> RentalMemory:
    """A rental of which nothing is remembered."""
    return RentalMemory(id=RENTAL)


def a_tenancy(rental: Rental | None = None, **changes: Any) -> Tenancy:
    """A rental with its unit and owner."""
    return Tenancy(**{"rental": rental or a_rental(), "unit": a_unit(), "owner": an_owner(), **changes})


def a_situation(rental: Rental | None = None, memory: RentalMemory | None = None, **changes: Any) -> Situation:
    """A known rental with a membership, looked at now."""
    looked_at: dict[str, Any] = {
        "tenancy": a_tenancy(rental),
        "site": a_site(),
        "zone": BERLIN,
        "memory": memory or a_memory(),
        "policy": a_policy(),
        "now": NOW,
        "provider_now": NOW,
        "has_membership": True,
    }
    return Situation(**{**looked_at, **changes})


def a_wanted(**changes: Any) -> Wanted:
    """An open-ended membership that has started, for a rental older than our memory."""
    wish: dict[str, Any] = {
        "access": Access.MEMBER,
        "rental_id": RENTAL,
        "tenant": HERE,
        "user": OWNER,
        "group": GROUP,
        "starts_at": STARTED,
        "ends_at": None,
        "locked": False,
        "closes_at": NOW - MINUTE,
        "look_first": True,
        "now": NOW,
    }
    return Wanted(**{**wish, **changes})


def a_record(**changes: Any) -> Record:
    """The membership of `a_wanted`, made by ourselves and confirmed."""
    confirmed: dict[str, Any] = {
        "tenant": HERE,
        "external_id": ExternalId(RENTAL),
        "rental_id": RENTAL,
        "owner_id": OWNER,
        "group": GROUP,
        "starts_at": STARTED,
        "ends_at": None,
        "state": RecordState.KNOWN,
        "made": True,
    }
    return Record(**{**confirmed, **changes})


def tried(results: Mapping[tuple[Verb, str], Result]) -> History:
    """What was already tried in this look at the backend `HERE`."""
    history = History()
    for (verb, external_id), result in results.items():
        call = Call(verb=verb, record=a_record(external_id=ExternalId(external_id)), reason="")
        history = history.add(call, Answered(result=result))
    return history


def in_short(step: Call | Stuck | None) -> str:
    """Say what a step is in one line: `amend r1 until 2027-05-08T06:30`, `stuck: remove`, `nothing`."""
    if step is None:
        return "nothing"
    if isinstance(step, Stuck):
        return f"stuck: {step.what.value}"
    record = step.record
    where = "" if record.tenant == HERE else " elsewhere"
    what = f"{step.verb.value} {record.external_id}{where}"
    if step.verb is Verb.REMOVE:
        return what
    until = "open-ended" if record.ends_at is None else f"until {record.ends_at:%Y-%m-%dT%H:%M}"
    return f"{what} {until}"


def digest(pin: Pin) -> PinHash:
    """A stand-in for the keyed hash: readable, and under the key `k`."""
    return PinHash(f"k:{pin.reveal()}")


def hashed(digits: str) -> PinHash:
    """The hash of these digits."""
    return digest(Pin(digits))


def a_copy(digits: str | Missing, memory: FieldMemory | None = None, **changes: Any) -> PinCopy:
    """A rental's PIN field, read before with the same value; `memory` says otherwise."""
    value = Pin(digits) if isinstance(digits, str) else digits
    seen = hashed(digits) if isinstance(digits, str) else ""
    shown: dict[str, Any] = {
        "record": "r1",
        "is_owner": False,
        "value": value,
        "memory": memory if memory is not None else FieldMemory(seen=seen),
        "updated": NOW,
    }
    return PinCopy(**{**shown, **changes})


def an_owners(digits: str | Missing, memory: FieldMemory | None = None, **changes: Any) -> PinCopy:
    """The owner's own PIN field."""
    return a_copy(digits, memory, **{"record": "o1", "is_owner": True, **changes})


def pin_rules(*in_force: str, **changes: Any) -> PinRules:
    """Six digits, and these codes confirmed by the provider."""
    rules: dict[str, Any] = {"length": 6, "digest": digest, "in_force": frozenset(map(hashed, in_force))}
    return PinRules(**{**rules, **changes})


def digits_of(pin: Pin | None) -> str | None:
    """The digits, for comparing."""
    return pin.reveal() if pin is not None else None


def was(digits: str | None, **more: Any) -> FieldMemory:
    """A PIN field last seen with these digits ("" for empty); more of its memory as digits, too."""
    rest: dict[str, Any] = {name: hashed(value) if isinstance(value, str) else value for name, value in more.items()}
    return FieldMemory(seen=hashed(digits) if digits else digits, **rest)
