"""The admin API answers and refuses as Storeganise does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from storeganise.simulator.world import START, World

MISSING = "0" * 24


def ids(records: Any) -> list[str]:
    return [record["id"] for record in records]


async def test_custom_fields_show_only_when_included(served: World) -> None:
    """Without `include=customFields` the key is absent, also in nested records; with it, it is everywhere."""
    rental = served.acme.move_in(served.tenant, served.unit, START)
    _, bare = await served.call("GET", f"unit-rentals/{rental}")
    _, nested = await served.call("GET", f"unit-rentals/{rental}?include=unit,owner")
    _, whole = await served.call("GET", f"unit-rentals/{rental}?include=unit,owner,customFields")

    assert ({"customFields", "unit", "owner"} & bare.keys(), "customFields" in nested["unit"]) == (set(), False)
    assert (whole["customFields"], whole["unit"]["customFields"], whole["owner"]["customFields"]) == (
        {},
        {"sensorberg_id": "g1"},
        {},
    )
    assert whole["owner"]["name"] == "Jürgen Groß"


@pytest.mark.parametrize(
    ("authorization", "label"),
    [
        (None, "none"),
        ("ApiKey wrong", "key:unknown"),
        ("ApiKey key-2", "key:other"),
        ("Bearer key-1", "none"),
        ("Addon nope|key-1", "addon:refused"),
    ],
)
async def test_a_wrong_credential_is_refused(served: World, authorization: str | None, label: str) -> None:
    """No key, a wrong one, another account's: 401 in JSON, and the journal says whose key it was."""
    served.sim.add_account("other", api_key="key-2")
    status, body = await served.call("GET", "sites", authorization=authorization)
    entry = served.sim.journal.entries[-1]

    assert (status, body["error"]["type"], entry.credential, entry.account) == (401, "unauthorized", label, "acme")


async def test_no_secret_enters_the_journal(served: World) -> None:
    """The journal keeps whose key was used, not the key."""
    await served.call("GET", "sites")

    assert (served.sim.journal.entries[-1].credential, "key-1" in repr(served.sim.journal.entries)) == (
        "key:acme",
        False,
    )


async def test_an_unknown_account_is_not_found(served: World) -> None:
    """A business nobody opened is a 404 page."""
    async with served.http.get(f"{served.url}/nobody/api/v1/admin/sites") as response:
        status = response.status

    assert status == 404


@pytest.mark.parametrize("path", [f"unit-rentals/{MISSING}", f"users/{MISSING}", "sites/nope", f"jobs/{MISSING}"])
async def test_what_is_not_there_is_404(served: World, path: str) -> None:
    """A missing record is a 404 with `error.type`."""
    status, body = await served.call("GET", path)

    assert (status, body) == (404, {"error": {"type": "not_found", "message": "Not found"}})


async def test_a_hidden_record_is_404_and_missing_from_lists(served: World) -> None:
    """What a key may not see looks as if it did not exist, until it shows again."""
    rental = served.acme.move_in(served.tenant, served.unit, START)
    served.acme.hidden.add(rental)
    hidden = await served.call("GET", f"unit-rentals/{rental}"), await served.call("GET", "unit-rentals")
    served.acme.hidden.clear()
    status, _ = await served.call("GET", f"unit-rentals/{rental}")

    assert (hidden[0][0], hidden[1][1], status) == (404, [], 200)


async def test_sites_and_users_have_second_names(served: World) -> None:
    """A site is found by its code, a user by e-mail."""
    _, site = await served.call("GET", "sites/sued?include=customFields")
    _, user = await served.call("GET", "users/juergen%40example.com")

    assert (site["id"], site["customFields"], user["id"]) == (
        served.site,
        {"securitySystem": "sensorberg"},
        served.tenant,
    )


