"""`keyturn web`: takes webhooks, beside any number of others."""

from __future__ import annotations

import typer

from keyturn.cli.options import ConfigOption, run_async, settings_of


def command(context: typer.Context, config: ConfigOption = None) -> None:
    """Take webhooks only.

    One of any number of processes that share a PostgreSQL database; `keyturn worker` does the work. Answers
    webhooks, /healthz, /readyz and /metrics, until SIGTERM or Ctrl-C.

    Example: keyturn --config keyturn.toml web
    """
    settings = settings_of(context, config)
    from keyturn import processes

    run_async(processes.web(settings))
