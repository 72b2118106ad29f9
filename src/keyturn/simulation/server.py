"""Runs an ASGI app as a real HTTP server inside the current event loop.

Starting and stopping takes a few milliseconds, so a test can have its own server. It uses
uvicorn's HTTP protocol directly, without uvicorn's `Server`: that one polls, installs signal
handlers and waits for idle connections. Each request's scope carries the connection
(`CONNECTION`), which is how a simulated fault drops it without an answer.
It must never be used to serve the product in production.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]

CONNECTION = "keyturn.connection"
"""Key in the ASGI scope under which the asyncio transport of the request is found."""

_LINGER_ZERO = struct.pack("ii", 1, 0)


@contextlib.asynccontextmanager
async def serving(app: AsgiApp, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve `app` while the block runs and yield its address, such as `http://127.0.0.1:49152`.

    Port 0 takes a free one. Leaving the block drops open connections and cancels what is still
    being answered; nothing is waited for.
    """
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(connections(app, state), host, port, backlog=2048)
    address = server.sockets[0].getsockname()
    try:
        yield f"http://{address[0]}:{address[1]}"
    finally:
        server.close()
        await _drop_everything(state)
        await server.wait_closed()


def connections(app: AsgiApp, state: ServerState) -> Callable[[], asyncio.Protocol]:
    """Return what makes the protocol of each new connection to `app`; `state` knows those that are open."""
    config = _config(app)
    return lambda: _Protocol(config, state, {})


def reset(scope: MutableMapping[str, Any]) -> None:
    """Drop the connection of this request at once, as a crashed or restarted server does."""
    transport = scope[CONNECTION]
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which also tells the app its connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # a TypedDict without our key
        scope[CONNECTION] = self.transport


def _config(app: AsgiApp) -> uvicorn.Config:
    config = uvicorn.Config(
        _ends_quietly(app),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        interface="asgi3",
    )
    config.load()
    return config


def _ends_quietly(app: AsgiApp) -> AsgiApp:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        # A request cancelled because the server stops is no error worth a traceback.
        with contextlib.suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return run


async def _drop_everything(state: ServerState) -> None:
    for connection in list(state.connections):
        connection.transport.abort()
    tasks = list(state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
