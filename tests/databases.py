"""Real databases for tests: a fresh one for each, SQLite and PostgreSQL alike.

    database            an open `Database`; the test runs once on each of the two
    database_place      where it lives: can be opened again (a restart) or twice (a second machine)
    sqlite_place        the same, only SQLite
    bare_place          a folder for an embedded database that nobody has made yet
    postgres_place      the same as `database_place`, only PostgreSQL
    clock               the `MovableClock` they are opened with; it stands still until it is moved

Both have their tables already, for making them takes longer than most tests: `lay_tables` does so for a file.

PostgreSQL is the server at KEYTURN_TEST_POSTGRES, else the one on this machine's usual port, else a
private one that is started for the run. Without any, its tests are skipped and the summary says so.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import URL, NullPool, create_engine, make_url

from keyturn.clock import Clock, MovableClock
from keyturn.store.database import Database, open_database
from keyturn.store.migrations import upgrade
from keyturn.store.schema import metadata

pytest.register_assert_rewrite("contract")

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NO_POSTGRES = "there is no PostgreSQL server and none can be started"
USUAL = "postgresql://postgres@127.0.0.1:5432/test"
NUMBERS = count(1)
DATABASE = "keyturn.db"
LAID: list[bytes] = []
"""The file of an embedded database with tables and nothing in them, once it was made."""
KEEP = "CREATE SCHEMA tests; CREATE TABLE tests.revision AS SELECT version_num FROM public.alembic_version"
CUT_OFF = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""
EMPTY = "; ".join(
    [
        CUT_OFF,
        *(str(table.delete()) for table in reversed(metadata.sorted_tables)),
        "DELETE FROM alembic_version",
        "INSERT INTO alembic_version SELECT version_num FROM tests.revision",
    ]
)
"""Puts a database back to what it was after its tables were made."""


class Place:
    """Where one test's database lives."""

    def __init__(self, url: str | None, data_dir: Path, clock: Clock) -> None:
        self.url = url
        self.data_dir = data_dir
        self._clock = clock
        self._opened: list[Database] = []

    async def open(self, *, clock: Clock | None = None, shared: bool = False) -> Database:
        """Open it; whatever is still open at the end of the test is closed then."""
        database = await open_database(url=self.url, data_dir=self.data_dir, clock=clock or self._clock, shared=shared)
        self._opened.append(database)
        return database

    async def another(self) -> Database:
        """Open it once more, as a second machine would; the embedded one knows only a command beside the service."""
        return await self.open(shared=self.url is None)

    async def close(self) -> None:
        """Close all that was opened."""
        while self._opened:
            await self._opened.pop().close()


async def lay_tables(folder: Path) -> None:
    """Put an embedded database with tables and nothing in them into `folder`, unless there is a database.

    It is what the program itself left behind when it opened a new one, once in this process.
    """
    if not LAID:
        with tempfile.TemporaryDirectory(prefix="keyturn-tables-") as made:
            await (await open_database(url=None, data_dir=Path(made), clock=MovableClock(START))).close()
            LAID.append((Path(made) / DATABASE).read_bytes())
    _lay(LAID[0], folder)


def _lay(content: bytes, folder: Path) -> None:
    if not (folder / DATABASE).exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / DATABASE).touch(mode=0o600)
        (folder / DATABASE).write_bytes(content)


@pytest.fixture
def clock() -> MovableClock:
    """Return a clock that stands still."""
    return MovableClock(START)


@pytest_asyncio.fixture
async def bare_place(tmp_path: Path, clock: MovableClock) -> AsyncIterator[Place]:
    """Give a folder for an embedded database; not even the folder is there."""
    place = Place(None, tmp_path / "data", clock)
    yield place
    await place.close()


@pytest_asyncio.fixture
async def sqlite_place(bare_place: Place) -> Place:
    """Give an embedded database with tables and nothing in them."""
    await lay_tables(bare_place.data_dir)
    return bare_place


