"""How long to wait before the next try."""

from __future__ import annotations

from datetime import timedelta

FIRST_WAIT = timedelta(seconds=1)


def wait_before(attempt: int, *, chance: float, cap: timedelta, asked: timedelta | None = None) -> timedelta:
    """Return the wait before try number `attempt` + 1.

    Exponential from about a second up to `cap`, with jitter from `chance` (0 to 1): between half
    the step and the whole step. What the upstream asked for (`Retry-After`) is honoured up to `cap`.
    """
    doublings: int = 2 ** min(max(attempt, 1) - 1, 32)
    step = min(FIRST_WAIT * doublings, cap)
    wait = step / 2 + step / 2 * chance
    return min(max(wait, asked or timedelta()), cap)


def wait_for_pause(rest: timedelta, *, chance: float, cap: timedelta) -> timedelta:
    """Return the wait for an upstream that is left alone for `rest`: just past it, and not all at once.

    The pause grows by itself while the upstream stays down, so waiting for its end is patient enough, and what was
    held up runs as soon as the upstream is back.
    """
    return min(rest + FIRST_WAIT * chance, cap + FIRST_WAIT)
