"""Webhooks as bytes: genuine or not, what they name, what that wakes, what of them is kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.ids import BusinessCode
from keyturn.core.work import DELTA_SWEEP, Subject
from keyturn.errors import WebhookRejected
from keyturn.storeganise.webhook import KNOWN_EVENTS, ParsedWebhook, Reading, parse, subjects, verify

ACME = BusinessCode("acme")
SECRET = b"shared secret"
RENTAL = "66d801ac786e1000159e7d84"
OTHER = "6812e9915e1c4b0014aa00c1"
JOB = "6812e9915e1c4b0014aa00b1"
OWNER = "66ce753e7405aa00158ba54e"
UNIT = "66ce753e7405aa00158ba8b7"
ADDON = "67a0000000000000000000a1"


def _sign(body: bytes, secret: bytes = SECRET) -> str:
    return base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest()).decode()


def _parse(**envelope: Any) -> ParsedWebhook:
    return parse(json.dumps(envelope).encode(), ACME)


def _wakes(event_type: str, **data: Any) -> list[str]:
    """Name what an event wakes, as `kind:id`."""
    found = subjects(_parse(type=event_type, data=data).event)
    return [f"{subject.kind}:{subject.id}" for subject in found.wakes]


class TestSignature:
    """The `sg-signature` header."""

    def test_known_answer(self) -> None:
        """The signature is the base64 HMAC-SHA256 of the raw body."""
        body = '{"type":"user.updated","name":"Zoë 鍵"}'.encode()
        assert verify(body, _sign(body), [SECRET])

    def test_other_secret_or_body(self) -> None:
        """Another secret, another byte, or a missing header is not genuine."""
        body = b"{}"
        assert not verify(body, _sign(body, b"wrong"), [SECRET])
        assert not verify(body + b" ", _sign(body), [SECRET])
        assert not verify(body, None, [SECRET])
        assert not verify(body, "", [SECRET])
        assert not verify(body, _sign(body)[:-1], [SECRET])
        assert not verify(body, _sign(body).lower(), [SECRET])

    def test_several_secrets(self) -> None:
        """While a secret is being changed, both are good."""
        body = b"{}"
        assert verify(body, _sign(body, b"old"), [SECRET, b"old"])
        assert verify(body, _sign(body, b"old"), [b"old", SECRET])

    def test_nobody(self) -> None:
        """Without secrets nothing is genuine, whatever it was signed with."""
        body = b"{}"
        for secret in (b"", b"x", b"no business has this secret"):
            assert not verify(body, _sign(body, secret), [])

    def test_empty_secret(self) -> None:
        """An empty secret opens nothing: anybody could sign with it."""
        assert not verify(b"{}", _sign(b"{}", b""), [b""])

    @given(st.binary(max_size=200), st.text(max_size=100), st.lists(st.binary(max_size=40), max_size=3))
    def test_odd_headers(self, body: bytes, header: str, secrets: list[bytes]) -> None:
        """No header is an error, lone surrogates and non-ASCII included."""
        assert verify(body, header, secrets) is False
        assert verify(body, "\udcff" + header, secrets) is False


class TestMalformed:
    """Bodies that are turned away."""

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b" ",
            b"null",
            b"1",
            b"[]",
            b'"text"',
            b"{",
            b'{"type":"user.updated"',
            b'{"type":"user.updated"} x',
            b"{'type':'user.updated'}",
            b"{}",
            b'{"type":null}',
            b'{"type":""}',
            b'{"type":" "}',
            b'{"type":1}',
            b'{"type":["user.updated"]}',
            b'{"type":"a b"}',
            b'{"type":"\\ud800"}',
            b'{"type":"user.updated","type":"unit.updated"}',
            b'{"type":"user.updated","data":{"userId":"a","userId":"b"}}',
            b'{"type":"user.updated","data":NaN}',
            b'{"type":"user.updated","data":-Infinity}',
            b'\xef\xbb\xbf{"type":"user.updated"}',
            b'{"type":"user.updated\xff"}',
            '{"type":"user.updated"}'.encode("utf-16"),
            b'{"type":"user.updated","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"type":"user.updated","data":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
            b'{"type":"user.updated","data":' + b"9" * 5000 + b"}",
        ],
    )
    def test_rejected(self, body: bytes) -> None:
        """What is not one JSON object with one usable type is answered 400."""
        with pytest.raises(WebhookRejected) as caught:
            parse(body, ACME)
        assert caught.value.status == 400

    def test_reason_does_not_quote(self) -> None:
        """The reason never carries a piece of the body."""
        with pytest.raises(WebhookRejected) as caught:
            parse(b'{"type":"x","canary":canary}', ACME)
        assert "canary" not in str(caught.value)
        assert caught.value.__cause__ is None

    @given(st.binary(max_size=300))
    def test_any_bytes(self, body: bytes) -> None:
        """No bytes raise anything but `WebhookRejected`."""
        with suppress(WebhookRejected):
            parse(body, ACME)

    @given(
        st.sampled_from(sorted(KNOWN_EVENTS)),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["unitRentalId", "unitRentalIds", "id", "jobId", "data", "x"]), inner)
            ),
        ),
    )
    def test_any_json(self, event_type: str, value: Any) -> None:
        """Any JSON in `data` is read, and every known event wakes something."""
        parsed = _parse(type=event_type, data=value, id=value, addonId=value, created=value, apiUrl=value)
        found = subjects(parsed.event)
        assert found.wakes
        json.dumps(dict(parsed.document)).encode()


class TestSubjects:
    """What each event wakes."""

    @pytest.mark.parametrize("work", ["unit_moveIn", "unit_moveOut"])
    @pytest.mark.parametrize("end", ["created", "cancelled", "completed"])
    def test_moves(self, work: str, end: str) -> None:
        """A move wakes its rental, or its job where it names none."""
        event_type = f"job.{work}.{end}"
        assert _wakes(event_type, unitRentalId=RENTAL) == [f"rental:{RENTAL}"]
        assert _wakes(event_type, jobId=JOB) == [f"job:{JOB}"]
        assert _wakes(event_type, jobId=JOB, unitRentalId=RENTAL) == [f"rental:{RENTAL}"]

    def test_transfer(self) -> None:
        """A transfer wakes both rentals; a part of it also wakes the job, which knows the rest."""
        event_type = "job.unit_transfer.completed"
        both = [f"rental:{RENTAL}", f"rental:{OTHER}"]
        assert _wakes(event_type, oldRentalId=RENTAL, newRentalId=OTHER, jobId=JOB) == both
        assert _wakes(event_type, oldRentalId={"id": RENTAL}, newRentalId={"id": OTHER}) == both
        assert _wakes(event_type, jobId=JOB) == [f"job:{JOB}"]
        assert _wakes(event_type, oldRentalId=RENTAL, jobId=JOB) == [f"rental:{RENTAL}", f"job:{JOB}"]
        assert _wakes(event_type, newRentalId=OTHER) == [f"rental:{OTHER}"]

    @pytest.mark.parametrize("event_type", ["unitRental.updated", "unitRental.markOverdue", "unitRental.unmarkOverdue"])
    def test_rentals(self, event_type: str) -> None:
        """A rental's event wakes it, in every form the ids come in."""
        both = [f"rental:{RENTAL}", f"rental:{OTHER}"]
        assert _wakes(event_type, unitRentalId=RENTAL) == both[:1]
        assert _wakes(event_type, unitRentalId={"id": RENTAL, "name": "x"}) == both[:1]
        assert _wakes(event_type, unitRentalIds=[RENTAL, OTHER]) == both
        assert _wakes(event_type, unitRentalIds=[{"id": RENTAL}, OTHER, RENTAL]) == both
        assert _wakes(event_type, unitRentalIds=f"{RENTAL}, {OTHER},") == both
        assert _wakes(event_type, unitRentalIds=RENTAL) == both[:1]
        assert _wakes(event_type, unitRentalId=RENTAL, unitRentalIds=[OTHER]) == both
        assert _wakes(event_type, jobId=JOB) == [f"job:{JOB}"]

    def test_owner_unit_and_day(self) -> None:
        """Users, units and the daily event wake what they are about."""
        assert _wakes("user.updated", userId=OWNER, changedKeys=["phone"]) == [f"owner:{OWNER}"]
        assert _wakes("unit.updated", unitId=UNIT) == [f"unit:{UNIT}"]
        assert _wakes("addon.dailyEvent.started") == ["sweep:delta"]

    def test_unit_of_last_resort(self) -> None:
        """A move that names only its unit wakes that."""
        assert _wakes("job.unit_moveIn.completed", unitId=UNIT) == [f"unit:{UNIT}"]

    @pytest.mark.parametrize("event_type", sorted(KNOWN_EVENTS - {"addon.dailyEvent.started"}))
    @pytest.mark.parametrize("data", [{}, None, [], "x", {"jobId": "../users/1"}, {"unitRentalIds": []}])
    def test_unresolved(self, event_type: str, data: Any) -> None:
        """A known event that names nothing usable is unresolved and wakes a delta sweep."""
        found = subjects(_parse(type=event_type, data=data).event)
        assert (found.reading, found.wakes) == (Reading.UNRESOLVED, (DELTA_SWEEP,))

    @pytest.mark.parametrize("event_type", ["invoice.state.updated", "user.created", "unit.occupied", "something.new"])
    def test_ignored(self, event_type: str) -> None:
        """Any other event wakes nothing, whatever it names."""
        found = subjects(_parse(type=event_type, data={"unitRentalId": RENTAL}).event)
        assert (found.reading, found.wakes) == (Reading.IGNORED, ())

    def test_missing_data(self) -> None:
        """An event without data is read."""
        assert subjects(_parse(type="addon.dailyEvent.started").event).reading is Reading.WAKES

    def test_ids_that_are_none(self) -> None:
        """An id that could leave its place in a URL is dropped and noted."""
        parsed = _parse(
            type="unitRental.updated", data={"unitRentalIds": ["../x", RENTAL, "a b", "a" * 65], "jobId": "é"}
        )
        assert parsed.event.rentals == (RENTAL,)
        assert (parsed.event.job, parsed.noted) == (None, ("jobId",))

    def test_many_rentals(self) -> None:
        """A long list is read whole."""
        ids = [f"{number:024x}" for number in range(8000)]
        assert _wakes("unitRental.markOverdue", unitRentalIds=ids) == [f"rental:{text}" for text in ids]

    def test_subject_order_is_stable(self) -> None:
        """The same event names the same subjects in the same order."""
        wakes = subjects(_parse(type="unitRental.updated", data={"unitRentalIds": [OTHER, RENTAL]}).event).wakes
        assert wakes == (Subject("rental", OTHER), Subject("rental", RENTAL))


