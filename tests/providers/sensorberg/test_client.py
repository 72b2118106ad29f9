"""The Sensorberg provider over real HTTP, against the simulator and its faults."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.provider_contract import ERIKA, MAX, RENTAL, START
from keyturn.clock import MovableClock
from keyturn.core.ids import ExternalId, OwnerId, TenantUrl
from keyturn.core.rental import Pin
from keyturn.errors import CredentialsRejected, NotFound, Refused, Unavailable, UpstreamError
from keyturn.providers.protocol import Answer, Provider, Shown
from keyturn.providers.registry import ProviderParts, provider
from keyturn.providers.sensorberg.simulator import Knobs
from keyturn.providers.sensorberg.token import MemoryTokens
from keyturn.simulation.faults import Fault, Gate
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.http import HttpClient
from providers.sensorberg.tenant import NOW, Tenant, tenant
from upstream.raw_server import answer, raw_server

PIN = Pin("482913")
CALLS: dict[str, tuple[str, Callable[[Provider], Awaitable[object]]]] = {
    "user": ("users.post", lambda provider: provider.ensure_user(MAX)),
    "code": ("users.code", lambda provider: provider.set_code(ERIKA.id, PIN)),
    "create": ("memberships.post", lambda p: p.create_membership(replace(RENTAL, external_id=ExternalId("new")))),
    "amend": ("memberships.put", lambda provider: provider.amend_membership(RENTAL.external_id, None)),
    "remove": ("memberships.delete", lambda provider: provider.remove_membership(RENTAL.external_id)),
}
each_call = pytest.mark.parametrize(("route", "call"), CALLS.values(), ids=CALLS.keys())


def _fill(made: Tenant) -> None:
    made.sim.add_user(ERIKA.id, "Erika Größe", "erika@example.com")
    made.sim.add_membership(RENTAL.external_id, ERIKA.id, "gate-1", START)


class TestRequests:
    """What goes out."""

    async def test_headers_and_bodies(self) -> None:
        """Media types are exact, addresses carry ids only, and bodies no id."""
        heads: list[bytes] = []

        def respond(number: int) -> bytes:
            if number == 1:
                return answer(b'{"access_token":"t","token_type":"bearer"}')
            return answer(b"", status=204)

        async with raw_server(respond) as server, HttpClient(["127.0.0.1"]) as http:
            made = _provider(server.url, http)
            await made.ensure_user(ERIKA)
            await made.set_code(ERIKA.id, PIN)
            await made.create_membership(RENTAL)
            await made.amend_membership(RENTAL.external_id, START)
            await made.remove_membership(RENTAL.external_id)
            heads = [request.partition(b"\r\n\r\n")[0].lower() for request in server.requests]
        lines = [head.split(b"\r\n")[0].decode() for head in heads]
        base = "/api/backend-sdk/v1"
        assert lines == [
            "post /oauth/token http/1.1",
            f"post {base}/users http/1.1",
            f"put {base}/users/owner-1/identification_code http/1.1",
            f"post {base}/user_group_memberships http/1.1",
            f"put {base}/user_group_memberships/rental-1 http/1.1",
            f"delete {base}/user_group_memberships/rental-1 http/1.1",
        ]
        for head in heads[1:]:
            assert b"\r\naccept: application/vnd.api+json\r\n" in head
            assert b"\r\nauthorization: bearer t\r\n" in head
        assert all(b"\r\ncontent-type: application/vnd.api+json\r\n" in head + b"\r\n" for head in heads[1:-1])
        assert b"content-type" not in heads[-1]

    async def test_ids_stay_one_segment(self) -> None:
        """Whatever an id is, it stays where an id belongs."""
        async with tenant() as made:
            await made.provider().remove_membership(ExternalId("../users/a?b#c é"))
            entry = made.sim.journal.entries[-1]
            assert (entry.route, entry.path.rsplit("/", 4)[0]) == ("memberships.delete", "/api/backend-sdk/v1")

    async def test_created_at_can_be_left_out(self) -> None:
        """New memberships carry `created-at`, by Sensorberg's own time, unless that is switched off."""
        async with tenant(Knobs(clock_skew_s=300)) as made:
            _fill(made)
            for send, rental in ((True, "a"), (False, "b")):
                wanted = replace(RENTAL, external_id=ExternalId(rental))
                provider = made.provider(send_created_at=send)
                await provider.amend_membership(RENTAL.external_id, None)
                await provider.create_membership(wanted)
            first, second = (entry.body for entry in made.sim.journal.entries if entry.route == "memberships.post")
        assert first["data"]["attributes"]["created-at"] == "2026-03-01T09:05:00Z"
        assert "created-at" not in second["data"]["attributes"]

    async def test_at_most_so_many_at_once(self) -> None:
        """All providers of a tenant share its limit."""
        async with tenant() as made:
            limiter, gate = asyncio.Semaphore(3), Gate()
            made.sim.faults.add(route="memberships.put", fault=Fault.hold(gate), times=None)
            providers = [made.provider(limiter=limiter) for _ in range(2)]
            calls = [
                asyncio.create_task(providers[number % 2].amend_membership(RENTAL.external_id, None))
                for number in range(12)
            ]
            await gate.reached(3)
            gate.open()
            await asyncio.gather(*calls)
            assert made.sim.journal.peak("single") == 3


