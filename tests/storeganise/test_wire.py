"""Storeganise's JSON as facts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.ids import JobId, OwnerId, RentalId, SiteId, UnitId
from keyturn.core.problem import CREDENTIAL_FIELDS, Target, TargetKind
from keyturn.core.rental import Missing, Pin, RentalState
from keyturn.storeganise import wire

RENTAL = RentalId("66d801ac786e1000159e7d84")
OWNER = OwnerId("66ce753e7405aa00158ba54e")
UNIT = UnitId("66ce753e7405aa00158ba8b7")
SITE = SiteId("66ce753e7405aa00158ba68e")
CREATED = datetime(2024, 9, 4, 6, 43, 56, 858000, tzinfo=UTC)


def _row(**changes: Any) -> dict[str, Any]:
    """Write a rental as the API answers it with everything included."""
    row: dict[str, Any] = {
        "id": RENTAL,
        "unitId": UNIT,
        "siteId": SITE,
        "ownerId": OWNER,
        "price": 179,
        "moveInJobId": "66d801ac786e1000159e7d6a",
        "startDate": "2024-09-12",
        "state": "reserved",
        "created": "2024-09-04T06:43:56.858Z",
        "updated": "2024-09-04T06:43:56.877Z",
        "unit": {
            "id": UNIT,
            "siteId": SITE,
            "name": "sv004",
            "rentalId": RENTAL,
            "customFields": {"sensorberg_id": "g"},
        },
        "owner": {
            "id": OWNER,
            "name": "Bart Simpson",
            "email": "bart@example.com",
            "language": "en",
            "customFields": {},
        },
        "customFields": {},
    }
    return row | changes


def test_rental() -> None:
    """Every fact of a rental is read."""
    rental = wire.rental(_row(state="occupied", endDate="2025-01-31", customFields={"sensorberg_pin": "012345"}))
    assert (rental.id, rental.owner_id, rental.unit_id, rental.site_id) == (RENTAL, OWNER, UNIT, SITE)
    assert (rental.state, rental.start, rental.end) == (RentalState.OCCUPIED, date(2024, 9, 12), date(2025, 1, 31))
    assert (rental.created, rental.overdue) == (CREATED, None)
    assert (rental.pin, rental.overlocked) == (Pin("012345"), Missing.EMPTY)


def test_tenancy() -> None:
    """The nested unit and owner are read with it."""
    tenancy = wire.tenancy(_row(), asked={RENTAL})
    assert tenancy.unit is not None
    assert (tenancy.unit.id, tenancy.unit.name, tenancy.unit.group, tenancy.unit.rental_id) == (
        UNIT,
        "sv004",
        "g",
        RENTAL,
    )
    assert tenancy.owner is not None
    assert (tenancy.owner.name, tenancy.owner.locale, tenancy.owner.pin) == ("Bart Simpson", "en", Missing.EMPTY)


@pytest.mark.parametrize("nested", [None, "x", [], 7, {}, {"id": "other"}, {"id": "../x"}])
def test_nothing_nested(nested: Any) -> None:
    """Where the answer lacks unit or owner, or shows others than the rental names, they are not there."""
    tenancy = wire.tenancy(_row(unit=nested, owner=nested))
    assert (tenancy.unit, tenancy.owner) == (None, None)


@pytest.mark.parametrize("changes", [{"id": "other"}, {"id": None}, {"id": "../x"}])
def test_something_else(changes: dict[str, Any]) -> None:
    """An answer about another record is an error, never a fact."""
    with pytest.raises(wire.Mismatch):
        wire.tenancy(_row(**changes), asked={RENTAL})


def test_another_owners_rental() -> None:
    """A rental of somebody else in an owner's list is an error."""
    with pytest.raises(wire.Mismatch):
        wire.tenancy(_row(ownerId="other", owner=None), owner=OWNER)


