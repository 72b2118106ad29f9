"""How soon a webhook is answered, which it is only once it is on the disk; and whether each answer was true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.sender import Sender
from bench.stub import Account, Stay, Stub
from bench.subjects import Subject
from bench.throughput import MoveIns, quiet
from sqlalchemy import select

from keyturn.clock import SystemClock
from keyturn.store.database import open_database
from keyturn.store.schema import deliveries

RENTALS = 300
"""What the webhooks are about; each wakes one, and the worker looks at it all the while."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Acks:
    """How long answers took, in milliseconds and sorted, and what became of the deliveries."""

    subject: str
    per_second: float
    took: tuple[float, ...]
    refused: int
    lost: int
    """Answered 200, and not in the database."""
    seconds: float


async def steady(
    stub: Stub, subject: Subject, accounts: Sequence[Account], database: Database, *, per_second: float, seconds: float
) -> Acks:
    """Send so many a second, whether the last one is answered or not."""
    with subject.sender() as sender:
        stays = await _town(stub, sender, accounts)
        run = _Run(sender, stays)
        began = time.perf_counter()
        for number in range(int(per_second * seconds)):
            await asyncio.sleep(max(began + number / per_second - time.perf_counter(), 0))
            run.one()
        return await run.ended(stub, subject, database, began, per_second)


async def burst(stub: Stub, subject: Subject, accounts: Sequence[Account], database: Database, *, count: int) -> Acks:
    """Send so many at once, over as many connections as a sender has."""
    with subject.sender() as sender:
        stays = await _town(stub, sender, accounts)
        run = _Run(sender, stays)
        began = time.perf_counter()
        for _ in range(count):
            run.one()
        return await run.ended(stub, subject, database, began, 0)


@dataclass(frozen=True, slots=True)
class Database:
    """Where the deliveries are looked for."""

    url: str | None
    folder: Path

    async def ids(self) -> set[str]:
        """Return the ids of all events that are kept."""
        database = await open_database(url=self.url, data_dir=self.folder, clock=SystemClock(), shared=True)
        try:
            return set(await database.read(lambda it: it.execute(select(deliveries.c.event_id)).scalars().all()))
        finally:
            await database.close()


class _Run:
    """Events that are sent, and what is answered."""

    def __init__(self, sender: Sender, stays: Sequence[Stay]) -> None:
        self._sender = sender
        self._stays = stays
        self._sent = 0
        self._accepted: list[str] = []
        """The ids of the events that were answered 200."""
        self._took: list[float] = []
        self._refused = 0
        self._last_at = 0.0

    def one(self) -> None:
        """Send one: somebody has edited a rental."""
        stay = self._stays[self._sent % len(self._stays)]
        about = {"unitRentalId": stay.rental["id"], "changedKeys": ["labels"]}

        def answered(status: int, seconds: float) -> None:
            self._answered(ident, status, seconds)

        ident = self._sender.event(stay.business, "unitRental.updated", about, answered)
        self._sent += 1

    async def ended(self, stub: Stub, subject: Subject, database: Database, began: float, per_second: float) -> Acks:
        """Wait for the answers, and look for each delivery."""
        await quiet(stub, self._sender)
        kept = await database.ids()
        return Acks(
            subject=subject.name,
            per_second=per_second,
            took=tuple(sorted(self._took)),
            refused=self._refused,
            lost=sum(ident not in kept for ident in self._accepted),
            seconds=self._last_at - began,
        )

    def _answered(self, ident: str, status: int, seconds: float) -> None:
        self._took.append(seconds * 1000)
        if status == 200:  # noqa: PLR2004  # the answer that counts
            self._accepted.append(ident)
        else:
            self._refused += 1
        self._last_at = time.perf_counter()


async def _town(stub: Stub, sender: Sender, accounts: Sequence[Account]) -> list[Stay]:
    """Let some tenants move in, and wait until nothing is left to do."""
    stub.on_event = sender.event
    stays = await MoveIns(stub, sender, accounts).run(RENTALS, 50)
    await quiet(stub, sender)
    sender.answers.clear()
    return stays
