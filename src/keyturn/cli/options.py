"""The options every command has. They may stand before or after the command's name."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from keyturn.settings import Settings

T = TypeVar("T")

DEFAULT_CONFIG = Path("keyturn.toml")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The settings file [default: $KEYTURN_CONFIG, else keyturn.toml]."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What stood before the command's name."""

    config: Path | None = None
    json: bool = False


def settings_of(context: typer.Context, config: Path | None) -> Settings:
    """Load the settings file the caller named. Raises `SettingsError`."""
    from keyturn.settings import load_settings

    named = config or _given(context).config or _from_environment() or DEFAULT_CONFIG
    return load_settings(named, os.environ)


def wants_json(context: typer.Context, *, json: bool) -> bool:
    """Say whether JSON was asked for, before or after the command's name."""
    return json or _given(context).json


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


def _given(context: typer.Context) -> Given:
    given = context.find_object(Given)
    return given if given is not None else Given()


def _from_environment() -> Path | None:
    name = os.environ.get("KEYTURN_CONFIG")
    return Path(name) if name else None
