"""How a command ends: exit codes, and one sentence instead of a traceback."""

from __future__ import annotations

from enum import IntEnum

from keyturn.errors import (
    AccountKnown,
    Busy,
    CodeTaken,
    CredentialsRejected,
    DatabaseTooNew,
    DatabaseUnavailable,
    HostNotAllowed,
    KeyturnError,
    SettingsError,
    Unavailable,
)


class Exit(IntEnum):
    """The exit codes; they are part of the interface."""

    DONE = 0
    WRONG = 1
    """Something is wrong or held, and is said on the screen."""
    USAGE = 2
    """The command or the settings cannot be used."""
    UNREACHABLE = 3
    """An upstream or the database cannot be reached."""
    INTERRUPTED = 130
    """Stopped from the keyboard, as shells report it."""


def exit_code(error: KeyturnError) -> Exit:
    """Return the exit code an error stands for."""
    match error:
        case SettingsError() | AccountKnown() | CodeTaken() | HostNotAllowed():
            return Exit.USAGE
        case DatabaseUnavailable() | DatabaseTooNew() | Busy() | Unavailable() | CredentialsRejected():
            return Exit.UNREACHABLE
        case _:
            return Exit.WRONG