async def test_lists_are_bare_arrays_with_pages(served: World) -> None:
    """`limit` and `offset` page through a list; the default and the greatest limit are knobs."""
    served.turn(default_limit=2, max_limit=3)
    for n in range(3):
        served.acme.add_user("A", str(n), None)
    everybody = list(served.acme.users)
    pages = [
        await served.call("GET", f"users{query}") for query in ("", "?limit=1000", "?limit=3&offset=3", "?offset=9")
    ]

    assert [ids(page) for _, page in pages] == [everybody[:2], everybody[:3], everybody[3:], []]


async def test_rentals_can_be_filtered(served: World) -> None:
    """State lists, the virtual states, ids, owner and site narrow a list; an empty `ids` does not."""
    acme = served.acme
    ended = acme.move_in(served.tenant, served.unit, START)
    acme.move_out(ended)
    reserved = acme.book(served.tenant, served.unit, START)
    friend = acme.add_user("Grace", "O'Connor", "grace@example.com")
    overdue = acme.move_in(friend, served.other_unit, START)
    acme.mark_overdue(overdue)
    queries = {
        "state=occupied,ended": [ended, overdue],
        "state=active": [reserved, overdue],
        "state=overdue": [overdue],
        f"ids={ended},{MISSING},{overdue}": [ended, overdue],
        "ids=": [ended, reserved, overdue],
        f"ownerId={friend}": [overdue],
        f"siteId={served.site}&state=ended": [ended],
        f"siteId={MISSING}": [],
        f"unitId={served.unit}": [ended, reserved, overdue],
        "sort=-state": [reserved, overdue, ended],
        "start=2026-02-01,2026-02-28": [],
        "state=ended&end=2026-03-01,2026-03-01": [ended],
    }
    found = {query: ids((await served.call("GET", f"unit-rentals?{query}"))[1]) for query in queries}

    assert found == queries


async def test_the_unit_filter_is_a_knob(served: World) -> None:
    """Nobody documents `unitId`; where it is supported it filters."""
    served.turn(unit_id_filter="supported")
    rental = served.acme.move_in(served.tenant, served.unit, START)
    served.acme.move_in(served.tenant, served.other_unit, START)
    _, found = await served.call("GET", f"unit-rentals?unitId={served.unit}")

    assert ids(found) == [rental]


async def test_units_and_users_can_be_searched(served: World) -> None:
    """`search` looks at names and e-mails, `siteId` and `state` at units."""
    _, units = await served.call("GET", f"units?search=a2&siteId={served.site}&state=available")
    _, users = await served.call("GET", "users?search=JUERGEN")

    assert (ids(units), ids(users)) == ([served.other_unit], [served.tenant])


@pytest.mark.parametrize(("inclusive", "found"), [(True, 2), (False, 1)])
async def test_updated_after_looks_at_changes(served: World, inclusive: bool, found: int) -> None:  # noqa: FBT001  # a table's column
    """`updatedAfter` finds what changed since; whether that very instant counts is a knob."""
    served.turn(updated_after_inclusive=inclusive)
    served.acme.move_in(served.tenant, served.unit, START)
    served.clock.advance(timedelta(minutes=5))
    served.acme.move_in(served.tenant, served.other_unit, START)
    _, exact = await served.call("GET", "unit-rentals?updatedAfter=2026-03-01T09%3A00%3A00.000Z")
    _, later = await served.call("GET", "unit-rentals?updatedAfter=2026-03-01T09%3A00%3A01Z")
    status, _ = await served.call("GET", "unit-rentals?updatedAfter=yesterday")

    assert (len(exact), len(later), status) == (found, 1, 400)


async def test_overdue_may_leave_updated_alone(served: World) -> None:
    """Whether a mark moves `updated` is a knob."""
    rental = served.acme.move_in(served.tenant, served.unit, START)
    before = served.acme.rental(rental)["updated"]
    served.clock.advance(timedelta(minutes=5))
    served.turn(overdue_bumps_updated=False)
    served.acme.mark_overdue(rental)
    quiet = served.acme.rental(rental)["updated"]
    served.turn(overdue_bumps_updated=True)
    served.acme.pay(rental)

    assert (quiet == before, served.acme.rental(rental)["updated"] > before) == (True, True)


