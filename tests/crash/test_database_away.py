"""PostgreSQL goes away under load and comes back: nothing acknowledged is lost, and nobody restarts anything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from crash.promises import Promises, Sender
from databases import NO_POSTGRES, PrivateServer, postgres_programs
from nursery import Nursery
from scale.fleet import fleet
from scale.town import Town


@pytest.fixture
def server() -> Iterator[tuple[PrivateServer, str]]:
    """Give a server that the test may stop, and the address of an empty database on it."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip(NO_POSTGRES)
    private = PrivateServer(programs)
    with private as address:
        yield private, address.render_as_string(hide_password=False)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_under_load(
    nursery: Nursery, server: tuple[PrivateServer, str], tmp_path: Path, mode: str
) -> None:
    """While it is away each sender hears 503 in time; afterwards web and worker go on by themselves."""
    postgres, url = server
    async with fleet(tmp_path, url, nursery, businesses=2, timing={"lease": "3s"}) as run:
        web, worker = await asyncio.gather(run.start("web"), run.start("worker"))
        run.send_to(web)
        town = Town(fleet=run, random=Random(23))  # noqa: S311  # a repeatable story
        promises = Promises(run, town)
        town.arrive(4)
        await run.deliver()
        sender = Sender(run, town.stays[0].rental)
        await run.until_all(lambda: any(tenant.memberships for tenant in run.tenants))
        sending = asyncio.create_task(sender.until(503, times=10))
        await asyncio.to_thread(postgres.stop, mode)
        await sending
        town.happen()
        await run.deliver()
        sending = asyncio.create_task(sender.until(200, times=10))
        await asyncio.to_thread(postgres.start)
        await sending
        town.happen()
        await run.until(promises.kept)

        assert set(sender.answers) == {200, 503}
        assert (sender.lost(), promises.lost()) == (set(), set())
        assert [await web.stop(), await worker.stop()] == [0, 0]
