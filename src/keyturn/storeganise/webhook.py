"""Webhooks as bytes: is this delivery genuine, what does it name, and what does that wake?

Pure. A webhook only says "look again": nothing of it is believed but ids, and nothing of it is
kept but ids, so that no name, address or code can slip into the database. It must never raise
anything but `WebhookRejected`. Neighbours: `web.hooks` brings the bytes, `engine.intake` stores
the reduced document and wakes the subjects.

Sources: Storeganise help, article 19 ("Webhooks"), article 475 ("Add-on technical reference"),
article 299 (the Sensorberg case study), and the add-on starter template.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NoReturn, TypeVar

from keyturn.core.ids import BusinessCode, JobId, OwnerId, RentalId, UnitId, is_id
from keyturn.core.rental import Event
from keyturn.core.work import DELTA_SWEEP, Kind, Subject
from keyturn.errors import WebhookRejected

DAILY_EVENT = "addon.dailyEvent.started"
RENTAL_EVENTS = frozenset(
    {
        "job.unit_moveIn.created",
        "job.unit_moveIn.cancelled",
        "job.unit_moveIn.completed",
        "job.unit_moveOut.created",
        "job.unit_moveOut.cancelled",
        "job.unit_moveOut.completed",
        "job.unit_transfer.completed",
        "unitRental.updated",
        "unitRental.markOverdue",
        "unitRental.unmarkOverdue",
    }
)
TRANSFER_EVENT = "job.unit_transfer.completed"
OWNER_EVENT = "user.updated"
UNIT_EVENT = "unit.updated"
KNOWN_EVENTS = RENTAL_EVENTS | {OWNER_EVENT, UNIT_EVENT, DAILY_EVENT}

AnyId = TypeVar("AnyId", bound=str)

_NOBODY = b"no business has this secret"
_TYPE = re.compile(r"[!-~]{1,100}", re.ASCII)
_KEY = re.compile(r"[A-Za-z]{1,40}Ids?", re.ASCII)
_CHANGED = re.compile(r"[A-Za-z0-9_.-]{1,80}", re.ASCII)
_MOST_CHANGED = 50
_MOST_KEYS = 20
_PLAIN: Mapping[str, re.Pattern[str]] = {
    "created": re.compile(r"[0-9T:.Z+-]{10,35}", re.ASCII),
    "businessCode": re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII),
    "apiUrl": re.compile(r"https?://[A-Za-z0-9.:/_\[\]-]{1,200}", re.ASCII),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedWebhook:
    """A delivery, reduced to what may be kept."""

    event: Event
    document: Mapping[str, Any]
    """What is stored: envelope ids and addresses, and of `data` the ids and the changed keys."""
    changed: tuple[str, ...]
    """Names of the fields the sender says have changed; never their values."""
    addon: str | None
    """The add-on installation it comes from, where it says so."""
    api_url: str | None
    """`None` where the event names none, empty where what it names is no address."""
    body: bytes = field(repr=False)
    """As received; not kept."""
    created: str | None
    noted: tuple[str, ...]
    """Names of the keys whose ids were unusable and were dropped."""


class Reading(Enum):
    """What an event came to."""

    WAKES = "wakes"
    IGNORED = "ignored"
    """Not one of the types that concern access."""
    UNRESOLVED = "unresolved"
    """A known type that names nothing usable; a delta sweep looks for what it meant."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subjects:
    """What an event wakes."""

    wakes: tuple[Subject, ...]
    reading: Reading


def verify(body: bytes, signature: str | None, secrets: Sequence[bytes]) -> bool:
    """Say whether `signature` (`sg-signature`) is the base64 HMAC-SHA256 of `body` under one of the secrets.

    No secret at all (an unknown business) takes the work of one secret and is never true; neither
    is an empty secret. Never raises, whatever the header holds.
    """
    given = (signature or "").encode("utf-8", "backslashreplace")
    genuine = False
    for secret in secrets or (_NOBODY,):
        expected = base64.b64encode(hmac.digest(secret, body, "sha256"))
        # Every secret is tried, so that the time does not tell which one fitted.
        genuine |= hmac.compare_digest(expected, given) and bool(secret)
    return genuine and bool(secrets)


def parse(body: bytes, business: BusinessCode) -> ParsedWebhook:
    """Read a delivery. Unknown keys are fine; only `type` must be there.

    Raises `WebhookRejected` (400) for anything that is not one JSON object with a type.
    """
    envelope = _envelope(body)
    data = envelope.get("data")
    named = _Named(data if isinstance(data, dict) else {})
    event = Event(
        business=business,
        id=_id_or_none(envelope.get("id")),
        type=_event_type(envelope),
        rentals=named.rentals(),
        transfer=named.transfer(),
        job=named.one("jobId", JobId),
        owner=named.one("userId", OwnerId),
        unit=named.one("unitId", UnitId),
    )
    addon = _id_or_none(envelope.get("addonId")) or named.one("addonId", str)
    changed = _changed_keys(named.data.get("changedKeys"))
    plain = {key: text for key, shape in _PLAIN.items() if (text := _plain(envelope.get(key), shape)) is not None}
    document = _document(event, addon, plain, named.kept(), changed)
    return ParsedWebhook(
        event=event,
        document=document,
        changed=changed,
        addon=addon,
        api_url=plain.get("apiUrl") or (None if envelope.get("apiUrl") is None else ""),
        body=body,
        created=plain.get("created"),
        noted=named.unusable(),
    )


