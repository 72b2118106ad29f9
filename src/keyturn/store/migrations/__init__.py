"""How the tables came to be: one Alembic revision per change, run when the database is opened.

`upgrade`, `verify` and `newest` are all that the rest of the program uses. The caller owns the transaction
and makes sure that only one process migrates at a time. A revision never imports the present
schema: it says what was true when it was written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from keyturn.errors import DatabaseNotReady, DatabaseTooNew


def upgrade(connection: Connection, place: str, take_tables: Callable[[Connection], None] | None = None) -> None:
    """Bring the tables to the newest revision. `place` names the database in the error. Raises `DatabaseTooNew`.

    `take_tables` is called before tables that others may be using are changed.
    """
    config = _config()
    scripts = ScriptDirectory.from_config(config)
    current = _current(connection, scripts, place)
    if current != scripts.get_current_head():
        if current is not None and take_tables is not None:
            take_tables(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def verify(connection: Connection, place: str) -> None:
    """Make sure the tables are this program's, without changing them.

    Raises `DatabaseTooNew`, or `DatabaseNotReady` where they are missing or older.
    """
    scripts = ScriptDirectory.from_config(_config())
    current = _current(connection, scripts, place)
    if current is None:
        raise DatabaseNotReady(f"{place} holds no Keyturn tables yet; start `keyturn serve` once.", made=False)
    if current != scripts.get_current_head():
        raise DatabaseNotReady(
            f"{place} is from an older Keyturn; start `keyturn serve` once to bring it up to date.", made=True
        )


def newest() -> str | None:
    """Return the revision that this program works with."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _current(connection: Connection, scripts: ScriptDirectory, place: str) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    try:
        scripts.get_revisions(current or ())
    except CommandError as error:
        raise DatabaseTooNew(
            f"{place} was written by a newer Keyturn (revision {current}); use that version, or restore a backup."
        ) from error
    return current


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
