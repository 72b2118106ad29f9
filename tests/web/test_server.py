"""The server: taking the port, stopping, and senders who never finish a request head."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from keyturn.errors import StartError
from keyturn.web.server import listen, serve, stop_on_signals


class Slow:
    """An application whose answer waits until it is told to go on."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.app = Starlette(routes=[Route("/", self._answer)])

    async def _answer(self, _request: Request) -> Response:
        self.asked.set()
        await self.go_on.wait()
        return PlainTextResponse("done")


@asynccontextmanager
async def served(slow: Slow, *, head_seconds: float = 10.0) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Serve on a free port; yield it and the event that stops the server."""
    listener = listen("127.0.0.1", 0)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(slow.app, listener, stop, head_seconds=head_seconds))
        yield listener.getsockname()[1], stop
        stop.set()


async def ask(port: int, request: bytes) -> bytes:
    """Send bytes and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_taken_port_is_one_sentence() -> None:
    """A port somebody else uses is a start error that says what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(StartError) as caught:
            listen("127.0.0.1", port)

    expected = f"cannot listen on 127.0.0.1 port {port}: Address already in use; "
    assert str(caught.value) == expected + "stop what uses the port, or change server.port"


async def test_a_request_under_way_is_finished_before_the_stop() -> None:
    """Stopping takes no new connection, but answers what was asked before."""
    slow = Slow()
    async with served(slow) as (port, stop):
        asking = asyncio.create_task(ask(port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"))
        await slow.asked.wait()
        stop.set()
        slow.go_on.set()

        assert (await asking).endswith(b"done")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_the_server_does_not_name_itself() -> None:
    """An answer does not say which software gave it."""
    slow = Slow()
    slow.go_on.set()
    async with served(slow) as (port, _):
        answer = await ask(port, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")

    assert b"server:" not in answer.lower()


async def test_a_head_that_never_ends_is_dropped_in_time() -> None:
    """A sender who does not finish the head of a request loses the connection."""
    async with served(Slow(), head_seconds=0.05) as (port, _):
        assert await ask(port, b"GET / HTTP/1.1\r\nhost: x\r\nx-a: ") == b""


async def test_a_connection_without_a_request_is_dropped_in_time() -> None:
    """A sender who says nothing loses the connection."""
    async with served(Slow(), head_seconds=0.05) as (port, _):
        assert await ask(port, b"") == b""


async def test_a_head_that_is_too_large_is_dropped() -> None:
    """A head is not collected without limit."""
    slow = Slow()
    async with served(slow) as (port, _):
        head = b"GET / HTTP/1.1\r\n" + b"x-a: %s\r\n" % (b"a" * 1000) * 40 + b"\r\n"

        assert (await ask(port, head)).startswith(b"HTTP/1.1 400 ")
    assert not slow.asked.is_set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_only_sets_the_event(number: signal.Signals) -> None:
    """SIGTERM and SIGINT ask everybody to stop; nobody is torn away."""
    stop = asyncio.Event()
    with stop_on_signals(stop):
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            await stop.wait()

    assert stop.is_set()