@pytest.mark.parametrize("state", [state.value for state in RentalState if state is not RentalState.UNKNOWN])
def test_states(state: str) -> None:
    """The documented states are known."""
    assert wire.rental(_row(state=state)).state == RentalState(state)


@pytest.mark.parametrize("state", ["completed", "OCCUPIED", "", None, 1, ["occupied"], {}])
def test_unknown_state(state: Any) -> None:
    """Anything else is unknown, which holds."""
    assert wire.rental(_row(state=state)).state is RentalState.UNKNOWN


@pytest.mark.parametrize(
    "text",
    ["2024-9-1", "2024-02-30", "0001-01-01", "2924-09-12", "2024-09-12T00:00:00Z", "", None, 20240912, "٢٠٢٤-٠٩-١٢"],
)
def test_dates_that_are_none(text: Any) -> None:
    """Only a calendar date is a start."""
    assert wire.rental(_row(startDate=text)).start is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-10-06T11:00:09.310Z", datetime(2024, 10, 6, 11, 0, 9, 310000, tzinfo=UTC)),
        ("2024-10-06T13:00:09+02:00", datetime(2024, 10, 6, 11, 0, 9, tzinfo=UTC)),
        ("2024-10-06T11:00:09", None),
        ("yesterday", None),
        (None, None),
        (1728212409, None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_instants(text: Any, expected: datetime | None) -> None:
    """An instant has an offset."""
    assert wire.rental(_row(updated=text)).updated == expected


@pytest.mark.parametrize("nothing", [None, False, "", 0])
def test_not_overdue(nothing: Any) -> None:
    """An empty `overdue` is none."""
    assert wire.rental(_row(overdue=nothing)).overdue is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-10-06T11:00:09.310Z", datetime(2024, 10, 6, 11, 0, 9, 310000, tzinfo=UTC)),
        ("2024-10-06T11:00:09", datetime(2024, 10, 6, 11, 0, 9, tzinfo=UTC)),
        ("2024-10-06", datetime(2024, 10, 6, tzinfo=UTC)),
        (True, CREATED),
        ("yes", CREATED),
        ({"since": 1}, CREATED),
    ],
)
def test_overdue_in_any_form(value: Any, expected: datetime) -> None:
    """A rental marked overdue in a form we cannot read is still overdue, and since the same instant at each read."""
    assert wire.rental(_row(overdue=value)).overdue == expected
    assert wire.rental(_row(overdue=True, created=None)).overdue is not None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("482913", Pin("482913")),
        (" 0042 ", Pin("0042")),
        (482913, Pin("482913")),
        (482913.0, Pin("482913")),
        ("abc", Pin("abc")),
        ("", Missing.EMPTY),
        ("  ", Missing.EMPTY),
        (None, Missing.EMPTY),
        (True, Missing.UNKNOWN),
        (1.5, Missing.UNKNOWN),
        ([], Missing.UNKNOWN),
        ({"pin": 1}, Missing.UNKNOWN),
    ],
)
def test_pin(value: Any, expected: Pin | Missing) -> None:
    """A PIN is text, numbers are their digits, blank is empty, and what is neither is unknown."""
    assert wire.rental(_row(customFields={"sensorberg_pin": value})).pin == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("False", False),
        (None, Missing.EMPTY),
        ("", Missing.EMPTY),
        ("maybe", Missing.UNKNOWN),
        (1, Missing.UNKNOWN),
        ([], Missing.UNKNOWN),
    ],
)
def test_overlocked(value: Any, expected: bool | Missing) -> None:  # noqa: FBT001  a parametrized expectation
    """The flag is a boolean, also as text."""
    assert wire.rental(_row(customFields={"sensorberg_overlocked": value})).overlocked == expected


