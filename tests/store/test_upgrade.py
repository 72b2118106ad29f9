"""From the tables of the version before to those of this one, while the older program may still be at work."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Boolean, Connection, MetaData, NullPool, Numeric, Table, create_engine, make_url
from sqlalchemy.types import Integer, TypeEngine

from databases import START, Place
from keyturn.cli.app import run as run_program
from keyturn.clock import MovableClock
from keyturn.core.ids import BusinessCode, RentalId
from keyturn.core.work import Subject
from keyturn.errors import DatabaseUnavailable
from keyturn.store import migrations
from keyturn.store.businesses import Businesses
from keyturn.store.ledger import Ledger
from keyturn.store.work import Work

OLDER = "0001"
COUNTS = {"handled", "attempts", "repeats", "fence"}
ACME, BOXES = BusinessCode("acme"), BusinessCode("boxes")
NOW = int(START.timestamp() * 1_000_000)
WORDS = {"state": {"deliveries": "accepted", "work": "due", "memberships": "known", "rentals": "occupied"}}
SETTINGS = (
    '[server]\nport = {port}\nsecret_key = "0123456789abcdef"\n[businesses.acme]\napi_key = "a"\nwebhook_secret = "w"\n'
)


@pytest.fixture(params=["sqlite", "postgres"])
async def older(request: pytest.FixtureRequest, tmp_path: Path, clock: MovableClock) -> AsyncIterator[Older]:
    """Give a database with the older tables and a row in each."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    url = request.getfixturevalue("empty_postgres_url") if request.param == "postgres" else None
    made = Older(Place(url, folder, clock))
    made.make()
    yield made
    await made.place.close()


class Older:
    """The older program, as far as its tables go."""

    def __init__(self, place: Place) -> None:
        self.place = place
        address = f"sqlite:///{place.data_dir / 'keyturn.db'}"
        if place.url is not None:
            address = make_url(place.url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        self._engine = create_engine(address, poolclass=NullPool)
        self._tables = MetaData()

    def make(self) -> None:
        """Make the tables as they were, and put one row into each."""
        config = Config()
        config.set_main_option("script_location", str(next(iter(migrations.__path__))))
        config.set_main_option("path_separator", "os")
        with self._engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, OLDER)
        self._tables.reflect(self._engine)
        with self._engine.begin() as connection:
            for table in self._own():
                self._insert(connection, table, "first")

    def work_on(self) -> None:
        """Do what it does: add to each table, change each row, read it, knowing only the columns of its time."""
        with self._engine.begin() as connection:
            for table in self._own():
                self._insert(connection, table, "second")
                changed = connection.execute(table.update().values(self._values(table, "first", keys=False)))

                assert changed.rowcount == 2
                assert len(connection.execute(table.select()).all()) == 2

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return what it sees."""
        with self._engine.begin() as connection:
            return {table.name: [tuple(row) for row in connection.execute(table.select())] for table in self._own()}

    def set_revision(self, revision: str) -> None:
        """Pretend that another program wrote the tables."""
        with self._engine.begin() as connection:
            connection.execute(self._tables.tables["alembic_version"].update().values(version_num=revision))

    def _own(self) -> list[Table]:
        return [table for table in self._tables.sorted_tables if table.name != "alembic_version"]

    def _insert(self, connection: Connection, table: Table, name: str) -> None:
        connection.execute(table.insert().values(self._values(table, name, keys=True)))

    @staticmethod
    def _values(table: Table, name: str, *, keys: bool) -> dict[str, Any]:
        number = {"first": 1, "second": 2}[name]
        columns = [column for column in table.columns if keys or not (column.primary_key or column.name == "key")]
        return {column.name: _value(table.name, column.name, column.type, name, number) for column in columns}


def _value(table: str, column: str, kind: TypeEngine[Any], name: str, number: int) -> Any:
    if column in WORDS:
        return WORDS[column].get(table, name)
    if column == "business" or (table, column) == ("businesses", "code"):
        return {"first": ACME, "second": BOXES}[name]
    if column in {"start", "ended"}:
        return "2026-03-01"
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, Integer | Numeric):
        return number if column in {"id", "delivery_id", "wanted"} else 0 if column in COUNTS else NOW
    return name


async def test_everything_is_taken_over(older: Older) -> None:
    """The tables are brought up to date, what was in them stays, and this program reads it."""
    before = older.rows()
    database = await older.place.open()

    assert older.rows() == before
    row = await Work(database).row(ACME, Subject("first", "first"))
    remembered = await Ledger(database).load(ACME, rentals=[RentalId("first")])

    assert row is not None
    assert row.wanted == 1
    assert list(remembered.rentals) == ["first"]
    assert await Businesses(database).since(ACME) == START
    assert await Businesses(database).remember(ACME, "https://acme.example/api", START) == START


async def test_the_older_program_goes_on(older: Older) -> None:
    """It writes and reads the tables of this program, which sees what it wrote."""
    database = await older.place.open()
    older.work_on()

    assert await Work(database).row(BOXES, Subject("second", "second")) is not None


async def test_a_command_does_not_upgrade(older: Older) -> None:
    """Beside the older program a command of this one says what to do, and changes nothing."""
    before = older.rows()
    with pytest.raises(DatabaseUnavailable, match="is from an older Keyturn; start `keyturn serve` once"):
        await older.place.open(shared=True)

    assert older.rows() == before


async def test_a_newer_database_ends_with_3(older: Older, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The older program that meets a newer one's tables says so in a sentence, and touches nothing."""
    older.set_revision("9999")
    url = f'[database]\nurl = "{older.place.url}"\n' if older.place.url else '[database]\ndata_dir = "data"\n'
    config = tmp_path / "keyturn.toml"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config.write_text(f"{SETTINGS.format(port=port)}{url}", encoding="utf-8")
    command_line = "worker" if older.place.url else "serve"

    code = await asyncio.to_thread(run_program, ["--config", str(config), command_line])

    assert code == 3
    assert "was written by a newer Keyturn (revision 9999); use that version, or restore a backup" in (
        capsys.readouterr().err
    )
