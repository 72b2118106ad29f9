"""`keyturn explain RENTAL`: why a tenant can or cannot open the door."""

from __future__ import annotations

from typing import Annotated

import typer

from keyturn.cli import screen
from keyturn.cli.business import named_early
from keyturn.cli.options import BusinessOption, ConfigOption, JsonOption, checked_id, run_async, settings_of, wants_json
from keyturn.cli.outcome import Exit
from keyturn.core.ids import RentalId


def command(
    context: typer.Context,
    rental: Annotated[str, typer.Argument(metavar="RENTAL", help="The rental's id at Storeganise.")],
    business: BusinessOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Say what access a rental should have, and why.

    Reads the rental now, compares with what is known, and lists what would be done. Changes nothing.

    Example: keyturn explain 5f1b0c2d3e4f5a6b7c8d9e0f
    """
    rental_id = RentalId(checked_id(rental))
    settings = settings_of(context, config)
    code = named_early(settings, business)
    from keyturn import bootstrap

    found = run_async(bootstrap.explain(settings, rental_id, code))
    if wants_json(context, json=json):
        screen.show_json(found.document)
    else:
        screen.show(*map(screen.words, found.text.splitlines()))
    raise typer.Exit(Exit.DONE if found.ok else Exit.WRONG)
