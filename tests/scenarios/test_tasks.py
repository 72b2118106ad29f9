"""Problems as site staff see them: one task on the right record, in their language, until the problem is gone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from keyturn.core.ids import BusinessCode
from keyturn.core.problem import ProblemCode
from keyturn.core.words import sentence
from keyturn.core.work import TASKS
from keyturn.simulation.exchange import Call
from keyturn.simulation.faults import Fault
from keyturn.storeganise.simulator import Knobs
from scenarios.estate import Estate, estate
from scenarios.world import World, WorldMaker

ACME = BusinessCode("acme")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For stories in which the database makes no difference."""
CREDENTIALS = {"sensorberg_clientId": "client", "sensorberg_clientSecret": "s+e&c=%r et"}


def tasks(world: World) -> list[tuple[str, str, str]]:
    """Return what every task is about, and its title."""
    return [
        (task["data"]["targetType"], task["data"]["targetId"], task["data"]["title"]) for task in world.account.tasks
    ]


async def _unmapped(world: World, unit: str = "A1") -> str:
    """Let a tenant move into a unit without a group; return the rental."""
    world.add_unit(unit, group="")
    rental = world.move_in(unit)
    await world.settle()
    return rental


async def test_an_unmapped_unit_is_one_task_in_english(acme: World) -> None:
    """The task is on the unit and says what to do; hours, repeats and a restart bring no second one."""
    rental = await _unmapped(acme)
    (task,) = acme.account.tasks

    assert task["data"] == {
        "targetType": "unit",
        "targetId": acme.units["A1"],
        "title": "Keyturn: unit A1 has no access group",
        "desc": "Unit A1 has no access group. Enter the group's external identifier in the unit's field sensorberg_id.",
    }
    assert (task["type"], task["ownerId"]) == ("task", None)

    acme.account.emit("unitRental.updated", {"unitRentalId": rental})
    acme.account.replay(acme.account.sent[0][0])
    await acme.settle()
    await acme.restart()
    for _ in range(30):
        await acme.later(HOUR)

    assert len(acme.account.tasks) == 1
    assert [problem.code for problem in await acme.service.problems.open()] == ["unmapped_unit"]


@SQLITE
@pytest.mark.parametrize(
    ("site", "tables"),
    [
        pytest.param({"title": {"de": "Lagerhaus Süd", "en": ""}}, {}, id="its title is in German only"),
        pytest.param({"language": "de-AT"}, {}, id="its record says so"),
        pytest.param({}, {"policy": {"language": "de"}}, id="the settings say so"),
    ],
)
async def test_a_german_site_gets_german_tasks(
    make_world: WorldMaker, site: dict[str, Any], tables: dict[str, Any]
) -> None:
    """The site's staff read their own language."""
    async with make_world(**tables) as world:
        world.account.edit_site(world.site, **site)
        await _unmapped(world)

        assert [title for _, _, title in tasks(world)] == ["Keyturn: Einheit A1 hat keine Zugangsgruppe"]


async def test_mended_and_broken_again_is_a_second_task(acme: World) -> None:
    """A problem that is gone and comes back is told again."""
    await _unmapped(acme)
    acme.sensorberg.add_group("group-A1")
    acme.account.edit_unit(acme.units["A1"], {"sensorberg_id": "group-A1"})
    await acme.later(HOUR)

    assert (len(acme.account.tasks), await acme.service.problems.open()) == (1, [])

    acme.account.edit_unit(acme.units["A1"], {"sensorberg_id": ""})
    await acme.settle()
    await acme.later(HOUR)

    assert [target for _, target, _ in tasks(acme)] == [acme.units["A1"]] * 2


@SQLITE
async def test_an_e_mail_that_is_taken_is_a_task_on_the_customer(acme: World) -> None:
    """It names nobody: the task is on the record of the customer whom it is about."""
    acme.sensorberg.add_user("somebody", "Somebody Else", "taken@example.com")
    tenant = acme.account.add_user("Jörg", "Müller", "taken@example.com")
    acme.move_in("A1", tenant)
    await acme.settle()

    assert tasks(acme) == [("user", tenant, sentence(ProblemCode.EMAIL_TAKEN, {}, "en").title)]


@SQLITE
@pytest.mark.parametrize("on", ["user", "unit"])
async def test_a_refused_pin_is_a_task_where_it_was_typed(acme: World, on: str) -> None:
    """On the customer, or on the unit of the rental."""
    rental = acme.move_in("A1")
    await acme.settle()
    owner = acme.account.rental(rental)["ownerId"]
    if on == "user":
        acme.account.edit_user(owner, {"sensorberg_pin": "123456"})
    else:
        acme.account.edit_rental(rental, {"sensorberg_pin": "123456"})
    await acme.settle()
    await acme.later(HOUR)
    target = owner if on == "user" else acme.units["A1"]

    assert [(kind, id_) for kind, id_, _ in tasks(acme)] == [(on, target)]
    assert "it is too easily guessed. The PIN in force was put back." in acme.account.tasks[0]["data"]["desc"]


