"""Do several things at once, and let all of them end before one failure ends the whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def together(steps: Iterable[Awaitable[T]]) -> list[T]:
    """Await all steps side by side and return what they returned; raise the first failure once all have ended.

    A step that is still making a call must come to its end, or nobody records what the call did, and whoever is
    next in the lane would call at the same time.
    """
    results = await asyncio.gather(*steps, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
