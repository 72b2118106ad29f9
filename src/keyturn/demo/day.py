"""The day from start to end: the steps, the last inspection, what is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keyturn.demo.inspection import inspect
from keyturn.demo.playground import keep_running
from keyturn.demo.scene import Result, Step, play
from keyturn.demo.show import Show
from keyturn.demo.stage import Stage
from keyturn.demo.world import started

ENOUGH_LATE = 3
"""How many steps may be late before the day is ended early."""


async def play_day(folder: Path, show: Show, steps: Sequence[Step], *, serve: bool) -> bool:
    """Play all steps and inspect everything; say whether all was right. Files go to `folder`."""
    show.beginning()
    async with started(folder) as world:
        stage = Stage(world)
        async with stage.postman():
            results = await _play_all(stage, show, steps)
            show.inspecting()
            inspection = await inspect(stage)
        show.ending(results, inspection)
        if serve:
            await keep_running(stage, show)
    return not inspection.wrong and not any(result.wrong for result in results)


async def _play_all(stage: Stage, show: Show, steps: Sequence[Step]) -> list[Result]:
    """Play the steps, but not for ever where Keyturn does not answer any more."""
    results: list[Result] = []
    for step in steps:
        if sum(result.late for result in results) == ENOUGH_LATE:
            show.say("Too much was waited for in vain: the day ends here.", "bold red")
            break
        results.append(await _played(stage, show, step))
    return results


async def _played(stage: Stage, show: Show, step: Step) -> Result:
    scene = step(stage)
    with show.going_on(scene):
        result = await play(stage, scene)
    show.done(result)
    return result
