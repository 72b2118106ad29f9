"""PostgreSQL keeps every promise of the contract, and mends its connections."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, make_url, text

from contract.store_database import DatabaseContract, RestartContract, SchemaContract, add, codes
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
from databases import START, Place
from keyturn.clock import MovableClock, SystemClock
from keyturn.errors import DatabaseUnavailable
from keyturn.store.database import Database, open_database
from keyturn.store.database_clock import DatabaseClock


@pytest.fixture
def database_place(postgres_place: Place) -> Place:
    """Run everything here on PostgreSQL."""
    return postgres_place


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


KILL_OTHERS = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
KILL_ITSELF = text("SELECT pg_terminate_backend(pg_backend_pid())")


class TestServer:
    """What is particular to a server."""

    async def test_connections_mend_themselves(self, postgres_place: Place) -> None:
        """After the server has cut all connections, the next read and the next write work."""
        database, other = await postgres_place.open(), await postgres_place.open()
        await database.write(lambda connection: add(connection, "one"))
        await codes(database)
        await other.read(lambda connection: connection.execute(KILL_OTHERS).scalar_one())
        await database.write(lambda connection: add(connection, "two"))

        assert await codes(database) == ["one", "two"]

    async def test_a_connection_lost_in_the_middle(self, postgres_place: Place) -> None:
        """All writes of that commit are told that the database is not available, and none of them happened."""
        database = await postgres_place.open()

        def cut(connection: Connection) -> None:
            connection.execute(KILL_ITSELF)

        results = await asyncio.gather(
            database.write(lambda connection: add(connection, "one")),
            database.write(cut),
            database.write(lambda connection: add(connection, "two")),
            return_exceptions=True,
        )

        assert [type(result) for result in results] == [DatabaseUnavailable] * 3
        assert await codes(database) == []
        assert await database.write(lambda connection: add(connection, "next")) == "added next"

        with pytest.raises(DatabaseUnavailable):
            await database.read(cut)

    async def test_an_unreachable_server(self, tmp_path: Path) -> None:
        """The error names the server and never the password."""
        url = "postgresql://keyturn:hunter2@127.0.0.1:1/doors"
        with pytest.raises(DatabaseUnavailable, match=r"doors at 127\.0\.0\.1:1 cannot be used") as refused:
            await open_database(url=url, data_dir=tmp_path, clock=SystemClock())

        assert "hunter2" not in str(refused.value)
        assert "\n" not in str(refused.value)

    @pytest.mark.parametrize("url", ["mysql://u:hunter2@h/d", "hunter2", "postgresql://u:hunter2@h:port/d"])
    async def test_an_address_of_something_else(self, tmp_path: Path, url: str) -> None:
        """An address that is not PostgreSQL's is refused in words, without showing it."""
        with pytest.raises(DatabaseUnavailable, match="postgresql://") as refused:
            await open_database(url=url, data_dir=tmp_path, clock=SystemClock())

        assert "hunter2" not in str(refused.value)

    async def test_an_unknown_database(self, postgres_url: str, tmp_path: Path) -> None:
        """The server's own reason is shown."""
        url = make_url(postgres_url).set(database="keyturn_none", drivername="postgres")
        with pytest.raises(DatabaseUnavailable, match="does not exist"):
            await open_database(url=url.render_as_string(hide_password=False), data_dir=tmp_path, clock=SystemClock())

    async def test_two_processes_start_at_once(
        self, empty_postgres_url: str, tmp_path: Path, clock: MovableClock
    ) -> None:
        """One makes the tables, the others wait for it, and all start."""
        place = Place(empty_postgres_url, tmp_path, clock)
        databases = await asyncio.gather(*(place.open() for _ in range(3)))
        await databases[0].write(lambda connection: add(connection, "one"))

        assert [await codes(database) for database in databases] == [["one"]] * 3

        await place.close()

    async def test_a_command_without_tables(self, empty_postgres_url: str, tmp_path: Path, clock: MovableClock) -> None:
        """A command makes nothing: it says that the service has to be started."""
        with pytest.raises(DatabaseUnavailable, match="keyturn serve"):
            await open_database(url=empty_postgres_url, data_dir=tmp_path, clock=clock, shared=True)

    async def test_writes_of_one_scope_come_one_after_the_other(self, postgres_place: Place) -> None:
        """What a write has read stays true until it is committed, whichever machine the next one is on."""
        machines = [await postgres_place.open(), await postgres_place.open()]

        def count_up(connection: Connection) -> None:
            found = connection.execute(text("SELECT count(*) FROM businesses")).scalar_one()
            add(connection, f"b{found}")

        await asyncio.gather(*(machines[n % 2].write(count_up, scope="counter") for n in range(30)))

        assert len(await codes(machines[0])) == 30


class TestClock:
    """The server's time rules between machines."""

    async def test_only_for_the_system_clock(self, postgres_place: Place, clock: MovableClock) -> None:
        """A clock that a test moves is used as it is; the machine's own is corrected."""
        moved, real = await postgres_place.open(), await postgres_place.open(clock=SystemClock())

        assert moved.clock is clock
        assert isinstance(real.clock, DatabaseClock)

        await moved.refresh()
        await real.refresh()
        off = real.clock.now() - await server_time(real)

        assert abs(off) < timedelta(seconds=5)

    async def test_a_machine_whose_clock_is_wrong(self, postgres_place: Place) -> None:
        """However far it is off, after a measurement it tells the server's time."""
        database = await postgres_place.open()
        clock = DatabaseClock(MovableClock(START - timedelta(days=400), running=True), database.read)

        assert clock.now() < START

        await clock.refresh()

        assert abs(clock.now() - await server_time(database)) < timedelta(seconds=5)

    async def test_waiting_is_the_machines_own(self) -> None:
        """A wait ends with its event."""
        event = asyncio.Event()
        event.set()
        await DatabaseClock(SystemClock(), no_database).wait(event, seconds=60)


async def server_time(database: Database) -> datetime:
    """Ask the server what time it is."""
    return await database.read(lambda connection: connection.execute(text("SELECT clock_timestamp()")).scalar_one())


async def no_database(_fn: object) -> timedelta:
    """Stand for a database that is not asked."""
    return timedelta()


class TestUnitNames(UnitNamesContract):
    """Whether a unit's name may stand in for its group."""


class TestSettledProblems(SettledProblemsContract):
    """Problems as a batch of looks reports them."""


class TestToldProblems(ToldProblemsContract):
    """Problems, told once."""


class TestReplacedPins(ReplacedPinsContract):
    """PINs that another one replaced."""
