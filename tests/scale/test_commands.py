"""`keyturn web` and `keyturn worker` as commands: what they need, what they answer, how they end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import aiohttp
import pytest

from keyturn.cli.app import run as run_program
from nursery import Nursery
from scale.fleet import Fleet, fleet, free_port, interpreter
from scale.town import Town

EMBEDDED = '[server]\nsecret_key = "0123456789abcdef"\n[businesses.acme]\napi_key = "a"\nwebhook_secret = "w"\n'


@pytest.mark.parametrize("command", ["web", "worker"])
def test_they_need_postgresql(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    """With the embedded database they end with 2 and say what to do instead; nothing is made."""
    config = tmp_path / "keyturn.toml"
    config.write_text(EMBEDDED, encoding="utf-8")
    code = run_program(["--config", str(config), command])
    said = capsys.readouterr().err

    assert code == 2
    assert f"keyturn {command} shares its database" in said
    assert "use keyturn serve, or set database.url" in said
    assert list(tmp_path.iterdir()) == [config]


def test_a_database_that_cannot_be_reached_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence names the server."""
    config = tmp_path / "keyturn.toml"
    unreachable = f'[database]\nurl = "postgresql://postgres@127.0.0.1:{free_port()}/none"\n'
    config.write_text(EMBEDDED + unreachable, encoding="utf-8")
    code = run_program(["--config", str(config), "worker"])

    assert (code, "cannot be used" in capsys.readouterr().err) == (3, True)


async def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    """Return status and body."""
    async with aiohttp.ClientSession() as session, session.request(method, f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def states(run: Fleet, port: int) -> list[int]:
    """Ask a process everything there is to ask."""
    paths = ("/healthz", "/readyz", "/metrics")
    return [(await ask(port, path))[0] for path in paths] + [
        (await ask(port, f"/webhooks/storeganise/{run.accounts[0].code}", "POST"))[0]
    ]


async def test_what_they_answer(nursery: Nursery, tmp_path: Path, postgres_url: str) -> None:
    """A web takes webhooks and is ready without a worker; a worker with a port shows its health and nothing else."""
    async with fleet(tmp_path, postgres_url, nursery, businesses=1) as run:
        port = free_port()
        by = interpreter()
        web, worker, quiet = await asyncio.gather(
            run.start("web", by=by), run.start("worker", "--port", str(port), by=by), run.start("worker", by=by)
        )

        assert await states(run, web.port) == [200, 200, 200, 401]
        assert await states(run, port) == [200, 200, 200, 404]
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(quiet.port, "/healthz")

        assert await asyncio.gather(*(command.stop() for command in (web, worker, quiet))) == [0, 0, 0]
        assert [command.lines[-1]["action"] for command in run.commands] == ["stopped"] * 3


async def test_services_on_one_postgresql(nursery: Nursery, tmp_path: Path, postgres_url: str) -> None:
    """`keyturn serve` may run several times as well, and shares the backends' limit with the others."""
    async with fleet(tmp_path, postgres_url, nursery, businesses=2, policy={"sensorberg_in_flight": 4}) as run:
        services = await asyncio.gather(run.start("serve"), run.start("serve"))
        run.send_to(services[0])
        town = Town(fleet=run, random=Random(3))  # noqa: S311  # a repeatable story
        town.arrive(3)
        await run.deliver()
        run.send_to(services[1])
        await town.settle()

        assert [await states(run, service.port) for service in services] == [[200, 200, 200, 401]] * 2
        assert max(tenant.journal.peak("single") for tenant in run.tenants) <= 3
        assert await asyncio.gather(*(service.stop() for service in services)) == [0, 0]


async def test_explain_beside_them(nursery: Nursery, tmp_path: Path, postgres_url: str) -> None:
    """A command speaks to the business in turn with the workers, and ends."""
    async with fleet(tmp_path, postgres_url, nursery, businesses=1) as run:
        await run.start("worker")
        site = run.accounts[0].add_site("Lager", {"securitySystem": "sensorberg"})
        unit = run.accounts[0].add_unit(site, "A1", {"sensorberg_id": run.tenants[0].add_group("A1")})
        tenant = run.accounts[0].add_user("Jörg", "Müller", "jm@example.com")
        rental = run.accounts[0].move_in(tenant, unit, run.accounts[0].today())

        assert await run.command("explain", rental) == 0
        assert run.storeganise.journal.peak("list") <= 1
