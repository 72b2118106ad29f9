"""What rentals and time cost: memory, and CPU per event, as a business grows and as events go by."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from bench.sender import Sender
from bench.stub import Account, Stay, Stub
from bench.subjects import Subject, keyturn_running
from bench.throughput import MoveIns, quiet

TABLES = ("work", "rentals", "owners", "codes", "memberships", "claims", "pins")
"""The tables with rows of their own for each rental."""
ABOUT = 1000
"""How many rentals the events are about, of however many there are."""
WARM = 200
"""Events before the CPU counts."""
LONG_AGO = "2026-01-01T00:00:00.000Z"
"""When rentals changed last that no sweep shall find."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """What a business of so many rentals takes."""

    rentals: int
    events: int
    rss_mb: float
    cpu_ms: float
    """Per event: taken in, looked at, nothing to write."""
    database_mb: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """How things stood after so many events."""

    events: int
    rss_mb: float
    seconds: float


async def size(stub: Stub, folder: Path, *, rentals: int, events: int) -> Size:
    """Fill a database, and measure Keyturn on it."""
    account = stub.add_account(f"b{len(stub.accounts)}")
    stays = await _filled(stub, folder, account, rentals)
    chosen = Random(1).sample(stays, ABOUT)  # noqa: S311  # the same number each time, so that as many wakes meet
    async with keyturn_running(folder, stub.url, [account.code]) as subject:
        await _events(stub, subject, chosen, WARM)
        cpu = subject.cpu_s()
        await _events(stub, subject, chosen, events)
        return Size(
            rentals=rentals,
            events=events,
            rss_mb=subject.rss_mb(),
            cpu_ms=(subject.cpu_s() - cpu) / events * 1000,
            database_mb=(folder / "data" / "keyturn.db").stat().st_size / 1e6,
        )


async def soak(stub: Stub, folder: Path, *, rentals: int, events: int, every: int) -> AsyncIterator[Sample]:
    """Send events about so many rentals; tell how things stand after each `every`."""
    account = stub.add_account("b0")
    stays = await _filled(stub, folder, account, rentals)
    async with keyturn_running(folder, stub.url, [account.code]) as subject:
        with subject.sender() as sender:
            began = time.perf_counter()
            for done in range(every, events + 1, every):
                await _stream(sender, stays, every, 100)
                yield Sample(events=done, rss_mb=subject.rss_mb(), seconds=time.perf_counter() - began)


async def _events(stub: Stub, subject: Subject, stays: Sequence[Stay], count: int) -> None:
    """Send events about these rentals, and wait until all are dealt with."""
    with subject.sender() as sender:
        stub.on_event = sender.event
        await _stream(sender, stays, count, 50)
        await quiet(stub, sender)


async def _stream(sender: Sender, stays: Sequence[Stay], count: int, at_once: int) -> None:
    """Tell of the rentals in turn, with so many webhooks unanswered, until all are sent and answered."""
    turn = asyncio.Semaphore(at_once)

    def answered(_status: int, _seconds: float) -> None:
        turn.release()

    for number in range(count):
        await turn.acquire()
        stay = stays[number % len(stays)]
        about = {"unitRentalId": stay.rental["id"], "changedKeys": ["labels"]}
        sender.event(stay.business, "unitRental.updated", about, answered)
    for _ in range(at_once):
        await turn.acquire()


async def _filled(stub: Stub, folder: Path, account: Account, rentals: int) -> list[Stay]:
    """Let one tenant move in through the product, and copy what it remembers of them for all others.

    The others have the same PIN, so that its hash is right for them too; only its reservation is another's.
    """
    async with keyturn_running(folder, stub.url, [account.code]) as subject:
        with subject.sender() as sender:
            stub.on_event = sender.event
            (first,) = await MoveIns(stub, sender, [account]).run(1, 1)
            await quiet(stub, sender)
    stays = [first, *(_like(stub, account, first) for _ in range(rentals - 1))]
    with closing(sqlite3.connect(folder / "data" / "keyturn.db")) as database:
        for table in TABLES:
            _multiply(database, table, first, stays[1:])
        database.commit()
    return stays


def _like(stub: Stub, account: Account, first: Stay) -> Stay:
    stay = stub.occupy(account)
    stay.rental["updated"] = LONG_AGO
    stay.member, stay.ends, stay.code = True, first.ends, first.code
    for record, model in ((stay.rental, first.rental), (stay.owner, first.owner)):
        record["customFields"].update(model["customFields"])
    stub.know(stay)
    return stay


def _multiply(database: sqlite3.Connection, table: str, first: Stay, others: Sequence[Stay]) -> None:
    found = database.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # a name from above
    columns = [column[0] for column in found.description]
    rows = [row for row in found if set(_ids(first)) & set(row)]
    marks = ",".join("?" * len(columns))
    database.executemany(
        f'INSERT OR IGNORE INTO "{table}" VALUES ({marks})',  # noqa: S608  # a name from above
        (_another(row, columns, first, other) for other in others for row in rows),
    )


def _another(row: Sequence[Any], columns: Sequence[str], first: Stay, other: Stay) -> list[Any]:
    names = dict(zip(_ids(first), _ids(other), strict=True))
    return [
        secrets.token_hex(20) if column == "pin_hash" else names.get(value, value) if isinstance(value, str) else value
        for column, value in zip(columns, row, strict=True)
    ]


def _ids(stay: Stay) -> tuple[str, str, str, str]:
    return stay.rental["id"], stay.owner["id"], stay.unit["id"], stay.unit["customFields"]["sensorberg_id"]
