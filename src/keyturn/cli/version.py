"""`keyturn version`: which program this is."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import typer

from keyturn.cli import screen
from keyturn.cli.options import JsonOption, wants_json


def command(
    context: typer.Context,
    json: JsonOption = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Print the versions of program, Python and tables.

    The database revision is the one this program works with; an older database is brought up to it at the next
    start, a newer one is refused.

    Example: keyturn version --json
    """
    from keyturn.store.migrations import newest

    found = {"keyturn": program(), "python": platform.python_version(), "database_revision": newest()}
    if wants_json(context, json=json):
        screen.show_json(found)
    else:
        screen.show(screen.table(rows=[(name.replace("_", " "), words) for name, words in found.items()]))


def program() -> str:
    """Return the program's own version."""
    try:
        return installed("keyturn")
    except PackageNotFoundError:
        return "from a source tree that is not installed"
