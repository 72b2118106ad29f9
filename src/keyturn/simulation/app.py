"""The ASGI app of a simulated service: one road every request takes.

read → find the route → journal → fault before → effect → fault after → answer. What the
service means is in its routes; this room knows HTTP, the journal and the faults. Requests under
`/_simulator/` and `/` are for whoever runs the simulator: no journal, no faults.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import parse_qsl

from keyturn.clock import Clock
from keyturn.simulation.exchange import Call, Match, Reply, Routes
from keyturn.simulation.faults import SUCCESS, Fault, Faults
from keyturn.simulation.journal import Entry, Journal, Kind, Outcome
from keyturn.simulation.server import reset

_SECRET_FIELDS = frozenset({"client_secret", "password", "token"})


class Service(Protocol):
    """What a simulated service tells the app about itself."""

    journal: Journal
    faults: Faults
    latency_s: float
    routes: Routes

    @property
    def clock(self) -> Clock:
        """Return the service's clock."""
        ...

    def who(self, call: Call) -> tuple[str, str]:
        """Return the account a request is about and a label of the credential it carries."""
        ...

    def guard(self, call: Call, match: Match) -> Reply | None:
        """Return a refusal (rate limit, credential, content type), or None to let the request in."""
        ...

    def unknown(self, call: Call, methods: list[str]) -> Reply:
        """Return the answer for a path that does not exist, or not with this method."""
        ...

    def error(self, status: int) -> Reply:
        """Return an error in the service's own shape, for an injected fault."""
        ...

    def dress(self, reply: Reply) -> Reply:
        """Return the answer with the headers the service puts on everything."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """The connection of one request."""

    scope: Any
    receive: Callable[[], Awaitable[Any]]
    send: Callable[[Any], Awaitable[None]]

    async def answer(self, reply: Reply) -> None:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in reply.headers]
        if reply.content_type is not None:
            headers.append((b"content-type", reply.content_type.encode()))
        if reply.status != 204:  # noqa: PLR2004  # No Content has no length either
            headers.append((b"content-length", str(len(reply.body)).encode()))
        await self.send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": reply.body})

    async def hang(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass


class SimulatedApp:
    """An ASGI app around a `Service`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one HTTP request."""
        line = _Line(scope=scope, receive=receive, send=send)
        call = await _read(scope, receive)
        raw_path = scope["raw_path"].decode("latin-1")
        match = self._service.routes.find(call.method, raw_path)
        if match is None:
            await self._exchange(line, call, None, raw_path)
        elif match.route.kind == "admin":
            await line.answer(await _run(match, replace(call, params=match.params)))
        else:
            await self._exchange(line, replace(call, params=match.params), match, raw_path)

    async def _exchange(self, line: _Line, call: Call, match: Match | None, raw_path: str) -> None:
        service = self._service
        entry = self._open(call, match)
        outcome: Outcome = "reset"
        try:
            fault = service.faults.take(entry.route, entry.account, call)
            await self._before(fault)
            reply = None
            if fault is None or fault.applied:
                reply = await self._effect(call, match, raw_path)
            if fault is not None and fault.gate_after is not None:
                await fault.gate_after.pass_through()
            outcome = await self._end(line, entry, fault, reply)
        finally:
            if entry.status is None:
                service.journal.close(entry, outcome)

    def _open(self, call: Call, match: Match | None) -> Entry:
        account, credential = self._service.who(call)
        kind: Kind = "single"
        if match is not None and match.route.kind != "admin":
            kind = match.route.kind
        return self._service.journal.open(
            instant=self._service.clock.now(),
            method=call.method,
            path=call.path,
            query=dict(call.query),
            route=match.route.name if match else "unknown",
            kind=kind,
            account=account,
            credential=credential,
            body=_journal_body(call),
        )

    async def _before(self, fault: Fault | None) -> None:
        if self._service.latency_s > 0:
            await asyncio.sleep(self._service.latency_s)
        if fault is None:
            return
        if fault.gate_before is not None:
            await fault.gate_before.pass_through()
        if fault.delay_s > 0:
            await self._service.clock.wait(asyncio.Event(), seconds=fault.delay_s)

    async def _effect(self, call: Call, match: Match | None, raw_path: str) -> Reply:
        if match is None:
            return self._service.unknown(call, self._service.routes.methods(raw_path))
        refusal = self._service.guard(call, match)
        return refusal if refusal is not None else await _run(match, call)

    async def _end(self, line: _Line, entry: Entry, fault: Fault | None, reply: Reply | None) -> Outcome:
        if fault is not None and fault.ending == "reset":
            reset(line.scope)
            await line.hang()
            return "reset"
        if fault is not None and fault.ending == "timeout":
            await line.hang()
            return "timeout"
        answer = self._service.dress(self._spoiled(fault, reply))
        # Closed before the bytes leave: who has the answer finds it in the journal.
        self._service.journal.close(entry, answer.status)
        await line.answer(answer)
        return answer.status

    def _spoiled(self, fault: Fault | None, reply: Reply | None) -> Reply:
        if fault is not None and fault.reply is not None:
            if fault.kind == "empty" and reply is not None and reply.status not in SUCCESS:
                return reply
            own = self._service.error(fault.reply.status) if fault.reply_is_error else fault.reply
            return replace(own, headers=own.headers + fault.reply.headers) if fault.reply_is_error else own
        if reply is None:
            return Reply(status=500)
        if fault is not None and fault.mangle == "truncate":
            return replace(reply, body=reply.body[: len(reply.body) // 2])
        return reply


async def _read(scope: Any, receive: Callable[[], Awaitable[Any]]) -> Call:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return Call(method=scope["method"], path=scope["path"], query=query, headers=headers, body=body)


async def _run(match: Match, call: Call) -> Reply:
    reply = match.route.handler(call)
    return await reply if inspect.isawaitable(reply) else reply


def _journal_body(call: Call) -> Any:
    if not call.body:
        return None
    if call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return _without_secrets(dict(parse_qsl(call.body.decode("utf-8", "replace"))))
    with contextlib.suppress(ValueError):
        parsed = json.loads(call.body)
        return _without_secrets(parsed) if isinstance(parsed, dict) else parsed
    return None


def _without_secrets(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in _SECRET_FIELDS}
