"""Sends webhooks as Storeganise does: signed, over many connections, each answered before its next."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import httptools

Answered = Callable[[int, float], None]
"""Told the status and how long it took; status 0: no answer."""

MOST = 256
"""Connections at once."""
STALE_S = 3.0
"""A connection that was idle for longer is not used again: Node hangs up after five seconds."""


def nobody(_status: int, _seconds: float) -> None:
    """Do not care."""


class Sender:
    """Webhooks on their way to one address. `kinds`: the events it is subscribed to, `None` for all."""

    def __init__(self, port: int, path: str, *, kinds: frozenset[str] | None = None, most: int = MOST) -> None:
        """`path` has a place for the business' code, such as `/hooks/{}`."""
        self.answers: Counter[int] = Counter()
        self._series = uuid4().hex[:12]
        self._numbers = count()
        self._port = port
        self._path = path
        self._kinds = kinds
        self._most = most
        self._open = 0
        self._free: list[_Line] = []
        self._waiting: deque[_Letter] = deque()
        self._dialling: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> int:
        """How many webhooks are not answered yet."""
        return len(self._waiting) + self._open - len(self._free)

    @property
    def refused(self) -> int:
        """How many were not answered 200."""
        return self.answers.total() - self.answers[200]

    def event(self, business: str, kind: str, data: Mapping[str, Any], answered: Answered = nobody) -> str:
        """Send an event, if it is subscribed to; return its id."""
        ident = f"{self._series}{next(self._numbers):012x}"
        if self._kinds is None or kind in self._kinds:
            envelope = {"id": ident, "type": kind, "businessCode": business, "data": data}
            self._send(business, json.dumps(envelope, separators=(",", ":")).encode(), answered)
        return ident

    def _send(self, business: str, body: bytes, answered: Answered) -> None:
        signature = base64.b64encode(hmac.digest(secret(business).encode(), body, "sha256"))
        head = (
            f"POST {self._path.format(business)} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Content-Type: application/json;charset=UTF-8\r\nContent-Length: {len(body)}\r\nsg-signature: "
        )
        self._waiting.append(_Letter(head.encode() + signature + b"\r\n\r\n" + body, answered, time.perf_counter()))
        self._next()

    def close(self) -> None:
        """Hang up."""
        for line in self._free:
            line.hang_up()
        self._free.clear()

    def _next(self) -> None:
        while self._waiting and (line := self._fresh()) is not None:
            line.send(self._waiting.popleft())
        if self._waiting and self._open < self._most:
            self._open += 1
            task = asyncio.create_task(self._dial())
            self._dialling.add(task)
            task.add_done_callback(self._dialling.discard)

    def _fresh(self) -> _Line | None:
        """Take a free connection that the other end will not have hung up on meanwhile."""
        now = time.perf_counter()
        while self._free:
            line = self._free.pop()
            if now - line.used_at < STALE_S:
                return line
            line.hang_up()
        return None

    async def _dial(self) -> None:
        try:
            _, line = await asyncio.get_running_loop().create_connection(
                lambda: _Line(self._freed, self._lost), "127.0.0.1", self._port
            )
        except OSError:
            self._open -= 1
            return
        self._freed(line)

    def _freed(self, line: _Line, status: int | None = None) -> None:
        if status is not None:
            self.answers[status] += 1
        self._free.append(line)
        self._next()

    def _lost(self, line: _Line, *, waiting: bool) -> None:
        self._open -= 1
        if line in self._free:
            self._free.remove(line)
        if waiting:
            self.answers[0] += 1
        self._next()


def secret(business: str) -> str:
    """Return the secret a business' webhooks are signed with."""
    return f"secret of {business}"


@dataclass(frozen=True, slots=True)
class _Letter:
    """A webhook that is to be sent; its time counts from the moment it was due, a wait for a connection included."""

    request: bytes
    answered: Answered
    began: float


class _Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, freed: Callable[..., None], lost: Callable[..., None]) -> None:
        self._freed = freed
        self._lost = lost
        self._letter: _Letter | None = None
        self.used_at = time.perf_counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def send(self, letter: _Letter) -> None:
        self._letter = letter
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(letter.request)

    def data_received(self, data: bytes) -> None:
        if self._letter is None:
            self.hang_up()
        else:
            self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._ended(status)
        self._freed(self, status)

    def connection_lost(self, _error: Exception | None) -> None:
        self._lost(self, waiting=self._ended(0))

    def _ended(self, status: int) -> bool:
        letter, self._letter = self._letter, None
        self.used_at = time.perf_counter()
        if letter is not None:
            letter.answered(status, time.perf_counter() - letter.began)
        return letter is not None

    def hang_up(self) -> None:
        self._transport.close()
