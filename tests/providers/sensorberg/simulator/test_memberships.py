"""Memberships over the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from providers.sensorberg.simulator.tenant_client import NOW, Tenant


@pytest.fixture
async def renter(tenant: Tenant) -> Tenant:
    """The tenant with a user u1."""
    await tenant.add_user()
    return tenant


async def test_a_membership_is_made_changed_and_removed(renter: Tenant) -> None:
    """POST is 201, PUT 200 with the resource, DELETE 204 without a body; then it is gone."""
    made = await renter.add_membership()
    ended = await renter.put_membership("r1", ends_at="2026-03-02T00:00:00Z")
    removed = await renter.delete_membership("r1")
    gone = await renter.delete_membership("r1"), await renter.put_membership("r1", ends_at=None)

    assert made.attributes == {
        "external-identifier": "r1",
        "external-user-identifier": "u1",
        "external-user-group-identifier": "g1",
        "created-at": "2026-03-01T09:00:00Z",
        "starts-at": "2026-03-01T09:00:00Z",
        "ends-at": None,
    }
    assert (made.status, ended.status, ended.attributes["ends-at"]) == (201, 200, "2026-03-02T00:00:00Z")
    assert (removed.status, removed.body, [answer.status for answer in gone]) == (204, None, [404, 404])


async def test_a_put_leaves_out_what_stays(renter: Tenant) -> None:
    """Only the attributes in a PUT change; null is open-ended."""
    await renter.add_membership(ends_at="2026-04-01T00:00:00Z")
    same = await renter.put_membership("r1")
    opened = await renter.put_membership("r1", ends_at=None)

    assert (same.attributes["ends-at"], opened.attributes["ends-at"]) == ("2026-04-01T00:00:00Z", None)


@pytest.mark.parametrize(
    ("knob", "status", "rows"), [("422", 422, 1), ("409", 409, 1), ("upsert", 200, 1), ("second_row", 201, 2)]
)
async def test_the_same_external_id_twice(renter: Tenant, knob: str, status: int, rows: int) -> None:
    """A repeated POST is refused, taken as an update, or silently makes a second row."""
    renter.turn(membership_dup_external=knob)
    await renter.add_membership()
    again = await renter.add_membership(group="g2")

    assert (again.status, len(renter.sim.rows)) == (status, rows)


async def test_a_second_row_survives_its_deletion(renter: Tenant) -> None:
    """PUT and DELETE reach one row only: the other goes on opening the door."""
    renter.turn(membership_dup_external="second_row")
    await renter.add_membership()
    await renter.add_membership()
    await renter.set_code("u1", "123456")
    await renter.delete_membership("r1")

    assert renter.sim.try_door("g1", pin="123456").opened is True
    assert list(renter.sim.snapshot()["memberships"]) == ["r1"]


@pytest.mark.parametrize(("knob", "status"), [("allowed", 201), ("422", 422)])
async def test_the_same_user_and_group_twice(renter: Tenant, knob: str, status: int) -> None:
    """A second membership of a user in a group is fine, or refused."""
    renter.turn(membership_dup_user_group=knob)
    await renter.add_membership("r1")

    assert (await renter.add_membership("r2")).status == status


@pytest.mark.parametrize(("knob", "user", "group"), [("422", 422, 422), ("404", 404, 404), ("null_group", 422, 201)])
async def test_unknown_users_and_groups(renter: Tenant, knob: str, user: int, group: int) -> None:
    """A membership of somebody or something unknown is refused, or made without a group."""
    renter.turn(membership_unknown_ref=knob)
    nobody = await renter.add_membership(user="nobody")
    nowhere = await renter.add_membership(group="nowhere")

    assert (nobody.status, nowhere.status) == (user, group)


async def test_a_membership_without_group(renter: Tenant) -> None:
    """A missing group is refused, or made without one; a missing user always is refused."""
    left_out: dict[str, Any] = {"external_user_group_identifier": ...}
    strict = await renter.add_membership(**left_out)
    renter.turn(missing_group_key="created")
    lenient = await renter.add_membership(**left_out)
    nobody = await renter.add_membership("r2", external_user_identifier=...)

    assert (strict.status, lenient.status, nobody.status) == (422, 201, 422)


@pytest.mark.parametrize(
    ("knob", "sent", "without"),
    [("accepted", 201, 201), ("required", 201, 422), ("400", 400, 201), ("422", 422, 201), ("ignored", 201, 201)],
)
async def test_created_at(renter: Tenant, knob: str, sent: int, without: int) -> None:
    """`created-at` is taken, demanded, refused or ignored."""
    renter.turn(created_at=knob)
    first = await renter.add_membership("r1", created_at="2020-01-01T00:00:00Z")
    second = await renter.add_membership("r2", created_at=...)
    kept = first.attributes["created-at"][:4] if first.status == 201 else None

    assert (first.status, second.status) == (sent, without)
    assert kept == {"accepted": "2020", "required": "2020", "ignored": "2026"}.get(knob)


@pytest.mark.parametrize(
    ("knob", "status", "kept"), [("open_ended", 200, None), ("422", 422, "end"), ("ignored", 200, "end")]
)
async def test_null_as_end(renter: Tenant, knob: str, status: int, kept: str | None) -> None:
    """Null opens the window, is refused, or does nothing."""
    renter.turn(ends_at_null=knob)
    await renter.add_membership(ends_at="2026-04-01T00:00:00Z")
    answer = await renter.put_membership("r1", ends_at=None)
    end = datetime(2026, 4, 1, tzinfo=UTC) if kept else None

    assert (answer.status, renter.sim.memberships["r1"].ends_at) == (status, end)


@pytest.mark.parametrize(
    ("knobs", "end", "status"),
    [
        ({}, "2026-03-01T08:59:59Z", 422),
        ({}, "2026-03-01T09:00:00Z", 200),
        ({}, "1970-01-01T00:00:00Z", 422),
        ({"ends_before_starts": "accepted"}, "1970-01-01T00:00:00Z", 200),
        ({"ends_in_past": "422"}, "2026-03-01T09:30:00Z", 422),
        ({"ends_in_past": "422"}, "2026-03-01T10:00:00Z", 200),
        ({}, "2026-03-01T10:00:00.123Z", 200),
        ({"fractional_seconds": "422"}, "2026-03-01T10:00:00.123Z", 422),
        ({}, "2026-03-01T11:00:00+01:00", 200),
        ({"offsets": "422"}, "2026-03-01T11:00:00+01:00", 422),
        ({}, "2026-03-01T10:00:00", 422),
        ({}, "2026-13-01T10:00:00Z", 422),
        ({}, "tomorrow", 422),
        ({}, 1772355600, 422),
    ],
)
async def test_which_ends_are_taken(renter: Tenant, knobs: dict[str, Any], end: Any, status: int) -> None:
    """An end before the start, in the past, or in another format is refused as the tenant does."""
    renter.turn(**knobs)
    await renter.add_membership()
    renter.clock.advance(timedelta(hours=1))

    assert (await renter.put_membership("r1", ends_at=end)).status == status


@pytest.mark.parametrize(
    ("knob", "status", "changed"), [("ignored", 200, False), ("accepted", 200, True), ("422", 422, False)]
)
async def test_start_and_group_in_a_put(renter: Tenant, knob: str, status: int, changed: bool) -> None:  # noqa: FBT001  # a table's column
    """Another start or group is ignored, taken or refused; the same one is always fine."""
    renter.turn(starts_at_update=knob, group_update=knob)
    await renter.add_membership()
    same = await renter.put_membership("r1", starts_at="2026-03-01T09:00:00Z", external_user_group_identifier="g1")
    start = await renter.put_membership("r1", starts_at="2026-03-05T00:00:00Z")
    group = await renter.put_membership("r1", external_user_group_identifier="g2")
    row = renter.sim.memberships["r1"]

    assert (same.status, start.status, group.status) == (200, status, status)
    assert (row.starts_at != NOW, row.group == "g2") == (changed, changed)


@pytest.mark.parametrize(("reusable", "status"), [(True, 201), (False, 422)])
async def test_a_deleted_external_id(renter: Tenant, reusable: bool, status: int) -> None:  # noqa: FBT001  # a table's column
    """The external id of a deleted membership is free again, or taken for ever."""
    renter.turn(external_id_reuse_after_delete=reusable)
    await renter.add_membership()
    await renter.delete_membership("r1")

    assert (await renter.add_membership()).status == status


@pytest.mark.parametrize(
    ("knob", "status", "body"), [("204", 204, None), ("200_meta", 200, {"meta": {}}), ("202", 202, None)]
)
async def test_answers_to_a_delete(renter: Tenant, knob: str, status: int, body: Any) -> None:
    """A DELETE is answered in the tenant's way, also one that finds nothing."""
    renter.turn(delete_status=knob, delete_missing=204)
    await renter.add_membership()
    answer = await renter.delete_membership("r1")

    assert (answer.status, answer.body, (await renter.delete_membership("r1")).status) == (status, body, 204)


