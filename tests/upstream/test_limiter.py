"""The limiter: so many at once, in order, and a number that changes while callers wait."""

from __future__ import annotations

import asyncio

import pytest

from keyturn.errors import LeaseLost
from keyturn.upstream.limiter import Limiter


class Callers:
    """Callers that stay inside until they are let out, in the order in which they came."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._exits: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.inside: list[int] = []

    async def come(self, count: int) -> None:
        """Let so many more ask for a turn."""
        for _ in range(count):
            self._exits.append(asyncio.Event())
            self._tasks.append(asyncio.create_task(self._stay(len(self._tasks))))
        await settled()

    async def go(self, *numbers: int) -> None:
        """Let these leave."""
        for number in numbers:
            self._exits[number].set()
        await settled()

    async def give_up(self, number: int) -> None:
        """Cancel one."""
        self._tasks[number].cancel()
        await settled()

    async def _stay(self, number: int) -> None:
        async with self._limiter:
            self.inside.append(number)
            try:
                await self._exits[number].wait()
            finally:
                self.inside.remove(number)


async def settled() -> None:
    """Let everything happen that needs no time."""
    for _ in range(20):
        turn = asyncio.Event()
        asyncio.get_running_loop().call_soon(turn.set)
        await turn.wait()


async def test_so_many_at_once_in_order() -> None:
    """The next is let in when one leaves."""
    limiter = Limiter(2)
    callers = Callers(limiter)
    await callers.come(4)

    assert (callers.inside, limiter.in_use) == ([0, 1], 2)

    await callers.go(1)

    assert callers.inside == [0, 2]


async def test_growing_lets_more_in_at_once() -> None:
    """Those who wait need not wait for anybody to leave."""
    limiter = Limiter(0)
    callers = Callers(limiter)
    await callers.come(3)

    assert callers.inside == []

    limiter.resize(2)
    await settled()

    assert callers.inside == [0, 1]


async def test_shrinking_ends_nobody() -> None:
    """Nobody new is let in until enough have left."""
    limiter = Limiter(3)
    callers = Callers(limiter)
    await callers.come(5)
    limiter.resize(1)
    await callers.go(0, 1)

    assert (callers.inside, limiter.in_use) == ([2], 1)

    await callers.go(2)

    assert callers.inside == [3]


async def test_who_gives_up_takes_nothing_along() -> None:
    """Neither while waiting, nor with the turn just given, nor inside."""
    limiter = Limiter(1)
    callers = Callers(limiter)
    await callers.come(4)
    await callers.give_up(2)
    await callers.give_up(0)

    assert callers.inside == [1]

    await callers.go(1)

    assert callers.inside == [3]

    await callers.go(3)

    assert limiter.in_use == 0


async def test_a_turn_that_comes_with_the_cancellation() -> None:
    """A caller who is cancelled in the moment the turn comes passes it on."""
    limiter = Limiter(1)
    await limiter.__aenter__()
    waiting = asyncio.create_task(limiter.__aenter__())
    await settled()
    await limiter.__aexit__()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert limiter.in_use == 0


async def test_without_permission_nobody_is_let_in() -> None:
    """Free turns are of no use until there is permission again."""
    permission = [False]
    limiter = Limiter(2, permitted=lambda: permission[0])
    callers = Callers(limiter)
    await callers.come(3)

    assert callers.inside == []

    permission[0] = True
    limiter.resize(2)
    await settled()

    assert callers.inside == [0, 1]

    permission[0] = False
    await callers.go(0, 1)

    assert (callers.inside, limiter.in_use) == ([], 0)


async def test_a_permission_that_ends_before_its_use() -> None:
    """Whoever was let in and finds the permission gone goes back to waiting."""
    permission = [True]
    limiter = Limiter(1, permitted=lambda: permission[0])
    await limiter.__aenter__()
    callers = Callers(limiter)
    await callers.come(1)
    await limiter.__aexit__()  # the turn is given now, and used at the next switch
    permission[0] = False
    await settled()

    assert (callers.inside, limiter.in_use) == ([], 0)

    permission[0] = True
    limiter.resize(1)
    await settled()

    assert callers.inside == [0]


async def test_it_tells_when_somebody_has_left() -> None:
    """Whoever waits for calls to end hears of each."""
    left: list[int] = []
    limiter = Limiter(2, on_end=lambda: left.append(limiter.in_use))
    callers = Callers(limiter)
    await callers.come(2)
    await callers.go(0, 1)

    assert left == [1, 0]


async def test_nobody_waits_for_ever_without_permission() -> None:
    """Who waits holds a lane: where nobody may be let in, it goes to those who may; a mere queue is waited for."""
    allowed = Limiter(1, patience_s=0.01)
    barred = Limiter(1, permitted=lambda: False, patience_s=0.01)
    with pytest.raises(LeaseLost):
        async with barred:
            raise AssertionError("let in")
    assert barred.in_use == 0

    async def queue() -> bool:
        async with allowed:
            return True

    async with allowed:
        waiting = asyncio.create_task(queue())
        with pytest.raises(LeaseLost):
            async with barred:
                raise AssertionError("let in")
        assert not waiting.done()
    assert await waiting
