"""The last look of the day: every door of every unit with every PIN.

What should open is worked out from Storeganise's records alone: who rents what, from when, and
who is locked out. Nothing is asked of Keyturn but whether it is content itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from keyturn.demo.scene import in_words
from keyturn.demo.stage import Stage

QUIET_S = 0.3
"""How long, in real seconds, nothing may happen at the end."""
OK = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What the day came to."""

    doors: int
    tried: int
    """How often a PIN was typed at a door."""
    wrong_doors: tuple[str, ...]
    also_wrong: tuple[str, ...]
    webhooks: int
    storeganise_requests: int
    sensorberg_requests: int
    later_requests: int
    """Requests in the quiet time afterwards."""
    quiet_until: datetime

    @property
    def wrong(self) -> tuple[str, ...]:
        """Everything that is wrong, in sentences."""
        return self.wrong_doors + self.also_wrong


async def inspect(stage: Stage) -> Inspection:
    """Try every door, compare the PINs, and listen to the quiet."""
    moments = _moments(stage)
    pins = sorted(stage.pins | set(_owner_pins(stage).values()))
    wrong_doors = tuple(_wrong_doors(stage, pins, moments))
    also_wrong = [*_wrong_pins(stage), *_wrong_deliveries(stage), *await _problems(stage)]
    counts = len(stage.world.storeganise.journal.entries), len(stage.world.sensorberg.journal.entries)
    later = await _requests_while_quiet(stage)
    if later:
        also_wrong.append(f"{later} requests although nothing happened")
    return Inspection(
        doors=len(stage.world.operator.units),
        tried=len(stage.world.operator.units) * len(pins) * len(moments),
        wrong_doors=wrong_doors,
        also_wrong=tuple(also_wrong),
        webhooks=len(stage.account.sent),
        storeganise_requests=counts[0],
        sensorberg_requests=counts[1],
        later_requests=later,
        quiet_until=stage.now(),
    )


def _moments(stage: Stage) -> list[datetime]:
    """Return now, and both sides of every start that is still to come."""
    now = stage.now()
    starts = sorted({start for rental in _running(stage) if (start := _start(stage, rental)) > now})
    return [now, *(moment for start in starts for moment in (start - timedelta(seconds=1), start))]


def _wrong_doors(stage: Stage, pins: list[str], moments: list[datetime]) -> Iterator[str]:
    for moment in moments:
        allowed = _allowed(stage, moment)
        for unit in stage.world.operator.units:
            for pin in pins:
                opens, wanted = stage.doors.open_for(unit, pin, moment), pin in allowed.get(unit, set())
                if opens is not wanted:
                    yield _complaint(stage, unit, pin, moment, opens=opens)


def _complaint(stage: Stage, unit: str, pin: str, moment: datetime, *, opens: bool) -> str:
    holders = [stage.name(tenant) for tenant, own in _owner_pins(stage).items() if own == pin]
    whose = f"the PIN of {' and '.join(holders)}" if holders else "a PIN that is nobody's any more"
    did = "opens" if opens else "stays shut"
    return f"{stage.doors.name(unit)} {did} with {whose} on {in_words(moment, seconds=True)}"


def _allowed(stage: Stage, moment: datetime) -> dict[str, set[str]]:
    """Return the PINs that may open each unit, by Storeganise's records."""
    pins = _owner_pins(stage)
    found: dict[str, set[str]] = {}
    for rental in _running(stage):
        locked = "overdue" in rental or rental["customFields"].get("sensorberg_overlocked") is True
        if not locked and _start(stage, rental) <= moment:
            found.setdefault(rental["unitId"], set()).add(pins.get(rental["ownerId"], ""))
    return found


def _running(stage: Stage) -> list[dict[str, Any]]:
    return [rental for rental in stage.account.rentals.values() if rental["state"] == "occupied"]


def _start(stage: Stage, rental: dict[str, Any]) -> datetime:
    return stage.account.midnight(date.fromisoformat(rental["startDate"]))


def _owner_pins(stage: Stage) -> dict[str, str]:
    fields = {tenant: user["customFields"] for tenant, user in stage.account.users.items()}
    return {tenant: str(own["sensorberg_pin"]) for tenant, own in fields.items() if own.get("sensorberg_pin")}


def _wrong_pins(stage: Stage) -> Iterator[str]:
    """Each tenant has one PIN: in their record, on their rentals, and at the doors."""
    pins, codes = _owner_pins(stage), stage.world.sensorberg.codes
    if len(set(pins.values())) < len(pins):
        yield "two tenants share a PIN"
    for rental in stage.account.rentals.values():
        tenant = rental["ownerId"]
        shown = rental["customFields"].get("sensorberg_pin") or None
        if rental["state"] == "occupied" and not shown == pins.get(tenant) == codes.get(tenant):
            yield f"the PINs of {stage.name(tenant)} differ between tenant, rental and door"
        if rental["state"] != "occupied" and shown is not None:
            yield f"a rental of {stage.name(tenant)} that is over still shows a PIN"


def _wrong_deliveries(stage: Stage) -> Iterator[str]:
    for delivery, status in stage.account.sent:
        if status != OK:
            yield f"a webhook ({delivery.type}) was answered {status}"


async def _problems(stage: Stage) -> list[str]:
    problems = [f"open problem: {problem.text}" for problem in await stage.world.service.problems.open()]
    held = [f"held: {row.result or row.reason}" for row in await stage.world.service.work.held()]
    return [*problems, *held, *(f"task for staff: {task['data']['title']}" for task in stage.account.tasks)]


async def _requests_while_quiet(stage: Stage) -> int:
    """Let time pass until shortly before the next planned look, and count requests: there is nothing to ask."""
    clock, before = stage.world.clock, stage.requests
    planned = await stage.world.service.work.next_due(clock.now())
    if planned is not None:
        clock.advance_to(planned - timedelta(seconds=5))
    await clock.wait(asyncio.Event(), seconds=QUIET_S)
    return stage.requests - before