class TestUsers:
    """Creating and finding users."""

    async def test_created_first(self) -> None:
        """A new user is one request; only a refusal makes us look."""
        async with tenant() as made:
            provider = made.provider()
            assert await provider.ensure_user(ERIKA) is True
            assert (made.asked("users.post"), made.asked("users.get")) == (1, 0)
            assert await provider.ensure_user(ERIKA) is False
            assert (made.asked("users.post"), made.asked("users.get")) == (2, 1)

    @pytest.mark.parametrize("status", [400, 409, 422])
    async def test_existing(self, status: int) -> None:
        """Whatever a create is refused with, the external id decides."""
        async with tenant() as made:
            _fill(made)
            made.sim.faults.add(route="users.post", fault=Fault.status(status, body=b""))
            assert await made.provider().ensure_user(ERIKA) is False

    @pytest.mark.parametrize("style", ["custom", "jr", "jsonapi_rb", "graphiti"])
    async def test_email_taken(self, style: Any) -> None:
        """An e-mail of another user is named as such in every style of error, and nothing is repeated."""
        async with tenant(Knobs(error_style=style)) as made:
            _fill(made)
            with pytest.raises(Refused) as caught:
                await made.provider().ensure_user(replace(MAX, email="erika@example.com"))
            assert caught.value.about == {"email"}
            assert made.asked("users.post") == 1

    @pytest.mark.parametrize("style", ["html", "empty"])
    async def test_email_taken_without_words(self, style: Any) -> None:
        """Where the error says nothing, the user is refused after one more try without the locale."""
        async with tenant(Knobs(error_style=style)) as made:
            _fill(made)
            with pytest.raises(Refused):
                await made.provider().ensure_user(replace(MAX, email="erika@example.com"))
            assert made.asked("users.post") == 2

    async def test_locale_refused(self) -> None:
        """A locale that is not accepted is left out."""
        async with tenant(Knobs(locales=frozenset({"en"}))) as made:
            assert await made.provider().ensure_user(ERIKA) is True
            assert made.sim.users[ERIKA.id].locale is None
            assert made.asked("users.post") == 2

    async def test_refused_for_another_reason(self) -> None:
        """What the locale cannot have caused is refused; without a locale nothing is repeated."""
        async with tenant() as made:
            with pytest.raises(Refused) as caught:
                await made.provider().ensure_user(replace(ERIKA, email=None))
            assert caught.value.about == {"email"}
            made.sim.faults.add(route="users.post", fault=Fault.status(422, body=b""), times=None)
            with pytest.raises(Refused):
                await made.provider().ensure_user(replace(ERIKA, locale=None))
            assert made.asked("users.post") == 2

    async def test_refused_twice_for_the_email(self) -> None:
        """The second refusal's reason counts too."""
        async with tenant() as made:
            about_locale = {"errors": [{"source": {"pointer": "/data/attributes/locale"}}]}
            about_email = {"errors": [{"source": {"pointer": "/data/attributes/email"}}]}
            for body in (about_locale, about_email):
                made.sim.faults.add(route="users.post", fault=Fault.status(422, body=body))
            with pytest.raises(Refused) as caught:
                await made.provider().ensure_user(ERIKA)
            assert caught.value.about == {"email"}

    async def test_look_that_fails(self) -> None:
        """A look that gets no answer decides nothing."""
        async with tenant() as made:
            _fill(made)
            made.sim.faults.add(route="users.get", fault=Fault.status(500))
            with pytest.raises(Unavailable):
                await made.provider().ensure_user(ERIKA)

    async def test_forbidden(self) -> None:
        """A create that is forbidden is no conflict."""
        async with tenant() as made:
            made.sim.faults.add(route="users.post", fault=Fault.status(403, body=b""))
            with pytest.raises(Refused):
                await made.provider().ensure_user(ERIKA)
            assert made.asked("users.get") == 0


