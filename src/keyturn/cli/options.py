"""The options every command has. They may stand before or after the command's name."""

from __future__ import annotations

import asyncio
import os
import tomllib
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from keyturn.core.ids import is_id

if TYPE_CHECKING:
    from keyturn.settings import Settings

T = TypeVar("T")

DEFAULT_CONFIG = Path("keyturn.toml")


def _codes(context: typer.Context, incomplete: str) -> list[str]:
    """Complete a business code from the settings file, where it can be read; never complain."""
    named = context.params.get("config") or context.find_root().params.get("config")
    try:
        document = tomllib.loads((Path(named) if named else _default()).read_text(encoding="utf-8-sig"))
        return sorted(code for code in document["businesses"] if code.startswith(incomplete))
    except (OSError, ValueError, LookupError, TypeError):
        return []


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The settings file [default: $KEYTURN_CONFIG, else keyturn.toml]."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
BusinessOption = Annotated[
    str | None,
    typer.Option(
        "--business", metavar="CODE", help="The business; needed where there are several.", autocompletion=_codes
    ),
]
OfBusinessOption = Annotated[
    str | None, typer.Option("--business", metavar="CODE", help="Only of this business.", autocompletion=_codes)
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What stood before the command's name."""

    config: Path | None = None
    json: bool = False


def settings_of(context: typer.Context, config: Path | None) -> Settings:
    """Load the settings file the caller named. Raises `SettingsError`."""
    from keyturn.settings import load_settings

    return load_settings(settings_file(context, config), os.environ)


def settings_file(context: typer.Context, config: Path | None) -> Path:
    """Return the settings file the caller named, or the usual one."""
    return config or given(context).config or _default()


def wants_json(context: typer.Context, *, json: bool) -> bool:
    """Say whether JSON was asked for, before or after the command's name."""
    return json or given(context).json


def given(context: typer.Context) -> Given:
    """Return what stood before the command's name."""
    found = context.find_object(Given)
    return found if found is not None else Given()


def checked_id(text: str) -> str:
    """Return an id as it was given. Raises `typer.BadParameter` for what cannot be one."""
    if not is_id(text):
        raise typer.BadParameter("this is not an id; an id has letters, digits, hyphens and underscores only")
    return text


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine on the fastest event loop there is."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # not made for Windows
        return None
    return uvloop.new_event_loop


def _default() -> Path:
    return Path(os.environ.get("KEYTURN_CONFIG") or DEFAULT_CONFIG)