@pytest_asyncio.fixture
async def postgres_place(postgres_url: str, tmp_path: Path, clock: MovableClock) -> AsyncIterator[Place]:
    """Give a PostgreSQL database with tables and nothing in them."""
    place = Place(postgres_url, tmp_path, clock)
    yield place
    await place.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database_place(request: pytest.FixtureRequest) -> Place:
    """Give the one and then the other."""
    place: Place = request.getfixturevalue(f"{request.param}_place")
    return place


@pytest_asyncio.fixture
async def database(database_place: Place) -> Database:
    """Give an open database."""
    return await database_place.open()


@pytest.fixture
def postgres_url(postgres_tables: str) -> Iterator[str]:
    """Give a database with tables and nothing in them, and empty it afterwards."""
    yield postgres_tables
    _run_sql(make_url(postgres_tables), EMPTY)


@pytest.fixture
def empty_postgres_url(postgres_server: URL) -> Iterator[str]:
    """Make a database without tables, and drop it afterwards."""
    with _new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_tables(postgres_server: URL) -> Iterator[str]:
    """Make the database that this process' tests use one after the other: making one takes half a second."""
    with _new_database(postgres_server) as url:
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
        with engine.begin() as connection:
            upgrade(connection, "the tests' database")
        engine.dispose()
        _run_sql(make_url(url), KEEP)
        yield url


class _new_database:  # noqa: N801 - used like a function
    """A database for the length of a block."""

    def __init__(self, server: URL) -> None:
        self._server = server
        self._name = f"keyturn_test_{os.getpid()}_{next(NUMBERS)}"

    def __enter__(self) -> str:
        _run_sql(self._server, f'CREATE DATABASE "{self._name}"')
        # A power cut is no subject of these tests: not waiting for the disk changes nothing else, and saves minutes.
        _run_sql(self._server, f'ALTER DATABASE "{self._name}" SET synchronous_commit = off')
        return self._server.set(database=self._name).render_as_string(hide_password=False)

    def __exit__(self, *_: object) -> None:
        _run_sql(self._server, f'DROP DATABASE "{self._name}" WITH (FORCE)')


def _run_sql(server: URL, sql: str) -> None:
    with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(sql.encode())


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """Give the address of a PostgreSQL server in which databases may be made."""
    if given := os.environ.get("KEYTURN_TEST_POSTGRES"):
        yield make_url(given)
    elif _answers(USUAL):
        yield make_url(USUAL)
    elif (programs := postgres_programs()) is not None:
        with PrivateServer(programs) as address:
            yield address
    else:
        pytest.skip(NO_POSTGRES)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def postgres_programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`, the newest where there are several."""
    candidates = [Path(found).parent for found in [shutil.which("pg_ctl")] if found]
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((one for one in candidates if (one / "initdb").exists() and (one / "pg_ctl").exists()), None)


class PrivateServer:
    """A server of our own, reachable through a socket in a temporary folder only."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="keyturn-pg-"))
        self._user = _other_user() if os.geteuid() == 0 else None

    def __enter__(self) -> URL:
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        data = str(self._folder / "data")
        self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "-D", data)
        self.start()
        return URL.create("postgresql", "postgres", database="postgres", query={"host": str(self._folder)})

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, where it was stopped or for the first time."""
        options = f"-c listen_addresses= -c fsync=off -c unix_socket_directories={self._folder}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str) -> None:
        """Stop it: `fast` ends the connections and tidies up, `immediate` is a crash."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", mode, "-w", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(  # noqa: S603 - the machine's own programs, with arguments from above
            [self._programs / program, *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            user=self._user.pw_uid if self._user else None,
            group=self._user.pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
        )


def _other_user() -> pwd.struct_passwd:
    """Return a user to run the server as, which refuses to run as root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip(NO_POSTGRES)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud that the tests on PostgreSQL did not run."""
    skipped = [one for one in terminalreporter.getreports("skipped") if NO_POSTGRES in str(one.longrepr)]
    if skipped:
        terminalreporter.section("PostgreSQL was not tested", red=True)
        terminalreporter.line(f"{len(skipped)} tests did not run, because {NO_POSTGRES}. Set KEYTURN_TEST_POSTGRES.")