class TestAnswers:
    """What comes back."""

    @each_call
    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (Fault.status(408), "answered 408"),
            (Fault.status(500), "answered 500"),
            (Fault.status(500, applied=True), "answered 500"),
            (Fault.html(502), "answered 502"),
            (Fault.html(200), "unreadable answer"),
            (Fault.timeout_before(), "no answer in time"),
            (Fault.timeout_after(), "no answer in time"),
            (Fault.reset_before(), "the connection was lost"),
            (Fault.reset_after(), "the connection was lost"),
        ],
        ids=["408", "500", "500 after", "502 html", "200 html", "silent", "silent after", "reset", "reset after"],
    )
    async def test_may_get_better(
        self, route: str, call: Callable[[Provider], Awaitable[object]], fault: Fault, words: str
    ) -> None:
        """Every way of not answering a write is `Unavailable`, and the write is sent once."""
        async with tenant(total_timeout_s=0.6) as made:
            _fill(made)
            made.sim.faults.add(route=route, fault=fault)
            with pytest.raises(Unavailable, match=words):
                await call(made.provider())
            assert made.asked(route) == 1

    @each_call
    async def test_truncated(self, route: str, call: Callable[[Provider], Awaitable[object]]) -> None:
        """Half an answer is no answer; an answer without a body has no half."""
        async with tenant() as made:
            _fill(made)
            made.sim.faults.add(route=route, fault=Fault.truncated())
            if route == "memberships.delete":
                await call(made.provider())
            else:
                with pytest.raises(Unavailable, match="unreadable"):
                    await call(made.provider())

    @each_call
    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    async def test_empty_success(self, route: str, call: Callable[[Provider], Awaitable[object]], status: int) -> None:
        """A write answered with success and nothing else is done."""
        async with tenant() as made:
            _fill(made)
            made.sim.faults.add(route=route, fault=Fault.empty(status))
            assert await call(made.provider()) in (None, True, Shown())

    @each_call
    async def test_empty_401_and_403(self, route: str, call: Callable[[Provider], Awaitable[object]]) -> None:
        """401 and 403 are told apart without a body."""
        async with tenant() as made:
            _fill(made)
            made.sim.faults.add(route=route, fault=Fault.empty(403))
            with pytest.raises(Refused):
                await call(made.provider())
            made.sim.faults.add(route=route, fault=Fault.empty(401), times=2)
            with pytest.raises(CredentialsRejected):
                await call(made.provider())

    @each_call
    async def test_429(self, route: str, call: Callable[[Provider], Awaitable[object]]) -> None:
        """429 pauses this credential for as long as it asks."""
        async with tenant() as made:
            _fill(made)
            provider = made.provider()
            made.sim.faults.add(route=route, fault=Fault.status(429, retry_after="9"))
            with pytest.raises(Unavailable) as caught:
                await call(provider)
            assert (caught.value.retry_after, caught.value.pauses) == (timedelta(seconds=9), True)
            with pytest.raises(Unavailable, match="paused"):
                await call(provider)
            assert made.asked(route) == 1
            made.clock.advance(timedelta(seconds=9))
            await call(provider)

    async def test_calls_that_wait_for_their_turn_during_a_429(self) -> None:
        """Calls that were queued when the pause began are not sent."""
        async with tenant() as made:
            provider = made.provider(limiter=asyncio.Semaphore(3))
            made.sim.faults.add(route="memberships.put", fault=Fault.status(429, retry_after="60"), times=None)
            calls = [provider.amend_membership(ExternalId(f"r{number}"), None) for number in range(20)]
            ends = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(end, Unavailable) for end in ends)
            assert made.asked("memberships.put") <= 3
            made.clock.advance(timedelta(seconds=60))
            made.sim.faults.clear()
            made.sim.faults.add(route="memberships.put", fault=Fault.status(500))
            with pytest.raises(Unavailable):
                await provider.amend_membership(RENTAL.external_id, None)
            assert await provider.amend_membership(RENTAL.external_id, None) is Answer.MISSING

    @pytest.mark.parametrize(("status", "expected"), [(409, Answer.TAKEN), (422, Answer.TAKEN), (404, Answer.MISSING)])
    async def test_create_answers(self, status: int, expected: Answer) -> None:
        """A create that is refused may exist; decided on the status alone."""
        for body in (b"", "<html>"):
            async with tenant() as made:
                made.sim.faults.add(route="memberships.post", fault=Fault.status(status, body=body))
                assert await made.provider().create_membership(RENTAL) is expected

    @pytest.mark.parametrize("status", [404, 410])
    async def test_not_there(self, status: int) -> None:
        """What is not there cannot be amended and need not be removed."""
        async with tenant() as made:
            made.sim.faults.add(route="memberships.*", fault=Fault.status(status, body=b""), times=None)
            provider = made.provider()
            assert await provider.amend_membership(RENTAL.external_id, START) is Answer.MISSING
            await provider.remove_membership(RENTAL.external_id)

    @pytest.mark.parametrize("status", [400, 409, 422, 403, 302])
    async def test_refused(self, status: int) -> None:
        """Amending and removing raise what cannot be mended by repeating."""
        async with tenant() as made:
            made.sim.faults.add(route="memberships.*", fault=Fault.status(status, body=b""), times=None)
            provider = made.provider()
            for call in (
                provider.amend_membership(RENTAL.external_id, START),
                provider.remove_membership(RENTAL.external_id),
            ):
                with pytest.raises(Refused) as caught:
                    await call
                assert caught.value.status == status

    async def test_answer_about_another_membership(self) -> None:
        """An answer that shows another membership is no answer."""
        body = {"data": {"attributes": {"external-identifier": "other"}}}
        async with tenant() as made:
            _fill(made)
            made.sim.faults.add(route="memberships.put", fault=Fault.status(200, body=body))
            with pytest.raises(Unavailable, match="something else"):
                await made.provider().amend_membership(RENTAL.external_id, None)

    async def test_code(self) -> None:
        """An unknown user is not found, a refused code is refused and named, never shown."""
        async with tenant() as made:
            with pytest.raises(NotFound):
                await made.provider().set_code(ERIKA.id, PIN)
            _fill(made)
            made.sim.add_user("other", "Max", "max@example.com", code="482913")
            with pytest.raises(Refused) as caught:
                await made.provider().set_code(ERIKA.id, PIN)
            assert caught.value.about == {"identification-code"}
            assert "482913" not in str(caught.value) + repr(caught.value)

    async def test_forbidden_everywhere(self) -> None:
        """403 on five records in a row counts as refused credentials."""
        async with tenant() as made:
            made.sim.faults.add(route="memberships.*", fault=Fault.status(403, body=b""), times=None)
            provider = made.provider()
            for number in range(5):
                with pytest.raises(Refused):
                    await provider.amend_membership(ExternalId(f"r{number}"), None)
            assert made.circuit.reason == "credentials"

    async def test_outage(self) -> None:
        """Five failures in a row on different records pause the credential."""
        async with tenant() as made:
            made.sim.faults.add(route="*", fault=Fault.status(500), times=None)
            provider = made.provider()
            for number in range(5):
                with pytest.raises(Unavailable, match="500"):
                    await provider.amend_membership(ExternalId(f"r{number}"), None)
            with pytest.raises(Unavailable, match="paused"):
                await provider.amend_membership(RENTAL.external_id, None)


