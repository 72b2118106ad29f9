"""Many callers with one question, one statement.

Fifty looks that go on side by side ask the same things at the same time. What is asked while an answer to that
question is under way is asked together, next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from keyturn.errors import DatabaseUnavailable
from keyturn.store.group_commit import MOST_TOGETHER, Ask, Many

T = TypeVar("T")
A = TypeVar("A")

Read = Callable[[Callable[[Connection], Any]], Awaitable[Any]]


class GatheredReads:
    """The questions in front of a database."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._waiting: dict[Many[Any, Any], list[Ask]] = {}
        self._asking: dict[Many[Any, Any], asyncio.Task[None]] = {}

    async def ask(self, many: Many[A, T], value: A) -> T:
        """Return the answer to this value; `many` is run for all that wait. Raises what it raised for this value."""
        ask = Ask(value=value, done=asyncio.get_running_loop().create_future())
        self._waiting.setdefault(many, []).append(ask)
        if many not in self._asking:
            self._asking[many] = asyncio.create_task(self._drain(many), name="gathered reads")
        result: T = await ask.done
        return result

    async def _drain(self, many: Many[Any, Any]) -> None:
        asks: list[Ask] = []
        try:
            while asks := self._waiting.pop(many, []):
                for start in range(0, len(asks), MOST_TOGETHER):
                    await self._answer(many, asks[start : start + MOST_TOGETHER])
        finally:
            del self._asking[many]
            for ask in (*asks, *self._waiting.pop(many, ())):  # only when this task itself was cancelled
                ask.done.cancel()

    async def _answer(self, many: Many[Any, Any], asks: Sequence[Ask]) -> None:
        try:
            answers = await self._read(partial(_run, many, [ask.value for ask in asks]))
        except asyncio.CancelledError:
            for ask in asks:
                ask.done.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the callers
            await self._failed(many, asks, error)
            return
        for ask, answer in zip(asks, answers, strict=True):
            ask.answer = answer
            ask.settle()

    async def _failed(self, many: Many[Any, Any], asks: Sequence[Ask], error: Exception) -> None:
        """Tell the only caller, or find the one whose question it is by asking each by itself."""
        if len(asks) > 1 and not isinstance(error, DatabaseUnavailable):
            for ask in asks:
                await self._answer(many, [ask])
            return
        for ask in asks:
            ask.error = error
            ask.settle()


def _run(many: Many[Any, Any], values: Sequence[Any], connection: Connection) -> Sequence[Any]:
    return many(connection, values)
