"""One webhook on its way through the first three rooms: timed, traced, and told once, however it ends.

The line in the log is `delivery`, at info. Where it could not be stored, the line is `delivery_not_stored`
with the error, at error, and there is no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from keyturn import telemetry
from keyturn.core.ids import AddonId, BusinessCode
from keyturn.core.rental import Event
from keyturn.logs import logger
from keyturn.storeganise import webhook
from keyturn.web.metrics import Metrics


class Ending(Enum):
    """How a delivery was answered, as the counters name it."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    UNSIGNED = "rejected"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    NOT_STORED = "not_stored"


@dataclass(kw_only=True, slots=True)
class Visit:
    """What is known so far."""

    label: str
    """What the counters call the sender: a business of the settings, or a word of ours."""
    ending: Ending | None = None
    business: BusinessCode | None = None
    addon_id: AddonId | None = None
    event: Event | None = None
    error: Exception | None = None
    """Why it could not be stored."""

    def read(self, event: Event, addon_id: AddonId | None) -> None:
        """Note what a verified delivery is about."""
        self.event, self.business, self.addon_id = event, event.business, addon_id

    def not_stored(self, error: Exception) -> None:
        """Note that we failed."""
        self.ending, self.error = Ending.NOT_STORED, error


@contextmanager
def visiting(metrics: Metrics, label: str) -> Iterator[Visit]:
    """Give a visit to take notes on; tell of it when the block ends with an answer."""
    visit, begun = Visit(label=label), asyncio.get_running_loop().time()
    with telemetry.received("webhook") as span:
        yield visit
        span.note(business=visit.business or visit.label, state=visit.ending, event=_kind(visit.event))
    if visit.ending is not None:
        metrics.delivery(visit.label, visit.ending.value, asyncio.get_running_loop().time() - begun)
        _tell(visit)


def _tell(visit: Visit) -> None:
    log, business = logger(), visit.business or visit.label
    if visit.error is not None:
        log.error("delivery_not_stored", business=business, addon_id=visit.addon_id, exc_info=visit.error)
        return
    say = log.warning if visit.ending is Ending.UNSIGNED else log.info
    say(
        "delivery",
        business=business,
        addon_id=visit.addon_id,
        state=visit.ending,
        event_type=_kind(visit.event),
        delivery=None if visit.event is None else visit.event.id,
    )


def _kind(event: Event | None) -> str | None:
    """Return an event's type if it is one we know: any other is a stranger's text."""
    return None if event is None else event.type if event.type in webhook.KNOWN_EVENTS else "other"