class TestTime:
    """Sensorberg's own clock."""

    @pytest.mark.parametrize("skew", [-600, 0, 600])
    async def test_skew(self, skew: int) -> None:
        """The time follows the `Date` header and goes on with our clock."""
        async with tenant(Knobs(clock_skew_s=skew)) as made:
            provider = made.provider()
            assert provider.time() == NOW
            await provider.amend_membership(RENTAL.external_id, None)
            assert provider.time() == NOW + timedelta(seconds=skew)
            made.clock.advance(timedelta(minutes=1))
            assert provider.time() == NOW + timedelta(seconds=skew + 60)

    async def test_without_date(self) -> None:
        """Without the header our own clock's time is used."""
        async with tenant(Knobs(date_header=False)) as made:
            provider = made.provider()
            await provider.amend_membership(RENTAL.external_id, None)
            assert provider.time() == NOW

    async def test_nonsense(self) -> None:
        """A header that is no date changes nothing."""
        reply = answer(b"", status=204, headers=("Date: yesterday",))
        token = answer(b'{"access_token":"t","token_type":"bearer"}')
        async with raw_server(lambda n: token if n == 1 else reply) as server, HttpClient(["127.0.0.1"]) as http:
            made = _provider(server.url, http)
            await made.remove_membership(RENTAL.external_id)
            assert made.time() == datetime(2026, 3, 1, 9, tzinfo=UTC)


