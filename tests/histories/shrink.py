"""Leaves out of a failing history what it fails without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from histories.history import History, Step

MOST_TRIES = 60


def shrunk(history: History, fails: Callable[[History], bool]) -> History:
    """Return a history with as few steps as can be found in a bounded number of tries, that still `fails`."""
    tries, size = 0, max(len(history.steps) // 2, 1)
    while tries < MOST_TRIES:
        for start in range(0, len(history.steps), size):
            shorter = replace(history, steps=_without(history.steps, start, size))
            tries += 1
            if fails(shorter):
                history = shorter
                break
            if tries >= MOST_TRIES:
                return history
        else:
            if size == 1:
                return history
            size //= 2
    return history


def _without(steps: tuple[Step, ...], start: int, size: int) -> tuple[Step, ...]:
    return steps[:start] + steps[start + size :]
