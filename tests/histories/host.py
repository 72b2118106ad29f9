"""One machine, which may crash between any two things it does.

Everything a machine does to the outside (a call, a commit) goes through `step`. After the crash no
step of it succeeds any more, so whatever its code does on the way out reaches nobody.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

_HOST: contextvars.ContextVar[Host | None] = contextvars.ContextVar("host", default=None)


class Host:
    """A machine; `steps` counts what it has done."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.steps = 0
        self.crash_in: int | None = None
        """After how many more steps it crashes."""
        self._awake = asyncio.Event()
        self._awake.set()
        self.on_crash: list[Callable[[], None]] = []
        self._tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self.context = contextvars.copy_context()
        self.context.run(_HOST.set, self)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something on this machine; whatever it starts runs there too."""
        return asyncio.get_running_loop().create_task(work, context=self.context)

    def step(self) -> None:
        """Do one thing; raises `CancelledError` on a machine that has crashed."""
        self.steps += 1
        if self.alive and self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in <= 0:
                self.crash()
        if not self.alive:
            raise asyncio.CancelledError

    async def awake(self) -> None:
        """Wait until the machine goes on."""
        await self._awake.wait()

    def sleep(self, seconds: float) -> None:
        """Stand still before the next word with the database, and then go on as if no time had passed."""
        self._awake.clear()
        asyncio.get_running_loop().call_later(seconds, self._awake.set)

    @property
    def asleep(self) -> bool:
        """Whether it stands still."""
        return not self._awake.is_set()

    def crash(self) -> None:
        """Stop at once."""
        if not self.alive:
            return
        self.alive = False
        self._awake.set()
        for tell in self.on_crash:
            tell()
        for task in list(self._tasks):
            task.cancel()

    def owns(self, task: asyncio.Task[Any]) -> None:
        """Note a task that runs here."""
        self._tasks.add(task)


@contextmanager
def running_on(host: Host | None) -> Iterator[None]:
    """Let what is started in the block belong to this machine, or to none."""
    token = _HOST.set(host)
    try:
        yield
    finally:
        _HOST.reset(token)


def tagging(loop: asyncio.AbstractEventLoop, work: Any, context: contextvars.Context | None = None) -> Any:
    """Make tasks that belong to the machine they are started on; for `set_task_factory`."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    host = (context or contextvars.copy_context()).get(_HOST)
    if host is not None:
        host.owns(task)
    return task
