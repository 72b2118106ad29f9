"""What could not be done in a look, and when it is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from keyturn.core.retry import wait_before, wait_for_pause
from keyturn.core.work import Ending, Outcome, WorkItem
from keyturn.engine.business import Rules
from keyturn.errors import CredentialsRejected, Unavailable, UpstreamError


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a subject could not be brought to what is wanted."""

    ending: Ending
    reason: str
    retry_after: timedelta | None = None
    paused_for: timedelta | None = None
    """The upstream is left alone for so long."""
    again_at: datetime | None = None
    """A moment that the decision itself asks for, instead of the usual wait."""


def failure_of(error: UpstreamError) -> Failure:
    """Classify an upstream's failure: unavailable comes by itself, everything else waits for people or new facts."""
    match error:
        case Unavailable():
            retry_after, paused_for = error.retry_after, error.paused_for
            return Failure(ending=Ending.RETRY, reason=str(error), retry_after=retry_after, paused_for=paused_for)
        case CredentialsRejected():
            # At once: the records that carry them are read anew. If they are still the same, the upstream is paused.
            return Failure(ending=Ending.RETRY, reason=str(error))
        case _:
            return Failure(ending=Ending.HELD, reason=str(error))


def outcome_of(item: WorkItem, failure: Failure, rules: Rules, now: datetime) -> Outcome:
    """Return the outcome of a failed look, with the time of the next try."""
    chance, cap = rules.chance(), rules.retry_cap
    if failure.ending is Ending.HELD:
        wait = rules.retry_refused
    elif failure.paused_for is not None:
        wait = wait_for_pause(failure.paused_for, chance=chance, cap=cap)
    else:
        wait = wait_before(item.attempts + 1, chance=chance, cap=cap, asked=failure.retry_after)
    again_at = failure.again_at or now + wait
    return Outcome(item=item, ending=failure.ending, reason=failure.reason, again_at=again_at)