@pytest.mark.parametrize("fields", [None, "x", [], 7])
def test_custom_fields_not_returned(fields: Any) -> None:
    """Custom fields that were not returned are unknown, never empty."""
    rental = wire.rental(_row(customFields=fields))
    assert (rental.pin, rental.overlocked) == (Missing.UNKNOWN, Missing.UNKNOWN)
    row = _row()
    del row["customFields"]
    assert wire.rental(row).pin is Missing.UNKNOWN
    assert wire.unit({"id": UNIT}).group is Missing.UNKNOWN
    assert wire.site({"id": SITE}).system is Missing.UNKNOWN


def test_unusable_ids() -> None:
    """An id that could not be used in a URL is not there."""
    rental = wire.rental(_row(ownerId="../x", unitId=7, siteId=None))
    assert (rental.owner_id, rental.unit_id, rental.site_id) == (None, None, None)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"name": "Bart Simpson", "firstName": "B"}, "Bart Simpson"),
        ({"firstName": "Bart", "lastName": "Simpson"}, "Bart Simpson"),
        ({"name": " ", "lastName": "Simpson"}, "Simpson"),
        ({"name": 7}, None),
        ({}, None),
    ],
)
def test_owner_name(fields: dict[str, Any], name: str | None) -> None:
    """The name is the one shown, else first and last name."""
    assert wire.owner_record({"id": OWNER, **fields}).name == name


@pytest.mark.parametrize(
    ("language", "locale"),
    [("de", "de"), ("DE", "de"), ("de-CH", "de"), ("pt_BR", "pt"), ("deu", None), (7, None), ("", None)],
)
def test_locale(language: Any, locale: str | None) -> None:
    """A locale has two letters."""
    assert wire.owner_record({"id": OWNER, "language": language}).locale == locale


def test_site() -> None:
    """A site tells its access system and, where it has them, its own credentials."""
    fields = {
        "securitySystem": "sensorberg",
        "sensorberg_url": "https://a.sensorberg.io",
        "sensorberg_clientId": "id",
        "sensorberg_clientSecret": "canary",
    }
    site = wire.site({"id": SITE, "customFields": fields}, asked=SITE)
    assert site.system == "sensorberg"
    assert site.credentials == {"url": "https://a.sensorberg.io", "client_id": "id", "client_secret": "canary"}
    assert "canary" not in repr(site)
    assert wire.site({"id": SITE, "customFields": {"sensorberg_url": ""}}).credentials == {}


def test_problems_name_the_fields_that_are_read() -> None:
    """What a task asks staff to fill in is what a site's credentials are read from."""
    site = wire.site({"id": SITE, "customFields": {code: name for name, code in CREDENTIAL_FIELDS.items()}})

    assert site.credentials == {name: name for name in CREDENTIAL_FIELDS}


