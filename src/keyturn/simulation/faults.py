"""Faults on demand: what can go wrong between a client and a service, per route and per call.

`Faults.add` plans a fault; the app takes it when a matching request comes and plays it around
the effect. A fault is a script: what happens before the effect, whether the effect happens, what
is answered instead, what happens after it. Nothing here sleeps: waiting is on a gate the test
opens, on the simulator's clock, or until the client gives up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from keyturn.simulation.changes import Changes
from keyturn.simulation.exchange import HTML, JSON, Call, Reply, html_reply

Ending = Literal["answer", "reset", "timeout"]
SUCCESS = range(200, 300)


class Gate:
    """A door in the middle of a request: requests wait at it until the test opens it."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._arrivals = Changes()
        self.waiting = 0
        """How many requests stand at the gate now."""

    def open(self) -> None:
        """Let everybody through, now and later."""
        self._open.set()

    async def pass_through(self) -> None:
        """Wait until the gate is open."""
        self.waiting += 1
        self._arrivals.notify()
        try:
            await self._open.wait()
        finally:
            self.waiting -= 1

    async def reached(self, n: int = 1) -> None:
        """Return once `n` requests wait at the gate."""
        await self._arrivals.until(lambda: self.waiting >= n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one request. Make one with the functions below, not by hand."""

    kind: str
    applied: bool
    ending: Ending = "answer"
    reply: Reply | None = None
    reply_is_error: bool = False
    mangle: Literal["truncate"] | None = None
    gate_before: Gate | None = None
    gate_after: Gate | None = None
    delay_s: float = 0.0

    @staticmethod
    def status(
        code: int,
        *,
        retry_after: str | None = None,
        body: dict[str, Any] | str | bytes | None = None,
        applied: bool = False,
    ) -> Fault:
        """Answer `code`. Body: None = the service's own error shape, a dict = JSON, text = HTML, bytes as they are.

        With `applied` the effect happens first (an error after the commit).
        """
        headers = (("retry-after", retry_after),) if retry_after is not None else ()
        reply = _spelled_out(code, body, headers)
        return Fault(kind="status", applied=applied, reply=reply, reply_is_error=body is None)

    @staticmethod
    def html(status: int = 502) -> Fault:
        """Answer an HTML page; the effect happens when `status` is a success."""
        return Fault(kind="html", applied=status in SUCCESS, reply=html_reply(status))

    @staticmethod
    def empty(status: int = 200) -> Fault:
        """Answer without a body; the effect happens when `status` is a success, and a refusal is answered as it is."""
        return Fault(kind="empty", applied=status in SUCCESS, reply=Reply(status=status))

    @staticmethod
    def truncated() -> Fault:
        """Do the work and answer the first half of the JSON."""
        return Fault(kind="truncated", applied=True, mangle="truncate")

    @staticmethod
    def timeout_before() -> Fault:
        """Do nothing and never answer: the client gives up."""
        return Fault(kind="timeout_before", applied=False, ending="timeout")

    @staticmethod
    def timeout_after() -> Fault:
        """Do the work and never answer: the client cannot know."""
        return Fault(kind="timeout_after", applied=True, ending="timeout")

    @staticmethod
    def reset_before() -> Fault:
        """Drop the connection without doing the work."""
        return Fault(kind="reset_before", applied=False, ending="reset")

    @staticmethod
    def reset_after() -> Fault:
        """Do the work, then drop the connection."""
        return Fault(kind="reset_after", applied=True, ending="reset")

    @staticmethod
    def hold(gate: Gate) -> Fault:
        """Wait at `gate`, then work as usual: the request is in flight as long as the test wants."""
        return Fault(kind="hold", applied=True, gate_before=gate)

    @staticmethod
    def hold_after(gate: Gate) -> Fault:
        """Do the work, then wait at `gate` with the answer."""
        return Fault(kind="hold_after", applied=True, gate_after=gate)

    @staticmethod
    def delay(seconds: float) -> Fault:
        """Wait `seconds` of the simulator's clock, then work as usual."""
        return Fault(kind="delay", applied=True, delay_s=seconds)


def _spelled_out(code: int, body: dict[str, Any] | str | bytes | None, headers: tuple[tuple[str, str], ...]) -> Reply:
    if isinstance(body, dict):
        return Reply(status=code, body=json.dumps(body).encode(), content_type=JSON, headers=headers)
    if isinstance(body, str):
        return Reply(status=code, body=body.encode(), content_type=HTML, headers=headers)
    return Reply(status=code, body=body or b"", headers=headers)


@dataclass(slots=True, eq=False, kw_only=True)
class Planned:
    """A fault that waits for its requests. `fired` counts those it has met."""

    route: str
    fault: Fault
    times: int | None
    after: int
    account: str | None
    when: Callable[[Call], bool] | None
    _owner: list[Planned] = field(repr=False)
    fired: int = 0
    skipped: int = 0

    def remove(self) -> None:
        """Call the fault off."""
        if self in self._owner:
            self._owner.remove(self)

    def meets(self, route: str, account: str, call: Call) -> bool:
        """Return whether this request is one of those meant."""
        wanted = fnmatchcase(route, self.route) and self.account in (None, account)
        return wanted and (self.when is None or self.when(call))


class Faults:
    """The faults planned for one simulator, looked at in the order they were added."""

    def __init__(self) -> None:
        self.planned: list[Planned] = []

    def add(
        self,
        *,
        route: str,
        fault: Fault,
        times: int | None = 1,
        after: int = 0,
        account: str | None = None,
        when: Callable[[Call], bool] | None = None,
    ) -> Planned:
        """Plan `fault` for the next `times` requests (None: for ever) of `route`, letting `after` of them pass first.

        `route` is a route's name or a glob of names. One request meets at most one fault.
        """
        planned = Planned(
            route=route, fault=fault, times=times, after=after, account=account, when=when, _owner=self.planned
        )
        self.planned.append(planned)
        return planned

    def clear(self) -> None:
        """Call off everything."""
        self.planned.clear()

    def take(self, route: str, account: str, call: Call) -> Fault | None:
        """Return the fault this request meets, counting it as fired."""
        for planned in list(self.planned):
            if not planned.meets(route, account, call):
                continue
            if planned.skipped < planned.after:
                planned.skipped += 1
                continue
            return self._fire(planned)
        return None

    def _fire(self, planned: Planned) -> Fault:
        planned.fired += 1
        if planned.times is not None and planned.fired >= planned.times:
            planned.remove()
        return planned.fault
