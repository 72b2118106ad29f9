"""A lock that processes of one machine share: a file that is locked for as long as it is held.

The system lets go of it when its holder dies. Waiting happens on a thread, so the event loop goes on.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from keyturn.errors import DatabaseUnavailable

STEP_S = 0.02
"""How often a lock that somebody else holds is tried again."""


@asynccontextmanager
async def locked(folder: Path, name: str, *, patience_s: float) -> AsyncIterator[None]:
    """Hold the lock called `name` for the length of the block, between all processes that use `folder`.

    Raises `DatabaseUnavailable` where it cannot be had within `patience_s`.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
    lock = _Lock(folder / f"keyturn-{digest}.lock")
    try:
        await asyncio.to_thread(lock.take, round(patience_s / STEP_S))
        yield
    finally:
        lock.let_go()


class _Lock:
    """One try to hold a lock file. Whoever is cancelled while a thread still waits takes nothing with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._given_up = threading.Event()
        self._guard = threading.Lock()

    def take(self, tries: int) -> None:
        """Wait for the lock. Raises `DatabaseUnavailable` after `tries` steps."""
        file, taken = self._open(), False
        try:
            for _ in range(tries):
                taken = self._have(file)
                if taken or self._given_up.wait(STEP_S):
                    return
        finally:
            if not taken:
                os.close(file)
        raise DatabaseUnavailable(f"Another Keyturn process holds {self._path} for too long.")

    def let_go(self) -> None:
        """Release the lock; one that comes too late is released as soon as it comes."""
        with self._guard:
            self._given_up.set()
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _open(self) -> int:
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.geteuid() == 0:  # a command run as root must not shut the service out
                owner = self._path.parent.stat()
                os.fchown(file, owner.st_uid, owner.st_gid)
        except OSError as error:
            raise DatabaseUnavailable(f"{self._path} cannot be used: {error.strerror or error}.") from error
        return file

    def _have(self, file: int) -> bool:
        with self._guard:
            if self._given_up.is_set():
                return False
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self._file = file
            return True
