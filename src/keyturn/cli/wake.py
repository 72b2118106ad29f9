"""`keyturn wake`: have things looked at now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyturn.cli import screen
from keyturn.cli.business import named_early, served
from keyturn.cli.options import BusinessOption, ConfigOption, JsonOption, checked_id, run_async, settings_of, wants_json
from keyturn.cli.outcome import Exit
from keyturn.core.work import Kind, Subject

if TYPE_CHECKING:
    from keyturn.core.ids import BusinessCode
    from keyturn.settings import Settings

BATCH = 500
"""Rows per transaction: short enough that a webhook beside it need not wait."""
REASON = "woken by hand"


def command(
    context: typer.Context,
    rentals: Annotated[
        list[str] | None, typer.Argument(metavar="RENTAL", help="Rentals by their ids at Storeganise.")
    ] = None,
    business: BusinessOption = None,
    owner: Annotated[
        list[str] | None, typer.Option("--owner", metavar="ID", help="The rentals of this tenant; may be repeated.")
    ] = None,
    unit: Annotated[
        list[str] | None, typer.Option("--unit", metavar="ID", help="The rentals of this unit; may be repeated.")
    ] = None,
    every: Annotated[  # noqa: FBT002  # a flag of the command line
        bool,
        typer.Option(
            "--all", help="Every remembered rental that is not over, and what has changed since the last sweep."
        ),
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Look at rentals now.

    Puts them in front of the worker, held ones too; one that is not known yet is looked at like any other. --all,
    for one business or for all of them, is for after a restored backup or a new secret_key.

    Example: keyturn wake 5f1b0c2d3e4f5a6b7c8d9e0f
    """
    subjects = [
        *_subjects(Kind.RENTAL, rentals),
        *_subjects(Kind.OWNER, owner),
        *_subjects(Kind.UNIT, unit),
    ]
    if every == bool(subjects):
        raise typer.BadParameter("name rentals, an owner or a unit, or write --all for every rental; not both")
    settings = settings_of(context, config)
    code = named_early(settings, business)
    woken = run_async(_wake(settings, code, list(dict.fromkeys(subjects)) if subjects else None))
    if wants_json(context, json=json):
        screen.show_json(document(woken))
    else:
        screen.show(*(_sentence(business, them) for business, them in woken.items()))
    raise typer.Exit(Exit.DONE)


def _subjects(kind: Kind, ids: list[str] | None) -> list[Subject]:
    return [Subject.of(kind, checked_id(one)) for one in ids or []]


async def _wake(
    settings: Settings, business: BusinessCode | None, subjects: list[Subject] | None
) -> dict[BusinessCode, list[Subject]]:
    """Wake the subjects, or (`None`) everything; return what was woken where. Raises `SettingsError`."""
    from keyturn.bootstrap import assemble
    from keyturn.core.work import DELTA_SWEEP

    async with assemble(settings, shared=True) as service:
        woken: dict[BusinessCode, list[Subject]] = {}
        for code in await served(service.directory, business, several=subjects is None):
            if subjects is None:
                known = await service.ledger.not_over(code)
                woken[code] = [*(Subject.of(Kind.RENTAL, rental) for rental in known), DELTA_SWEEP]
            else:
                woken[code] = subjects
            for start in range(0, len(woken[code]), BATCH):
                await service.work.wake(code, woken[code][start : start + BATCH], REASON)
        return woken


def document(woken: dict[BusinessCode, list[Subject]]) -> dict[str, Any]:
    """Return what was woken, for machines."""
    return {
        "woken": sum(map(len, woken.values())),
        "businesses": {code: _counts(subjects) for code, subjects in woken.items()},
    }


def _counts(subjects: list[Subject]) -> dict[str, int]:
    kinds = [subject.kind for subject in subjects]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def _sentence(business: BusinessCode, subjects: list[Subject]) -> str:
    counts = [screen.counted(number, kind) for kind, number in _counts(subjects).items()]
    return f"{business}: {', '.join(counts)} due now."
