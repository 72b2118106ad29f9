"""Where all numbers of a history come from."""

from __future__ import annotations

from random import Random


def dice(seed: int) -> Random:
    """Return a source of numbers that is the same for the same seed."""
    return Random(seed)  # noqa: S311  # a repeatable choice, no secret
