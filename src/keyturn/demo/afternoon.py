"""The afternoon: a new PIN, a transfer, a change of tenants, and everything that goes wrong on the way."""

from __future__ import annotations

import asyncio
from datetime import time, timedelta

from keyturn.demo.doors import Try
from keyturn.demo.scene import Scene, Step
from keyturn.demo.stage import PATIENCE_S, Stage
from keyturn.simulation.faults import Fault, Planned
from keyturn.storeganise.simulator.mailbox import Status

NEW_PINS = ("739154", "268417", "905362")
"""PINs that staff may think of; the first that nobody has is typed."""
OUTAGE = (timedelta(0), timedelta(minutes=1), timedelta(minutes=5))
"""When Keyturn is seen to try again while Sensorberg is down."""
SWEEP_EVERY = timedelta(minutes=15)
"""How often Keyturn asks Storeganise what has changed, as the settings leave it."""
UNAUTHORIZED = 401


def new_pin(stage: Stage) -> Scene:
    """Staff type another PIN; it replaces the old one at every unit of the tenant."""
    tenant = stage.person("Dieter")
    old = stage.doors.owner_pin(tenant)
    new = next(pin for pin in NEW_PINS if pin not in stage.world.sensorberg.codes.values())
    units = [r["unitId"] for r in stage.account.rentals.values() if r["ownerId"] == tenant]

    async def act() -> None:
        stage.account.edit_user(tenant, {"sensorberg_pin": new})

    return Scene(
        at=time(14, 0),
        title="PIN edited by staff",
        asked=f"staff type another PIN for {stage.name(tenant)}",
        tries=[
            *(Try(unit=unit, key=stage.digits(new), words="the new PIN", opens=True) for unit in units),
            *(Try(unit=unit, key=stage.digits(old), words="the old PIN", opens=False) for unit in units),
        ],
        act=act,
    )


def transfer(stage: Stage) -> Scene:
    """The tenant takes the PIN along."""
    tenant, new_unit = stage.person("Jörg"), stage.free_unit()
    old_unit, pin = stage.unit_of(tenant), stage.digits(stage.doors.owner_pin(tenant))

    async def act() -> None:
        stage.account.transfer(stage.rental_of(tenant), new_unit)

    return Scene(
        at=time(14, 13),
        title="Transfer",
        asked=f"{stage.name(tenant)} moves from {stage.doors.name(old_unit)} to {stage.doors.name(new_unit)}",
        tries=[
            Try(unit=new_unit, key=pin, words="the same PIN", opens=True),
            Try(unit=old_unit, key=pin, words="the same PIN", opens=False),
        ],
        act=act,
    )


def change_of_tenants(stage: Stage) -> Scene:
    """A unit is given up and rented again in the same minute."""
    former, tenant = stage.person("Emily"), stage.person("Renate")
    unit = stage.unit_of(former)

    async def act() -> None:
        stage.account.move_out(stage.rental_of(former))
        stage.account.move_in(tenant, unit, stage.now().date())

    return Scene(
        at=time(14, 26),
        title="Move-out, rented again at once",
        asked=f"{stage.name(former)} leaves {stage.doors.name(unit)} to {stage.name(tenant)}",
        tries=[stage.attempt(tenant, unit, opens=True), stage.attempt(former, unit, opens=False)],
        act=act,
    )


def replayed_webhook(stage: Stage) -> Scene:
    """The event that once opened the former tenant's door comes again, signature and all."""
    former, tenant = stage.person("Emily"), stage.person("Renate")
    unit = stage.unit_of(tenant)
    old = next(sent for sent, _ in stage.account.sent if sent.type == "unitRental.unmarkOverdue")

    async def act() -> None:
        stage.account.replay(old)

    return Scene(
        at=time(14, 39),
        title="An old webhook comes again",
        asked=f'"{stage.name(former)} has paid", from before the move-out',
        tries=[stage.attempt(former, unit, opens=False), stage.attempt(tenant, unit, opens=True)],
        act=act,
    )


