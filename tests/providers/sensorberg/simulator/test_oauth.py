"""Tokens as Doorkeeper gives them."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from providers.sensorberg.simulator.tenant_client import CREDENTIALS, Tenant

BASIC = f"Basic {base64.b64encode(b'client:s%2Be%26c').decode()}"
"""Client and secret `s+e&c`, url-encoded as RFC 6749 wants it."""


async def test_a_token_answer_has_doorkeepers_fields(tenant: Tenant) -> None:
    """client_credentials gives a bearer token with its life, scope and birth, and no refresh token."""
    answer = await tenant.sign_in()

    assert (answer.status, answer.headers["cache-control"], answer.headers["pragma"]) == (200, "no-store", "no-cache")
    assert answer.body == {
        "access_token": tenant.token,
        "token_type": "Bearer",
        "expires_in": 7200,
        "scope": "app",
        "created_at": int(tenant.clock.now().timestamp()),
    }


async def test_a_token_may_never_expire(tenant: Tenant) -> None:
    """Without a time to live `expires_in` is left out."""
    tenant.turn(token_ttl=None, token_type_case="bearer")
    answer = await tenant.sign_in()
    tenant.clock.advance(timedelta(days=1000))

    assert ("expires_in" in answer.body, answer.body["token_type"]) == (False, "bearer")
    assert (await tenant.call("GET", "users/u1")).status == 404


@pytest.mark.parametrize(
    ("changes", "error", "modern", "old"),
    [
        ({"client_id": "nobody"}, "invalid_client", 401, 401),
        ({"client_secret": "wrong"}, "invalid_client", 401, 401),
        ({"grant_type": "password"}, "unsupported_grant_type", 400, 401),
        ({"grant_type": ""}, "invalid_request", 400, 401),
        ({"scope": "app root"}, "invalid_scope", 400, 401),
        ({"client_id": "limited"}, "unauthorized_client", 400, 401),
    ],
)
async def test_refused_token_requests(
    tenant: Tenant, changes: dict[str, str], error: str, modern: int, old: int
) -> None:
    """Each mistake has its error and status, by the version of Doorkeeper."""
    tenant.sim.add_client("limited", "secret", grants=("password",))
    new = await tenant.sign_in(**changes)
    tenant.turn(token_errors="all_401")
    before = await tenant.sign_in(**changes)

    assert (new.status, new.body["error"], before.status) == (modern, error, old)
    assert f'error="{error}"' in new.headers["www-authenticate"]


async def test_the_token_endpoint_may_be_behind_a_broken_proxy(tenant: Tenant) -> None:
    """A 502 page instead of a token."""
    tenant.turn(token_errors="html_502")
    answer = await tenant.sign_in()

    assert (answer.status, answer.body.startswith("<html>")) == (502, True)


@pytest.mark.parametrize(
    ("options", "lenient", "strict"),
    [
        ({"data": CREDENTIALS}, 200, 200),
        ({"json": CREDENTIALS}, 200, 400),
        (
            {"data": {"grant_type": "client_credentials"}, "headers": {"Authorization": BASIC}},
            200,
            401,
        ),
        ({"params": CREDENTIALS}, 400, 400),
    ],
)
async def test_credentials_come_in_a_body_or_header(
    tenant: Tenant, options: dict[str, Any], lenient: int, strict: int
) -> None:
    """Form, JSON and Basic (url-encoded) are read; the query string never is."""
    if "headers" in options:
        tenant.sim.change_secret("client", "s+e&c")
    first = await tenant.oauth("token", **options)
    tenant.turn(token_body_formats="form")
    second = await tenant.oauth("token", **options)

    assert (first.status, second.status) == (lenient, strict)


async def test_a_secret_is_url_encoded_in_the_form(tenant: Tenant) -> None:
    """A secret full of special characters arrives whole when the form is encoded."""
    tenant.sim.add_client("special", "s+e&c=%r ü")
    answer = await tenant.sign_in(client_id="special", client_secret="s+e&c=%r ü")

    assert answer.status == 200


async def test_each_request_gives_a_new_token(tenant: Tenant) -> None:
    """By default an old token stays good beside the new one."""
    old = tenant.token
    await tenant.sign_in()
    new, tenant.token = tenant.token, old

    assert (old != new, (await tenant.call("GET", "users/u1")).status) == (True, 404)
    assert tenant.sim.tokens_issued == 2


async def test_a_reused_token_has_less_time_left(tenant: Tenant) -> None:
    """With reuse the same token comes back with a smaller `expires_in`."""
    old = tenant.token
    tenant.turn(token_policy="reuse")
    tenant.clock.advance(timedelta(seconds=7000))
    again = await tenant.sign_in()
    tenant.clock.advance(timedelta(seconds=200))
    fresh = await tenant.sign_in()

    assert (again.body["access_token"], again.body["expires_in"]) == (old, 200)
    assert (fresh.body["access_token"] == old, fresh.body["expires_in"]) == (False, 7200)


async def test_a_new_token_may_end_the_last(tenant: Tenant) -> None:
    """With `revoke_previous` the older token is refused as revoked."""
    old = tenant.token
    tenant.turn(token_policy="revoke_previous")
    await tenant.sign_in()
    good = await tenant.call("GET", "users/u1")
    tenant.token = old
    bad = await tenant.call("GET", "users/u1")

    assert (good.status, bad.status, "was revoked" in bad.headers["www-authenticate"]) == (404, 401, True)


@pytest.mark.parametrize("way", ["expired", "revoked", "invalid"])
async def test_a_bad_token_is_401_with_an_empty_body(tenant: Tenant, way: str) -> None:
    """The reason is in `WWW-Authenticate` only."""
    if way == "expired":
        tenant.clock.advance(timedelta(seconds=7200))
    elif way == "revoked":
        tenant.sim.revoke_tokens()
    else:
        tenant.token = "made-up"
    answer = await tenant.call("GET", "users/u1")

    assert (answer.status, answer.body, f"{way}" in answer.headers["www-authenticate"]) == (401, None, True)


async def test_tokens_can_be_expired_by_hand(tenant: Tenant) -> None:
    """`expire_tokens` ends them, a new one works; a removed client's tokens are dead."""
    tenant.sim.expire_tokens()
    expired = (await tenant.call("GET", "users/u1")).status
    await tenant.sign_in()
    fresh = (await tenant.call("GET", "users/u1")).status
    tenant.sim.remove_client("client")

    assert (expired, fresh, (await tenant.call("GET", "users/u1")).status) == (401, 404, 401)


