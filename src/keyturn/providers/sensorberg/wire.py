"""Sensorberg's JSON:API bodies and answers.

Pure, and the only place that knows Sensorberg's attribute names. Bodies carry no `id`, foreign
keys are plain attributes, and times have neither fraction nor offset: the shapes of the
Sensorberg case study (Storeganise help, article 299), the only ones known to work.
Neighbour: `providers.sensorberg.client`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from keyturn.core.ids import GroupId, OwnerId
from keyturn.core.rental import Owner, Pin
from keyturn.providers.protocol import Membership, Shown
from keyturn.upstream.jsonapi import attributes

USERS = "users"
MEMBERSHIPS = "user-group-memberships"
OPEN_END = datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)
"""What the case study writes to open a membership again; whether `null` would do is not known."""
KNOWN_ATTRIBUTES = frozenset(
    {
        "email",
        "locale",
        "full-name",
        "identification-code",
        "external-identifier",
        "external-user-identifier",
        "external-user-group-identifier",
        "starts-at",
        "ends-at",
    }
)
"""The attribute names an error may be said to be about; nothing else of an error is kept."""


class Mismatch(ValueError):
    """The answer is about something else than what was asked. The text names no value."""


def timestamp(instant: datetime) -> str:
    """Write an instant as Sensorberg takes it, cut to the second: `2026-01-31T23:00:00Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def user_body(owner: Owner, *, with_locale: bool) -> bytes:
    """Write a new user. What the owner lacks is left out, but a name is due: the id stands in for it."""
    given = {
        "full-name": owner.name or owner.id,
        "email": owner.email,
        "external-identifier": owner.id,
        "locale": owner.locale if with_locale else None,
    }
    return _body(USERS, {name: text for name, text in given.items() if text is not None})


def code_body(pin: Pin) -> bytes:
    """Write a user's code, always as text."""
    return _body(USERS, {"identification-code": pin.reveal()})


def membership_body(membership: Membership, *, created_at: datetime | None) -> bytes:
    """Write a new membership. An open-ended one carries no `ends-at`."""
    given: dict[str, str] = {
        "external-identifier": membership.external_id,
        "external-user-identifier": membership.user,
        "external-user-group-identifier": membership.group,
    }
    if created_at is not None:
        given["created-at"] = timestamp(created_at)
    given["starts-at"] = timestamp(membership.starts_at)
    if membership.ends_at is not None:
        given["ends-at"] = timestamp(membership.ends_at)
    return _body(MEMBERSHIPS, given)


def end_body(ends_at: datetime | None) -> bytes:
    """Write only the end of a membership; open-ended is the year 2099."""
    return _body(MEMBERSHIPS, {"ends-at": timestamp(OPEN_END if ends_at is None else ends_at)})


def shown(document: object, *, asked: str) -> Shown:
    """Read what an answer shows of the record `asked` for; raises `Mismatch` if it shows another.

    A user's answer shows nothing of these, but is held to the same external id.
    """
    found = attributes(document)
    identifier = _text(found, "external-identifier")
    if identifier is not None and identifier != asked:
        raise Mismatch("answered about something else: another external id")
    user, group = _text(found, "external-user-identifier"), _text(found, "external-user-group-identifier")
    return Shown(
        user=None if user is None else OwnerId(user),
        group=None if group is None else GroupId(group),
        starts_at=_instant(found.get("starts-at")),
    )


def _body(kind: str, given: Mapping[str, str]) -> bytes:
    document = {"data": {"type": kind, "attributes": dict(given)}}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _text(found: Mapping[str, Any], key: str) -> str | None:
    value = found.get(key)
    return value if isinstance(value, str) and value else None


def _instant(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
        return read.astimezone(UTC) if read.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
