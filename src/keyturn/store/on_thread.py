"""SQL off the event loop: both databases run their statements on threads of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from keyturn.store.group_commit import translated

T = TypeVar("T")


async def on_thread(threads: ThreadPoolExecutor, fn: Callable[..., T], *args: Any) -> T:
    """Run `fn` on one of these threads."""
    return await asyncio.get_running_loop().run_in_executor(threads, fn, *args)


def transaction(engine: Engine, fn: Callable[[Connection], T]) -> T:
    """Run `fn` in a transaction of its own."""
    with engine.begin() as connection:
        return fn(connection)


@contextmanager
def our_errors() -> Iterator[None]:
    """Turn what a driver raises within the block into our own errors."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        ours = translated(error)
        if ours is error:
            raise
        raise ours from error