class TestEnvelope:
    """The other parts of a delivery."""

    def test_addon(self) -> None:
        """The installation is named at the top level, else in the data."""
        assert _parse(type="x", addonId=ADDON).addon == ADDON
        assert _parse(type="x", data={"addonId": ADDON}).addon == ADDON
        assert _parse(type="x", addonId=ADDON, data={"addonId": OTHER}).addon == ADDON
        assert _parse(type="x").addon is None

    def test_missing_or_odd_id(self) -> None:
        """An id is not needed, and one that is none counts as missing."""
        assert _parse(type="x").event.id is None
        assert _parse(type="x", id=7).event.id is None
        assert _parse(type="x", id="5bf48bd975970f170a8e42b7").event.id == "5bf48bd975970f170a8e42b7"

    def test_changed_keys(self) -> None:
        """Changed keys are names only; odd ones are dropped."""
        keys = ["customFields.sensorberg_pin", "phone", 7, None, "Erika Mustermann", "a" * 81]
        assert _parse(type="x", data={"changedKeys": keys}).changed == ("customFields.sensorberg_pin", "phone")
        assert _parse(type="x", data={"changedKeys": ["k"] * 90}).changed == ("k",) * 50
        assert _parse(type="x", data={"changedKeys": "phone"}).changed == ()

    def test_document(self) -> None:
        """Of a delivery only ids, addresses and names of keys are kept."""
        canary = "Erika Mustermann"
        parsed = _parse(
            id="5bf48bd975970f170a8e42b7",
            created="2026-04-30T22:00:01.512Z",
            type="unitRental.updated",
            businessCode="acme",
            apiUrl="https://acme.storeganise.com/api",
            addonId=ADDON,
            customer=canary,
            data={
                "unitRentalId": {"id": RENTAL, "name": canary},
                "unitRentalIds": f"{RENTAL},{canary}",
                "jobId": canary,
                "pin": "482913",
                "owner": {"id": OWNER, "email": "erika@example.com"},
                f"{canary}Id": RENTAL,
                "changedKeys": ["customFields.sensorberg_pin", canary],
            },
        )
        assert parsed.document == {
            "id": "5bf48bd975970f170a8e42b7",
            "type": "unitRental.updated",
            "created": "2026-04-30T22:00:01.512Z",
            "businessCode": "acme",
            "apiUrl": "https://acme.storeganise.com/api",
            "addonId": ADDON,
            "data": {
                "unitRentalId": RENTAL,
                "unitRentalIds": [RENTAL],
                "changedKeys": ["customFields.sensorberg_pin"],
            },
        }

    def test_odd_envelope_values_are_not_kept(self) -> None:
        """Where an address or a date should be, nothing else is kept; that there was no address stays known."""
        parsed = _parse(type="x", apiUrl="https://a/?name=Erika Mustermann", created="Erika", businessCode={"a": 1})
        assert parsed.document == {"type": "x", "data": {}}
        assert (parsed.api_url, parsed.created) == ("", None)