@pytest.mark.parametrize(
    ("record", "language"),
    [
        pytest.param({"language": "de"}, "de", id="its own"),
        pytest.param({"language": "de-AT", "title": {"en": "South"}}, "de", id="its own before the title's"),
        pytest.param({"language": "EN_gb"}, "en", id="its own, spelt in another way"),
        pytest.param({"language": "fr", "title": {"de": "Süd"}}, "de", id="its own is none of ours"),
        pytest.param({"title": {"de": "Süd"}}, "de", id="the title is in German only"),
        pytest.param({"title": {"en": "South", "de": " ", "fr": "Sud"}}, "en", id="the title is in English and others"),
        pytest.param({"title": {"en": "South", "de": "Süd"}}, None, id="the title is in both"),
        pytest.param({"title": {"fr": "Sud"}}, None, id="the title is in neither"),
        pytest.param({"title": "Süd"}, None, id="the title is plain text"),
        pytest.param({"language": ["de"], "title": {"de": ["Süd"]}}, None, id="nonsense"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_the_language_of_a_site(record: dict[str, Any], language: str | None) -> None:
    """Its own field counts; else the only one of our languages in which its title is written."""
    assert wire.site({"id": SITE, **record}).language == language


@pytest.mark.parametrize(
    ("body", "rentals", "unit"),
    [
        ({"result": {"unitRentalId": RENTAL, "unitId": UNIT}}, (RENTAL,), UNIT),
        ({"result": {"unitRentalId": {"id": RENTAL}}, "data": {"unitId": UNIT}}, (RENTAL,), UNIT),
        ({"steps": [{"result": {"unitRentalId": RENTAL, "unitId": UNIT}}]}, (RENTAL,), UNIT),
        ({"result": {"unitRentalId": RENTAL}, "steps": [{"result": {"unitRentalId": "other"}}]}, (RENTAL,), None),
        ({"data": {"unitId": UNIT}}, (), UNIT),
        ({"result": None, "steps": None, "data": None}, (), None),
        ({"result": [], "steps": [None, 7, {"result": "x"}], "data": "x"}, (), None),
    ],
)
def test_job(body: dict[str, Any], rentals: tuple[str, ...], unit: str | None) -> None:
    """A job's rentals come from its result, else from its steps; its unit also from its data."""
    job = wire.job({"id": "j1", "type": "unit_moveIn", "ownerId": OWNER, **body}, asked=JobId("j1"))
    assert (job.rentals, job.unit_id, job.transfer) == (rentals, unit, None)


@pytest.mark.parametrize("shape", [str, lambda text: {"id": text}])
def test_transfer_job(shape: Any) -> None:
    """A transfer job names both rentals, as text or as objects."""
    result = {"oldRentalId": shape("old"), "newRentalId": shape("new"), "oldUnitId": "u1", "newUnitId": "u2"}
    job = wire.job({"id": "j1", "type": "unit_transfer", "result": result})
    assert (job.rentals, job.transfer, job.unit_id) == (("old", "new"), ("old", "new"), "u2")


def test_lists() -> None:
    """A list is an array, bare or as `data`; anything else is an error."""
    assert wire.rows([1]) == [1]
    assert wire.rows({"data": [1]}) == [1]
    values: list[object] = [None, {}, {"data": {}}, "x", 7]
    for value in values:
        with pytest.raises(wire.Mismatch):
            wire.rows(value)


def test_bodies() -> None:
    """A write carries only the custom fields it is about; an empty PIN goes out as null."""
    assert json.loads(wire.owner_body(Pin("0123"))) == {"customFields": {"sensorberg_pin": "0123"}}
    both = wire.rental_body(pin=Pin("0123"), overlocked=True)
    assert both is not None
    assert json.loads(both) == {"customFields": {"sensorberg_pin": "0123", "sensorberg_overlocked": True}}
    cleared = wire.rental_body(pin=Missing.EMPTY, overlocked=None)
    assert cleared == b'{"customFields":{"sensorberg_pin":null}}'
    assert wire.rental_body(pin=None, overlocked=False) == b'{"customFields":{"sensorberg_overlocked":false}}'
    assert wire.rental_body(pin=None, overlocked=None) is None


@pytest.mark.parametrize("kind", TargetKind)
def test_task_body(kind: TargetKind) -> None:
    """A task is a job without an owner, about one record."""
    body = json.loads(wire.task_body(Target(kind=kind, id="x1"), "Tür", "Was zu tun ist."))

    assert body == {
        "type": "task",
        "ownerId": None,
        "data": {"targetType": kind.value, "targetId": "x1", "title": "Tür", "desc": "Was zu tun ist."},
    }


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(_JSON, st.dictionaries(st.sampled_from(sorted(_row())), _JSON))
def test_any_json(value: Any, changes: dict[str, Any]) -> None:
    """No JSON raises anything but `Mismatch`."""
    for candidate in (value, _row(**changes), {"id": "a", **changes}):
        for read in (wire.tenancy, wire.unit, wire.owner_record, wire.site, wire.job, wire.rental_id, wire.rows):
            try:
                read(candidate)
            except wire.Mismatch:
                continue
