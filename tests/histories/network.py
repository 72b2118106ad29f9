"""Connections in memory between machines and services: real HTTP bytes both ways, virtual time on the way.

aiohttp speaks on one end and uvicorn's protocol on the other, each over a transport of this module. What is
written arrives in order after a while. A machine that crashes sends nothing more; what it had sent may still
arrive much later, and only then do the others learn that it is gone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from histories.host import Host, running_on
from keyturn.upstream.http import HttpClient

Factory = Callable[[], asyncio.Protocol]


@dataclass(kw_only=True)
class Listener:
    """Somebody who answers at a name."""

    factory: Factory
    host: Host | None = None
    """The machine it runs on; `None`: one that never crashes."""


class Network:
    """All names and connections."""

    def __init__(self, random: Random, *, latency_s: float, late_s: float) -> None:
        """`latency_s`: the usual way in one direction. `late_s`: how late a crashed machine's last words may be."""
        self._random = random
        self._latency_s = latency_s
        self._late_s = late_s
        self._listeners: dict[str, list[Listener]] = {}
        self._refused: dict[str, int] = {}
        self.refused = 0
        """How many connections were refused on demand."""

    def listen(self, name: str, listener: Listener) -> None:
        """Let somebody answer at `name`; several share the connections."""
        self._listeners.setdefault(name, []).append(listener)

    def refuse(self, name: str, times: int) -> None:
        """Refuse the next connections to `name`."""
        self._refused[name] = self._refused.get(name, 0) + times

    def allow_all(self) -> None:
        """Refuse nothing any more."""
        self._refused.clear()

    def delay(self) -> float:
        """Return how long something is on its way, in seconds."""
        slow = 20 if self._random.random() < 0.01 else 1
        return self._latency_s * slow * (0.5 + self._random.random())

    def lateness(self) -> float:
        """Return by how much the last words of a crashed machine are late."""
        return self._random.random() * self._late_s

    async def connect(self, name: str, client: asyncio.Protocol, host: Host | None) -> End:
        """Connect `client` with whoever listens at `name`; return its end. Raises `ConnectionRefusedError`."""
        await asyncio.sleep(2 * self.delay())
        if host is not None:
            host.step()
        listener = self._listener(name)
        near, far = End(self, host), End(self, listener.host)
        near.join(far)
        server = listener.factory()
        far.speak(server)
        near.speak(client)
        return near

    def _listener(self, name: str) -> Listener:
        alive = [one for one in self._listeners.get(name, ()) if one.host is None or one.host.alive]
        if self._refused.get(name, 0) > 0:
            self._refused[name] -= 1
            self.refused += 1
            alive = []
        if not alive:
            raise ConnectionRefusedError(f"nobody listens at {name}")
        return self._random.choice([one for one in alive if one.host is None or not one.host.asleep] or alive)


@dataclass(kw_only=True)
class _Parcel:
    """Something under way: bytes, or the end of the connection."""

    event: Callable[[], None]
    timer: asyncio.TimerHandle = field(init=False)


class End(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, network: Network, host: Host | None) -> None:
        super().__init__()
        self._network = network
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._protocol: asyncio.Protocol | None = None
        self._closing = False
        self._lost = False
        self._last_arrival = 0.0
        self._under_way: deque[_Parcel] = deque()
        self._reading = True
        self._unread: list[Callable[[], None]] = []
        if host is not None:
            host.on_crash.append(self._crashed)

    def join(self, other: End) -> None:
        """Make these two the ends of one connection."""
        self._other, other._other = other, self

    def speak(self, protocol: asyncio.Protocol) -> None:
        """Let a protocol speak at this end."""
        self._protocol = protocol
        with running_on(self._host):
            protocol.connection_made(self)

    # What protocols ask of a transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        content = bytes(data)
        if self._host is not None:
            self._host.step()
        self._send(lambda: self._other._receive(content))
        if self._host is not None:
            self._host.step()

    def close(self) -> None:
        self._shut(lambda: self._other._end(None))

    def abort(self) -> None:
        self._shut(lambda: self._other._end(ConnectionResetError("the other side has dropped the connection")))

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        while self._unread and self._reading:
            self._unread.pop(0)()

    def is_reading(self) -> bool:
        return self._reading

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 443) if name in {"peername", "sockname"} else default

    def get_write_buffer_size(self) -> int:
        return 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        raise NotImplementedError

    # What happens

    def _shut(self, tell: Callable[[], None]) -> None:
        if self._closing:
            return
        self._closing = True
        if self._host is None or self._host.alive:
            self._send(tell)
        self._loop.call_soon(self._lose, None)

    def _send(self, event: Callable[[], None]) -> None:
        self._last_arrival = max(self._last_arrival, self._loop.time() + self._network.delay())
        parcel = _Parcel(event=event)
        parcel.timer = self._loop.call_at(self._last_arrival, self._arrive)
        self._under_way.append(parcel)

    def _arrive(self) -> None:
        host, parcel = self._other._host, self._under_way.popleft()
        if host is None or host.alive:
            parcel.event()

    def _receive(self, data: bytes) -> None:
        if self._closing or self._protocol is None:
            return
        if not self._reading:
            self._unread.append(lambda: self._receive(data))
            return
        with running_on(self._host):
            self._protocol.data_received(data)

    def _end(self, error: Exception | None) -> None:
        if self._closing:
            return
        if not self._reading and error is None:
            self._unread.append(lambda: self._end(None))
            return
        self._closing = True
        with running_on(self._host):
            if error is None and self._protocol is not None:
                self._protocol.eof_received()
            self._lose(error)

    def _lose(self, error: Exception | None) -> None:
        if self._lost or self._protocol is None:
            return
        self._lost = True
        self._protocol.connection_lost(error)

    def _crashed(self) -> None:
        """What was sent before may still arrive, late; then the connection is gone."""
        if self._closing or self._lost:
            return
        self._closing = True
        late = self._network.lateness()
        for parcel in self._under_way:
            parcel.timer.cancel()
            self._last_arrival = parcel.timer.when() + late
            parcel.timer = self._loop.call_at(self._last_arrival, self._arrive)
        gone = ConnectionResetError("the other side is gone")
        self._send(lambda: self._other._end(gone))
        self._loop.call_soon(self._lose, None)  # so that what is left of the machine's program can end


class MemoryConnector(aiohttp.BaseConnector):
    """Opens connections on a `Network`."""

    def __init__(self, network: Network, host: Host | None = None) -> None:
        super().__init__(limit=0)
        self._network = network
        self._host = host

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> ResponseHandler:  # noqa: ARG002, ASYNC109  # aiohttp's names
        protocol: ResponseHandler = self._factory()
        try:
            await self._network.connect(req.url.host, protocol, self._host)
        except ConnectionRefusedError as error:
            raise aiohttp.ClientConnectorError(req.connection_key, error) from error
        return protocol


class MemoryHttpClient(HttpClient):
    """The product's own client, on a `Network`."""

    def __init__(self, network: Network, host: Host, allowed_hosts: tuple[str, ...], **rest: Any) -> None:
        super().__init__(allowed_hosts, **rest)
        self._network = network
        self._host = host

    def _connector(self) -> aiohttp.BaseConnector:
        return MemoryConnector(self._network, self._host)
