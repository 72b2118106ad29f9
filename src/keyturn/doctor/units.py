"""Which units have no access group, and which share one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from keyturn.core.ids import BusinessCode
from keyturn.core.policy import Policy
from keyturn.core.rental import Missing, Unit
from keyturn.doctor.finding import Code, Finding, Severity
from keyturn.storeganise.fields import GROUP

MOST_NAMED = 10
"""So many units are named; the rest is counted."""


def of_units(
    business: BusinessCode, units: Sequence[Unit], everywhere: Sequence[Unit], policy: Policy
) -> list[Finding]:
    """Look at the units of the sites in scope. `everywhere`: all units of the account, whose names count as taken."""
    return [*_unmapped(business, units, everywhere, policy), *_shared(business, units)]


def _unmapped(
    business: BusinessCode, units: Sequence[Unit], everywhere: Sequence[Unit], policy: Policy
) -> Iterator[Finding]:
    taken = Counter(word for unit in everywhere for word in {unit.name, unit.group} if isinstance(word, str))
    bare = [unit for unit in units if unit.group is Missing.EMPTY]
    if policy.group_from_unit_name:
        bare = [unit for unit in bare if not unit.name or taken[unit.name] > 1]
    if bare:
        stand_in = " Their names cannot stand in: another unit has the same one." if policy.group_from_unit_name else ""
        yield Finding(
            code=Code.UNMAPPED_UNITS,
            severity=Severity.WARNING,
            business=business,
            about=f"{len(bare)} of {len(units)} units",
            text=f"They have no access group, so a tenant there gets no access: {named(bare)}.{stand_in}",
            advice=f"Enter the External Identifier of their access groups at Sensorberg in their field {GROUP.code}.",
        )


def _shared(business: BusinessCode, units: Sequence[Unit]) -> Iterator[Finding]:
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        if isinstance(unit.group, str):
            groups.setdefault(unit.group, []).append(unit)
    for group, on_it in sorted(groups.items()):
        if len(on_it) > 1:
            yield Finding(
                code=Code.GROUP_SHARED,
                severity=Severity.WARNING,
                business=business,
                about=f"access group {group}",
                text=f"{len(on_it)} units have it: {named(on_it)}. Only the tenant of one of them gets access.",
                advice=f"Correct the field {GROUP.code} of all but one, with the access group of their own door.",
            )


def named(units: Sequence[Unit]) -> str:
    """Name units, some of many."""
    names = sorted(unit.name or unit.id for unit in units)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
