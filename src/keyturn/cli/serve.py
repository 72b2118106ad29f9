"""`keyturn serve`: the web server and the worker in one process."""

from __future__ import annotations

import typer

from keyturn.cli.options import ConfigOption, run_async, settings_of


def command(context: typer.Context, config: ConfigOption = None) -> None:
    """Take webhooks and keep access in step.

    Runs the web server and the worker in one process, until SIGTERM or Ctrl-C.

    Example: keyturn --config keyturn.toml serve
    """
    settings = settings_of(context, config)
    from keyturn import processes

    run_async(processes.serve(settings))
