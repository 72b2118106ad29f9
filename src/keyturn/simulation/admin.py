"""The simulators' own HTTP door, for people who try an integration by hand or from another language.

Everything is under `/_simulator/`: the journal, the faults, a snapshot, and a table of allowed
operations by name with their arguments as JSON. It is no part of what is simulated.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import Any

from keyturn.simulation.exchange import TEXT, Call, Reply, Routes, json_reply
from keyturn.simulation.faults import Fault, Faults
from keyturn.simulation.journal import Journal

Operations = Mapping[str, Callable[..., Any]]
_DATES = frozenset({"start_date", "end_date", "day"})
_INSTANTS = frozenset({"at", "starts_at", "ends_at"})
_FAULTS: dict[str, Callable[..., Fault]] = {
    "status": Fault.status,
    "html": Fault.html,
    "empty": Fault.empty,
    "truncated": Fault.truncated,
    "timeout_before": Fault.timeout_before,
    "timeout_after": Fault.timeout_after,
    "reset_before": Fault.reset_before,
    "reset_after": Fault.reset_after,
    "delay": Fault.delay,
}
_PLAN = frozenset({"route", "times", "after", "account"})


def add_journal(routes: Routes, journal: Journal) -> None:
    """Add GET and DELETE of the journal."""

    def show(_call: Call) -> Reply:
        return json_reply([plain(entry) for entry in journal.entries])

    def forget(_call: Call) -> Reply:
        journal.clear()
        return json_reply({})

    routes.add("GET", "_simulator/journal", "admin.journal", show, "admin")
    routes.add("DELETE", "_simulator/journal", "admin.journal", forget, "admin")


def add_faults(routes: Routes, faults: Faults) -> None:
    """Add GET and PUT of the planned faults; a PUT replaces them all."""

    def show(_call: Call) -> Reply:
        return json_reply(
            [{"route": p.route, "kind": p.fault.kind, "times": p.times, "fired": p.fired} for p in faults.planned]
        )

    def plan(call: Call) -> Reply:
        wanted = call.json()
        made = [({k: w[k] for k in w if k in _PLAN}, _fault(w)) for w in wanted]
        faults.clear()
        for options, fault in made:
            faults.add(fault=fault, **options)
        return show(call)

    routes.add("GET", "_simulator/faults", "admin.faults", show, "admin")
    routes.add("PUT", "_simulator/faults", "admin.faults", _forgiving(plan), "admin")


def add_snapshot(routes: Routes, snapshot: Callable[[], Any]) -> None:
    """Add GET of the state."""
    routes.add("GET", "_simulator/snapshot", "admin.snapshot", lambda _call: json_reply(snapshot()), "admin")


def add_operations(routes: Routes, pattern: str, operations: Callable[[Call], Operations]) -> None:
    """Add POST of every allowed operation; `pattern` has an `{operation}`.

    Arguments are the members of the JSON body, or `args` (a list) for positional ones.
    """

    async def run(call: Call) -> Reply:
        operation = operations(call)[call.params["operation"]]
        given = call.json() if call.body else {}
        args = given.pop("args", [])
        result = operation(*args, **{name: _value(name, value) for name, value in given.items()})
        return json_reply({"result": plain(await result if inspect.isawaitable(result) else result)})

    routes.add("POST", pattern, "admin.operation", _forgiving(run), "admin")


def add_page(routes: Routes, text: Callable[[], str]) -> None:
    """Add the page that says what is here."""

    def show(_call: Call) -> Reply:
        return Reply(body=text().encode(), content_type=TEXT)

    routes.add("GET", "", "admin.page", show, "admin")
    routes.add("GET", "_simulator", "admin.page", show, "admin")


def plain(value: Any) -> Any:
    """Return a value as JSON can carry it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(item) for name, item in asdict(value).items() if name != "listener"}
    return _plain_container(value)


def _plain_container(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _fault(wanted: Mapping[str, Any]) -> Fault:
    options = {name: value for name, value in wanted.items() if name not in _PLAN and name != "kind"}
    return _FAULTS[wanted["kind"]](**options)


def _value(name: str, value: Any) -> Any:
    if name in _DATES and isinstance(value, str):
        return date.fromisoformat(value)
    if name in _INSTANTS and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


def _forgiving(handler: Callable[[Call], Any]) -> Callable[[Call], Awaitable[Reply]]:
    async def run(call: Call) -> Reply:
        try:
            reply = handler(call)
            done: Reply = await reply if inspect.isawaitable(reply) else reply
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return json_reply({"error": {"type": type(error).__name__, "message": str(error)}}, 400)
        return done

    return run
