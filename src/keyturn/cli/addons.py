"""`keyturn addons`: the installations of the add-on, and which of them are served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyturn.cli import screen
from keyturn.cli.database import opened
from keyturn.cli.options import ConfigOption, Given, JsonOption, checked_id, given, run_async, settings_of, wants_json
from keyturn.cli.outcome import Exit
from keyturn.core.ids import AddonId
from keyturn.errors import NotKept

if TYPE_CHECKING:
    from keyturn.core.installation import Installation
    from keyturn.settings import Settings

AddonArgument = Annotated[
    str, typer.Argument(metavar="ADDON_ID", help="The installation, as `keyturn addons` shows it.")
]
_STYLES = {"waiting": "yellow", "refused": "red"}


def build() -> typer.Typer:
    """Return the command with its two sub-commands."""
    app = typer.Typer(rich_markup_mode=None)
    app.callback(invoke_without_command=True)(command)
    app.command("approve")(approve)
    app.command("forget")(forget)
    return app


def command(
    context: typer.Context,
    config: ConfigOption = None,
    json: JsonOption = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Show and approve installations of the add-on.

    A new installation waits until it is approved, unless addon.auto_register is on. Its webhooks are kept
    meanwhile, and nothing is called. A refused address is one that an installation named and that is not believed.

    Example: keyturn addons
    """
    if context.invoked_subcommand is not None:
        before = given(context)
        context.obj = Given(config=config or before.config, json=json or before.json)
        return
    found, kept = run_async(_all(settings_of(context, config)))
    if wants_json(context, json=json):
        screen.show_json({"addons": [document(one, kept.get(one.addon_id, 0)) for one in found]})
    elif found:
        headers = (
            "add-on",
            "business",
            "account",
            "state",
            "first seen",
            "last seen",
            "kept events",
            "refused address",
        )
        screen.show(screen.table(*headers, rows=[_row(one, kept.get(one.addon_id, 0)) for one in found], numbers=[6]))
    else:
        screen.show("No installation of the add-on has delivered yet.")
    raise typer.Exit(Exit.DONE)


def approve(
    context: typer.Context,
    addon: AddonArgument,
    config: ConfigOption = None,
    json: JsonOption = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Serve an installation that waits.

    What its kept webhooks named is looked at now.

    Example: keyturn addons approve 5f1b0c2d3e4f5a6b7c8d9e0f
    """
    addon_id = AddonId(checked_id(addon))
    released, business = run_async(_approve(settings_of(context, config), addon_id))
    if wants_json(context, json=json):
        screen.show_json({"addon_id": addon_id, "business": business, "released": released})
    else:
        events = screen.counted(released, "kept event")
        screen.show(f"{addon_id} is served as {business} from now on. What {events} named is due now.")
    raise typer.Exit(Exit.DONE)


def forget(
    context: typer.Context,
    addon: AddonArgument,
    config: ConfigOption = None,
    json: JsonOption = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Serve an installation no more.

    Its next webhook makes it known again, as a new one. What is kept of its webhooks stays.

    Example: keyturn addons forget 5f1b0c2d3e4f5a6b7c8d9e0f
    """
    addon_id = AddonId(checked_id(addon))
    run_async(_forget(settings_of(context, config), addon_id))
    if wants_json(context, json=json):
        screen.show_json({"addon_id": addon_id, "forgotten": True})
    else:
        screen.show(f"{addon_id} is forgotten; its next event makes it known again.")
    raise typer.Exit(Exit.DONE)


async def _all(settings: Settings) -> tuple[list[Installation], dict[AddonId, int]]:
    from keyturn.store.installations import Installations

    async with opened(settings) as database:
        return await Installations(database).all(), await Installations(database).kept()


async def _approve(settings: Settings, addon_id: AddonId) -> tuple[int, str | None]:
    """Approve an installation; return how many kept events were released, and its business. Raises `NotKept`."""
    from keyturn.businesses import sweeps
    from keyturn.store.installations import Installations

    async with opened(settings) as database:
        installations = Installations(database)
        released = await installations.approve(addon_id, sweeps(settings))
        found = await installations.find(addon_id)
        if released is None:
            raise NotKept(f"{addon_id}: {_why_not(found)}")
        return released, found.business if found else None


def _why_not(found: Installation | None) -> str:
    if found is None:
        return "no installation of this id has delivered yet; `keyturn addons` lists those that have"
    if found.served:
        return "this installation is served already"
    return "this installation named an address that may not be called; see `keyturn addons` and network.allowed_hosts"


async def _forget(settings: Settings, addon_id: AddonId) -> None:
    from keyturn.store.installations import Installations

    async with opened(settings) as database:
        if not await Installations(database).forget(addon_id):
            raise NotKept(f"{addon_id}: {_why_not(None)}")


def document(found: Installation, kept: int) -> dict[str, Any]:
    """Return an installation for machines."""
    return {
        "addon_id": found.addon_id,
        "business": found.business,
        "api_url": found.api_url,
        "state": found.state.value,
        "first_seen": screen.iso(found.first_seen),
        "last_seen": screen.iso(found.last_seen),
        "kept_events": kept,
        "refused_url": found.refused_url,
        "refused_at": screen.iso(found.refused_at),
    }


def _row(found: Installation, kept: int) -> screen.Row:
    state = found.state.value
    return [
        found.addon_id,
        found.business,
        found.api_url,
        screen.words(state, _STYLES.get(state, "")),
        screen.utc(found.first_seen),
        screen.utc(found.last_seen),
        kept,
        found.refused_url and f"{found.refused_url} ({screen.utc(found.refused_at)})",
    ]
