"""Media types, documents, errors, limits, lists: everything around the six calls."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from keyturn.providers.sensorberg.simulator import Knobs, profiles
from providers.sensorberg.simulator.tenant_client import Tenant

USER = {"full-name": "Ada", "email": "a@example.com", "external-identifier": "u1"}


@pytest.mark.parametrize("media", ["application/json", "application/vnd.api+json; charset=utf-8", ""])
@pytest.mark.parametrize(("knob", "status"), [("415", 415), ("lenient", 201), ("ignored_body", 422)])
async def test_the_content_type_is_exact(tenant: Tenant, media: str, knob: str, status: int) -> None:
    """Anything but exactly `application/vnd.api+json` is refused, read anyway, or not read at all."""
    tenant.turn(content_type_check=knob)

    assert (await tenant.call("POST", "users", USER, media=media)).status == status


async def test_accept_may_be_checked(tenant: Tenant) -> None:
    """Where `Accept` counts, it must allow JSON:API."""
    statuses = []
    for knob in ("none", "406"):
        tenant.turn(accept_check=knob)
        for accept in ("application/json", "*/*", "application/vnd.api+json"):
            statuses.append((await tenant.call("GET", "users/u1", headers={"Accept": accept})).status)  # noqa: PERF401  # async

    assert statuses == [404, 404, 404, 406, 404, 404]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"raw": b"{"}, 400),
        ({"raw": b"[]"}, 400),
        ({"raw": b'{"data":[]}'}, 400),
        ({"raw": b'{"data":{"type":"users","attributes":[]}}'}, 400),
        ({"kind": "user"}, 409),
    ],
)
async def test_a_document_must_be_one(tenant: Tenant, options: dict[str, Any], status: int) -> None:
    """No JSON, no `data`, no attributes, another type: refused."""
    assert (await tenant.call("POST", "users", USER, **options)).status == status


async def test_types_may_be_ignored_and_ids_be_needed(tenant: Tenant) -> None:
    """A wrong type may pass; a PUT without `data.id` may not."""
    tenant.turn(type_check="ignored", put_needs_id=True, error_style="jr")
    made = await tenant.call("POST", "users", USER, kind="people")
    refused = await tenant.set_code("u1", "123456")
    named = await tenant.call(
        "PUT", "users/u1/identification_code", {"identification-code": "123456"}, ident={"id": "u1"}
    )

    assert (made.status, refused.status, refused.body["errors"][0]["code"], named.status) == (201, 400, "109", 200)


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("custom", {"title": "Validation failed", "detail": "Email has already been taken", "status": "422"}),
        (
            "jr",
            {
                "title": "has already been taken",
                "detail": "email - has already been taken",
                "code": "100",
                "status": "422",
                "source": {"pointer": "/data/attributes/email"},
            },
        ),
        (
            "jsonapi_rb",
            {
                "title": "Invalid email",
                "detail": "Email has already been taken",
                "source": {"pointer": "/data/attributes/email"},
            },
        ),
        (
            "graphiti",
            {
                "code": "unprocessable_entity",
                "status": "422",
                "title": "Validation Error",
                "detail": "Email has already been taken",
                "meta": {"attribute": "email", "message": "has already been taken", "code": "taken"},
                "source": {"pointer": "/data/attributes/email"},
            },
        ),
    ],
)
async def test_error_styles(tenant: Tenant, style: str, expected: dict[str, Any]) -> None:
    """The same refusal in the words of each stack."""
    tenant.turn(error_style=style)
    await tenant.call("POST", "users", USER)
    answer = await tenant.call("POST", "users", USER | {"external-identifier": "u2"})

    assert answer.body["errors"] == [expected]


async def test_errors_without_json_api(tenant: Tenant) -> None:
    """An error may be a plain object, a page, or nothing; a 404 has a style of its own."""
    bodies = []
    for style in ("plain", "html", "empty"):
        tenant.turn(error_style=style)
        bodies.append((await tenant.call("POST", "users", {})).body)
    for not_found in ("empty", "html"):
        tenant.turn(error_style="custom", not_found_body=not_found)
        bodies.append((await tenant.call("GET", "users/u1")).body)

    assert bodies[0] == {"status": 422, "error": "Email can't be blank"}
    assert [str(body)[:6] for body in bodies[1:]] == ["<html>", "None", "None", "<html>"]


async def test_answers_carry_sensorbergs_time(tenant: Tenant) -> None:
    """`Date` follows the clock and its skew, and may be missing."""
    plain = (await tenant.call("GET", "users/u1")).headers["date"]
    tenant.turn(clock_skew_s=600)
    ahead = (await tenant.call("GET", "users/u1")).headers["date"]
    tenant.turn(date_header=False)
    headers = (await tenant.call("GET", "users/u1")).headers

    assert (plain, ahead, "date" in headers) == (
        "Sun, 01 Mar 2026 09:00:00 GMT",
        "Sun, 01 Mar 2026 09:10:00 GMT",
        False,
    )


async def test_the_rate_limit_follows_the_clock(tenant: Tenant) -> None:
    """Beyond the limit a request is 429, with or without Retry-After, until the clock moves."""
    tenant.turn(rate_limit=1, rate_limit_retry_after="3")
    answers = [await tenant.call("GET", "users/u1") for _ in range(2)]
    tenant.clock.advance(timedelta(seconds=1))
    answers.append(await tenant.call("GET", "users/u1"))

    assert [answer.status for answer in answers] == [404, 429, 404]
    assert answers[1].headers["retry-after"] == "3"


async def test_nothing_can_be_listed_by_default(tenant: Tenant) -> None:
    """Lists and the GET of a membership do not exist unless switched on."""
    await tenant.add_user()
    await tenant.add_membership()
    paths = ["users", "user_group_memberships", "user_group_memberships/r1", "user_groups", "user_groups/g1"]
    closed = [(await tenant.call("GET", path)).status for path in paths]
    tenant.turn(optional_endpoints=True)
    opened = [(await tenant.call("GET", path)).status for path in paths]

    assert (closed, opened) == ([404] * 5, [200] * 5)


@pytest.mark.parametrize("paging", ["page", "cursor"])
@pytest.mark.parametrize(
    ("style", "name"), [("bare", "external-user-identifier"), ("filter", "filter[external-user-identifier]")]
)
async def test_lists_are_filtered_and_paged(tenant: Tenant, paging: str, style: str, name: str) -> None:
    """`links.next` leads through all pages of what the filter lets through."""
    tenant.turn(optional_endpoints=True, list_paging=paging, list_filter=style, page_size=2)
    for user in ("u1", "u2"):
        await tenant.add_user(user)
    for n in range(5):
        await tenant.add_membership(f"r{n}", "u2" if n == 1 else "u1")
    found: list[str] = []
    path: str | None = f"user_group_memberships?{name}=u1&page[size]=50"
    while path is not None:
        answer = await tenant.call("GET", path)
        found += [row["attributes"]["external-identifier"] for row in answer.body["data"]]
        following = answer.body["links"]["next"]
        path = following.removeprefix("/api/backend-sdk/v1/") if following else None

    assert (found, tenant.sim.journal.count(route="memberships.list")) == (["r0", "r2", "r3", "r4"], 2)


@pytest.mark.parametrize("profile", [profiles.rails_custom, profiles.strict_jr, profiles.sloppy, profiles.hostile])
async def test_profiles_still_let_a_tenant_in(tenant: Tenant, profile: Any) -> None:
    """Whatever the stack, the case study's calls end in an open door."""
    knobs: Knobs = profile()
    tenant.sim.knobs = knobs
    await tenant.sign_in()
    await tenant.add_user()
    await tenant.add_membership(created_at=... if knobs.created_at == "400" else "2026-03-01T09:00:00Z")
    ident = {"ident": {"id": "u1"}} if knobs.put_needs_id else {}
    await tenant.call("PUT", "users/u1/identification_code", {"identification-code": "739105"}, **ident)

    assert tenant.sim.try_door("g1", pin="739105").opened is True


async def test_the_tenants_own_door(tenant: Tenant) -> None:
    """What people do by hand can be done over HTTP, and the page says how."""
    operations: list[tuple[str, dict[str, Any]]] = [
        ("add_user", {"external_id": "u1", "full_name": "Ada", "email": "a@example.com", "code": "739105"}),
        ("add_membership", {"args": ["r1", "u1", "g1"], "starts_at": "2026-03-01T00:00:00+00:00"}),
        ("try_door", {"group": "g1", "pin": "739105", "at": "2026-03-01T00:00:00+00:00"}),
    ]
    answers = []
    for name, arguments in operations:
        async with tenant.http.post(f"{tenant.url}/_simulator/{name}", json=arguments) as response:
            answers.append(await response.json())
    async with tenant.http.get(tenant.url) as response:
        page = await response.text()

    assert (answers[2], "Sensorberg simulator" in page) == ({"result": {"state": "approved", "user": "u1"}}, True)
