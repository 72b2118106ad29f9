"""The embedded database keeps every promise of the contract, and guards its file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
from contract.store_work import WakingContract
from databases import Place
from keyturn.errors import DatabaseUnavailable


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

    async def test_one_service_at_a_time(self, sqlite_place: Place) -> None:
        """A second service is refused with the file's path; after the first has stopped it may start."""
        first = await sqlite_place.open()
        with pytest.raises(DatabaseUnavailable, match="in use by another Keyturn process") as refused:
            await sqlite_place.open()

        assert str(sqlite_place.data_dir / "keyturn.db") in str(refused.value)

        await first.close()
        await sqlite_place.open()

    async def test_nobody_else_may_read_it(self, sqlite_place: Place) -> None:
        """Folder and files are the owner's alone."""
        await sqlite_place.open()
        modes = {path.name: path.stat().st_mode & 0o777 for path in sqlite_place.data_dir.iterdir()}

        assert sqlite_place.data_dir.stat().st_mode & 0o777 == 0o700
        assert {mode & 0o077 for mode in modes.values()} == {0}
        assert {"keyturn.db", "keyturn.lock"} <= modes.keys()

    async def test_a_folder_that_cannot_be_made(self, sqlite_place: Place, tmp_path: Path) -> None:
        """It is named, with the machine's reason."""
        (tmp_path / "file").touch()
        sqlite_place.data_dir = tmp_path / "file" / "data"
        with pytest.raises(DatabaseUnavailable, match="Not a directory") as refused:
            await sqlite_place.open()

        assert str(sqlite_place.data_dir) in str(refused.value)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    async def test_a_folder_that_cannot_be_written(self, sqlite_place: Place) -> None:
        """It is named, with the machine's reason."""
        sqlite_place.data_dir.mkdir(mode=0o500)
        with pytest.raises(DatabaseUnavailable, match="Permission denied"):
            await sqlite_place.open()

    async def test_something_else_in_its_place(self, sqlite_place: Place) -> None:
        """A file that is no database is left alone, and the lock is given back."""
        sqlite_place.data_dir.mkdir()
        file = sqlite_place.data_dir / "keyturn.db"
        file.write_bytes(b"something else" * 1000)
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable, match="not a database"):
                await sqlite_place.open()

        assert file.read_bytes() == b"something else" * 1000

    async def test_a_command_without_a_database(self, sqlite_place: Place) -> None:
        """A command makes nothing: it says that the service has to be started."""
        with pytest.raises(DatabaseUnavailable, match="keyturn serve"):
            await sqlite_place.open(shared=True)

        assert not sqlite_place.data_dir.exists()

    async def test_a_closed_file(self, sqlite_place: Place) -> None:
        """Reading after closing is refused in words."""
        database = await sqlite_place.open()
        await database.close()
        with pytest.raises(DatabaseUnavailable):
            await database.read(lambda _: None)


class TestUnitNames(UnitNamesContract):
    """Whether a unit's name may stand in for its group."""


class TestSettledProblems(SettledProblemsContract):
    """Problems as a batch of looks reports them."""


class TestToldProblems(ToldProblemsContract):
    """Problems, told once."""


class TestReplacedPins(ReplacedPinsContract):
    """PINs that another one replaced."""
