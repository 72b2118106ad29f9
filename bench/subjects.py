"""What is measured, as processes of their own: Keyturn, and the handler it is compared with."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.machine import cpu_s, postgres_cpu_s, rss_mb
from bench.sender import Sender, secret

import keyturn

PATIENCE_S = 30
HANDLED = frozenset(
    {
        "job.unit_moveIn.completed",
        "job.unit_moveOut.completed",
        "unitRental.updated",
        "unitRental.markOverdue",
        "unitRental.unmarkOverdue",
    }
)
"""What the case study's handler knows; of `user.updated` it is not even told."""


@dataclass(kw_only=True)
class Subject:
    """Running processes that take webhooks at one port."""

    name: str
    port: int
    path: str
    processes: list[Process] = field(default_factory=list)
    kinds: frozenset[str] | None = None
    database_url: str | None = None
    """Its PostgreSQL database; `None`: it has an embedded one, or none."""

    @contextmanager
    def sender(self) -> Iterator[Sender]:
        """Send it webhooks while the block runs."""
        made = Sender(self.port, self.path, kinds=self.kinds)
        try:
            yield made
        finally:
            made.close()

    def cpu_s(self) -> float:
        """Return the seconds of CPU all its processes have used, user and system."""
        return sum(cpu_s(process.pid) for process in self.processes)

    def server_cpu_s(self) -> float:
        """Return what its database server has used, which is PostgreSQL or none."""
        return postgres_cpu_s() if self.database_url else 0.0

    def rss_mb(self) -> float:
        """Return the memory its processes hold."""
        return sum(rss_mb(process.pid) for process in self.processes)


@asynccontextmanager
async def keyturn_running(
    folder: Path,
    upstream: str,
    businesses: Sequence[str],
    *,
    commands: Sequence[str] = ("serve",),
    database_url: str | None = None,
    policy: Mapping[str, int] | None = None,
) -> AsyncIterator[Subject]:
    """Run Keyturn as these commands; the first one takes the webhooks."""
    subject = Subject(name="keyturn " + " + ".join(commands), port=0, path="/webhooks/storeganise/{}")
    subject.database_url = database_url
    try:
        for number, command in enumerate(commands):
            port = free_port()
            config = folder / f"keyturn-{number}.toml"
            config.write_text(_settings(folder, upstream, businesses, port, database_url, policy or {}), "utf-8")
            words = ["worker", "--port", str(port)] if command == "worker" else [command]
            profile = os.environ.get("BENCH_PROFILE", "").split() if command != "web" else []
            with (folder / f"keyturn-{number}.log").open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, *profile, "-m", "keyturn", "--config", str(config), *words,
                    env=os.environ | {"PYTHONPATH": str(Path(next(iter(keyturn.__path__))).parent)}, stderr=log,
                )  # fmt: skip
            subject.processes.append(process)
            subject.port = subject.port or port
            await _answers(process, port, "/readyz")
        yield subject
    finally:
        await _ended(subject.processes)


@asynccontextmanager
async def handler_running(script: Path, upstream: str, businesses: Sequence[str]) -> AsyncIterator[Subject]:
    """Run the case study's handler under Node."""
    port = free_port()
    keys = {f"API_KEY_{code}": f"key of {code}" for code in businesses}
    process = await asyncio.create_subprocess_exec(
        "node", str(script), str(port), upstream, upstream,
        env=os.environ | keys | {"CLIENT_ID": "client", "CLIENT_SECRET": "secret"},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await _answers(process, port, "/")
        yield Subject(name="handler", port=port, path="/?businessCode={}", processes=[process], kinds=HANDLED)
    finally:
        await _ended([process])


def free_port() -> int:
    """Return a port nobody uses at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def _answers(process: Process, port: int, path: str) -> None:
    """Wait until it answers 200."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"it ended with {process.returncode}")
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            status = await reader.readline()
            writer.close()
            if b" 200 " in status:
                return
            await asyncio.sleep(0.02)


async def _ended(processes: Sequence[Process]) -> None:
    for process in processes:
        if process.returncode is None:
            process.terminate()
    for process in processes:
        await process.wait()


def _settings(
    folder: Path, upstream: str, businesses: Sequence[str], port: int, url: str | None, policy: Mapping[str, int]
) -> str:
    database = {"url": url} if url else {"data_dir": str(folder / "data")}
    sensorberg = {"base_url": upstream, "client_id": "client", "client_secret": "a client's secret"}
    tables: dict[str, Mapping[str, Any]] = {
        "server": {"port": port, "secret_key": "a secret key for benchmarks only"},
        "database": database,
        "network": {"allowed_hosts": ["127.0.0.1"]},
        "policy": policy,
    }
    for code in businesses:
        address = f"{upstream}/{code}/api"
        tables[f"businesses.{code}"] = {
            "api_url": address,
            "api_key": f"key of {code}",
            "webhook_secret": secret(code),
        }
        tables[f"businesses.{code}.sensorberg"] = sensorberg
    return "".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )
