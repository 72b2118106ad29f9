"""Which deliveries are meant: the options that `deliveries` and `replay` share."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from keyturn.cli.options import checked_id
from keyturn.core.ids import BusinessCode, RentalId

if TYPE_CHECKING:
    from keyturn.settings import Settings
    from keyturn.store.database import Database
    from keyturn.store.deliveries import DeliveryFilter

LARGEST_ID = 2**63 - 1
"""A database cannot even be asked for a larger one."""
MOST_IDS = 1000


class State(Enum):
    """`Standing` of the store, for the command line; kept apart so that `keyturn --help` stays quick."""

    ACCEPTED = "accepted"
    IGNORED = "ignored"
    UNRESOLVED = "unresolved"
    WAITING = "waiting"


def _since(text: str) -> datetime:
    """Read "2h" or an instant with its zone. Raises `typer.BadParameter`."""
    from keyturn.clock import SystemClock
    from keyturn.settings.values import duration

    try:
        return SystemClock().now() - duration(text)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
        if instant.utcoffset() is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise typer.BadParameter(
        f"{text!r} is no time; write how long ago (90s, 30m, 2h, 7d), or an instant with its zone such as "
        "2026-03-01T12:00Z"
    )


TypeOption = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="Only events of this type, such as unitRental.updated.")
]
RentalOption = Annotated[
    str | None, typer.Option("--rental", metavar="ID", help="Only those that name this rental itself.")
]
StateOption = Annotated[State | None, typer.Option("--state", help="Only those in this state.")]
SinceOption = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        metavar="WHEN",
        parser=_since,
        help="Only those that came within this time (30m, 2h, 7d), or at this instant (2026-03-01T12:00Z) or later.",
    ),
]


def wanted(
    ids: list[int],
    business: str | None,
    type_: str | None,
    rental: str | None,
    state: State | None,
    since: datetime | None,
) -> DeliveryFilter:
    """Return what the options ask for. Raises `typer.BadParameter`."""
    from keyturn.store.deliveries import DeliveryFilter, Standing

    if ids and any(option is not None for option in (business, type_, rental, state, since)):
        raise typer.BadParameter("name deliveries by id, or choose them with options, not both")
    if len(ids) > MOST_IDS:
        raise typer.BadParameter(f"these are more than {MOST_IDS} ids; choose the deliveries with options")
    if any(one > LARGEST_ID for one in ids):
        raise typer.BadParameter("no delivery has an id as large as this")
    return DeliveryFilter(
        ids=tuple(ids),
        business=None if business is None else BusinessCode(business),
        type=type_,
        rental=None if rental is None else RentalId(checked_id(rental)),
        standing=None if state is None else Standing(state.value),
        since=since,
    )


async def check_business(settings: Settings, database: Database, code: str | None) -> None:
    """Refuse a code that neither the settings nor the database know. Raises `typer.BadParameter`."""
    from keyturn.store.businesses import Businesses

    known = {*settings.businesses, *await Businesses(database).addresses()}
    if code is not None and code not in known:
        raise typer.BadParameter(f"there is no business {code!r}; there are: {', '.join(sorted(known)) or 'none'}")
