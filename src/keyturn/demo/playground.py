"""`keyturn demo --serve`: everything goes on running, and what there is to play with is printed."""

from __future__ import annotations

import asyncio

from keyturn.demo.scene import in_words
from keyturn.demo.show import Show
from keyturn.demo.stage import Stage
from keyturn.demo.world import CODE
from keyturn.web.server import stop_on_signals


async def keep_running(stage: Stage, show: Show) -> None:
    """Deliver webhooks and work until Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    _explain(stage, show)
    with stop_on_signals(stop):
        await stage.world.storeganise.pump(stop)
    show.say()
    show.say("Stopping ...")


def _explain(stage: Stage, show: Show) -> None:
    world, now = stage.world, stage.now()
    where = world.addresses
    tenant, newcomer, unit = stage.person("Jürgen"), stage.person("Torsten"), stage.free_unit()
    group, new_group = stage.doors.group(stage.unit_of(tenant)), stage.doors.group(unit)
    account = f"{where.storeganise}/_simulator/accounts/{CODE}"
    lines = (
        "",
        f"Everything keeps running; it is {now:%H:%M} on {in_words(now)} there. Ctrl-C ends it.",
        f"  Storeganise, simulated  {where.storeganise}/",
        f"  Sensorberg, simulated   {where.sensorberg}/",
        f"  Keyturn                 {where.keyturn}/readyz  and  /metrics",
        "",
        f"{stage.name(tenant)} opens {stage.doors.name(stage.unit_of(tenant))} with {stage.doors.owner_pin(tenant)}:",
        f"  {_curl(f'{where.sensorberg}/_simulator/try_door', group=group, pin=stage.doors.owner_pin(tenant))}",
        f"Let {stage.name(newcomer)} move into {stage.doors.name(unit)}, look at the PIN, try the door ({new_group}):",
        f"  {_curl(f'{account}/move_in', user=newcomer, unit=unit, start_date=now.date().isoformat())}",
        f"  {_curl(f'{account}/user', ident=newcomer)}",
        "Let him owe money, and pay:",
        f"  {_curl(f'{account}/mark_overdue', args='RENTAL')}",
        f"  {_curl(f'{account}/pay', rental='RENTAL')}",
        "Ask Keyturn why a door is open or shut:",
        f"  keyturn --config {world.config} explain RENTAL",
    )
    for line in lines:
        show.say(line)


def _curl(url: str, **arguments: str) -> str:
    """Return a command for a shell. `args` is the one positional argument of an operation."""
    members = [
        f'"{name}": ["{value}"]' if name == "args" else f'"{name}": "{value}"' for name, value in arguments.items()
    ]
    return f"curl -s {url} -d '{{{', '.join(members)}}}'"
