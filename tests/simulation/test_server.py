"""The server behind both simulators."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp
import pytest

from keyturn.simulation.server import reset, serving


async def hello(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001  # an ASGI app's signature
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def test_an_app_is_reachable_while_the_block_runs() -> None:
    """A served app answers over real HTTP, and nobody answers after the block."""
    async with aiohttp.ClientSession() as session:
        async with serving(hello) as url, session.get(url) as response:
            body = await response.text()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(url)

    assert body == "hello"


async def test_two_servers_get_two_ports() -> None:
    """Each server takes a free port of its own."""
    async with serving(hello) as one, serving(hello) as other:
        different = one != other

    assert different


async def test_a_reset_reaches_the_client_as_a_broken_connection() -> None:
    """A dropped connection is an error for the client, never a status."""

    async def drops(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001  # an ASGI app's signature
        reset(scope)
        while (await receive())["type"] != "http.disconnect":
            pass

    async with serving(drops) as url, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientOSError, match="reset by peer"):
            await session.post(url)


async def test_stopping_does_not_wait_for_unfinished_requests() -> None:
    """A request that would never end is cut off when the server stops."""
    arrived = asyncio.Event()

    async def never(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001  # an ASGI app's signature
        arrived.set()
        await asyncio.Event().wait()

    async with aiohttp.ClientSession() as session:
        async with serving(never) as url:
            request = asyncio.ensure_future(session.get(url))
            await arrived.wait()
        with contextlib.suppress(aiohttp.ClientConnectionError):
            await request

    assert request.done()


async def test_start_and_stop_are_quick(caplog: pytest.LogCaptureFixture) -> None:
    """Fifty servers come and go well within a second each, without a line in the log."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(50):
        async with serving(hello):
            pass

    assert (loop.time() - began < 2.5, caplog.records) == (True, [])