async def test_answers_to_post_and_put(renter: Tenant) -> None:
    """POST may be 200 or 202, PUT 204 or 202 without a body, DELETE carry the resource."""
    renter.turn(post_status=202, put_status=204, delete_status="200_data")
    made = await renter.add_membership()
    changed = await renter.put_membership("r1", ends_at=None)
    removed = await renter.delete_membership("r1")

    assert (made.status, changed.status, changed.body, removed.status) == (202, 204, None, 200)
    assert removed.attributes["external-identifier"] == "r1"


async def test_patch_is_put_or_unknown(renter: Tenant) -> None:
    """PATCH does the same as PUT, where the tenant has it."""
    await renter.add_membership()
    known = await renter.call("PATCH", "user_group_memberships/r1", {"ends-at": None})
    renter.turn(patch_supported=False)
    unknown = await renter.call("PATCH", "user_group_memberships/r1", {"ends-at": None})

    assert (known.status, unknown.status) == (200, 404)


async def test_a_path_may_name_the_internal_id(renter: Tenant) -> None:
    """Where both are taken, an internal id in the path reaches the same record."""
    made = await renter.add_membership()
    internal = made.body["data"]["id"]
    closed = await renter.delete_membership(internal)
    renter.turn(path_id="external_or_internal", internal_ids="uuid")
    opened = await renter.delete_membership(internal)

    assert (closed.status, opened.status, len((await renter.add_membership()).body["data"]["id"])) == (404, 204, 36)


async def test_hand_made_memberships_are_out_of_reach(renter: Tenant) -> None:
    """A membership staff made has no external id: the API cannot close it, and the door stays open."""
    renter.turn(existing_manual_membership=True)
    await renter.add_membership()
    await renter.set_code("u1", "123456")
    await renter.delete_membership("r1")
    manual = [row for row in renter.sim.rows if row.external_id is None]

    assert (len(manual), renter.sim.try_door("g1", pin="123456").opened) == (1, True)
    renter.sim.delete_membership(manual[0].id)
    renter.sim.add_manual_membership("u1", "g2")

    assert (renter.sim.try_door("g1", pin="123456").opened, list(renter.sim.snapshot()["memberships"])) == (
        False,
        ["manual"],
    )
