"""`keyturn explain RENTAL`: why a tenant can or cannot open the door."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated

import typer

from keyturn.cli.options import ConfigOption, JsonOption, run_async, settings_of, wants_json
from keyturn.cli.outcome import Exit
from keyturn.core.ids import BusinessCode, RentalId, is_id


def command(
    context: typer.Context,
    rental: Annotated[str, typer.Argument(metavar="RENTAL", help="The rental's id at Storeganise.")],
    business: Annotated[
        str | None, typer.Option("--business", metavar="CODE", help="The business; needed where there are several.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Say what access a rental should have, and why.

    Reads the rental now, compares with what is known, and lists what would be done. Changes nothing.
    """
    if not is_id(rental):
        raise typer.BadParameter("this is not an id; an id has letters, digits, hyphens and underscores only")
    settings = settings_of(context, config)
    if business is not None and business not in settings.businesses:
        raise typer.BadParameter(
            f"the settings have no business of this code; they have {', '.join(sorted(settings.businesses))}"
        )
    from keyturn import bootstrap

    found = run_async(
        bootstrap.explain(settings, RentalId(rental), None if business is None else BusinessCode(business))
    )
    typer.echo(jsonlib.dumps(found.document, indent=2) if wants_json(context, json=json) else found.text)
    raise typer.Exit(Exit.DONE if found.ok else Exit.WRONG)
