"""Answers become errors in one place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.errors import CredentialsRejected, NotFound, Refused, Unavailable, UpstreamError
from keyturn.upstream.dates import http_date, retry_after
from keyturn.upstream.http import Operation, Response, failure, read_json
from keyturn.upstream.jsonapi import complaints

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
READ = Operation("storeganise", "read a rental")
KNOWN = frozenset({"email", "locale", "ends-at", "external-identifier", "external-user-identifier"})


def _failure(status: int, **headers: str) -> UpstreamError | None:
    return failure(Response(status=status, headers=headers, body=b"secret"), READ, now=NOW)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
def test_success(status: int) -> None:
    """Any 2xx is no error."""
    assert _failure(status) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, Refused),
        (302, Refused),
        (304, Refused),
        (308, Refused),
        (400, Refused),
        (401, CredentialsRejected),
        (402, Refused),
        (403, Refused),
        (404, NotFound),
        (405, Refused),
        (408, Unavailable),
        (409, Refused),
        (410, Refused),
        (415, Refused),
        (422, Refused),
        (425, Unavailable),
        (429, Unavailable),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
        (599, Unavailable),
    ],
)
def test_classes(status: int, kind: type[UpstreamError]) -> None:
    """Each status is exactly one class of error."""
    assert type(_failure(status)) is kind


@pytest.mark.parametrize(("status", "pauses"), [(429, True), (503, True), (500, False), (502, False), (408, False)])
def test_pauses(status: int, pauses: bool) -> None:  # noqa: FBT001  a parametrized expectation
    """Only 429 and 503 ask for the whole upstream to be left alone."""
    error = _failure(status)
    assert isinstance(error, Unavailable)
    assert error.pauses is pauses


def test_refusals_carry_their_status() -> None:
    """A refusal tells its status, for those who decide on it."""
    error = _failure(409)
    assert isinstance(error, Refused)
    assert error.status == 409


@given(st.integers(100, 999), st.binary(max_size=200))
def test_never_anything_else(status: int, body: bytes) -> None:
    """Any status with any body is a value or one of our errors, and the error does not quote the body."""
    response = Response(status=status, headers={}, body=b"canary" + body)
    error = failure(response, READ, now=NOW, about=complaints(body, KNOWN))
    if error is None:
        with pytest.raises(Unavailable) as caught:
            read_json(response, READ, due=True)
        error = caught.value
    assert "canary" not in str(error)
    assert "canary" not in repr(response)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", timedelta()),
        ("7", timedelta(seconds=7)),
        (" 120 ", timedelta(minutes=2)),
        ("86400", timedelta(days=1)),
        ("Sun, 01 Mar 2026 12:00:30 GMT", timedelta(seconds=30)),
        ("Sun, 01 Mar 2026 11:00:00 GMT", timedelta()),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("٣", None),
        ("99999999999999999999", None),
        ("Sun, 99 Mar 2026 12:00:30 GMT", None),
        (None, None),
    ],
)
def test_retry_after(text: str | None, expected: timedelta | None) -> None:
    """`Retry-After` is seconds or a date; nonsense is as if it were not there."""
    assert retry_after(text, NOW) == expected


@given(st.text(max_size=60))
def test_retry_after_never_raises(text: str) -> None:
    """No header value is an error."""
    wait = retry_after(text, NOW)
    assert wait is None or wait >= timedelta()
    http_date(text)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>maintenance</html>",
        b'{"a":',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1,"a":2}',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"1" * 10_000,
    ],
    ids=["html", "truncated", "nan", "infinity", "repeated key", "not utf-8", "bom", "deep", "digits"],
)
@pytest.mark.parametrize("due", [True, False])
def test_unreadable(body: bytes, due: bool) -> None:  # noqa: FBT001  a parametrized case
    """A body that is neither empty nor proper JSON may get better."""
    with pytest.raises(Unavailable, match="unreadable answer"):
        read_json(Response(status=200, headers={}, body=body), READ, due=due)


def test_empty() -> None:
    """An empty body is fine where none is due, and an error where one is."""
    empty = Response(status=204, headers={}, body=b" ")
    assert read_json(empty, READ, due=False) is None
    with pytest.raises(Unavailable, match="empty"):
        read_json(empty, READ, due=True)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"errors":[{"source":{"pointer":"/data/attributes/email"},"detail":"locale"}]}', {"email"}),
        ('{"errors":[{"source":{"parameter":"ends_at"}}]}', {"ends-at"}),
        ('{"errors":[{"title":"has already been taken","detail":"Email has already been taken"}]}', {"email"}),
        ('{"errors":[{"title":"E-Mail ist bereits vergeben"}]}', {"email"}),
        ('{"errors":[{"detail":"External user identifier must exist"}]}', {"external-user-identifier"}),
        ('{"errors":{"email":["taken"],"locale":["is not included"]}}', {"email", "locale"}),
        ('{"error":"email taken"}', {"email"}),
        ('{"errors":["Locale is invalid"]}', {"locale"}),
        ('{"errors":[{"title":"no"}]}', set()),
        ('{"errors":null}', set()),
        ("[]", set()),
        ("<html>email</html>", set()),
        ("", set()),
    ],
)
def test_complaints(body: str, expected: set[str]) -> None:
    """What an error is about is read from every known shape, and never more than known names."""
    assert complaints(body.encode(), KNOWN) == expected


@given(st.recursive(st.none() | st.text(max_size=5), lambda inner: st.dictionaries(st.text(max_size=5), inner)))
def test_complaints_never_raise(errors: object) -> None:
    """No error document is too odd."""
    assert complaints(repr({"errors": errors}).replace("'", '"').encode(), KNOWN) <= KNOWN
