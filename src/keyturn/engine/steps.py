"""Do several things at once, and let all of them end before one failure ends the whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable


async def together(steps: Iterable[Awaitable[None]]) -> None:
    """Await all steps side by side; raise the first failure once every one of them has ended.

    A step that is still making a call must come to its end, or nobody records what the call did.
    """
    for result in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
