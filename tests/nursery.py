"""Keyturn processes that start in a moment: forked from one that has everything imported.

The interpreter and the imports are most of a start, and a thousand starts are wanted here. What is forked from has no
thread, event loop, file or connection of its own, so the fork is a process like any other from its first line on. It
waits until it is let go, so that a tracer can be attached before it does anything.

    nursery    the fixture: one for all tests of a run
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from cli import forking
from cli.program import environment

PROGRAM = Path(forking.__file__)
START_S = 60


class Forked:
    """A process of the nursery, as `asyncio.subprocess.Process` shows one."""

    def __init__(self, pid: int, stderr: asyncio.StreamReader, code: asyncio.StreamReader, go: int) -> None:
        self.pid = pid
        self.stderr: asyncio.StreamReader | None = stderr
        self.tracer: asyncio.subprocess.Process | None = None
        """Ends with it."""
        self._code = asyncio.ensure_future(code.read())
        self._go = go

    @property
    def returncode(self) -> int | None:
        """Return how it ended, once that is known: its exit code, or a signal as a negative number."""
        return int(self._code.result() or -signal.SIGKILL) if self._code.done() else None

    def let_go(self) -> None:
        """Let it begin."""
        os.close(self._go)

    def send_signal(self, signal: int, /) -> None:
        """Send it a signal, if it has not ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait until it has ended; return its exit code."""
        code = int(await asyncio.shield(self._code) or -signal.SIGKILL)
        if self.tracer is not None:
            await self.tracer.wait()
        return code


class Nursery:
    """Where processes come from."""

    def __init__(self, wishes: socket.socket) -> None:
        self._wishes = wishes

    async def fork(self, words: Sequence[str]) -> Forked:
        """Make a process that will run the program with these words once it is let go."""
        (go, let_go), (stderr, their_stderr), (code, their_code) = os.pipe(), os.pipe(), os.pipe()
        theirs = [go, their_stderr, their_code]
        socket.send_fds(self._wishes, [json.dumps(list(words)).encode()], theirs)
        for one in theirs:
            os.close(one)
        pid = int(self._wishes.recv(32))  # it comes in a moment, but for the very first, before which nothing happens
        return Forked(pid, await _reader(stderr), await _reader(code), let_go)

    async def launch(self, words: Sequence[str]) -> Forked:
        """Make a process that runs the program with these words."""
        forked = await self.fork(words)
        forked.let_go()
        return forked


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Start the process that the others are forked from; it ends with the run."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        number = str(theirs.fileno())
        words = [sys.executable, str(PROGRAM), number]
        parent = subprocess.Popen(words, pass_fds=[int(number)], env=environment())  # noqa: S603  # a program of ours
    with parent, ours:
        ours.settimeout(START_S)
        yield Nursery(ours)
        ours.shutdown(socket.SHUT_RDWR)


async def _reader(pipe: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=2**20)
    file = os.fdopen(pipe, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    return reader