def _provider(url: str, http: HttpClient) -> Provider:
    clock = MovableClock(NOW)
    parts = ProviderParts(
        http=http,
        clock=clock,
        tenant=TenantUrl(url),
        client_id="client",
        client_secret="secret",
        circuit=Circuit("sensorberg", clock, timedelta(minutes=15)),
        limiter=asyncio.Semaphore(32),
        tokens=MemoryTokens(),
        secret_key=b"key",
    )
    return provider("sensorberg", parts)


@given(st.integers(200, 599), st.binary(max_size=60))
def test_any_answer(status: int, body: bytes) -> None:
    """Any bytes with any status are a value or one of our errors."""
    token = answer(b'{"access_token":"t","token_type":"bearer"}')

    async def ask() -> None:
        def respond(number: int) -> bytes:
            return token if number == 1 else answer(body, status=status)

        async with raw_server(respond) as server, HttpClient(["127.0.0.1"]) as http:
            made = _provider(server.url, http)
            calls: list[Awaitable[object]] = [
                made.ensure_user(ERIKA),
                made.set_code(OwnerId("a"), PIN),
                made.create_membership(RENTAL),
                made.amend_membership(RENTAL.external_id, START),
                made.remove_membership(RENTAL.external_id),
            ]
            for call in calls:
                try:
                    await call
                except UpstreamError:
                    continue

    asyncio.run(ask())
