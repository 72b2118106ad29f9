"""A share of the histories; `make simulate-seeds` plays as many as one likes."""

from __future__ import annotations

from collections import Counter

import pytest

from histories.run import Batch, play_seeds, story

SEEDS = 24
PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_no_door_is_wrong(part: int) -> None:
    batch = play_seeds(range(1 + part * SEEDS // PARTS, 1 + (part + 1) * SEEDS // PARTS))
    assert not batch.wrong, "\n".join(story(seed) for seed in batch.wrong)
    assert batch.done["granted"]
    assert batch.done["requests"] > 100


def test_batches_add_up() -> None:
    batch = Batch(done=Counter(a=1))
    batch.add(Batch(wrong={3: ["a door"]}, done=Counter(a=2), cpu_s=1.0))
    assert (batch.wrong, batch.done["a"], batch.cpu_s) == ({3: ["a door"]}, 3, 1.0)
