"""An event loop in which time is virtual: nothing is waited for, the clock jumps to whatever comes next.

It has no sockets, no threads and no signals. Where nothing is left that could ever happen, it says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

MOST_TURNS = 100_000
"""How often the loop may turn in one run: histories take a tenth of it."""
_EXACT_S = 1e-6
"""Instants closer together than this are one."""


class NothingHappensError(RuntimeError):
    """Everybody waits for somebody else."""


class RunsHotError(RuntimeError):
    """Somebody is busy without end."""


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module. `time()` starts at 0 and is only moved by what is scheduled."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0
        self._selector = self  # asked by BaseEventLoop how long it may sleep
        self._clock_resolution = _EXACT_S
        self._turns = 0

    def time(self) -> float:
        return self._virtual

    def select(self, timeout: float | None) -> list[Any]:
        """Move the time by what a real loop would have slept."""
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise RunsHotError(f"the loop has turned {MOST_TURNS} times")
        if timeout is None:
            raise NothingHappensError("nothing is scheduled and nothing is ready")
        self._virtual += timeout
        return []

    def rest(self) -> None:
        """Count turns anew."""
        self._turns = 0

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]  # it only refuses
        raise NotImplementedError("there are no threads in virtual time")

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody else could wake this loop."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in virtual time to its end; what is left running is cancelled. Raises what `main` raises."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        loop.rest()
        _end(loop)
        asyncio.set_event_loop(None)
        loop.close()


def _end(loop: VirtualLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())


class LoopClock:
    """A clock that goes with the running loop: `start` is its time 0, `ahead` by how much it is wrong."""

    def __init__(self, start: datetime, *, ahead: timedelta = timedelta()) -> None:
        self._zero = start.astimezone(UTC) + ahead
        self._loop = asyncio.get_running_loop()

    def now(self) -> datetime:
        return self._zero + timedelta(seconds=self._loop.time())

    async def wait(self, event: asyncio.Event, *, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return
