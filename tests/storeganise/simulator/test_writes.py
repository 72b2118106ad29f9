"""What the admin API does with writes: fields, echoes, tasks."""

from __future__ import annotations

from typing import Any

import pytest

from storeganise.simulator.world import START, World

MISSING = "0" * 24


async def test_a_put_merges_custom_fields(served: World) -> None:
    """A PUT changes the keys it names and leaves the others; the answer is the record."""
    rental = served.acme.move_in(served.tenant, served.unit, START)
    served.acme.edit_rental(rental, {"sensorberg_overlocked": False})
    status, body = await served.call(
        "PUT", f"unit-rentals/{rental}?include=customFields", {"customFields": {"sensorberg_pin": "012345"}}
    )

    assert (status, body["customFields"]) == (200, {"sensorberg_overlocked": False, "sensorberg_pin": "012345"})
    assert served.acme.rental(rental)["customFields"] == body["customFields"]


@pytest.mark.parametrize(("knob", "kept"), [("stores_null", {"sensorberg_pin": None}), ("removes_key", {})])
async def test_null_clears_a_field(served: World, knob: str, kept: dict[str, Any]) -> None:
    """Null empties a custom field; whether its key stays is a knob. Either way it is a change, once."""
    served.turn(put_null=knob)
    served.acme.edit_user(served.tenant, {"sensorberg_pin": "739105"})
    served.events()
    for _ in range(2):
        await served.call("PUT", f"users/{served.tenant}", {"customFields": {"sensorberg_pin": None}})

    assert (served.acme.user(served.tenant)["customFields"], len(served.events())) == (kept, 1)


@pytest.mark.parametrize(
    ("knob", "status", "kept"), [("stored", 200, True), ("ignored", 200, False), ("400", 400, False)]
)
async def test_unknown_custom_fields(served: World, knob: str, status: int, kept: bool) -> None:  # noqa: FBT001  # a table's column
    """A custom field the account does not define is stored, dropped without a word, or refused."""
    served.turn(unknown_custom_field=knob)
    answer, _ = await served.call("PUT", f"units/{served.unit}", {"customFields": {"surprise": 1}})

    assert (answer, "surprise" in served.acme.unit(served.unit)["customFields"]) == (status, kept)


@pytest.mark.parametrize("body", [{"state": "ended"}, {"ownerId": MISSING}, {"customFields": []}, [], "x"])
async def test_nonsense_and_read_only_fields_are_refused(served: World, body: Any) -> None:
    """The API does not let a rental's state or owner be written, nor take what is no record."""
    rental = served.acme.move_in(served.tenant, served.unit, START)
    before = served.acme.rental(rental)
    status, _ = await served.call("PUT", f"unit-rentals/{rental}", body)

    assert (status, served.acme.rental(rental)) == (400, before)


async def test_a_field_may_have_any_name(served: World) -> None:
    """A key of the body is never taken for an argument of the simulator."""
    status, _ = await served.call("PUT", f"units/{served.unit}", {"unit": 1, "by_api": 2, "custom_fields": 3})

    assert status == 200


@pytest.mark.parametrize(("unchanged", "events"), [(False, 1), (True, 2)])
async def test_own_writes_come_back_as_events(served: World, unchanged: bool, events: int) -> None:  # noqa: FBT001  # a table's column
    """A PUT sends `updated` with changed keys; whether one that changes nothing does so too is a knob."""
    served.turn(echo_unchanged_put=unchanged)
    rental = served.acme.move_in(served.tenant, served.unit, START)
    served.events()
    for _ in range(2):
        await served.call("PUT", f"unit-rentals/{rental}", {"customFields": {"sensorberg_pin": "739105"}})
    heard = served.events()

    assert heard[0] == (
        "unitRental.updated",
        {"unitRentalId": rental, "changedKeys": ["customFields.sensorberg_pin"]},
    )
    assert len(heard) == events


async def test_own_writes_may_stay_quiet(served: World) -> None:
    """Where the account does not echo, only staff edits send events."""
    served.turn(echo_own_writes=False)
    await served.call("PUT", f"users/{served.tenant}", {"phone": "1"})
    served.acme.edit_user(served.tenant, phone="2")

    assert len(served.events()) == 1


async def test_tasks_are_posted_as_jobs(served: World) -> None:
    """A task on a unit, user or add-on is kept; anything else is refused."""
    good = {"targetType": "unit", "targetId": served.unit, "title": "No group", "desc": "Map it"}
    bodies: list[dict[str, Any]] = [
        {"type": "task", "ownerId": None, "data": good},
        {"type": "unit_moveIn", "data": good},
        {"type": "task", "data": good | {"targetType": "unitRental"}},
        {"type": "task", "data": good | {"targetId": MISSING}},
        {"type": "task", "data": good | {"title": ""}},
        {"type": "task"},
    ]
    statuses = [(await served.call("POST", "jobs", body))[0] for body in bodies]

    assert (statuses, [task["data"] for task in served.acme.tasks]) == ([201, 400, 400, 400, 400, 400], [good])
