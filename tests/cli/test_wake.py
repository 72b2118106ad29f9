"""`keyturn wake`: what it wakes, and what it refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest

from cli.desk import ACME, ADDON, ANOTHER, BOXES, SETTINGS, WITH_ADDON, Desk, an_installation, nothing
from cli.program import COMMAND, environment
from cli.test_simulate import free_ports
from keyturn.clock import SystemClock
from keyturn.core.ids import BusinessCode, ExternalId, GroupId, OwnerId, RentalId, TenantUrl
from keyturn.core.memory import Record, RecordState, RentalMemory
from keyturn.core.work import Ending, Kind, Outcome, Subject
from keyturn.providers.sensorberg.simulator import SensorbergSimulator
from keyturn.simulation.operator import Operator, believable_operator
from keyturn.simulation.server import serving
from keyturn.store.database import Database
from keyturn.store.installations import Installations
from keyturn.store.ledger import Ledger
from keyturn.store.work import Work
from keyturn.storeganise.simulator import StoreganiseSimulator

LEASE = timedelta(minutes=5)


async def remember(database: Database, business: BusinessCode) -> None:
    """Remember three rentals: one that is on, one that is over, and one that is over but may still have access."""
    work = Work(database)
    await work.wake(business, [Subject("job", "j1")], "x")
    lane = await work.claim("test", lease=LEASE)
    assert lane is not None
    items = await work.take(lane, list(Kind), limit=10)
    rentals = [RentalMemory(id=RentalId(name), ended=None if name == "on" else date(2026, 2, 1)) for name in NAMES]
    unsure = Record(
        tenant=TenantUrl("https://door.example"),
        external_id=ExternalId("unsure"),
        rental_id=RentalId("unsure"),
        owner_id=OwnerId("o1"),
        group=GroupId("g1"),
        starts_at=SystemClock().now(),
        ends_at=None,
        state=RecordState.UNKNOWN,
        made=True,
    )
    await Ledger(database).save(lane, rentals=rentals, records=[unsure])
    await work.finish(lane, [Outcome(item=item, ending=Ending.DONE, reason="x") for item in items])
    await work.release(lane)


NAMES = ("on", "over", "unsure")


async def hold(database: Database) -> None:
    """Let r1 be held for an hour."""
    work = Work(database)
    await work.wake(ACME, [Subject("rental", "r1")], "x")
    lane = await work.claim("test", lease=LEASE)
    assert lane is not None
    [item] = await work.take(lane, list(Kind), limit=10)
    again = database.clock.now() + timedelta(hours=1)
    await work.finish(lane, [Outcome(item=item, ending=Ending.HELD, reason="no group", again_at=again)])
    await work.release(lane)


def test_what_is_named_is_due(any_desk: Desk) -> None:
    """Rentals, an owner and a unit, known or not, are due now; each once."""
    any_desk.within(nothing)
    said = any_desk.run("wake", "r1", "r2", "r1", "--owner", "o1", "--unit", "u1", "--unit", "u2")

    assert (said.code, said.out) == (0, "acme: 1 owner, 2 rentals, 2 units due now.\n")
    assert any_desk.due() == {
        ("acme", kind, id_)
        for kind, id_ in [("rental", "r1"), ("rental", "r2"), ("owner", "o1"), ("unit", "u1"), ("unit", "u2")]
    }


def test_for_machines(desk: Desk) -> None:
    """The document counts by business and kind."""
    desk.within(nothing)

    assert desk.json("wake", "r1", "--unit", "u1") == {"woken": 2, "businesses": {"acme": {"rental": 1, "unit": 1}}}


def test_what_is_held_is_let_go(any_desk: Desk) -> None:
    """A held rental is looked at now, and its row says that a person wanted it."""
    any_desk.within(hold)
    any_desk.run("wake", "r1")

    assert any_desk.due() == {("acme", "rental", "r1")}

    async def see(database: Database) -> None:
        row = await Work(database).row(ACME, Subject("rental", "r1"))
        assert row is not None
        assert row.reason == "woken by hand"

    any_desk.within(see)


def test_all(any_desk: Desk) -> None:
    """Every remembered rental that may have access is due, and a sweep; what is over for good is left alone."""
    any_desk.within(lambda database: remember(database, ACME))

    assert any_desk.json("wake", "--all") == {"woken": 3, "businesses": {"acme": {"rental": 2, "sweep": 1}}}
    assert any_desk.due() == {("acme", "rental", "on"), ("acme", "rental", "unsure"), ("acme", "sweep", "delta")}


def test_all_of_one_business_or_of_several(desk: Desk) -> None:
    """Without a name all businesses are woken, with one only that; one that nobody serves any more is not."""
    desk.write(SETTINGS + ANOTHER)
    for business in (ACME, BOXES, BusinessCode("gone")):
        desk.within(lambda database, business=business: remember(database, business))  # type: ignore[misc]  # a default

    assert set(desk.json("wake", "--all", "--business", "boxes")["businesses"]) == {"boxes"}
    assert {business for business, _, _ in desk.due()} == {"boxes"}
    assert desk.run("wake", "--all").lines == [
        "acme: 2 rentals, 1 sweep due now.",
        "boxes: 2 rentals, 1 sweep due now.",
    ]
    assert {business for business, _, _ in desk.due()} == {"acme", "boxes"}


def test_many_go_in_batches(desk: Desk) -> None:
    """More rentals than fit into one transaction are all woken."""
    desk.within(nothing)

    assert desk.json("wake", *(f"r{number}" for number in range(1100)))["woken"] == 1100
    assert len(desk.due()) == 1100


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--all", "r1"],
        ["--all", "--owner", "o1"],
        ["a/b"],
        ["r1", ""],
        ["--owner", "ada@example.com"],
        ["--unit", "../u1"],
        ["r1", "--business", "unknown"],
        ["--all", "--business", "unknown"],
    ],
)
def test_bad_options(desk: Desk, options: list[str]) -> None:
    """What cannot be meant ends with 2 and wakes nothing."""
    desk.within(nothing)
    said = desk.run("wake", *options)

    assert (said.code, said.out, desk.due()) == (2, "", set())


def test_with_several_businesses_one_must_be_named(desk: Desk) -> None:
    """An id alone does not say whose it is; the sentence names the businesses there are."""
    desk.write(SETTINGS + ANOTHER)
    desk.within(nothing)
    said = desk.run("wake", "r1")

    assert (said.code, said.out) == (2, "")
    assert said.err == "keyturn: name the business with --business; there are: acme, boxes\n"
    assert desk.run("wake", "r1", "--business", "boxes").code == 0
    assert desk.due() == {("boxes", "rental", "r1")}


def test_an_account_that_only_an_installation_names(desk: Desk) -> None:
    """Its business can be woken by its code, once the installation is approved."""
    desk.write(SETTINGS + WITH_ADDON)

    async def come(database: Database) -> None:
        await Installations(database).register(ADDON, "https://north.storeganise.com/api", wanted="north")

    desk.within(come)
    refused = desk.run("wake", "r1", "--business", "north")

    assert (refused.code, desk.due()) == (2, set())

    desk.run("addons", "approve", ADDON)

    assert desk.run("wake", "r1", "--business", "north").code == 0
    assert desk.due() == {("north", "rental", "r1"), ("north", "sweep", "delta")}


def test_an_installation_of_a_business_of_the_settings(desk: Desk) -> None:
    """One account reached both ways is one business, and need not be named."""
    desk.write(SETTINGS + WITH_ADDON)
    desk.within(an_installation)
    desk.run("addons", "approve", ADDON)

    assert desk.run("wake", "r1").code == 0


def test_without_a_database(desk: Desk) -> None:
    """A database that is not there is one sentence, and ends with 3."""
    said = desk.run("wake", "r1")

    assert (said.code, said.out, len(said.err.splitlines())) == (3, "", 1)


@asynccontextmanager
async def service(folder: Path) -> AsyncIterator[tuple[Operator, asyncio.subprocess.Process]]:
    """Run `keyturn serve` on an embedded database, beside simulated services."""
    clock = SystemClock()
    storeganise = StoreganiseSimulator(clock)
    sensorberg = SensorbergSimulator(clock, client_id="client", client_secret="secret")
    operator = believable_operator(storeganise, sensorberg, code="acme", api_key="key")
    async with serving(storeganise.app) as accounts, serving(sensorberg.app) as doors:
        [port] = free_ports(1)
        (folder / "keyturn.toml").write_text(
            f"""
