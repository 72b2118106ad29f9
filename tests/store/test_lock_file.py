"""A lock that processes of one machine share."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from keyturn.errors import DatabaseUnavailable
from keyturn.store.lock_file import locked

HOLDER = """
import asyncio, sys
from pathlib import Path
from keyturn.store.lock_file import locked

async def hold():
    async with locked(Path(sys.argv[1]), "token", patience_s=20):
        print("held", flush=True)
        sys.stdin.read()

asyncio.run(hold())
"""


class Other:
    """Another process that holds the lock until it is killed."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"held\n"

    def die(self) -> None:
        """End it without a chance to tidy up."""
        self._process.kill()
        self._process.communicate()


async def test_another_process_keeps_us_out(tmp_path: Path) -> None:
    """While it holds the lock we do not get it; when it dies we do."""
    other = Other(tmp_path)
    with pytest.raises(DatabaseUnavailable, match=r"keyturn-.*\.lock for too long"):
        async with locked(tmp_path, "token", patience_s=0.1):
            pass
    waiting = asyncio.create_task(_hold_for_a_moment(tmp_path))
    await _hold_for_a_moment(tmp_path, "another name")

    assert not waiting.done()

    other.die()
    async with asyncio.timeout(20):
        await waiting


async def test_a_caller_who_gives_up_leaves_nothing_locked(tmp_path: Path) -> None:
    """A cancelled wait neither holds the lock later nor keeps its file open."""
    other = Other(tmp_path)
    waiting = asyncio.create_task(_hold_for_a_moment(tmp_path))
    started = asyncio.Event()
    asyncio.get_running_loop().call_soon(started.set)
    await started.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    other.die()
    async with asyncio.timeout(20):
        await _hold_for_a_moment(tmp_path)


async def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    """It is named, with the machine's reason."""
    with pytest.raises(DatabaseUnavailable, match="No such file or directory"):
        await _hold_for_a_moment(tmp_path / "none")


async def _hold_for_a_moment(folder: Path, name: str = "token") -> None:
    async with locked(folder, name, patience_s=20):
        pass
