"""Runs the web application on a socket until told to stop.

uvicorn does the HTTP. What it leaves open is closed here: the port is bound before anything
else starts, so that a taken one is a sentence and not a traceback; signals only set an event,
so that web and worker stop together; a connection that sends no complete request head in time,
or an endless one, is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from keyturn.errors import StartError

GRACE_SECONDS = 10
"""How long requests under way may take after the stop."""
HEAD_SECONDS = 10.0
"""How long a sender may take for the head of a request, from the connection or from the head's first byte."""
_HEAD_BYTES = 32 * 1024
_MOST_CONNECTIONS = 2000
_BACKLOG = 2048
_IDLE_SECONDS = 20


def listen(host: str, port: int) -> socket.socket:
    """Take the port. Raises `StartError` where the machine does not let us."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or type(error).__name__
        raise StartError(
            f"cannot listen on {host} port {port}: {reason}; stop what uses the port, or change server.port"
        ) from error
    listener.setblocking(False)  # noqa: FBT003  # the standard library takes it so
    return listener


async def serve(
    app: ASGIApp, listener: socket.socket, stop: asyncio.Event, *, head_seconds: float = HEAD_SECONDS
) -> None:
    """Serve until `stop` is set; then take no more connections and finish what is under way."""

    class Connection(_Connection):
        """A connection with this server's patience."""

        patience = head_seconds

    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=_BACKLOG,
    )
    server = _Server(config)
    stopping = asyncio.create_task(_stop_after(stop, server))
    try:
        await server.serve(sockets=[listener])
    finally:
        stopping.cancel()


async def _stop_after(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True


@contextlib.contextmanager
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT set `stop`; a second one ends the process the usual way."""
    loop = asyncio.get_running_loop()

    def heard(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, heard, number)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


class _Server(uvicorn.Server):
    """A server that leaves the signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Connection(HttpToolsProtocol):
    """A connection whose request heads are bounded in time and size."""

    patience: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._await_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        self._head_arrived()
        super().on_headers_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > _HEAD_BYTES:
            raise ValueError("the head is too large")  # the parser stops, uvicorn answers 400 and hangs up

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.patience, self.transport.abort)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
