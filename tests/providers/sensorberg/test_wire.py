"""Sensorberg's bodies and answers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.provider_contract import ERIKA, RENTAL, START
from keyturn.core.rental import Pin
from keyturn.providers.protocol import Shown
from keyturn.providers.sensorberg import wire


def _attributes(body: bytes, kind: str) -> dict[str, Any]:
    data = json.loads(body)["data"]
    assert data.keys() == {"type", "attributes"}
    assert data["type"] == kind
    return dict(data["attributes"])


def test_user() -> None:
    """A new user carries name, e-mail, external id and locale."""
    assert _attributes(wire.user_body(ERIKA, with_locale=True), "users") == {
        "full-name": "Erika Größe",
        "email": "erika@example.com",
        "external-identifier": "owner-1",
        "locale": "de",
    }


def test_user_who_lacks_things() -> None:
    """What is not known is left out; the id stands in for a missing name, so that the door opens all the same."""
    bare = replace(ERIKA, name=None, email=None, locale=None)
    expected = {"full-name": "owner-1", "external-identifier": "owner-1"}
    assert _attributes(wire.user_body(bare, with_locale=True), "users") == expected
    assert "locale" not in _attributes(wire.user_body(ERIKA, with_locale=False), "users")


def test_code() -> None:
    """A code is text."""
    assert _attributes(wire.code_body(Pin("0042")), "users") == {"identification-code": "0042"}


def test_membership() -> None:
    """An open-ended membership carries no end; one with an end carries it."""
    created_at = datetime(2026, 3, 1, 9, 0, 0, 999999, tzinfo=UTC)
    expected = {
        "external-identifier": "rental-1",
        "external-user-identifier": "owner-1",
        "external-user-group-identifier": "gate-1",
        "created-at": "2026-03-01T09:00:00Z",
        "starts-at": "2026-02-28T23:00:00Z",
    }
    kind = "user-group-memberships"
    assert _attributes(wire.membership_body(RENTAL, created_at=created_at), kind) == expected
    ending = replace(RENTAL, ends_at=START + timedelta(hours=24))
    del expected["created-at"]
    assert _attributes(wire.membership_body(ending, created_at=None), kind) == {
        **expected,
        "ends-at": "2026-03-01T23:00:00Z",
    }


def test_end() -> None:
    """An amendment carries only the end; open-ended is the year 2099."""
    kind = "user-group-memberships"
    assert _attributes(wire.end_body(None), kind) == {"ends-at": "2099-12-31T23:59:59Z"}
    assert _attributes(wire.end_body(START), kind) == {"ends-at": "2026-02-28T23:00:00Z"}


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)), st.integers(-14, 14))  # noqa: DTZ001
def test_timestamps(naive: datetime, hours: int) -> None:
    """Every instant is written in UTC without a fraction."""
    instant = naive.replace(tzinfo=timezone(timedelta(hours=hours)))
    text = wire.timestamp(instant)
    assert re.fullmatch(r"\d{1,4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text, re.ASCII)


def _answer(**attributes: Any) -> dict[str, Any]:
    return {"data": {"id": "1", "type": "user-group-memberships", "attributes": attributes}}


def test_shown() -> None:
    """What an answer shows is read, the rest is not shown."""
    whole = {
        "external-identifier": "rental-1",
        "external-user-identifier": "owner-1",
        "external-user-group-identifier": "gate-1",
        "starts-at": "2026-03-01T00:00:00.000+01:00",
    }
    assert wire.shown(_answer(**whole), asked="rental-1") == Shown(
        user=RENTAL.user, group=RENTAL.group, starts_at=START
    )
    assert wire.shown(_answer(), asked="rental-1") == Shown()
    odd = {"external-user-identifier": 7, "external-user-group-identifier": "", "starts-at": "2026-03-01T00:00:00"}
    assert wire.shown(_answer(**odd), asked="rental-1") == Shown()


@pytest.mark.parametrize("document", [None, [], "x", 7, {}, {"data": None}, {"data": []}, {"data": {"attributes": 7}}])
def test_nothing_shown(document: object) -> None:
    """Any other document shows nothing."""
    assert wire.shown(document, asked="rental-1") == Shown()


def test_another_membership() -> None:
    """An answer about another membership is no answer."""
    with pytest.raises(wire.Mismatch):
        wire.shown(_answer(**{"external-identifier": "rental-2"}), asked="rental-1")