def forged_webhook(stage: Stage) -> Scene:
    """Somebody without the secret says that an overdue tenant has paid."""
    tenant = stage.person("Oliver")
    answers: list[Status] = []
    requests_before: list[int] = []

    async def act() -> None:
        requests_before.append(stage.requests)
        data = {"unitRentalId": stage.rental_of(tenant)}
        forged = stage.account.forge("unitRental.unmarkOverdue", data, secret="wrong")  # noqa: S106  # a simulator's word
        answers.append(await stage.account.send(forged))

    def refused() -> list[str]:
        wrong = [] if answers == [UNAUTHORIZED] else [f"the forged webhook was answered {answers}, not {UNAUTHORIZED}"]
        return wrong if [stage.requests] == requests_before else [*wrong, "the forged webhook led to requests"]

    return Scene(
        at=time(14, 45),
        title="A forged webhook",
        asked=f'"{stage.name(tenant)} has paid", with a wrong signature: answered 401',
        tries=[stage.attempt(tenant, stage.unit_of(tenant), opens=False)],
        act=act,
        also=refused,
    )


def outage(stage: Stage) -> Scene:
    """Sensorberg answers 503 for some minutes; the move-in waits and is right as soon as it is back."""
    tenant, unit = stage.person("Daniel"), stage.free_unit()
    tries = [stage.attempt(tenant, unit, opens=True)]

    async def act() -> None:
        down = stage.world.sensorberg.faults.add(route="*", fault=Fault.status(503), times=None)
        stage.account.move_in(tenant, unit, stage.now().date())
        try:
            for pause in OUTAGE:
                await _tried_again(stage, down, pause)
        finally:
            down.remove()
        stage.stopwatch.mark()
        await _waited_out(stage, tries)

    return Scene(
        at=time(15, 0),
        title="Sensorberg is down",
        asked=f"{stage.name(tenant)} rents {stage.doors.name(unit)} during 6 minutes of 503",
        tries=tries,
        act=act,
        measured="once it was back",
    )


async def _tried_again(stage: Stage, down: Planned, pause: timedelta) -> None:
    """Let time pass and wait until Keyturn has tried once more, in vain."""
    before = down.fired
    stage.world.clock.advance(pause)
    async with asyncio.timeout(PATIENCE_S):
        await stage.world.sensorberg.journal.until(lambda: down.fired > before)
    await stage.quiet()


async def _waited_out(stage: Stage, tries: list[Try]) -> None:
    """Skip the time until Keyturn plans to try again, as often as it takes; the skipped time is measured too."""
    async with asyncio.timeout(PATIENCE_S):
        while not stage.doors.all_right(tries):
            planned = await stage.world.service.work.next_due(stage.world.clock.now())
            if planned is not None:
                stage.world.clock.advance_to(planned)
            await stage.quiet()


def lost_webhook(stage: Stage) -> Scene:
    """Storeganise never sends the event; the next sweep finds the rental."""
    tenant, unit = stage.person("Gisela"), stage.free_unit()

    async def act() -> None:
        stage.account.move_in(tenant, unit, stage.now().date())
        stage.account.drop()
        stage.world.clock.advance(SWEEP_EVERY)
        stage.stopwatch.mark()

    return Scene(
        at=time(15, 20),
        title="A webhook is lost for ever",
        asked=f"{stage.name(tenant)} rents {stage.doors.name(unit)}; only the sweep, every 15 min, can find it",
        tries=[stage.attempt(tenant, unit, opens=True)],
        act=act,
        measured="from the sweep",
    )


AFTERNOON: tuple[Step, ...] = (
    new_pin,
    transfer,
    change_of_tenants,
    replayed_webhook,
    forged_webhook,
    outage,
    lost_webhook,
)
"""Until the evening, in order."""