async def test_a_job_names_its_rental_where_the_account_says(served: World) -> None:
    """Depending on the account a job names its rental in `result`, in its steps, or nowhere."""
    shapes = {}
    for fields, unit in [("result+steps", served.unit), ("steps", served.other_unit)]:
        served.turn(job_fields=fields, job_owner_is_api_user=fields == "steps")
        rental = served.acme.move_in(served.tenant, unit, START)
        _, job = await served.call("GET", f"jobs/{served.acme.move_in_job(rental)}")
        shapes[fields] = (
            "unitRentalId" in job["result"],
            bool(job["steps"]) and job["steps"][0]["result"]["unitRentalId"] == rental,
            job["ownerId"] == served.tenant,
        )

    assert shapes == {"result+steps": (True, True, True), "steps": (False, True, False)}


async def test_a_step_completes_a_move_out(served: World) -> None:
    """Completing the step of a move-out job ends the rental."""
    rental = served.acme.move_in(served.tenant, served.unit, START)
    job = served.acme.job(served.acme.schedule_move_out(rental, START))
    path = f"jobs/{job['id']}/steps/{job['steps'][0]['id']}"
    status, body = await served.call("PUT", path, {"state": "completed", "nextUnitState": "blocked"})

    assert (status, body["state"], served.acme.rental(rental)["state"]) == (200, "completed", "ended")
    assert served.acme.unit(served.unit)["state"] == "blocked"


async def test_an_add_on_has_its_own_credential_and_record(served: World) -> None:
    """An add-on reads with its own key; disabled it is refused; it may be limited to its site."""
    addon = served.acme.add_installation(served.site, api_key="sg", custom_fields={"sensorberg_clientId": "c"})
    served.acme.add_site("Elsewhere")
    key = f"Addon {addon}|sg"
    _, record = await served.call("GET", f"addons/{addon}", authorization=key)
    _, everything = await served.call("GET", "sites", authorization=key)
    served.turn(addon_limited_to_site=True)
    _, limited = await served.call("GET", "sites", authorization=key)
    served.acme.installations[addon].state = "disabled"
    status, _ = await served.call("GET", "sites", authorization=key)

    assert record == {"id": addon, "siteId": served.site, "customFields": {"sensorberg_clientId": "c"}}
    assert (len(everything), ids(limited), status) == (2, [served.site], 401)


async def test_the_rate_limit_follows_the_clock(served: World) -> None:
    """Beyond the limit requests are refused with 429 until the clock moves on."""
    served.turn(rate_limit=2, rate_limit_retry_after="7")
    statuses = [(await served.call("GET", "settings"))[0] for _ in range(3)]
    served.clock.advance(timedelta(seconds=1))
    statuses.append((await served.call("GET", "settings"))[0])

    assert statuses == [200, 200, 429, 200]


@pytest.mark.parametrize(("shape", "body"), [("empty", b"{}"), ("html", b"<html>")])
async def test_error_bodies_are_a_knob(served: World, shape: str, body: bytes) -> None:
    """An error may come with an empty object or a page."""
    served.turn(error_shape=shape)
    headers = {"Authorization": "ApiKey key-1"}
    async with served.http.get(f"{served.url}/acme/api/v1/admin/sites/x", headers=headers) as response:
        text = await response.read()

    assert (response.status, text.startswith(body)) == (404, True)


async def test_lists_may_embed_unasked(served: World) -> None:
    """Some accounts' lists carry unit, owner and custom fields without being asked."""
    served.turn(include_default_on_list="embed")
    served.acme.move_in(served.tenant, served.unit, START)
    _, found = await served.call("GET", "unit-rentals")

    assert {"unit", "owner", "customFields"} <= found[0].keys()
