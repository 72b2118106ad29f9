"""`keyturn replay`: wake once more what deliveries named."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyturn.cli import filters, screen
from keyturn.cli.database import opened
from keyturn.cli.options import ConfigOption, JsonOption, OfBusinessOption, run_async, settings_of, wants_json
from keyturn.cli.outcome import Exit
from keyturn.errors import NotKept

if TYPE_CHECKING:
    from keyturn.settings import Settings
    from keyturn.store.deliveries import Choice, DeliveryFilter

BATCH = 200
"""Deliveries per transaction: short enough that a webhook beside it need not wait."""

Ids = Annotated[
    list[int] | None,
    typer.Argument(metavar="ID", min=1, help="Deliveries by id, as `keyturn deliveries` shows them."),
]


def command(
    context: typer.Context,
    ids: Ids = None,
    business: OfBusinessOption = None,
    type_: filters.TypeOption = None,
    rental: filters.RentalOption = None,
    state: filters.StateOption = None,
    since: filters.SinceOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")] = False,  # noqa: FBT002  # a flag of the command line
    dry_run: Annotated[  # noqa: FBT002  # a flag of the command line
        bool, typer.Option("--dry-run", help="Only say how many there are.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Look again at what deliveries named.

    Says how many there are, asks, and wakes what they named, as if they had just come. An unresolved one wakes a
    sweep. Nothing but looks follows: a door is never opened because of what an old webhook said. Deliveries of
    add-on installations that are not approved are left out.

    Example: keyturn replay --since 2h --dry-run
    """
    chosen = filters.wanted(ids or [], business, type_, rental, state, since)
    if not (ids or business or type_ or rental or state or since):
        raise typer.BadParameter("name deliveries by id, or choose them with options; --since 30d takes all there are")
    settings, machine = settings_of(context, config), wants_json(context, json=json)
    choice = run_async(_choose(settings, chosen))
    go = _agreed(choice, yes=yes, dry_run=dry_run, machine=machine)
    done = run_async(_replay(settings, choice)) if go else 0
    if machine:
        screen.show_json(document(choice, done))
    elif go:
        screen.show(f"{screen.counted(done, 'delivery', 'deliveries')} replayed; what they named is due now.")
    raise typer.Exit(Exit.DONE)


async def _choose(settings: Settings, chosen: DeliveryFilter) -> Choice:
    """Return what a replay would take. Raises `NotKept` where an id is not there."""
    from keyturn.store.deliveries import Deliveries

    async with opened(settings) as database:
        choice = await Deliveries(database).choose(chosen)
        if choice.missing:
            gone = ", ".join(map(str, choice.missing))
            raise NotKept(f"there is no delivery {gone}; they are forgotten after 30 days, and nothing was replayed")
        if not choice.deliveries:
            await filters.check_business(settings, database, chosen.business)
        return choice


async def _replay(settings: Settings, choice: Choice) -> int:
    from keyturn.store.deliveries import Deliveries

    done = 0
    async with opened(settings) as database:
        for business, ids in choice.ids.items():
            for start in range(0, len(ids), BATCH):
                done += await Deliveries(database).replay(business, ids[start : start + BATCH])
    return done


def _agreed(choice: Choice, *, yes: bool, dry_run: bool, machine: bool) -> bool:
    """Say what would happen and have it confirmed; ends the command where nobody agrees."""
    if not machine:
        screen.show(*_sentences(choice))
    if dry_run or not choice.deliveries:
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here; --yes replays without asking, --dry-run only counts")
    if not typer.confirm(f"Replay {screen.counted(choice.deliveries, 'delivery', 'deliveries')}?", err=True):
        typer.echo("Nothing was replayed.", err=True)
        raise typer.Exit(Exit.WRONG)
    return True


def _sentences(choice: Choice) -> list[str]:
    if not (choice.deliveries or choice.nothing or choice.not_approved):
        return ["No delivery matches."]
    named = screen.counted(choice.subjects, "thing")
    lines = [f"{screen.counted(choice.deliveries, 'delivery', 'deliveries')} to replay; together they name {named}."]
    if len(choice.ids) > 1:
        lines += [f"  {business}: {len(ids):,}" for business, ids in choice.ids.items()]
    if choice.nothing:
        lines.append(f"Left out, because they name nothing: {choice.nothing:,}.")
    if choice.not_approved:
        lines.append(f"Left out, because their installation is not approved (keyturn addons): {choice.not_approved:,}.")
    return lines


def document(choice: Choice, done: int) -> dict[str, Any]:
    """Return what was chosen and what was done, for machines."""
    return {
        "deliveries": choice.deliveries,
        "businesses": {business: len(ids) for business, ids in choice.ids.items()},
        "subjects": choice.subjects,
        "not_approved": choice.not_approved,
        "naming_nothing": choice.nothing,
        "replayed": done,
    }
