"""Plays many histories, in several processes, and tells the story of each one that ends wrongly.

make simulate-seeds SEEDS=1000 FROM=1 JOBS=2
make simulate-seeds SEED=17
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from histories.history import DEEDS, TROUBLE, WEBHOOKS, History, history_of
from histories.mishaps import FAULTS, REFUSALS
from histories.play import Result, tell
from histories.shrink import shrunk

MUST_HAPPEN = (
    *DEEDS,
    *WEBHOOKS,
    *TROUBLE,
    *(f"fault {name}" for name in (*FAULTS, *REFUSALS, "outage", "forbidden", "stuck")),
    *("granted", "closed", "PIN set", "PIN changed", "crashed", "crashed beside another"),
)
"""Everything that must happen in a run that is long enough: histories in which nothing happens prove nothing."""
ENOUGH = 1000
"""From how many histories on everything must have happened."""
CHUNK = 25
"""Histories per task."""


@dataclass(kw_only=True)
class Batch:
    """What came of some seeds."""

    wrong: dict[int, list[str]] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    cpu_s: float = 0.0

    def add(self, other: Batch) -> None:
        """Add what came of others."""
        self.wrong |= other.wrong
        self.done.update(other.done)
        self.cpu_s += other.cpu_s


def outcome(history: History) -> Result:
    """Let a history happen; what it raises is one more thing that is wrong."""
    try:
        return tell(history)
    except Exception as error:  # noqa: BLE001  # whatever it is, the seed belongs to it
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Result(history=history, wrong=[f"{type(error).__name__}: {error} ({where.name}:{where.lineno})"])


def play_seeds(seeds: Sequence[int]) -> Batch:
    """Let the histories of these seeds happen."""
    gc.set_threshold(50_000, 50, 100)  # a history leaves few cycles, and looking for them took a seventh of the time
    batch, begun = Batch(), time.process_time()
    for seed in seeds:
        result = outcome(history_of(seed))
        batch.done.update(result.done)
        batch.done["requests"] += len(result.log)
        if result.wrong:
            batch.wrong[seed] = result.wrong
    batch.cpu_s = time.process_time() - begun
    return batch


def story(seed: int) -> str:
    """Return the shortest story of a seed that was found to end wrongly, in lines for people."""
    history = history_of(seed)
    result = outcome(history)
    if result.wrong:
        history = shrunk(history, lambda shorter: bool(outcome(shorter).wrong))
        result = outcome(history)
    lines = [f"Seed {seed}; once more: make simulate-seeds SEED={seed}", f"  {history.plan}"]
    lines += [f"  {step}" for step in history.steps]
    lines += ["What happened:", *(f"  {line}" for line in result.log)]
    return "\n".join([*lines, "What is wrong:", *(f"  {what}" for what in result.wrong or ["nothing"])])


def play_many(first: int, count: int, jobs: int) -> Batch:
    """Let the histories of `count` seeds happen, in so many processes."""
    chunks = [range(n, min(n + CHUNK, first + count)) for n in range(first, first + count, CHUNK)]
    batch = Batch()
    if jobs == 1:
        for chunk in chunks:
            batch.add(play_seeds(chunk))
        return batch
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done in pool.map(play_seeds, chunks):
            batch.add(done)
            sys.stdout.write(".")
            sys.stdout.flush()
    say("")
    return batch


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")


def main() -> int:
    """Play what the command line asks for; return 1 where something ended wrongly."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seed", type=int, help="tell the story of one seed")
    asked.add_argument("--seeds", type=int, default=1000, help="how many")
    asked.add_argument("--from", type=int, default=1, dest="first", help="the first of them")
    asked.add_argument("--jobs", type=int, default=2, help="in how many processes")
    given = asked.parse_args()
    if given.seed is not None:
        say(told := story(given.seed))
        return 0 if told.endswith("nothing") else 1
    batch = play_many(given.first, given.seeds, given.jobs)
    for what, count in sorted(batch.done.items()):
        say(f"{count:>9}  {what}")
    for seed in sorted(batch.wrong)[:3]:
        say(story(seed))
    missing = [what for what in MUST_HAPPEN if not batch.done[what]]
    say(f"never happened: {', '.join(missing) or 'nothing'}")
    wrong = ", ".join(str(seed) for seed in sorted(batch.wrong)) or "none"
    say(f"{given.seeds} histories, {batch.cpu_s / given.seeds:.2f} s of CPU each; ended wrongly: {wrong}")
    return 1 if batch.wrong or (missing and given.seeds >= ENOUGH) else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets must not differ between two runs
        again = [sys.executable, "-m", "histories.run", *sys.argv[1:]]
        os.execve(again[0], again, {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606  # this very program
    sys.exit(main())
