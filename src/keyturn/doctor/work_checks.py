"""What is left to do, and what people have to solve: counted here, shown by `keyturn status`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from keyturn.core.ids import BusinessCode
from keyturn.core.problem import ProblemCode
from keyturn.core.work import Load
from keyturn.doctor.finding import Code, Finding, Severity
from keyturn.store.problems import Problem
from keyturn.store.work import WorkRow

TOO_LONG = timedelta(minutes=10)
"""Work that is due is taken within seconds; after so long nobody is taking any."""
ELSEWHERE = frozenset(
    code.value for code in (ProblemCode.FIELD_NOT_KEPT, ProblemCode.WRITE_REFUSED, ProblemCode.ADDON_ADDRESS)
)
"""Problems that have a finding of their own."""


def of_load(load: Load, now: datetime) -> list[Finding]:
    """Say so where work is due and nobody works."""
    if not load.due or load.running or load.oldest_due is None or now - load.oldest_due < TOO_LONG:
        return []
    return [
        Finding(
            code=Code.WORK_WAITS,
            severity=Severity.ERROR,
            about="worker",
            text=f"{load.due} subjects are due, the oldest since {load.oldest_due:%Y-%m-%d %H:%M} UTC; nobody works.",
            advice="Start `keyturn serve` or `keyturn worker`; if one runs, look at its log.",
        )
    ]


def of_problems(business: BusinessCode, problems: Sequence[Problem]) -> list[Finding]:
    """Count the open problems of a business."""
    counts = Counter(problem.code for problem in problems if problem.code not in ELSEWHERE)
    if not counts:
        return []
    listed = ", ".join(f"{count} {code}" for code, count in sorted(counts.items()))
    return [
        Finding(
            code=Code.OPEN_PROBLEMS,
            severity=Severity.WARNING,
            business=business,
            about="problems",
            text=f"Somebody has to solve: {listed}.",
            advice="`keyturn status` lists each with what to do; docs/rental-lifecycle.md explains them.",
        )
    ]


def of_held(business: BusinessCode, held: Sequence[WorkRow]) -> list[Finding]:
    """Count what is held."""
    if not held:
        return []
    return [
        Finding(
            code=Code.HELD,
            severity=Severity.WARNING,
            business=business,
            about="held",
            text=f"{len(held)} rentals or other subjects are held.",
            advice="`keyturn status` says why; `keyturn explain RENTAL` shows everything about one.",
        )
    ]
