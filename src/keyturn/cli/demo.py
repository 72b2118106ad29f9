"""`keyturn demo`: the whole story on simulated upstreams, without an account anywhere."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    serve: Annotated[  # noqa: FBT002  # a flag of the command line
        bool, typer.Option("--serve", help="Keep everything running afterwards, to play with, until Ctrl-C.")
    ] = False,
) -> None:
    """Play the whole story on simulated services.

    A move-in, an overlock, a payment, a transfer and a move-out; no account anywhere is needed.

    Example: keyturn demo --serve
    """
    from keyturn import demo

    raise typer.Exit(demo.run(serve=serve))
