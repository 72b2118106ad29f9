"""How many move-ins a second get through, from the webhook to the door and the PIN shown, and what they cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.machine import own_cpu_s
from bench.sender import Sender
from bench.stub import Account, Stay, Stub
from bench.subjects import Subject

QUIET_S = 1.0
"""So long without a request, and nothing is under way any more."""
PATIENCE_S = 300
LOOK_EVERY_S = 0.02
WARM = 200
"""Move-ins before the clock starts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Throughput:
    """Of one run. The seconds end when every door was open, every PIN shown, and every echo dealt with."""

    subject: str
    move_ins: int
    seconds: float
    cpu_s: float
    """Of the processes that were measured."""
    server_cpu_s: float
    """Of the PostgreSQL server."""
    stub_share: float
    """How much of one core the stub and the sender took."""
    requests: int
    refused: int
    """Webhooks that were not answered 200."""

    @property
    def per_second(self) -> float:
        """Return the move-ins a second."""
        return self.move_ins / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Return the CPU one move-in takes, without the database server's."""
        return self.cpu_s / self.move_ins * 1000


class MoveIns:
    """Tenants who move in, so many at once, as fast as they are served."""

    def __init__(self, stub: Stub, sender: Sender, accounts: Sequence[Account]) -> None:
        self._stub = stub
        self._sender = sender
        self._accounts = accounts
        self._left = 0
        self._open = 0
        self._done = asyncio.Event()
        self.stays: list[Stay] = []

    async def run(self, count: int, at_once: int) -> list[Stay]:
        """Let `count` move in, `at_once` at a time; return them once all are settled."""
        began, self._left = len(self.stays), count
        self._done.clear()
        for _ in range(min(count, at_once)):
            self._next()
        await self._done.wait()
        return self.stays[began:]

    def one(self, settled: Callable[[], None] | None = None) -> Stay:
        """Let somebody move in; `settled` is told when all is done."""
        account = self._accounts[len(self.stays) % len(self._accounts)]
        stay = self._stub.occupy(account)
        self.stays.append(stay)
        stay.ask("open", settled)
        stay.send(self._sender, "job.unit_moveIn.completed")
        return stay

    def _next(self) -> None:
        self._left -= 1
        self._open += 1
        self.one(self._settled)

    def _settled(self) -> None:
        self._open -= 1
        if self._left:
            self._next()
        elif not self._open:
            self._done.set()


async def settled(stays: Sequence[Stay]) -> None:
    """Wait until what was asked for last has come true for all of them."""
    async with asyncio.timeout(PATIENCE_S):
        while not all(stay.settled_at for stay in stays):  # noqa: ASYNC110  # one look for any number of them
            await asyncio.sleep(LOOK_EVERY_S)


async def quiet(stub: Stub, *senders: Sender) -> float:
    """Wait until nothing has been asked for a while; return when the last request was answered."""
    while any(one.busy for one in senders) or stub.silent_s < QUIET_S:  # noqa: ASYNC110  # silence is no event
        await asyncio.sleep(LOOK_EVERY_S)
    return stub.traffic.last_at


async def throughput(
    stub: Stub, subject: Subject, accounts: Sequence[Account], *, count: int, at_once: int, warm: int = WARM
) -> Throughput:
    """Measure one subject."""
    with subject.sender() as sender, subject.sender() as echoes:
        stub.on_event = echoes.event
        moves = MoveIns(stub, sender, accounts)
        await moves.run(warm, at_once)
        await quiet(stub, sender, echoes)
        stub.reset()
        cpu, server, own, began = subject.cpu_s(), subject.server_cpu_s(), own_cpu_s(), time.perf_counter()
        await moves.run(count, at_once)
        seconds = await quiet(stub, sender, echoes) - began
        return Throughput(
            subject=subject.name,
            move_ins=count,
            seconds=seconds,
            cpu_s=subject.cpu_s() - cpu,
            server_cpu_s=subject.server_cpu_s() - server,
            stub_share=(own_cpu_s() - own) / seconds,
            requests=stub.traffic.requests.total(),
            refused=sender.refused + echoes.refused,
        )
