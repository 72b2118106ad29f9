"""The token: once for all, renewed in time, sealed at rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.provider_contract import ERIKA, RENTAL
from keyturn.clock import MovableClock
from keyturn.core.ids import TenantUrl
from keyturn.errors import CredentialsRejected, Refused, Unavailable, UpstreamError
from keyturn.providers.protocol import Provider
from keyturn.providers.sensorberg.simulator import Knobs
from keyturn.providers.sensorberg.token import (
    MemoryTokens,
    Seal,
    SealedToken,
    Token,
    TokenCache,
    read_token,
    used_for,
)
from keyturn.simulation.faults import Fault, Gate
from keyturn.upstream.http import HttpClient
from providers.sensorberg.tenant import NOW, SECRET, Tenant, tenant
from upstream.raw_server import answer, raw_server

GOOD: dict[str, Any] = {"access_token": "abc", "token_type": "Bearer", "expires_in": 7200, "scope": "app"}


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (7200, 6480),
        (3600, 3240),
        (300, 240),
        (120, 108),
        (30, 27),
        (1, 0.9),
        (0, 0),
        (-5, 0),
        (None, 3240),
        ("7200", 3240),
        (True, 3240),
        (1e300, 30 * 86400 * 0.9),
    ],
)
def test_how_long_a_token_is_used(expires_in: Any, seconds: float) -> None:
    """A token is given up a little before it runs out, in proportion where it is short."""
    assert used_for(expires_in).total_seconds() == pytest.approx(seconds)


@pytest.mark.parametrize(
    "changes",
    [
        {"token_type": "bearer"},
        {"token_type": "BEARER"},
        {"scope": "basic app"},
        {"scope": None},
        {"scope": ""},
        {"expires_in": None},
        {"refresh_token": "x", "created_at": 1},
    ],
)
def test_good_answers(changes: dict[str, Any]) -> None:
    """Spelling and extra members do not matter; a scope that is not told is the one asked for."""
    assert read_token(GOOD | changes, NOW).value == "abc"


@pytest.mark.parametrize(
    "answered",
    [
        None,
        [],
        "abc",
        {},
        GOOD | {"access_token": ""},
        GOOD | {"access_token": None},
        GOOD | {"access_token": "a b"},
        GOOD | {"access_token": "a\r\nX: y"},
        GOOD | {"access_token": "é"},
        GOOD | {"token_type": "mac"},
        GOOD | {"token_type": None},
        {"error": "invalid_client"},
    ],
)
def test_answers_without_a_token(answered: Any) -> None:
    """What holds no usable bearer token is no answer."""
    with pytest.raises(Unavailable):
        read_token(answered, NOW)


def test_another_scope() -> None:
    """A token that may not do our work is a matter of credentials."""
    with pytest.raises(CredentialsRejected):
        read_token(GOOD | {"scope": "basic application"}, NOW)


@given(st.recursive(st.none() | st.text() | st.integers() | st.floats(), st.lists))
def test_any_member(value: Any) -> None:
    """No member is too odd."""
    for key in GOOD:
        try:
            read_token(GOOD | {key: value}, NOW)
        except UpstreamError:
            continue


def test_seal() -> None:
    """A sealed token shows nothing and opens only under the same key, for the same client of the same tenant."""
    where = TenantUrl("https://a.example")
    token = Token(value="canary", good_until=NOW)
    sealed = Seal(b"key", where, "client", "secret").close(token, NOW)
    assert "canary" not in sealed.sealed + repr(sealed) + repr(token)
    assert Seal(b"key", where, "client", "secret").open(sealed) == token
    for other in (
        Seal(b"other", where, "client", "secret"),
        Seal(b"key", where, "other", "secret"),
        Seal(b"key", where, "client", "another secret"),
        Seal(b"key", TenantUrl("https://b.example"), "client", "secret"),
    ):
        assert other.open(sealed) is None
    assert Seal(b"key", where, "client", "secret").open(None) is None
    assert Seal(b"key", where, "client", "secret").open(replace(sealed, sealed="nonsense é")) is None


async def _sets_up(made: Tenant) -> Provider:
    made.sim.add_user(ERIKA.id, "Erika", "erika@example.com")
    return made.provider()


async def _use(provider: Provider, times: int = 1) -> None:
    await asyncio.gather(*(provider.amend_membership(RENTAL.external_id, None) for _ in range(times)))


async def test_request() -> None:
    """The token is asked for with a form, and neither it nor the secret is ever in an address."""
    async with tenant() as made:
        await _use(made.provider())
        entry = made.sim.journal.entries[0]
        assert (entry.method, entry.path, entry.query) == ("POST", "/oauth/token", {})
        assert entry.body == {"grant_type": "client_credentials", "client_id": "client", "scope": "app"}


async def test_one_token_for_all_who_wait() -> None:
    """Twenty calls at once fetch one token."""
    async with tenant() as made:
        gate = Gate()
        made.sim.faults.add(route="oauth.token", fault=Fault.hold(gate))
        using = asyncio.create_task(_use(made.provider(), 20))
        await gate.reached()
        gate.open()
        await using
        assert (made.asked("oauth.token"), made.asked("memberships.put")) == (1, 20)


async def test_one_token_for_all_processes() -> None:
    """A second process finds the first one's token."""
    async with tenant() as made:
        await _use(made.provider())
        await _use(made.provider())
        assert made.sim.tokens_issued == 1