@SQLITE
async def test_refused_credentials_are_one_task_on_a_unit(acme: World) -> None:
    """A site cannot carry a task, so the unit that showed it does; the next tenants bring no second one."""
    acme.sensorberg.faults.add(route="oauth.token", fault=Fault.status(401), times=None)
    acme.move_in("A1")
    await acme.settle()
    acme.move_in("A2")
    await acme.later(HOUR)

    assert [(kind, id_) for kind, id_, _ in tasks(acme)] == [("unit", acme.units["A1"])]
    assert "refuses the credentials" in acme.account.tasks[0]["data"]["desc"]


@SQLITE
async def test_an_address_that_may_not_be_called_is_a_task(acme: World) -> None:
    """The task names the host that must be listed; nothing was sent there, and it works once the field is right."""
    address = {"sensorberg_url": "https://doors.example.com/x"}
    acme.account.edit_site(acme.site, {**CREDENTIALS, **address})
    rental = acme.move_in("A1")
    await acme.settle()
    (task,) = acme.account.tasks

    assert (task["data"]["targetId"], len(acme.sensorberg.journal.entries)) == (acme.units["A1"], 0)
    assert "adds doors.example.com to network.allowed_hosts" in task["data"]["desc"]

    acme.account.edit_site(acme.site, {"sensorberg_url": ""})
    acme.account.emit("unitRental.updated", {"unitRentalId": rental})
    await acme.later(MINUTE)

    assert (acme.door("A1", acme.pin_of(rental)), await acme.service.problems.open()) == ("approved", [])


@SQLITE
@pytest.mark.parametrize("address", ["hunter2-my-secret", "https://my.name:secret@example.com", "https://secret"])
async def test_what_is_no_address_is_not_named(acme: World, address: str) -> None:
    """Whatever was typed into the wrong field may be a secret."""
    acme.account.edit_site(acme.site, {**CREDENTIALS, "sensorberg_url": address})
    acme.move_in("A1")
    await acme.settle()
    (task,) = acme.account.tasks

    assert ("secret" in task["data"]["desc"], "It must be an https address" in task["data"]["desc"]) == (False, True)


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        pytest.param(Fault.reset_after(), 1, id="done, and the connection is lost"),
        pytest.param(Fault.status(504, applied=True), 1, id="done, and the gateway gave up"),
        pytest.param(Fault.truncated(), 1, id="done, and the answer is torn"),
        pytest.param(Fault.reset_before(), 0, id="not done, and nobody can know"),
    ],
)
@SQLITE
async def test_a_lost_answer_brings_no_second_task(acme: World, fault: Fault, left: int) -> None:
    """Whether the task is there is not known: it is not left again, and the problem is still shown."""
    acme.storeganise.faults.add(route="jobs.post", fault=fault)
    await _unmapped(acme)
    for _ in range(3):
        await acme.later(HOUR)

    assert (len(acme.account.tasks), acme.routes.count("jobs.post")) == (left, 1)
    assert [problem.code for problem in await acme.service.problems.open()] == ["unmapped_unit"]


@pytest.mark.parametrize("status", [503, 500, 429, 401])
@SQLITE
async def test_a_refused_moment_is_tried_again(acme: World, status: int) -> None:
    """What Storeganise answers with such a status was not done, so the task is left later, once."""
    acme.storeganise.faults.add(route="jobs.post", fault=Fault.status(status), times=2)
    await _unmapped(acme)
    for _ in range(3):
        await acme.later(HOUR)

    assert (len(acme.account.tasks), acme.routes.count("jobs.post")) == (1, 3)


@SQLITE
async def test_an_account_that_takes_no_tasks_is_not_asked_for_ever(acme: World) -> None:
    """A refused task is not repeated, its problem stays, and the doors of others are not held up."""
    acme.account.knobs = Knobs(task_targets=frozenset({"user"}))
    for unit in range(7):
        await _unmapped(acme, f"B{unit}")
    for _ in range(3):
        await acme.later(HOUR)
    rental = acme.move_in("A1")
    await acme.settle()

    assert (acme.routes.count("jobs.post"), len(acme.account.tasks)) == (7, 0)
    assert len(await acme.service.problems.open()) == 7
    assert acme.door("A1", acme.pin_of(rental)) == "approved"


@SQLITE
async def test_tasks_that_always_fail_hold_up_no_door(acme: World) -> None:
    """The address for tasks is out of order: the rest of the account counts as well all the same."""
    acme.storeganise.faults.add(route="jobs.post", fault=Fault.status(500), times=None)
    for unit in range(7):
        await _unmapped(acme, f"B{unit}")
    rental = acme.move_in("A1")
    await acme.settle()

    assert acme.door("A1", acme.pin_of(rental)) == "approved"


