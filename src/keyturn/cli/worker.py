"""`keyturn worker`: keeps access in step, beside any number of others."""

from __future__ import annotations

from typing import Annotated

import typer

from keyturn.cli.options import ConfigOption, run_async, settings_of


def command(
    context: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            metavar="PORT",
            min=1,
            max=65535,
            help="Answer /healthz, /readyz and /metrics on this port of server.host.",
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Keep access in step, without taking webhooks.

    One of any number of processes that share a PostgreSQL database; `keyturn web` takes the webhooks. Runs until
    SIGTERM or Ctrl-C, then finishes or gives back what it was doing.

    Example: keyturn --config keyturn.toml worker --port 9101
    """
    settings = settings_of(context, config)
    from keyturn import processes

    run_async(processes.worker(settings, port))
