"""The embedded database keeps every promise of the contract, and guards its file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from contract.store_database import DatabaseContract, RestartContract, SchemaContract
from contract.store_deliveries import DeliveriesContract
from contract.store_inbox import BusinessesContract, InboxContract, ProblemsContract
from contract.store_installations import InstallationsContract
from contract.store_lanes import CommandLaneContract, LaneContract
from contract.store_memory import LedgerContract
from contract.store_tasks import ToldProblemsContract
from contract.store_tenants import ClaimsContract, PinsContract, TokensContract
from contract.store_units import ReplacedPinsContract, SettledProblemsContract, UnitNamesContract
from contract.store_wakes import NeverLostContract
from contract.store_work import ACME, WakingContract
from databases import START, Place
from keyturn.core.ids import GroupId, OwnerId, PinHash, TenantUrl
from keyturn.errors import DatabaseUnavailable
from keyturn.store.claims import Claims
from keyturn.store.ledger import Ledger
from keyturn.store.pins import Pins


@pytest.fixture
def database_place(sqlite_place: Place) -> Place:
    """Run everything here on SQLite."""
    return sqlite_place


class TestDatabase(DatabaseContract):
    """Reading and writing."""


class TestRestart(RestartContract):
    """What a new process finds."""


class TestSchema(SchemaContract):
    """Tables, revisions and values agree."""


class TestWaking(WakingContract):
    """Waking, looking and finishing."""


class TestLanes(LaneContract):
    """Claiming, leases and fences."""


class TestCommandLanes(CommandLaneContract):
    """A command that speaks to a business holds its lane."""


class TestWakes(NeverLostContract):
    """No wake is ever lost."""


class TestInbox(InboxContract):
    """Keeping deliveries."""


class TestDeliveries(DeliveriesContract):
    """Finding and replaying deliveries."""


class TestBusinesses(BusinessesContract):
    """What is known of each account."""


class TestInstallations(InstallationsContract):
    """Installations of the add-on."""


class TestProblems(ProblemsContract):
    """What a person has to solve."""


class TestLedger(LedgerContract):
    """Remembering between two looks."""


class TestClaims(ClaimsContract):
    """An id at a tenant belongs to one business."""


class TestPins(PinsContract):
    """A PIN at a tenant belongs to one owner."""


class TestTokens(TokensContract):
    """One token per client."""


class TestFile:
    """What is particular to a file."""

    async def test_one_service_at_a_time(self, bare_place: Place) -> None:
        """A second service is refused with the file's path; after the first has stopped it may start."""
        first = await bare_place.open()
        with pytest.raises(DatabaseUnavailable, match="in use by another Keyturn process") as refused:
            await bare_place.open()

        assert str(bare_place.data_dir / "keyturn.db") in str(refused.value)

        await first.close()
        await bare_place.open()

    async def test_nobody_else_may_read_it(self, bare_place: Place) -> None:
        """Folder and files are the owner's alone."""
        await bare_place.open()
        modes = {path.name: path.stat().st_mode & 0o777 for path in bare_place.data_dir.iterdir()}

        assert bare_place.data_dir.stat().st_mode & 0o777 == 0o700
        assert {mode & 0o077 for mode in modes.values()} == {0}
        assert {"keyturn.db", "keyturn.lock"} <= modes.keys()

    async def test_a_folder_that_cannot_be_made(self, bare_place: Place, tmp_path: Path) -> None:
        """It is named, with the machine's reason."""
        (tmp_path / "file").touch()
        bare_place.data_dir = tmp_path / "file" / "data"
        with pytest.raises(DatabaseUnavailable, match="Not a directory") as refused:
            await bare_place.open()

        assert str(bare_place.data_dir) in str(refused.value)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    async def test_a_folder_that_cannot_be_written(self, bare_place: Place) -> None:
        """It is named, with the machine's reason."""
        bare_place.data_dir.mkdir(mode=0o500)
        with pytest.raises(DatabaseUnavailable, match="Permission denied"):
            await bare_place.open()

    async def test_something_else_in_its_place(self, bare_place: Place) -> None:
        """A file that is no database is left alone, and the lock is given back."""
        bare_place.data_dir.mkdir()
        file = bare_place.data_dir / "keyturn.db"
        file.write_bytes(b"something else" * 1000)
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable, match="not a database"):
                await bare_place.open()

        assert file.read_bytes() == b"something else" * 1000

    async def test_a_command_without_a_database(self, bare_place: Place) -> None:
        """A command makes nothing: it says that the service has to be started."""
        with pytest.raises(DatabaseUnavailable, match="keyturn serve"):
            await bare_place.open(shared=True)

        assert not bare_place.data_dir.exists()

    async def test_a_closed_file(self, bare_place: Place) -> None:
        """Reading after closing is refused in words."""
        database = await bare_place.open()
        await database.close()
        with pytest.raises(DatabaseUnavailable):
            await database.read(lambda _: None)


async def test_questions_that_are_asked_together_read_no_whole_table(sqlite_place: Place) -> None:
    """Whatever is asked for many, SQLite finds it by an index."""
    database, asked = await sqlite_place.open(), list[str]()

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_connection: object, cursor: sqlite3.Cursor, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("SELECT"):
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            asked.extend(row[3] for row in plan)

    tenant, ledger, pins = TenantUrl("https://door.example"), Ledger(database), Pins(database)
    try:
        await asyncio.gather(*(ledger.on_group(tenant, GroupId(f"g{n}")) for n in range(3)))
        await asyncio.gather(*(ledger.rentals_of(ACME, OwnerId(f"o{n}")) for n in range(3)))
        hashes = [PinHash(f"k:{n}") for n in range(3)]
        await asyncio.gather(*(pins.reserve(tenant, one, ACME, OwnerId("o"), START) for one in hashes))
        await asyncio.gather(*(pins.taken(tenant, [one], (ACME, OwnerId("p")), START) for one in hashes))
        await asyncio.gather(*(Claims(database).claim(ACME, tenant, [("rental", f"r{n}")]) for n in range(3)))
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert asked
    assert [plan for plan in asked if plan.startswith("SCAN")] == []


class TestUnitNames(UnitNamesContract):
    """Whether a unit's name may stand in for its group."""


class TestSettledProblems(SettledProblemsContract):
    """Problems as a batch of looks reports them."""


class TestToldProblems(ToldProblemsContract):
    """Problems, told once."""


class TestReplacedPins(ReplacedPinsContract):
    """PINs that another one replaced."""
