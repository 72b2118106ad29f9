"""A server that answers every request with given bytes, however wrong; for answers no proper server sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Respond = Callable[[int], bytes | None]
"""Number of the request (from 1) to the bytes of the answer; `None`: the connection is reset."""


@dataclass
class RawServer:
    """Where it listens, and what it was sent."""

    url: str = ""
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    silent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the end; a silent answer waits for it."""


SILENCE = b"silence"
"""Instead of an answer: say nothing until the server closes."""


def answer(body: bytes, *, status: int = 200, headers: tuple[str, ...] = ("Content-Type: application/json",)) -> bytes:
    """Write a proper answer around `body`."""
    lines = [f"HTTP/1.1 {status} Words", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def raw_server(respond: Respond) -> AsyncIterator[RawServer]:
    """Serve on a free port of the loopback address."""
    state = RawServer()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1
        try:
            await _one(state, respond, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield state
    finally:
        state.silent.set()
        server.close()
        await server.wait_closed()


async def _one(state: RawServer, respond: Respond, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
    state.requests.append(head + body)
    reply = respond(len(state.requests))
    if reply is None:
        writer.transport.abort()
    elif reply == SILENCE:
        await state.silent.wait()
    else:
        writer.write(reply)
        await writer.drain()
