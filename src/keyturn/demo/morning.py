"""The morning: Keyturn meets the tenants, people move in, the 13:00 run locks out who owes money."""

from __future__ import annotations

from datetime import time, timedelta

from keyturn.demo.scene import Scene, Step, in_words
from keyturn.demo.stage import Stage

DAYS_AHEAD = 3
"""In how many days the tenant with the later start may come."""


def first_look(stage: Stage) -> Scene:
    """The tenants who were there before keep their PINs and their doors."""
    tenants = list(stage.world.operator.pins)
    pins = {tenant: stage.doors.owner_pin(tenant) for tenant in tenants}
    empty = stage.world.operator.free_units[0]

    async def act() -> None:
        for tenant in tenants:
            stage.account.emit("unitRental.updated", {"unitRentalId": stage.rental_of(tenant)})

    def kept() -> list[str]:
        codes = stage.world.sensorberg.codes
        changed = [t for t in tenants if (stage.doors.owner_pin(t), codes.get(t)) != (pins[t], pins[t])]
        return [f"the PIN of {stage.name(tenant)} changed" for tenant in changed]

    return Scene(
        at=time(8, 55),
        title=f"Keyturn meets {len(tenants)} tenants",
        asked="all of them rent already; nothing may change",
        tries=[
            *(stage.attempt(tenant, stage.unit_of(tenant), opens=True) for tenant in tenants),
            stage.attempt(tenants[0], empty, opens=False),
        ],
        act=act,
        also=kept,
    )


def _move_in(first_name: str, language: str, at: time) -> Step:
    def prepare(stage: Stage) -> Scene:
        tenant, unit = stage.person(first_name), stage.free_unit()
        neighbour = stage.world.operator.free_units[-1]

        async def act() -> None:
            stage.account.move_in(tenant, unit, stage.now().date())

        return Scene(
            at=at,
            title=f"Move-in ({language})",
            asked=f"{stage.name(tenant)} rents {stage.doors.name(unit)} from today",
            tries=[stage.attempt(tenant, unit, opens=True), stage.attempt(tenant, neighbour, opens=False)],
            act=act,
        )

    return prepare


def two_units(stage: Stage) -> Scene:
    """One tenant, two units at once, one PIN."""
    tenant, units = stage.person("Dieter"), (stage.free_unit(), stage.free_unit())

    async def act() -> None:
        for unit in units:
            stage.account.move_in(tenant, unit, stage.now().date())

    def one_pin() -> list[str]:
        shown = {stage.doors.shown_pin(unit, tenant)() for unit in units}
        return [] if len(shown) == 1 else ["the two units show different PINs"]

    return Scene(
        at=time(9, 40),
        title="One tenant, two units",
        asked=f"{stage.name(tenant)} rents {' and '.join(stage.doors.name(unit) for unit in units)}",
        tries=[stage.attempt(tenant, unit, opens=True) for unit in units],
        act=act,
        also=one_pin,
    )


def later_start(stage: Stage) -> Scene:
    """The PIN is there today, the door opens with the first minute of the start date and not before."""
    tenant, unit = stage.person("Monika"), stage.free_unit()
    start = stage.midnight(DAYS_AHEAD)

    async def act() -> None:
        stage.account.move_in(tenant, unit, start.date())

    return Scene(
        at=time(10, 15),
        title="Move-in with a later start",
        asked=f"{stage.name(tenant)} rents {stage.doors.name(unit)} from {in_words(start)}",
        tries=[
            stage.attempt(tenant, unit, opens=False),
            stage.attempt(tenant, unit, opens=False, at=start - timedelta(seconds=1)),
            stage.attempt(tenant, unit, opens=True, at=start),
        ],
        act=act,
    )


def staff_lock(stage: Stage) -> Scene:
    """Staff lock somebody out by hand."""
    tenant = stage.person("Sabine")
    unit = stage.unit_of(tenant)

    async def act() -> None:
        stage.account.edit_rental(stage.rental_of(tenant), {"sensorberg_overlocked": True})

    return Scene(
        at=time(11, 30),
        title="Locked by staff",
        asked=f"staff tick the lock of {stage.name(tenant)}",
        tries=[stage.attempt(tenant, unit, opens=False)],
        act=act,
    )


def overdue_run(stage: Stage) -> Scene:
    """Storeganise marks at 13:00 who has not paid."""
    late = [stage.person(name) for name in ("Anneliese", "Thomas", "Emily", "Oliver", "Sabine")]
    punctual = stage.person("Jürgen")

    async def act() -> None:
        stage.account.run_overdue([stage.rental_of(tenant) for tenant in late])

    return Scene(
        at=time(13, 0),
        title="The 13:00 overdue run",
        asked=f"{len(late)} tenants have not paid, the one locked by staff among them",
        tries=[
            *(stage.attempt(tenant, stage.unit_of(tenant), opens=False) for tenant in late),
            stage.attempt(punctual, stage.unit_of(punctual), opens=True),
        ],
        act=act,
    )


def payment(stage: Stage) -> Scene:
    """Who pays is let in again with the PIN of before; the others are not."""
    payer, other = stage.person("Emily"), stage.person("Oliver")
    unit, pin = stage.unit_of(payer), stage.doors.owner_pin(payer)

    async def act() -> None:
        stage.account.pay(stage.rental_of(payer))

    def same_pin() -> list[str]:
        return [] if stage.doors.owner_pin(payer) == pin else ["the PIN changed with the payment"]

    return Scene(
        at=time(13, 12),
        title="Payment",
        asked=f"{stage.name(payer)} pays, {stage.name(other)} does not",
        tries=[
            stage.attempt(payer, unit, opens=True),
            stage.attempt(other, stage.unit_of(other), opens=False),
        ],
        act=act,
        also=same_pin,
    )


def payment_under_staff_lock(stage: Stage) -> Scene:
    """Money does not lift what staff have set."""
    tenant = stage.person("Sabine")

    async def act() -> None:
        stage.account.pay(stage.rental_of(tenant))

    return Scene(
        at=time(13, 25),
        title="Payment under a staff lock",
        asked=f"{stage.name(tenant)} pays; the lock of staff stays",
        tries=[stage.attempt(tenant, stage.unit_of(tenant), opens=False)],
        act=act,
    )


def staff_unlock(stage: Stage) -> Scene:
    """Staff take their lock back."""
    tenant = stage.person("Sabine")

    async def act() -> None:
        stage.account.edit_rental(stage.rental_of(tenant), {"sensorberg_overlocked": False})

    return Scene(
        at=time(13, 38),
        title="Unlocked by staff",
        asked=f"staff untick the lock of {stage.name(tenant)}",
        tries=[stage.attempt(tenant, stage.unit_of(tenant), opens=True)],
        act=act,
    )


MORNING: tuple[Step, ...] = (
    first_look,
    _move_in("Heike", "German tenant", time(9, 5)),
    _move_in("Charlotte", "English tenant", time(9, 17)),
    two_units,
    later_start,
    staff_lock,
    overdue_run,
    payment,
    payment_under_staff_lock,
    staff_unlock,
)
"""Until the early afternoon, in order."""