async def test_a_401_may_have_a_body(tenant: Tenant) -> None:
    """Where the tenant renders errors for 401, they are JSON:API."""
    tenant.turn(api_401_body="jsonapi")
    tenant.token = "made-up"
    answer = await tenant.call("GET", "users/u1")

    assert (answer.status, answer.body["errors"][0]["status"]) == (401, "401")


@pytest.mark.parametrize("status", [403, 404, 401])
async def test_the_scope_app_is_needed(tenant: Tenant, status: int) -> None:
    """A token without `app` is refused with the tenant's status."""
    tenant.turn(scope_failure=status)
    tenant.sim.add_client("other", "secret", scopes=("basic",))
    await tenant.sign_in(client_id="other", scope="basic")
    answer = await tenant.call("GET", "users/u1")

    assert (answer.status, "insufficient_scope" in answer.headers["www-authenticate"]) == (status, True)


async def test_a_token_can_be_revoked_and_looked_at(tenant: Tenant) -> None:
    """Revocation answers 200 also for unknown tokens; introspection tells what is active."""
    looked = await tenant.oauth("introspect", data={**CREDENTIALS, "token": tenant.token})
    info = await tenant.oauth("token/info", method="GET", headers={"Authorization": f"Bearer {tenant.token}"})
    revoked = [
        (await tenant.oauth("revoke", data={**CREDENTIALS, "token": token})).status
        for token in ("unknown", tenant.token)
    ]
    stranger = await tenant.oauth("revoke", data={"client_id": "x", "client_secret": "y", "token": tenant.token})
    after = await tenant.oauth("introspect", data={**CREDENTIALS, "token": tenant.token})

    assert (looked.body["active"], looked.body["client_id"], info.body["application"]) == (
        True,
        "client",
        {"uid": "client"},
    )
    assert (revoked, stranger.status, after.body) == ([200, 200], 403, {"active": False})


async def test_the_journal_keeps_no_secret(tenant: Tenant) -> None:
    """A token request is journalled without the secret, a call with the client's name."""
    await tenant.sign_in()
    await tenant.call("GET", "users/u1")
    token_entry, entry = tenant.sim.journal.entries

    assert (token_entry.body.keys() & {"client_secret"}, token_entry.kind) == (set(), "token")
    assert (entry.credential, tenant.sim.journal.writes()) == ("client:client", [])