[server]
port = {port}
secret_key = "0123456789abcdef"
[network]
allowed_hosts = ["127.0.0.1"]
[businesses.acme]
api_url = "{accounts}/acme/api"
api_key = "key"
webhook_secret = "w"
[businesses.acme.sensorberg]
base_url = "{doors}"
client_id = "client"
client_secret = "secret"
""",
            encoding="utf-8",
        )
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "serve", env=environment(), cwd=folder, stderr=asyncio.subprocess.PIPE
        )
        try:
            yield operator, process
        finally:
            process.terminate()
            await process.communicate()


async def line_of(process: asyncio.subprocess.Process, action: str, **fields: str) -> dict[str, str]:
    """Wait for a line in the service's log."""
    assert process.stderr is not None
    async for line in process.stderr:
        said: dict[str, str] = json.loads(line)
        if said["action"] == action and fields.items() <= said.items():
            return said
    raise AssertionError(f"the service ended before it logged {action}")


async def test_a_running_service_notices(tmp_path: Path) -> None:
    """A rental woken beside a running service on SQLite is looked at by it, without anybody else telling it."""
    async with service(tmp_path) as (operator, process):
        await line_of(process, "looked", subject_kind="sweep")
        rental = operator.occupied[0]
        waking = await asyncio.create_subprocess_exec(*COMMAND, "wake", rental, env=environment(), cwd=tmp_path)

        assert await waking.wait() == 0

        looked = await line_of(process, "looked", subject_id=rental)

    assert looked["ending"] == "done"
    assert process.returncode == 0
