"""Users and codes over the API."""

from __future__ import annotations

from typing import Any

import pytest

from providers.sensorberg.simulator.tenant_client import Tenant


async def test_a_user_is_made_and_found(tenant: Tenant) -> None:
    """A new user is 201 and found by external id; one that is not there is 404."""
    missing = await tenant.call("GET", "users/u1")
    made = await tenant.add_user()
    found = await tenant.call("GET", "users/u1")

    assert (missing.status, made.status, found.status, found.body) == (404, 201, 200, made.body)
    assert found.attributes == {
        "full-name": "Ada",
        "email": "u1@example.com",
        "external-identifier": "u1",
        "locale": "de",
    }


@pytest.mark.parametrize("attribute", ["full-name", "email"])
async def test_required_attributes(tenant: Tenant, attribute: str) -> None:
    """A user without name or e-mail is refused, unless the tenant asks for neither."""
    blank: dict[str, Any] = {attribute: None}
    strict = await tenant.add_user(**blank)
    tenant.turn(user_required=frozenset())
    lenient = await tenant.add_user(**blank)

    assert (strict.status, lenient.status) == (422, 201)


@pytest.mark.parametrize("status", [422, 409])
async def test_users_are_unique(tenant: Tenant, status: int) -> None:
    """The same external id or e-mail twice is refused with the tenant's status."""
    tenant.turn(user_conflict_status=status)
    await tenant.add_user("u1")
    same = await tenant.add_user("u1", email="new@example.com")
    mail = await tenant.add_user("u2", email="u1@example.com")
    shout = await tenant.add_user("u3", email="U1@example.com")

    assert (same.status, mail.status, shout.status) == (status, status, 201)
    assert (same.detail, mail.detail) == (
        "External identifier has already been taken",
        "Email has already been taken",
    )


async def test_emails_may_be_compared_without_case_or_not_at_all(tenant: Tenant) -> None:
    """Whether two spellings are one address, and whether addresses must differ at all, are knobs."""
    tenant.turn(email_case_insensitive=True)
    await tenant.add_user("u1")
    shout = await tenant.add_user("u2", email="U1@example.com")
    tenant.turn(user_unique="external")
    shared = await tenant.add_user("u3", email="u1@example.com")
    tenant.turn(user_unique="none")
    twin = await tenant.add_user("u1")

    assert (shout.status, shared.status, twin.status) == (422, 201, 201)


async def test_locales_may_be_limited(tenant: Tenant) -> None:
    """A locale that is not in the tenant's list is refused; none at all is fine."""
    tenant.turn(locales=frozenset({"de"}))
    statuses = [(await tenant.add_user(str(n), locale=locale)).status for n, locale in enumerate(["de", "xx", None])]

    assert statuses == [201, 422, 201]


async def test_invitations_are_counted(tenant: Tenant) -> None:
    """Where new users are invited, the mail is noted."""
    await tenant.add_user("u1")
    tenant.turn(invite_mail=True)
    await tenant.add_user("u2")

    assert tenant.sim.mails == ["u2@example.com"]


async def test_a_code_is_kept_and_not_shown(tenant: Tenant) -> None:
    """A code is taken as it is, leading zeros included, and shown only where the tenant exposes it."""
    await tenant.add_user()
    quiet = await tenant.set_code("u1", "012345")
    tenant.turn(user_exposes_code=True)
    loud = await tenant.call("GET", "users/u1")

    assert (quiet.status, "identification-code" in quiet.attributes, tenant.sim.codes) == (200, False, {"u1": "012345"})
    assert loud.attributes["identification-code"] == "012345"


@pytest.mark.parametrize(
    ("knob", "code", "status"),
    [
        ("4-8", "123", 422),
        ("4-8", "1234", 200),
        ("4-8", "12345678", 200),
        ("4-8", "123456789", 422),
        ("4-8", "12a4", 422),
        ("4-8", 123456, 422),
        ("4-8", None, 422),
        ("4-8", "", 422),
        ("4", "12345", 422),
        ("6", "123456", 200),
        ("any", "#a", 200),
    ],
)
async def test_codes_have_a_length(tenant: Tenant, knob: str, code: Any, status: int) -> None:
    """Only digits as text and of the tenant's length are a code."""
    tenant.turn(code_length=knob)
    await tenant.add_user()

    assert (await tenant.set_code("u1", code)).status == status


async def test_codes_may_be_cleared(tenant: Tenant) -> None:
    """Where null clears, the user has no code any more; leaving the attribute out is refused all the same."""
    tenant.turn(code_clear="clears")
    await tenant.add_user()
    await tenant.set_code("u1", "123456")
    left_out = await tenant.call("PUT", "users/u1/identification_code", {})
    cleared = await tenant.set_code("u1", None)

    assert (left_out.status, cleared.status, tenant.sim.codes) == (422, 200, {})


@pytest.mark.parametrize(
    ("knob", "apart", "together"), [("tenant", 422, 422), ("group", 200, 422), ("off", 200, 200), ("500", 500, 500)]
)
async def test_codes_are_unique(tenant: Tenant, knob: str, apart: int, together: int) -> None:
    """Where codes must differ: in the tenant, within a group, nowhere, or found by the database only."""
    tenant.turn(code_unique=knob)
    for user, group in (("u1", "g1"), ("u2", "g2"), ("u3", "g1")):
        await tenant.add_user(user)
        await tenant.add_membership(f"r-{user}", user, group)
    await tenant.set_code("u1", "123456")
    again = await tenant.set_code("u1", "123456")
    statuses = [(await tenant.set_code(user, "123456")).status for user in ("u2", "u3")]

    assert (again.status, statuses) == (200, [apart, together])


@pytest.mark.parametrize("status", [404, 422])
async def test_a_code_needs_a_user(tenant: Tenant, status: int) -> None:
    """A code for nobody is refused with the tenant's status."""
    tenant.turn(code_missing_user=status)

    assert (await tenant.set_code("nobody", "123456")).status == status


async def test_a_freed_code_can_be_given_again(tenant: Tenant) -> None:
    """Once replaced or deleted with its user, a code is free."""
    for user in ("u1", "u2", "u3"):
        await tenant.add_user(user)
    await tenant.set_code("u1", "123456")
    await tenant.set_code("u1", "654321")
    second = await tenant.set_code("u2", "123456")
    tenant.sim.delete_user("u2")
    third = await tenant.set_code("u3", "123456")

    assert (second.status, third.status) == (200, 200)


async def test_users_change_and_go_only_with_the_optional_endpoints(tenant: Tenant) -> None:
    """PUT and DELETE of a user are 404 by default; where they exist they work."""
    await tenant.add_user()
    await tenant.add_membership()
    closed = [
        (await tenant.call("PUT", "users/u1", {"full-name": "B"})).status,
        (await tenant.call("DELETE", "users/u1")).status,
    ]
    tenant.turn(optional_endpoints=True, user_delete_cascade="blocked")
    changed = await tenant.call("PUT", "users/u1", {"full-name": "B"})
    blocked = await tenant.call("DELETE", "users/u1")
    tenant.turn(user_delete_cascade="removes")
    gone = await tenant.call("DELETE", "users/u1")

    assert (closed, changed.attributes["full-name"], blocked.status, gone.status) == ([404, 404], "B", 422, 204)
    assert (tenant.sim.users, tenant.sim.rows) == ({}, [])
