"""The words of the work table: what is looked at, by whom, and how a look ended.

Work is level-triggered. A row says "look at this subject"; waking raises a counter, so a
thousand wakes are one look, and a wake during a look makes the row due again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from keyturn.core.ids import BusinessCode


class Kind(Enum):
    """What a row of work is about. All but `RENTAL` only find out which rentals to wake."""

    RENTAL = "rental"
    JOB = "job"
    OWNER = "owner"
    UNIT = "unit"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """One thing to look at, within a business."""

    kind: str
    id: str

    @classmethod
    def of(cls, kind: Kind, subject_id: str) -> Subject:
        """Name a subject by its kind and its upstream id."""
        return cls(kind.value, subject_id)


DELTA_SWEEP = Subject.of(Kind.SWEEP, "delta")
"""Asks what has changed, in case a webhook was lost."""
UNIT_SWEEP = Subject.of(Kind.SWEEP, "units")
"""Reads the names of all units, where a name may stand in for a group."""
TASKS = Subject.of(Kind.SWEEP, "tasks")
"""The row that tells site staff of new problems."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """The right to work on one business until the lease runs out. `fence` grows with each claim."""

    business: BusinessCode
    holder: str
    fence: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkItem:
    """A claimed row: `wanted` is the wake count this look answers."""

    subject: Subject
    wanted: int
    attempts: int
    reason: str
    trace: str | None = None
    """The trace of the last wake (W3C traceparent), where traces are collected."""


class Ending(Enum):
    """How a look ended."""

    DONE = "done"
    """Nothing is left to do now."""
    HELD = "held"
    """A person, or new facts, must come first."""
    RETRY = "retry"
    """An upstream could not be used; the look is repeated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a look came to."""

    item: WorkItem
    ending: Ending
    reason: str
    """One sentence for people, without personal data."""
    again_at: datetime | None = None
    """When to look again without being woken: the next retry, a hold's next try, a planned look."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """How much work there is, for `keyturn status` and `/metrics`."""

    due: int
    running: int
    held: int
    waiting: int
    """Rows with a planned look or a retry in the future."""
    unread: int
    """Accepted deliveries none of whose rentals has been looked at since."""
    oldest_due: datetime | None
    """When the oldest row that is not done became due: held, running and retried rows included."""