async def test_two_processes_at_once() -> None:
    """Two processes that start together fetch one token, even where a new one ends the last."""
    async with tenant(Knobs(token_policy="revoke_previous")) as made:
        first, second = made.provider(), made.provider()
        await asyncio.gather(_use(first, 5), _use(second, 5))
        assert made.sim.tokens_issued == 1


async def test_stored_token_is_sealed() -> None:
    """The store never holds the token in the clear, and another installation key cannot use it."""
    async with tenant() as made:
        await _use(made.provider())
        stored = await made.tokens.read(TenantUrl(made.url), "client")
        assert isinstance(stored, SealedToken)
        assert (stored.minted_at, stored.expires_at) == (NOW, NOW + timedelta(seconds=6480))
        await _use(made.provider(secret_key=b"another key"))
        assert made.sim.tokens_issued == 2


async def test_token_is_renewed_before_it_runs_out() -> None:
    """A token is replaced in time, so no call meets a 401."""
    async with tenant() as made:
        provider = made.provider()
        await _use(provider)
        made.clock.advance(timedelta(seconds=6479))
        await _use(provider)
        assert made.sim.tokens_issued == 1
        made.clock.advance(timedelta(seconds=1))
        await _use(provider)
        assert made.sim.tokens_issued == 2
        assert made.sim.journal.count(route="memberships.put") == 3


async def test_short_tokens() -> None:
    """A token of half a minute is used for most of it, and one of no time at all at least once."""
    async with tenant(Knobs(token_ttl=30)) as made:
        provider = made.provider()
        await _use(provider)
        made.clock.advance(timedelta(seconds=26))
        await _use(provider)
        assert made.sim.tokens_issued == 1
    async with tenant(Knobs(token_policy="reuse", token_ttl=10)) as made:
        await _use(made.provider())
        made.clock.advance(timedelta(seconds=9, milliseconds=500))
        await _use(made.provider())


@pytest.mark.parametrize("storm", [1, 20])
async def test_token_that_ended_early(storm: int) -> None:
    """Calls that meet a 401 fetch one new token between them and are repeated once."""
    async with tenant() as made:
        provider = made.provider()
        await _use(provider)
        made.sim.revoke_tokens()
        await _use(provider, storm)
        assert made.sim.tokens_issued == 2
        made.sim.expire_tokens()
        await _use(provider, storm)
        assert made.sim.tokens_issued == 3


async def test_token_renewed_by_another_process() -> None:
    """After a 401 the newer token of another process is used, not a third one fetched."""
    async with tenant(Knobs(token_policy="revoke_previous")) as made:
        first, second = made.provider(), made.provider()
        await _use(first)
        await _use(second)
        made.sim.revoke_tokens()
        await _use(second)
        await _use(first, 10)
        assert made.sim.tokens_issued == 2


async def test_greeting_uses_the_token_there_is() -> None:
    """A greeting with a stored token fetches none, so that nobody else's token ends with it; it reads and no more."""
    async with tenant(Knobs(token_policy="revoke_previous")) as made:
        await _use(made.provider())
        for _ in range(2):
            await made.provider().greet()
        assert made.sim.tokens_issued == 1
        assert [entry.route for entry in made.sim.journal.entries if entry.kind != "token"][-2:] == ["users.get"] * 2


async def test_greeting_learns_the_time() -> None:
    """After a greeting the backend's own time is known."""
    async with tenant(Knobs(clock_skew_s=-300.0)) as made:
        provider = made.provider()
        await provider.greet()
        assert provider.time() == made.clock.now() - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.status(401, body=b""), CredentialsRejected),
        (Fault.status(403, body=b""), Refused),
        (Fault.status(500), Unavailable),
        (Fault.reset_before(), Unavailable),
    ],
    ids=["401", "403", "500", "reset"],
)
async def test_greeting_says_what_is_wrong(fault: Fault, expected: type[UpstreamError]) -> None:
    """Whoever is not welcome hears why."""
    async with tenant() as made:
        made.sim.faults.add(route="users.get", fault=fault, times=None)
        with pytest.raises(expected):
            await made.provider().greet()


