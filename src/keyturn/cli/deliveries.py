"""`keyturn deliveries`: the webhooks that came, and what became of them."""

from __future__ import annotations

import json as jsonlib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyturn.cli import filters, screen
from keyturn.cli.database import opened
from keyturn.cli.options import ConfigOption, JsonOption, OfBusinessOption, run_async, settings_of, wants_json
from keyturn.cli.outcome import Exit
from keyturn.errors import NotKept

if TYPE_CHECKING:
    from keyturn.settings import Settings
    from keyturn.store.deliveries import Delivery, DeliveryFilter
    from keyturn.store.work import WorkRow

_STYLES = {"unresolved": "yellow", "waiting": "yellow", "ignored": "dim"}


def command(
    context: typer.Context,
    delivery: Annotated[int | None, typer.Argument(metavar="ID", min=1, help="Show this one in detail.")] = None,
    business: OfBusinessOption = None,
    type_: filters.TypeOption = None,
    rental: filters.RentalOption = None,
    state: filters.StateOption = None,
    since: filters.SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="So many at most.")] = 50,
    config: ConfigOption = None,
    json: JsonOption = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Show the webhooks that came, the newest first.

    Each with its state (accepted: woke what it names; ignored: of a type nobody needs; unresolved: names nothing,
    so a sweep looked for what it meant; waiting: its add-on installation is not approved) and whether that has
    been looked at since. What is kept of a webhook is ids, never a name, an address or a PIN. After 30 days it is
    forgotten.

    Example: keyturn deliveries --since 2h --state unresolved
    """
    chosen = filters.wanted([] if delivery is None else [delivery], business, type_, rental, state, since)
    settings, machine = settings_of(context, config), wants_json(context, json=json)
    if delivery is not None:
        _show_one(*run_async(_one(settings, delivery)), machine=machine)
    else:
        _show_many(run_async(_newest(settings, chosen, limit)), limit, machine=machine)
    raise typer.Exit(Exit.DONE)


async def _newest(settings: Settings, chosen: DeliveryFilter, limit: int) -> list[Delivery]:
    """Return one more than `limit`, if there are more."""
    from keyturn.store.deliveries import Deliveries

    async with opened(settings) as database:
        found = await Deliveries(database).newest(chosen, limit + 1)
        if not found:
            await filters.check_business(settings, database, chosen.business)
        return found


async def _one(settings: Settings, delivery_id: int) -> tuple[Delivery, list[WorkRow]]:
    """Return a delivery and what became of the things it names. Raises `NotKept`."""
    from keyturn.store.deliveries import Deliveries
    from keyturn.store.work import Work

    async with opened(settings) as database:
        found = await Deliveries(database).one(delivery_id)
        if found is None:
            raise NotKept(f"there is no delivery {delivery_id}; they are forgotten after 30 days")
        rows = [await Work(database).row(found.business, subject) for subject in found.subjects]
        return found, [row for row in rows if row is not None]


def _show_many(found: list[Delivery], limit: int, *, machine: bool) -> None:
    shown, more = found[:limit], len(found) > limit
    if machine:
        screen.show_json({"deliveries": [document(delivery) for delivery in shown], "more": more})
    elif not shown:
        screen.show("No delivery matches.")
    else:
        headers = ("id", "received", "business", "via", "type", "state", "names", "repeats", "looked at")
        parts = [screen.table(*headers, rows=[_row(one) for one in shown], numbers=[0, 7])]
        screen.show(*parts, *([f"\nThere are older ones; --limit {limit * 2} shows more."] if more else []))


def _row(delivery: Delivery) -> screen.Row:
    state = delivery.standing.value
    return [
        delivery.id,
        screen.utc(delivery.last_at),
        delivery.business,
        _via(delivery),
        delivery.type,
        screen.words(state, _STYLES.get(state, "")),
        _names(delivery),
        delivery.repeats,
        _looked_at(delivery),
    ]


def _show_one(delivery: Delivery, rows: list[WorkRow], *, machine: bool) -> None:
    if machine:
        screen.show_json(document(delivery) | {"work": [_work(row) for row in rows]})
        return
    facts = {
        "received": screen.utc(delivery.received_at),
        "came again": f"{screen.counted(delivery.repeats, 'time')}, last {screen.utc(delivery.last_at)}"
        if delivery.repeats
        else "never",
        "business": delivery.business,
        "via": _via(delivery),
        "type": delivery.type,
        "event": delivery.event_id,
        "state": delivery.standing.value,
        "names": _names(delivery),
        "looked at": _looked_at(delivery),
    }
    screen.show(
        screen.title(f"Delivery {delivery.id}"),
        screen.table(rows=[*facts.items()]),
        screen.title("What became of it"),
        screen.table("kind", "id", "state", "last looked at", "result", rows=[_row_of_work(row) for row in rows]),
        screen.title("What is kept of it"),
        screen.words(delivery.document),
    )


def _row_of_work(row: WorkRow) -> screen.Row:
    return [row.subject.kind, row.subject.id, row.state.value, screen.utc(row.looked_at), row.result]


def document(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery for machines; `document` is what is kept of the webhook itself."""
    return {
        "id": delivery.id,
        "business": delivery.business,
        "addon_id": delivery.addon_id,
        "type": delivery.type,
        "event_id": delivery.event_id,
        "state": delivery.standing.value,
        "received_at": screen.iso(delivery.received_at),
        "last_at": screen.iso(delivery.last_at),
        "repeats": delivery.repeats,
        "names": [{"kind": subject.kind, "id": subject.id} for subject in delivery.subjects],
        "looked_at": delivery.looked_at,
        "document": jsonlib.loads(delivery.document),
    }


def _work(row: WorkRow) -> dict[str, Any]:
    return {
        "kind": row.subject.kind,
        "id": row.subject.id,
        "state": row.state.value,
        "looked_at": screen.iso(row.looked_at),
        "result": row.result,
    }


def _via(delivery: Delivery) -> str:
    return delivery.addon_id or "plain"


def _names(delivery: Delivery) -> str:
    return ", ".join(f"{subject.kind} {subject.id}" for subject in delivery.subjects) or "-"


def _looked_at(delivery: Delivery) -> str:
    if not delivery.subjects or delivery.waiting:
        return "-"
    return "yes" if delivery.looked_at else "no"
