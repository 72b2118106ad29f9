"""`keyturn simulate`: a world on two ports, and the settings that fit it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from cli.program import COMMAND, environment
from keyturn.cli.app import run
from keyturn.settings import Settings, load_settings


def free_ports(count: int) -> list[str]:
    """Return ports nobody uses at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


@asynccontextmanager
async def simulating(*options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command until it has said that it is ready; stop it the usual way afterwards."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "simulate", *options, env=environment(), stdout=pipe, stderr=pipe
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.communicate()


async def users_of(settings: Settings) -> int:
    """Ask the simulated account with the key of the settings."""
    business = settings.businesses["acme"]
    assert business.api_key is not None
    headers = {"authorization": f"ApiKey {business.api_key.get_secret_value()}"}
    address = f"{business.api_url}/v1/admin/users"
    async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as answer:
        assert answer.status == 200
        return len(await answer.json())


async def test_the_written_settings_fit_the_simulated_services(tmp_path: Path) -> None:
    """The file loads as it is, its keys open the simulated account, and SIGTERM ends the command with 0."""
    storeganise, sensorberg = free_ports(2)
    path = tmp_path / "keyturn.toml"
    ports = ["--storeganise-port", storeganise, "--sensorberg-port", sensorberg]
    async with simulating("--write", str(path), *ports) as process:
        assert process.stdout is not None
        said = await process.stdout.readline()
        settings = load_settings(path, {})
        assert said.decode() == f"Settings written to {path}. Ctrl-C ends the simulation.\n"
        assert await users_of(settings) > 0

    assert process.returncode == 0


async def test_a_taken_port_is_one_sentence() -> None:
    """A port somebody else uses ends the command with 1 and no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        [free] = free_ports(1)
        ports = ["--storeganise-port", str(port), "--sensorberg-port", free]
        async with simulating(*ports) as process:
            _, err = await process.communicate()

    said = f"cannot serve the simulators on ports {port} and {free}: Address already in use; name others"
    assert process.returncode == 1
    assert said in err.decode()


def test_a_business_code_the_settings_would_refuse_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The made-up settings are valid for every code the command accepts."""
    assert run(["simulate", "--business", "No Such Code"]) == 2
    assert "lower-case letters" in capsys.readouterr().err


def test_real_settings_are_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file this command did not write stays as it is."""
    path = tmp_path / "keyturn.toml"
    path.write_text("[server]\n", encoding="utf-8")

    assert run(["simulate", "--write", str(path)]) == 2
    assert (path.read_text(encoding="utf-8"), "was not written by this command" in capsys.readouterr().err) == (
        "[server]\n",
        True,
    )
