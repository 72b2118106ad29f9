"""A rental that Storeganise no longer shows: held, confirmed, and only then revoked.

A missing row may be a permission slip or a broken filter. A revoke needs two reads at least
`confirm_vanished` apart, each with a control read by the same key that shows the known unit,
which no longer names the rental; and never for many rentals of a site within a day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keyturn.core.entitlement import Desired
from keyturn.core.membership import Access
from keyturn.core.memory import RentalMemory
from keyturn.core.policy import Policy
from keyturn.core.problem import Problem, ProblemCode
from keyturn.core.rental import Unit

LATELY = timedelta(days=1)
"""The window in which vanished rentals of a site are counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disappearance:
    """One read that did not find a rental."""

    memory: RentalMemory
    control: Unit | None
    """The rental's last unit, as the control read shows it; `None` when that read failed."""
    lately: int
    """How many other rentals of the site vanished within a day of this one, or later."""
    policy: Policy
    now: datetime


def judge(case: Disappearance) -> Desired:
    """Decide about a rental that was not found."""
    memory, now = case.memory, case.now
    unit = case.control
    if unit is None or unit.id != memory.unit_id or unit.site_id != memory.site_id:
        return _hold(memory, "Storeganise does not show the rental, and its unit could not be read to confirm it")
    if unit.rental_id == memory.id:
        return _hold(memory, "Storeganise does not show the rental, but its unit still names it")
    since = memory.vanished_at or now
    memory = replace(memory, vanished_at=since)
    if case.lately > case.policy.many - 1:
        return _hold(memory, "too many rentals of the site vanished within a day", _many(memory))
    if now - since >= case.policy.confirm_vanished:
        gone = replace(memory, live=False, covered_by=None)
        return Desired(access=Access.NONE, reason="the rental is gone, confirmed by a second read", memory=gone)
    return _hold(memory, "Storeganise does not show the rental; a second read will confirm it")


def _hold(memory: RentalMemory, reason: str, *problems: Problem) -> Desired:
    return Desired(access=Access.HOLD, reason=reason, memory=memory, problems=problems)


def _many(memory: RentalMemory) -> Problem:
    return Problem(code=ProblemCode.VANISHED, subject_kind="site", subject_id=memory.site_id or "")
