"""How long a door takes: the requests it needs, and the time from the webhook on, while every request takes a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.stub import Account, Asked, Stay, Stub, now_text
from bench.subjects import Subject
from bench.throughput import MoveIns, quiet, settled


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """What one event came to."""

    event: str
    requests: int
    """Until everything was done."""
    with_echoes: int
    """The same, and what the echoes of our own writes led to."""
    round_trips: int
    """One after the other, until the door did what it should."""
    door_ms: float
    answered_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Waits:
    """How long it took from the webhook on, in milliseconds, each move-in counted from when it was due to be sent."""

    subject: str
    move_ins: int
    door: tuple[float, ...]
    answered: tuple[float, ...]
    seconds: float
    """Until the last door."""
    peaks: dict[str, int]
    """The most requests under way at once."""


Event = Callable[[Stub, Stay], str]


def overdue(stub: Stub, stay: Stay) -> str:
    """Let a tenant fall behind; return the event."""
    stub.edit(stay.rental, overdue=now_text())
    stay.ask("locked")
    return "unitRental.markOverdue"


def paid(stub: Stub, stay: Stay) -> str:
    """Let them pay."""
    stub.edit(stay.rental, overdue=None)
    stay.ask("open")
    return "unitRental.unmarkOverdue"


def move_out(stub: Stub, stay: Stay) -> str:
    """Let them leave."""
    stub.edit(stay.rental, state="ended", endDate=now_text()[:10])
    stub.edit(stay.unit, state="available", rentalId=None, ownerId=None)
    stay.ask("gone")
    return "job.unit_moveOut.completed"


AFTERWARDS: tuple[tuple[str, Event], ...] = (("overdue", overdue), ("paid", paid), ("move-out", move_out))


async def routes(stub: Stub, subject: Subject, accounts: Sequence[Account]) -> list[Route]:
    """Let one tenant move in, fall behind, pay and leave, with nothing else going on."""
    found: dict[str, Route] = {}
    for echoes in (False, True):
        stub.echoes = echoes
        with subject.sender() as sender, subject.sender() as echo:
            stub.on_event = echo.event
            moves = MoveIns(stub, sender, accounts)
            await moves.run(1, 1)
            for name, event in (("move-in", None), *AFTERWARDS):
                await quiet(stub, sender, echo)
                stub.reset()
                stub.logging = True
                if event is None:
                    stay = moves.one()
                else:
                    stay = moves.stays[-1]
                    stay.send(sender, event(stub, stay))
                await settled([stay])
                await quiet(stub, sender, echo)
                stub.logging = False
                found[name] = _route(name, stay, stub.traffic.log, found.get(name))
    return list(found.values())


def _route(name: str, stay: Stay, log: list[Asked], alone: Route | None) -> Route:
    return Route(
        event=name,
        requests=alone.requests if alone else len(log),
        with_echoes=len(log),
        round_trips=_round_trips([one for one in log if one.ended <= stay.door_at]) if stay.door_at else 0,
        door_ms=(stay.door_at - stay.sent_at) * 1000,
        answered_ms=(stay.answered_at - stay.sent_at) * 1000,
    )


def _round_trips(log: Sequence[Asked]) -> int:
    """Return how many requests waited for one another: the longest chain."""
    longest: list[tuple[float, int]] = []
    for one in sorted(log, key=lambda asked: asked.began):
        before = max((chain for ended, chain in longest if ended <= one.began), default=0)
        longest.append((one.ended, before + 1))
    return max((chain for _, chain in longest), default=0)


async def steadily(
    stub: Stub, subject: Subject, accounts: Sequence[Account], *, per_second: float, count: int
) -> Waits:
    """Let so many a second move in, whether the last one is done or not."""

    async def all_of_them(moves: MoveIns) -> list[Stay]:
        began = time.perf_counter()
        for number in range(count):
            await asyncio.sleep(max(began + number / per_second - time.perf_counter(), 0))
            moves.one()
        return moves.stays[-count:]

    return await _waits(stub, subject, accounts, all_of_them)


async def at_once(stub: Stub, subject: Subject, accounts: Sequence[Account], *, count: int, most: int) -> Waits:
    """Let so many move in, `most` at a time."""
    return await _waits(stub, subject, accounts, lambda moves: moves.run(count, most))


async def _waits(
    stub: Stub,
    subject: Subject,
    accounts: Sequence[Account],
    happen: Callable[[MoveIns], Awaitable[list[Stay]]],
) -> Waits:
    with subject.sender() as sender, subject.sender() as echoes:
        stub.on_event = echoes.event
        moves = MoveIns(stub, sender, accounts)
        await moves.run(20, 20)
        await quiet(stub, sender, echoes)
        stub.reset()
        began = time.perf_counter()
        stays = await happen(moves)
        await settled(stays)
        await quiet(stub, sender, echoes)
        return Waits(
            subject=subject.name,
            move_ins=len(stays),
            door=tuple(sorted((stay.door_at - stay.sent_at) * 1000 for stay in stays)),
            answered=tuple(sorted((stay.answered_at - stay.sent_at) * 1000 for stay in stays)),
            seconds=max(stay.door_at for stay in stays) - began,
            peaks=dict(stub.traffic.peaks),
        )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the sorted `values` does not exceed."""
    return values[min(int(len(values) * share), len(values) - 1)]