async def test_a_worker_that_died_while_it_told(acme: World) -> None:
    """Nobody knows whether the task went out, so it counts as left."""
    planned = acme.storeganise.faults.add(route="jobs.post", fault=Fault.status(503))
    await _unmapped(acme)
    await _begin_to_tell(acme)
    await acme.restart()
    for _ in range(3):
        await acme.later(HOUR)

    assert (planned.fired, acme.account.tasks, await acme.service.problems.untold(ACME)) == (1, [], [])


async def _begin_to_tell(world: World) -> None:
    """Leave what a process leaves that dies between storing that it tells and the request."""
    work, problems = world.service.work, world.service.problems
    world.clock.advance(MINUTE)
    lane = await work.claim("one that dies", lease=MINUTE)
    assert lane is not None
    (untold,) = await problems.untold(ACME)
    assert await problems.telling(lane, untold, world.clock.now())
    await work.release(lane)


@SQLITE
async def test_many_tasks_let_the_doors_through(acme: World) -> None:
    """Each task takes a second here: after two of them everything else that is due gets its turn."""
    acme.storeganise.faults.add(
        route="jobs.post", fault=Fault.status(503), times=None, when=lambda call: _takes_a_second(acme, call)
    )
    for unit in range(5):
        acme.add_unit(f"B{unit}", group="")
        acme.move_in(f"B{unit}")
    await acme.settle()

    assert len(acme.account.tasks) == 2

    rental = acme.move_in("A1")
    await acme.settle()

    assert (len(acme.account.tasks), acme.door("A1", acme.pin_of(rental))) == (2, "approved")

    for _ in range(3):
        await acme.later(MINUTE)

    assert len(acme.account.tasks) == 5


def _takes_a_second(world: World, _call: Call) -> bool:
    """Let time pass, and plan no fault."""
    world.clock.advance(timedelta(seconds=1))
    return False


async def test_a_clean_move_in_costs_nothing(acme: World) -> None:
    """Without a problem there is no request, and no row, for telling."""
    acme.move_in("A1")
    await acme.settle()
    await acme.later(HOUR)

    assert ("jobs.post" in acme.routes, await acme.service.work.row(ACME, TASKS)) == (False, None)


@SQLITE
async def test_no_task_names_a_person_or_a_pin(acme: World) -> None:
    """Whatever goes wrong, a task says what to do and nothing that is private."""
    canaries = ["Kanarina", "Gelbfeder", "gelbfeder@canary.example", "739204", "584017"]
    acme.sensorberg.add_user("somebody", canaries[0], canaries[2])
    refused = acme.account.add_user(canaries[0], canaries[1], canaries[2])
    tenant = acme.account.add_user(canaries[0], canaries[1], "other@canary.example")
    acme.move_in("A1", refused)
    first = acme.move_in("A2", tenant)
    await acme.settle()
    other = acme.move_in("A3")
    await acme.settle()
    acme.account.edit_rental(other, {"sensorberg_pin": canaries[3]})
    await acme.settle()
    for typed in (canaries[3], "5840", canaries[4]):
        acme.sensorberg.faults.add(route="users.code", fault=Fault.status(422))
        acme.account.edit_rental(first, {"sensorberg_pin": typed})
        await acme.later(HOUR)
    acme.add_unit("A4", group="")
    acme.move_in("A4", tenant)
    await acme.settle()
    said = json.dumps(acme.account.tasks, ensure_ascii=False)

    assert {title.partition(" ")[0] for _, _, title in tasks(acme)} == {"Keyturn:"}
    assert len(acme.account.tasks) >= 3
    pins = {str(pin) for pin in acme.sensorberg.codes.values()}
    assert [canary for canary in (*canaries, *pins) if canary in said] == []


async def test_a_site_of_an_installation_is_told_of_on_the_installation(
    tmp_path: Any, database_url: str | None
) -> None:
    """Its credentials are missing: the task is on the add-on, and goes out with the installation's own key."""
    async with estate(tmp_path, database_url) as three:
        addon = three.install("north", None, "c1", "west", fields={"sensorberg_url": three.urls["west"]})
        place = three.add_place("north", "Hof", "c1", "west", addon_id=addon)
        await three.start(auto_register=True)
        three.move_in(place)
        await three.settle()
        (task,) = place.account.tasks

        assert (task["data"]["targetType"], task["data"]["targetId"]) == ("addon", addon)
        assert "Missing: sensorberg_clientId, sensorberg_clientSecret." in task["data"]["desc"]
        assert {entry.credential for entry in _posted(three)} == {f"addon:{addon}"}


def _posted(three: Estate) -> list[Any]:
    return [entry for entry in three.storeganise.journal.entries if entry.route == "jobs.post"]
