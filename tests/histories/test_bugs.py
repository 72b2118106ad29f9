"""Each planted bug is caught, and the history that catches it ends well without the bug."""

from __future__ import annotations

import pytest

from histories.bugs import BUGS
from histories.history import history_of
from histories.run import outcome
from histories.shrink import shrunk

MOST_SEEDS = 25


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name: str) -> None:
    """It breaks the invariant that it is about, within a few histories."""
    bug = BUGS[name]
    for seed in range(bug.seed, bug.seed + MOST_SEEDS):
        history = history_of(seed, bug.theme)
        with bug.plant():
            caught = any(line.startswith(f"{bug.seen_as}:") for line in outcome(history).wrong)
        if caught:
            assert outcome(history).wrong == []
            return
    pytest.fail(f"not caught in {MOST_SEEDS} histories: {name}")


def test_a_failing_history_is_shrunk() -> None:
    """What has nothing to do with the failure is left out."""
    history = history_of(5)
    wanted = history.steps[3]
    shorter = shrunk(history, lambda tried: wanted in tried.steps)
    assert shorter.steps == (wanted,)
