"""The machine under the embedded database fails: no space, an error on the disk, a lock that is not given back.

Whatever it is, the sender hears 503 while it still listens, what was acknowledged stays, and nobody has to restart
anything once the machine is right again.
"""

from __future__ import annotations

import resource
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from random import Random

import psycopg
import pytest

from crash.promises import Sender
from crash.strace import needs_strace, tracing
from nursery import Nursery
from scale.fleet import Command, Fleet, fleet
from scale.town import Town

SIZE = 4 * 2**20
SHORT = {"lease": "1s"}
"""A lane that cannot be given back, because nothing can be written, is free after this."""


@asynccontextmanager
async def serving(run: Fleet, *, fault: str) -> AsyncIterator[tuple[Command, Sender]]:
    """Let a service work for a few tenants while something fails, which its log must call `fault`.

    In the end it works as before, and all that it acknowledged is there.
    """
    service = await run.start("serve")
    run.send_to(service)
    town = Town(fleet=run, random=Random(3))  # noqa: S311  # a repeatable story
    town.arrive(2)
    await town.settle()
    sender = Sender(run, town.stays[0].rental)
    yield service, sender
    await sender.until(200)
    town.arrive(1)
    await town.settle()
    await run.leave_database()

    assert service.process.returncode is None
    assert sender.lost() == set()
    assert set(sender.answers) == {200, 503}
    assert {line["error_code"] for line in service.said("delivery_not_stored")} == {fault}

    await service.kill()

    if run.database_url is None:
        assert integrity(run.data_dir) == "ok"
    assert sender.lost() == set()


def integrity(data_dir: Path) -> str:
    """Let SQLite examine the file."""
    connection = sqlite3.connect(data_dir / "keyturn.db")
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


@contextmanager
def small_filesystem(place: Path) -> Iterator[None]:
    """Put a file system of a few megabytes there; only root may."""
    place.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", place], check=True, capture_output=True)  # noqa: S603, S607  # the machine's own
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)  # noqa: S603, S607  # the machine's own


async def test_a_full_disk(nursery: Nursery, tmp_path: Path) -> None:
    """The file system is full: 503, and everything as before once there is space again."""
    disk = tmp_path / "disk"
    with small_filesystem(disk):
        async with (
            fleet(disk, None, nursery, businesses=1, timing=SHORT) as run,
            serving(run, fault="database_full") as (_, sender),
        ):
            ballast = disk / "ballast"
            fill(ballast)
            await sender.until(503, times=5)
            ballast.unlink()


def fill(ballast: Path) -> None:
    """Let a file grow until there is no space left."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


async def test_a_file_that_may_not_grow(nursery: Nursery, tmp_path: Path) -> None:
    """The system lets no file grow any more, which a quota does as well: the same."""
    async with (
        fleet(tmp_path, None, nursery, businesses=1, timing=SHORT) as run,
        serving(run, fault="database_unavailable") as (service, sender),
    ):
        size = (run.data_dir / "keyturn.db-wal").stat().st_size
        before = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (size + 4096, resource.RLIM_INFINITY))
        await sender.until(503, times=5)
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("failing", "fault"),
    [
        ("fdatasync:error=EIO", "database_unavailable"),
        ("pwrite64:error=EIO", "database_unavailable"),
        ("pwrite64:error=ENOSPC", "database_full"),
    ],
)
async def test_an_error_on_the_disk(nursery: Nursery, tmp_path: Path, failing: str, fault: str) -> None:
    """A write or its synchronisation fails: it counts as not written, and is written anew after that."""
    needs_strace()
    call = failing.partition(":")[0]
    async with (
        fleet(tmp_path, None, nursery, businesses=1, timing=SHORT) as run,
        serving(run, fault=fault) as (service, sender),
    ):
        async with tracing(service.process.pid, "-e", f"trace={call}", "-e", f"inject={failing}"):
            answers = await sender.send(5)

        assert answers == [503] * 5


async def test_a_locked_database(nursery: Nursery, tmp_path: Path, database_url: str | None) -> None:
    """Somebody else keeps the database locked for seconds: each sender hears 503 before it hangs up."""
    async with (
        fleet(tmp_path, database_url, nursery, businesses=1, timing=SHORT) as run,
        serving(run, fault="database_unavailable") as (_, sender),
    ):
        with locked(run):
            answers = await sender.send(3)

        assert answers == [503] * 3


@contextmanager
def locked(run: Fleet) -> Iterator[None]:
    """Keep everybody else from writing for the length of the block."""
    if run.database_url is not None:
        with psycopg.connect(run.database_url) as postgres:
            postgres.execute("LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE")
            yield
        return
    sqlite = sqlite3.connect(run.data_dir / "keyturn.db", isolation_level=None)
    sqlite.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        sqlite.execute("ROLLBACK")
        sqlite.close()
