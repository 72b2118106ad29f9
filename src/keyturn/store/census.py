"""How many problems and installations there are, for `/metrics`: two small counts in one snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from keyturn.core.installation import InstallationState
from keyturn.core.problem import ProblemCode
from keyturn.store.database import Database
from keyturn.store.schema import installations, problems


@dataclass(frozen=True, kw_only=True, slots=True)
class Census:
    """The counts at one instant."""

    problems: Mapping[ProblemCode, int]
    """Open problems by code. A code that this version does not know is left out."""
    installations: Mapping[InstallationState, int]


async def take_census(database: Database) -> Census:
    """Count. Raises `DatabaseUnavailable`."""
    return await database.read(_count)


def _count(connection: Connection) -> Census:
    by_code = connection.execute(select(problems.c.code, func.count()).group_by(problems.c.code))
    by_state = connection.execute(select(installations.c.state, func.count()).group_by(installations.c.state))
    known = {code.value: code for code in ProblemCode}
    return Census(
        problems={known[code]: count for code, count in by_code if code in known},
        installations={InstallationState(state): count for state, count in by_state},
    )
