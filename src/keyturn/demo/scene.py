"""One step of the day: try the doors, let something happen, wait, try them again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from keyturn.demo.doors import Seen, Try
from keyturn.demo.stage import PATIENCE_S, Stage
from keyturn.demo.world import ZONE


def nothing_else() -> list[str]:
    """Find nothing wrong: the doors say it all."""
    return []


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What happens, and what the doors should do then."""

    at: time
    """When it happens, in the operator's zone."""
    title: str
    asked: str
    """What somebody did, in words."""
    tries: Sequence[Try]
    act: Callable[[], Awaitable[None]]
    also: Callable[[], list[str]] = nothing_else
    """What is wrong afterwards besides doors, in sentences."""
    measured: str = ""
    """What the time is measured from, where it is not the event."""


Step = Callable[[Stage], Scene]
"""Prepares a scene from how things stand when its turn comes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What came of a step."""

    at: datetime
    title: str
    asked: str
    doors: tuple[Seen, ...]
    took: timedelta | None
    """Until the last door was right; None when no door had to change."""
    measured: str
    wrong: tuple[str, ...]
    late: bool
    """Whether something was waited for in vain."""


async def play(stage: Stage, scene: Scene) -> Result:
    """Play one step. A door that does not become right in time is written down, and the day goes on."""
    late = await _in_time(stage.jump_to(scene.at), "Keyturn did not come to rest before this step")
    began = stage.now()
    before = [stage.doors.opens(attempt) for attempt in scene.tries]
    right_already = stage.stopwatch.watch(scene.tries)
    late += await _in_time(_until_done(stage, scene, right_already=right_already), "the doors were not right in time")
    took = None if right_already else stage.stopwatch.took
    late += await _in_time(stage.quiet(), "Keyturn did not come to rest after this step")
    doors = tuple(_seen(stage, attempt, was) for attempt, was in zip(scene.tries, before, strict=True))
    wrong = (*late, *(_complaint(seen) for seen in doors if not seen.right), *scene.also())
    return Result(
        at=began,
        title=scene.title,
        asked=scene.asked,
        doors=doors,
        took=took,
        measured=scene.measured,
        wrong=tuple(f"{scene.title}: {words}" for words in wrong),
        late=bool(late),
    )


async def _until_done(stage: Stage, scene: Scene, *, right_already: bool) -> None:
    await scene.act()
    stage.ring()
    if not right_already:
        await stage.stopwatch.until_right()


async def _in_time(work: Awaitable[None], otherwise: str) -> list[str]:
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            await work
        return []
    return [otherwise]


def _seen(stage: Stage, attempt: Try, was: bool) -> Seen:  # noqa: FBT001  # one of a pair of answers
    opens, door = stage.doors.opens(attempt), stage.doors.name(attempt.unit)
    words = attempt.words if attempt.at is None else in_words(attempt.at, seconds=True)
    return Seen(door=door, words=words, before=was, after=opens, right=opens is attempt.opens)


def in_words(instant: datetime, *, seconds: bool = False) -> str:
    """Return an instant for people, in the operator's zone: `24 Nov at 00:00:00`, or the day alone."""
    local = instant.astimezone(ZONE)
    return f"{local.day} {local:%b}" + (f" at {local:%H:%M:%S}" if seconds else "")


def _complaint(seen: Seen) -> str:
    opens, wanted = ("opens", "stay shut") if seen.after else ("stays shut", "open")
    return f"{seen.door} ({seen.words}) {opens} and should {wanted}"
