"""Do the clocks agree? Sensorberg opens and shuts by its own clock, leases count by the database's."""

from __future__ import annotations

from datetime import timedelta

from keyturn.core.ids import BusinessCode
from keyturn.doctor.finding import Code, Finding, Severity

TOLERATED = timedelta(seconds=30)
"""`Date` headers are cut to the second, and an answer may be some seconds on its way."""


def of_difference(theirs: str, ahead: timedelta | None, business: BusinessCode | None = None) -> list[Finding]:
    """Judge how far a clock is ahead of ours; `None`: it was not seen."""
    if ahead is None or abs(ahead) <= TOLERATED:
        return []
    way = "ahead of" if ahead > timedelta() else "behind"
    return [
        Finding(
            code=Code.CLOCK,
            severity=Severity.WARNING,
            business=business,
            about=f"clock of {theirs}",
            text=f"It is {abs(ahead).total_seconds():.0f} s {way} the clock that Keyturn goes by.",
            advice=(
                "Let this machine and the database server keep their time with NTP (`timedatectl`). If they are right "
                "and the other is not, tell its operator: PINs would open and lock at the wrong moment."
            ),
        )
    ]
