"""Looking at a process' system calls, and spoiling them.

A process is traced from outside, so the program knows nothing of it. Needs `strace` and the right to trace; without
them its tests are skipped, and the summary says so.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from nursery import Forked, Nursery
from scale.fleet import Launch

NO_STRACE = "strace is missing or may not trace"


@dataclass(frozen=True, kw_only=True)
class Blow:
    """Death at the n-th call of one kind that any thread makes; that call is not done any more."""

    call: str
    nth: int

    @property
    def options(self) -> tuple[str, ...]:
        """Return it in strace's words."""
        return ("-e", f"trace={self.call}", "-e", f"inject={self.call}:signal=KILL:when={self.nth}")


def needs_strace() -> None:
    """Skip the test where nothing can be traced."""
    if not _works():
        pytest.skip(NO_STRACE)


@cache
def _works() -> bool:
    found = shutil.which("strace")
    if found is None:
        return False
    tried = subprocess.run([found, "-q", "-e", "trace=none", "true"], check=False, capture_output=True)  # noqa: S603  # found above
    return tried.returncode == 0


def traced(nursery: Nursery, *options: str) -> Launch:
    """Return a way to start a process that is traced from its first call on."""

    async def launch(words: Sequence[str]) -> Forked:
        forked = await nursery.fork(words)
        forked.tracer = await _attach(forked.pid, options)
        forked.let_go()
        return forked

    return launch


@asynccontextmanager
async def tracing(pid: int, *options: str) -> AsyncIterator[None]:
    """Trace a running process for the length of the block; it goes on afterwards."""
    tracer = await _attach(pid, options)
    yield
    tracer.send_signal(signal.SIGINT)
    await tracer.wait()


async def _attach(pid: int, options: Sequence[str]) -> asyncio.subprocess.Process:
    """Attach a tracer to all threads of a process; it ends with the process. What it notes goes nowhere by default."""
    output = () if "-o" in options else ("-o", "/dev/null")
    tracer = await asyncio.create_subprocess_exec(
        "strace", "-f", *output, *options, "-p", str(pid), stderr=asyncio.subprocess.PIPE
    )
    assert tracer.stderr is not None
    said = await tracer.stderr.readline()
    assert b"attached" in said, said
    return tracer


def calls(trace: Path) -> list[str]:
    """Return the calls that were noted, each as one line, in the order in which they began."""
    return trace.read_text(encoding="utf-8", errors="replace").splitlines()
