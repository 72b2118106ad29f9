"""What is confirmed for now only, and is written once more a minute later.

A write whose answer was lost, to a time-out or with the worker that made it, may still lie in a queue in front of
the backend. What is confirmed meanwhile it can undo: a removal that found nothing, before the create arrived. So
what an unanswered call was about is written once more when that call can no longer come. The same is done where a
membership that was known is suddenly not found, for a wrong 404 to a lock would leave a door open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from keyturn.core.memory import CodeMemory, Record, RecordState

LATEST = timedelta(minutes=1)
"""How long after a look has found a call unanswered it may still take effect: longer than gateways keep a request."""


def doubted(record: Record, now: datetime) -> Record:
    """Return a membership as it is to be taken at the start of a look."""
    if record.state is RecordState.SENT:
        return replace(record, unsure_until=now + LATEST)
    if _is_over(record.unsure_until, now):
        return replace(record, state=RecordState.UNKNOWN, unsure_until=None)
    return record


def not_found(record: Record, before: Record | None, now: datetime) -> Record:
    """Return a membership that was not found, doubted if it was known `before`."""
    known = before is not None and before.state is RecordState.KNOWN
    return replace(record, unsure_until=now + LATEST) if known else record


def doubted_code(code: CodeMemory, now: datetime) -> CodeMemory:
    """Return a user's code as it is to be taken at the start of a look: one with `sent` is pushed anew."""
    if code.sent is not None:
        return replace(code, unsure_until=now + LATEST)
    if _is_over(code.unsure_until, now):
        return replace(code, sent=code.in_force, unsure_until=None)
    return code


def unsure_until(records: Iterable[Record], codes: Iterable[CodeMemory]) -> datetime | None:
    """Return when to look again at what is confirmed and may yet be undone; `None` where nothing is."""
    settled = [record.unsure_until for record in records if record.state in {RecordState.KNOWN, RecordState.GONE}]
    pushed = [code.unsure_until for code in codes if code.sent is None]
    return min((until for until in (*settled, *pushed) if until is not None), default=None)


def _is_over(until: datetime | None, now: datetime) -> bool:
    return until is not None and until <= now
