"""The words that only the tables use."""

from __future__ import annotations

from enum import Enum


class DeliveryState(Enum):
    """What was made of a delivery."""

    ACCEPTED = "accepted"
    """It named what to look at, and that was woken."""
    IGNORED = "ignored"
    """An event nobody needs."""
    UNRESOLVED = "unresolved"
    """A known event that names nothing."""


class WorkState(Enum):
    """Where a row of work stands. A row whose `due_at` has come is looked at, unless it is running."""

    IDLE = "idle"
    """Nothing is left to do; `due_at` is a planned look, if there is one."""
    DUE = "due"
    """To be looked at as soon as `due_at` has come."""
    RUNNING = "running"
    """The lane's holder is looking at it."""
    HELD = "held"
    """A person, or new facts, must come first; `due_at` is the next try without them."""
