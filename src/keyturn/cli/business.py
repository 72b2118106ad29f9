"""Which business a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from keyturn.core.ids import BusinessCode
from keyturn.errors import SettingsError

if TYPE_CHECKING:
    from keyturn.businesses import Directory
    from keyturn.settings import Settings


def named_early(settings: Settings, code: str | None) -> BusinessCode | None:
    """Return the code a command names; refuse an unknown one before anything is opened, where the settings name all.

    Raises `typer.BadParameter`.
    """
    if code is not None and settings.addon is None and code not in settings.businesses:
        raise typer.BadParameter(
            f"the settings have no business of this code; they have {', '.join(sorted(settings.businesses))}"
        )
    return None if code is None else BusinessCode(code)


async def served(directory: Directory, code: BusinessCode | None, *, several: bool) -> list[BusinessCode]:
    """Return the business named, else all that are served, or with not `several` the only one.

    Raises `SettingsError` where it is not served, or must be named.
    """
    codes = await directory.codes()
    chosen = codes if code is None else [code] if code in codes else []
    if not chosen or (len(chosen) > 1 and not several):
        raise SettingsError([f"name the business with --business; there are: {', '.join(codes) or 'none'}"])
    return chosen