async def test_greeting_with_a_refused_client() -> None:
    """A client that is refused cannot greet."""
    async with tenant() as made:
        with pytest.raises(CredentialsRejected):
            await made.provider(client_secret="wrong").greet()


async def test_late_answer_about_an_old_token() -> None:
    """A 401 about a token that has been replaced meanwhile fetches nothing."""
    async with tenant() as made:
        provider = made.provider()
        await _use(provider)
        gate = Gate()
        made.sim.revoke_tokens()
        made.sim.faults.add(route="memberships.put", fault=Fault.hold_after(gate))
        late = asyncio.create_task(_use(provider))
        await gate.reached()
        await _use(provider)
        gate.open()
        await late
        assert made.sim.tokens_issued == 2


async def test_second_401() -> None:
    """A call that a fresh token does not help pauses the credential after two token requests at most."""
    async with tenant() as made:
        provider = made.provider()
        await _use(provider)
        made.sim.faults.add(route="memberships.*", fault=Fault.status(401, body=b""), times=None)
        with pytest.raises(CredentialsRejected):
            await _use(provider)
        with pytest.raises(Unavailable, match="credentials"):
            await _use(provider)
        assert made.sim.tokens_issued == 2
        assert made.circuit.reason == "credentials"


@pytest.mark.parametrize("errors", ["modern", "all_401"])
async def test_refused_client(errors: Any) -> None:
    """A refused client is a matter of credentials, tried again after 15 minutes."""
    async with tenant(Knobs(token_errors=errors)) as made:
        provider = made.provider(client_secret="wrong canary")
        with pytest.raises(CredentialsRejected) as caught:
            await _use(provider)
        assert "canary" not in str(caught.value)
        with pytest.raises(Unavailable):
            await _use(provider)
        assert made.asked("oauth.token") == 1
        made.clock.advance(timedelta(minutes=15))
        with pytest.raises(CredentialsRejected):
            await _use(provider)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 422])
async def test_token_address_that_refuses(status: int) -> None:
    """Whatever the token address refuses with, it never passes for the answer of an API call."""
    async with tenant() as made:
        made.sim.faults.add(route="oauth.token", fault=Fault.status(status, body=b""), times=None)
        calls: list[Awaitable[object]] = [
            made.provider().remove_membership(RENTAL.external_id),
            made.provider().amend_membership(RENTAL.external_id, None),
            made.provider().create_membership(RENTAL),
            made.provider().ensure_user(ERIKA),
        ]
        for call in calls:
            with pytest.raises(CredentialsRejected):
                await call


@pytest.mark.parametrize(
    "fault",
    [Fault.html(502), Fault.html(200), Fault.empty(200), Fault.truncated(), Fault.reset_before(), Fault.status(429)],
)
async def test_token_address_that_fails(fault: Fault) -> None:
    """A token address that does not answer may get better, and all who wait share the one failure."""
    async with tenant() as made:
        provider = made.provider()
        made.sim.faults.add(route="oauth.token", fault=fault)
        ends = await asyncio.gather(
            *(provider.amend_membership(RENTAL.external_id, None) for _ in range(20)), return_exceptions=True
        )
        assert all(isinstance(end, Unavailable) for end in ends)
        assert made.asked("oauth.token") == 1


async def test_cancelled_call() -> None:
    """A call that is given up does not take the token away from the others."""
    async with tenant() as made:
        provider, gate = made.provider(), Gate()
        made.sim.faults.add(route="oauth.token", fault=Fault.hold(gate))
        first, second = asyncio.create_task(_use(provider)), asyncio.create_task(_use(provider))
        await gate.reached()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.open()
        await second
        assert made.sim.tokens_issued == 1


@pytest.mark.parametrize("secret", [SECRET, "a&b=c", "+ +", "ü", "%41"])
async def test_odd_secrets(secret: str) -> None:
    """Every character of a secret arrives."""
    async with tenant() as made:
        made.sim.add_client("odd", secret)
        await _use(made.provider(client_id="odd", client_secret=secret))


@given(st.integers(200, 599), st.binary(max_size=80))
def test_any_answer(status: int, body: bytes) -> None:
    """Any bytes with any status are a token or one of our errors."""

    async def fetch() -> None:
        async with raw_server(lambda _: answer(body, status=status)) as server, HttpClient(["127.0.0.1"]) as http:
            cache = TokenCache(
                http=http,
                clock=MovableClock(NOW),
                tenant=TenantUrl(server.url),
                client_id="client",
                client_secret=SECRET,
                limiter=asyncio.Semaphore(32),
                tokens=MemoryTokens(),
                secret_key=b"key",
            )
            with pytest.raises(UpstreamError):
                await cache.token()

    asyncio.run(fetch())
