"""Puts the commands together and turns errors into sentences and exit codes."""

from __future__ import annotations

from typing import Annotated

import typer

from keyturn.cli import (
    addons,
    deliveries,
    demo,
    doctor,
    explain,
    replay,
    serve,
    simulate,
    status,
    version,
    wake,
    web,
    worker,
)
from keyturn.cli.options import ConfigOption, Given, JsonOption
from keyturn.cli.outcome import Exit, exit_code
from keyturn.errors import KeyturnError, SettingsError


def build() -> typer.Typer:
    """Return the command line with all its commands."""
    app = typer.Typer(
        name="keyturn",
        help="Keeps door access in step with self-storage rentals.",
        epilog=(
            "Exit codes: 0 done; 1 something is wrong or held; 2 the command or the settings cannot be used; "
            "3 an upstream or the database cannot be reached."
        ),
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    app.command("serve")(serve.command)
    app.command("web")(web.command)
    app.command("worker")(worker.command)
    app.command("status")(status.command)
    app.command("doctor")(doctor.command)
    app.command("explain")(explain.command)
    app.command("wake")(wake.command)
    app.command("deliveries")(deliveries.command)
    app.command("replay")(replay.command)
    app.add_typer(addons.build(), name="addons")
    app.command("simulate")(simulate.command)
    app.command("demo")(demo.command)
    app.command("version")(version.command)
    return app


def run(arguments: list[str] | None = None) -> int:
    """Run one command line (the process' own) and return its exit code."""
    try:
        build()(arguments, prog_name="keyturn", standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.DONE
    except KeyturnError as error:
        lines = error.problems if isinstance(error, SettingsError) else [str(error)]
        for line in lines:
            typer.echo(f"keyturn: {line}", err=True)
        return exit_code(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.DONE


def _show_version(wanted: bool) -> None:  # noqa: FBT001  # typer calls it so
    if wanted:
        typer.echo(f"keyturn {version.program()}")
        raise typer.Exit


def _options(
    context: typer.Context,
    config: ConfigOption = None,
    json: JsonOption = False,  # noqa: FBT002  # a flag of the command line
    _show: Annotated[  # noqa: FBT002  # a flag of the command line
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    from keyturn import logs

    logs.configure()
    context.obj = Given(config=config, json=json)
