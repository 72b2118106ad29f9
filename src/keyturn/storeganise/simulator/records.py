"""The resources of one account: kept as plain dicts, read as copies.

Nobody outside the simulator gets a live dict, so a test cannot change the account by accident.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo

from keyturn.clock import Clock
from keyturn.simulation.changes import Changes
from keyturn.storeganise.simulator.ids import Ids, timestamp
from keyturn.storeganise.simulator.knobs import Knobs
from keyturn.storeganise.simulator.shapes import Resource

Collection = Literal["sites", "units", "users", "rentals", "jobs"]


class RefusedError(ValueError):
    """Storeganise would not allow this: the unit is taken, the rental is over, a field is read-only."""


class Records:
    """What an account knows, and its clock, ids and knobs."""

    def __init__(self, *, code: str, clock: Clock, knobs: Knobs, series: int, timezone: str, changes: Changes) -> None:
        self.code = code
        self.clock = clock
        self.knobs = knobs
        self.timezone = ZoneInfo(timezone)
        self.changes = changes
        self.ids = Ids(clock, series)
        self.table: dict[Collection, dict[str, Resource]] = {
            "sites": {},
            "units": {},
            "users": {},
            "rentals": {},
            "jobs": {},
        }
        self.transfer_rentals: dict[str, tuple[str, str]] = {}
        """Per transfer job: the old and the new rental."""
        self.paid: list[str] = []
        """Rentals that are paid but keep their mark until the next overdue run."""
        self.hidden: set[str] = set()
        """Ids of records the API does not show (404, missing from lists), as a key without the permission sees it."""
        self.api_user = self.ids.new()
        """Id of the user the API key belongs to."""

    def rental(self, ident: str) -> Resource:
        """Return a copy of a rental; KeyError when it does not exist."""
        return copy.deepcopy(self.table["rentals"][ident])

    def user(self, ident: str) -> Resource:
        """Return a copy of a user; KeyError when it does not exist."""
        return copy.deepcopy(self.table["users"][ident])

    def unit(self, ident: str) -> Resource:
        """Return a copy of a unit; KeyError when it does not exist."""
        return copy.deepcopy(self.table["units"][ident])

    def site(self, ident: str) -> Resource:
        """Return a copy of a site; KeyError when it does not exist."""
        return copy.deepcopy(self.table["sites"][ident])

    def job(self, ident: str) -> Resource:
        """Return a copy of a job; KeyError when it does not exist."""
        return copy.deepcopy(self.table["jobs"][ident])

    @property
    def rentals(self) -> dict[str, Resource]:
        """Copies of all rentals."""
        return copy.deepcopy(self.table["rentals"])

    @property
    def users(self) -> dict[str, Resource]:
        """Copies of all users."""
        return copy.deepcopy(self.table["users"])

    @property
    def units(self) -> dict[str, Resource]:
        """Copies of all units."""
        return copy.deepcopy(self.table["units"])

    @property
    def sites(self) -> dict[str, Resource]:
        """Copies of all sites."""
        return copy.deepcopy(self.table["sites"])

    @property
    def tasks(self) -> list[Resource]:
        """Copies of all task jobs, oldest first."""
        return [copy.deepcopy(job) for job in self.table["jobs"].values() if job["type"] == "task"]

    def move_in_job(self, rental: str) -> str:
        """Return the id of the job a rental came from."""
        return str(self.table["rentals"][rental]["moveInJobId"])

    def now(self) -> str:
        """Return the present instant as the API writes it."""
        return timestamp(self.clock.now())

    def put(self, collection: Collection, resource: Resource) -> str:
        """Keep a new resource and return its id."""
        self.table[collection][resource["id"]] = resource
        self.changes.notify()
        return str(resource["id"])

    def touch(self, resource: Resource, fields: Mapping[str, Any], *, without: Iterable[str] = ()) -> None:
        """Change fields of a live resource, drop those in `without`, and move its `updated`."""
        resource.update(fields)
        for key in without:
            resource.pop(key, None)
        resource["updated"] = self.now()
        self.changes.notify()

    def require(self, condition: object, why: str) -> None:
        """Raise `RefusedError` unless `condition` holds."""
        if not condition:
            raise RefusedError(why)
