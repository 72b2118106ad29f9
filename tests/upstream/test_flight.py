"""One request for many callers."""

from __future__ import annotations

import asyncio

import pytest

from keyturn.upstream.flight import SingleFlight


class _Slow:
    def __init__(self) -> None:
        self.calls = 0
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self) -> int:
        self.calls += 1
        self.started.set()
        await self.go_on.wait()
        return self.calls


async def test_many_callers_one_call() -> None:
    """All who want the same at the same time share one call; the next one is new."""
    flight, slow = SingleFlight[str, int](), _Slow()
    waiting = [asyncio.create_task(flight.join("a", slow)) for _ in range(20)]
    await slow.started.wait()
    slow.go_on.set()
    assert await asyncio.gather(*waiting) == [1] * 20
    assert await flight.join("a", slow) == 2


async def test_keys_fly_apart() -> None:
    """Different keys are different calls."""
    flight, slow = SingleFlight[str, int](), _Slow()
    slow.go_on.set()
    assert {await flight.join("a", slow), await flight.join("b", slow)} == {1, 2}


async def test_shared_error() -> None:
    """An error reaches all who waited, and is not kept."""
    flight: SingleFlight[str, int] = SingleFlight()

    async def fail() -> int:
        raise LookupError

    ends = await asyncio.gather(*(flight.join("a", fail) for _ in range(3)), return_exceptions=True)
    assert [type(end) for end in ends] == [LookupError] * 3
    with pytest.raises(LookupError):
        await flight.join("a", fail)


async def test_cancelled_caller() -> None:
    """A caller who gives up does not take the others down."""
    flight, slow = SingleFlight[str, int](), _Slow()
    first, second = (asyncio.create_task(flight.join("a", slow)) for _ in range(2))
    await slow.started.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    slow.go_on.set()
    assert await second == 1
