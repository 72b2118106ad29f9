"""The ways in which a call can go wrong, and what is said of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from faults.story import JOBS, LIVES, READS, TOKEN, Told, tell
from keyturn.simulation.faults import Fault

PAGE = "<html><body>We are back soon.</body></html>"
SAMPLE = frozenset({"memberships.put", "unit-rentals.put"})
ONE, NONE, AT_MOST_ONE = frozenset({1}), frozenset({0}), frozenset({0, 1})

BELIEVED = "No call reads a membership, so an answer that there is none is believed."
NOT_TAKEN = "No call reads a code, so an answer that it is not taken is believed."
TASK_TWICE = "A 500 is taken for 'nothing was done', so a task that was made all the same is made again."
NOTHING_TO_DO = "It says that something was done, and a read does nothing."
ONLY_DELETE = "Only a removal finds what it wants when nothing is there."


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One way; `row` is that of the catalogue."""

    name: str
    row: str
    fault: Fault
    rests: timedelta | None = None
    """For how long nothing more is sent to a service that answers so."""
    tasks: Collection[int] = ONE
    """How many tasks staff may find where leaving one met this: see `engine.tasks`."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Kinds of calls that are not tried with it, and why."""
    like: str = ""
    """The name of another one that Keyturn takes alike, so that a sample will do where time is short."""

    @property
    def routes(self) -> tuple[str, ...]:
        """The kinds of calls that are tried with it."""
        return tuple(route for route in LIVES if route not in self.left_out)

    @property
    def sample(self) -> tuple[str, ...]:
        """The kinds of calls that are tried with it by `make test`."""
        return tuple(route for route in self.routes if route in SAMPLE) if self.like else self.routes


def _refused(code: int, row: str, left_out: Mapping[str, str] | None = None, like: str = "") -> Trouble:
    """Refused, and nothing done. A task that is refused is not repeated: its record cannot carry one."""
    return Trouble(name=f"{code}", row=row, fault=Fault.status(code), tasks=NONE, left_out=left_out or {}, like=like)


def _done(code: int, row: str, left_out: Mapping[str, str] | None = None) -> Trouble:
    """Done, and an error answered."""
    return Trouble(
        name=f"done, but {code}",
        row=row,
        fault=Fault.status(code, applied=True),
        left_out={READS: NOTHING_TO_DO, TOKEN: NOTHING_TO_DO} | dict(left_out or {}),
    )


TROUBLES: Final = (
    Trouble(name="429 for 40 s", row="F1", fault=Fault.status(429, retry_after="40"), rests=timedelta(seconds=40)),
    Trouble(
        name="429 for a day",
        row="F1",
        fault=Fault.status(429, retry_after="86400"),
        rests=timedelta(minutes=15),
        like="429 for 40 s",
    ),
    Trouble(name="429", row="F2", fault=Fault.status(429), like="429 for 40 s"),
    Trouble(name="500", row="F3", fault=Fault.status(500)),
    Trouble(
        name="503 for 7 s",
        row="F3",
        fault=Fault.status(503, retry_after="7"),
        rests=timedelta(seconds=7),
        like="429 for 40 s",
    ),
    Trouble(name="504", row="F3", fault=Fault.status(504), tasks=AT_MOST_ONE, like="silence"),
    _done(500, "F3", {JOBS: TASK_TWICE}),
    Trouble(name="silence", row="F5", fault=Fault.timeout_before(), tasks=AT_MOST_ONE),
    Trouble(name="done, then silence", row="F5", fault=Fault.timeout_after()),
    Trouble(name="silence, then done", row="F5", fault=Fault.delay(20)),
    Trouble(name="half an answer", row="F7", fault=Fault.truncated()),
    Trouble(name="200 page", row="F8", fault=Fault.html(200), like="half an answer"),
    Trouble(name="200 page, not done", row="F8", fault=Fault.status(200, body=PAGE), tasks=AT_MOST_ONE),
    Trouble(name="200 empty", row="F9", fault=Fault.empty(200)),
    Trouble(name="done, then reset", row="F10", fault=Fault.reset_after()),
    Trouble(name="reset, not done", row="F11", fault=Fault.reset_before(), tasks=AT_MOST_ONE),
    _refused(409, "F12"),
    _done(409, "F12"),
    _done(422, "F12", {"users.code": NOT_TAKEN}),
    _done(404, "F13", {route: ONLY_DELETE for route in LIVES if route != "memberships.delete"}),
    _refused(404, "F14", {"memberships.put": BELIEVED, "memberships.delete": BELIEVED}),
    _refused(400, "F15", like="422"),
    _refused(422, "F15"),
    Trouble(name="401", row="F16", fault=Fault.status(401)),
    _refused(403, "F18"),
)
BY_NAME: Final = {trouble.name: trouble for trouble in TROUBLES}


def judged(trouble: Trouble, routes: Collection[str]) -> dict[str, list[str]]:
    """Tell the story with this trouble at some kinds of calls; return what was wrong, by the kind."""
    wrong: dict[str, list[str]] = {}
    for at_once in _stories(routes):
        told = tell(at_once, trouble.fault)
        for route, found in told.wrong.items():
            wrong[route] = [*found, *_unmet(told, route), *_unrest(told, trouble.rests)]
            if route == JOBS and told.tasks not in trouble.tasks:
                wrong[route].append(f"{told.tasks} tasks tell of the unit without a group")
    return wrong


def _stories(routes: Collection[str]) -> list[list[str]]:
    """Return what is told at once. One token is for all, so its trouble would be everybody's: it is told apart."""
    apart = [route for route in routes if route == TOKEN]
    rest = [route for route in routes if route != TOKEN]
    return [at_once for at_once in (rest, apart) if at_once]


def _unmet(told: Told, route: str) -> list[str]:
    return [] if told.met[route] else ["no call went wrong"]


ON_THE_WAY: Final = timedelta(seconds=2)
"""What was sent before the answer came may still arrive."""


def _unrest(told: Told, rests: timedelta | None) -> list[str]:
    """Look for calls to a service that had asked to be left alone."""
    if rests is None:
        return []
    found = []
    for service, requests in told.requests.items():
        asked = [one.instant for one in requests if one.status in {429, 503}]
        early = sum(any(ON_THE_WAY < one.instant - since < rests for since in asked) for one in requests)
        if early:
            found.append(f"{early} calls to {service} came earlier than it had asked for")
    return found