def subjects(event: Event) -> Subjects:
    """Say what is looked at because of `event`.

    | event | wakes |
    |---|---|
    | `job.unit_moveIn.*`, `job.unit_moveOut.*` (created, cancelled, completed) | the rental, else the job |
    | `job.unit_transfer.completed` | both rentals, else the job too |
    | `unitRental.updated`, `.markOverdue`, `.unmarkOverdue` | the rentals, else the job |
    | `user.updated` | the owner |
    | `unit.updated` | the unit |
    | `addon.dailyEvent.started` | a delta sweep |
    | anything else | nothing |
    """
    if event.type not in KNOWN_EVENTS:
        return Subjects(wakes=(), reading=Reading.IGNORED)
    if event.type == DAILY_EVENT:
        return Subjects(wakes=(DELTA_SWEEP,), reading=Reading.WAKES)
    wakes = tuple(_woken(event))
    if not wakes:
        return Subjects(wakes=(DELTA_SWEEP,), reading=Reading.UNRESOLVED)
    return Subjects(wakes=wakes, reading=Reading.WAKES)


def _woken(event: Event) -> Iterable[Subject]:
    if event.type == OWNER_EVENT:
        return _subject(Kind.OWNER, event.owner)
    if event.type == UNIT_EVENT:
        return _subject(Kind.UNIT, event.unit)
    rentals = [Subject.of(Kind.RENTAL, rental) for rental in event.rentals]
    complete = event.transfer is not None if event.type == TRANSFER_EVENT else bool(rentals)
    if complete:
        return rentals
    # Half a transfer, or no rental at all: the job knows the rest; failing that, the unit.
    return rentals + (_subject(Kind.JOB, event.job) or ([] if rentals else _subject(Kind.UNIT, event.unit)))


def _subject(kind: Kind, subject_id: str | None) -> list[Subject]:
    return [] if subject_id is None else [Subject.of(kind, subject_id)]


class _Named:
    """What `data` names: each key that ends in `Id` or `Ids`, with its usable ids."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        keys = [key for key in data if _KEY.fullmatch(key)][:_MOST_KEYS]
        self._ids = {key: _ids(data[key], several=key.endswith("Ids")) for key in keys}

    def one(self, key: str, kind: Callable[[str], AnyId]) -> AnyId | None:
        found = self._ids.get(key, ())
        return kind(found[0]) if len(found) == 1 else None

    def rentals(self) -> tuple[RentalId, ...]:
        keys = ("unitRentalId", "unitRentalIds", "oldRentalId", "newRentalId")
        found = [RentalId(text) for key in keys for text in self._ids.get(key, ())]
        return tuple(dict.fromkeys(found))

    def transfer(self) -> tuple[RentalId, RentalId] | None:
        old, new = self.one("oldRentalId", RentalId), self.one("newRentalId", RentalId)
        return (old, new) if old is not None and new is not None and old != new else None

    def kept(self) -> dict[str, Any]:
        return {key: list(ids) if key.endswith("Ids") else ids[0] for key, ids in self._ids.items() if ids}

    def unusable(self) -> tuple[str, ...]:
        return tuple(key for key, ids in self._ids.items() if not ids and self.data[key] is not None)


def _ids(value: object, *, several: bool) -> tuple[str, ...]:
    """Read ids given as text, as an object with `id`, or (`several`) as a list or comma-separated text of them."""
    if several and isinstance(value, str):
        value = value.split(",")
    parts = value if several and isinstance(value, list) else [value]
    plain = [part.get("id") if isinstance(part, dict) else part for part in parts]
    stripped = [part.strip() for part in plain if isinstance(part, str)]
    return tuple(dict.fromkeys(text for text in stripped if is_id(text)))


def _envelope(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        # Not chained: the decoder's message can quote the body.
        raise WebhookRejected(400, "the body is not proper JSON") from None
    if not isinstance(document, dict):
        raise WebhookRejected(400, "the body is not a JSON object")
    return document


def _event_type(envelope: Mapping[str, Any]) -> str:
    value = envelope.get("type")
    if not isinstance(value, str) or not _TYPE.fullmatch(value):
        raise WebhookRejected(400, "the event has no usable type")
    return value


def _id_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and is_id(value) else None


def _plain(value: object, shape: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and shape.fullmatch(value) else None


def _changed_keys(value: object) -> tuple[str, ...]:
    keys = value if isinstance(value, list) else []
    return tuple(key for key in keys if isinstance(key, str) and _CHANGED.fullmatch(key))[:_MOST_CHANGED]


def _document(
    event: Event, addon: str | None, plain: Mapping[str, str], ids: Mapping[str, Any], changed: tuple[str, ...]
) -> dict[str, Any]:
    envelope = {"id": event.id, "type": event.type, **plain, "addonId": addon}
    data = {**ids, **({"changedKeys": list(changed)} if changed else {})}
    return {key: value for key, value in envelope.items() if value is not None} | {"data": data}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a key is repeated")
    return read
