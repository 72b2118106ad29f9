"""Everything the demo prints: a line per step while it runs, then the table. Colours on a terminal only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console
from rich.text import Text

from keyturn.demo.inspection import Inspection
from keyturn.demo.scene import Result, Scene
from keyturn.demo.table import day_table, in_words, moved

WIDTH = 120
"""Columns where no terminal says how many it has."""


class Show:
    """The screen."""

    def __init__(self) -> None:
        console = Console(highlight=False)
        if not console.is_terminal and "COLUMNS" not in os.environ:
            console = Console(highlight=False, width=WIDTH)
        self._console = console

    def say(self, words: str = "", style: str = "") -> None:
        """Print a line, wherever it ends."""
        self._console.print(Text(words, style=style), soft_wrap=True)

    def beginning(self) -> None:
        """Say what is about to happen."""
        self.say("A day with Keyturn: two sites, 40 units, Storeganise and Sensorberg simulated on this machine.")
        self.say()

    def going_on(self, scene: Scene) -> AbstractContextManager[object]:
        """Show the step that runs; nothing where there is no terminal."""
        words = Text(f"{scene.at:%H:%M}  {scene.title}: {scene.asked}")
        return self._console.status(words) if self._console.is_terminal else nullcontext()

    def done(self, result: Result) -> None:
        """Print how a step ended."""
        sign, style = ("wrong", "bold red") if result.wrong else ("right", "green")
        line = Text(f"{result.at:%H:%M}  ")
        line.append(sign, style=style)
        line.append(f"  {result.title}: {result.asked}")
        if result.took is not None:
            line.append(f"  {in_words(result.took)}", style="cyan")
        self._console.print(line, soft_wrap=True)

    def inspecting(self) -> None:
        """Say that the day is over."""
        self.say("Trying every door with every PIN ...")
        self.say()

    def ending(self, results: Sequence[Result], inspection: Inspection) -> None:
        """Print the table, what it adds up to, and what is wrong."""
        self._console.print(day_table(results, self._console.width))
        self._sum_up(results, inspection)
        wrong = [words for result in results for words in result.wrong] + list(inspection.wrong)
        if wrong:
            self.say()
            self.say(f"{len(wrong)} things are wrong:" if len(wrong) > 1 else "One thing is wrong:", "bold red")
            for words in wrong:
                self.say(f"  - {words}")

    def _sum_up(self, results: Sequence[Result], inspection: Inspection) -> None:
        changed = [result.took for result in results if result.took is not None and not result.measured]
        slowest = f"slowest access {in_words(max(changed))}" if changed else "no access measured"
        moves = sum(moved(result) for result in results)
        self.say(
            f"{inspection.webhooks} webhooks; {inspection.storeganise_requests} requests to Storeganise, "
            f"{inspection.sensorberg_requests} to Sensorberg; {moves} doors opened or shut; {slowest}."
        )
        self.say(
            f"{inspection.doors} doors checked with every PIN of the day ({inspection.tried} tries): "
            f"{len(inspection.wrong_doors)} wrong.",
            "bold red" if inspection.wrong_doors else "bold green",
        )
        self.say(f"Then quiet until {inspection.quiet_until:%H:%M}: {inspection.later_requests} requests.")

    def what_next(self) -> None:
        """Say what to try next."""
        self.say()
        self.say("Next: `keyturn demo --serve` keeps all of it running to play with.")
        self.say("docs/quickstart.md connects your own Storeganise account.")

    def report(self, log: Path) -> None:
        """Say what to do about a day that went wrong."""
        self.say()
        self.say("This should not happen. Please report it with the lines above and with what Keyturn logged:")
        self.say(f"  {log}")
