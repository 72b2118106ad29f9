"""What the engine needs from the system that knows the rentals.

The one implementation is the Storeganise client; the engine sees only this protocol and the
facts of `core.rental`. Every method raises exactly one of `keyturn.errors.UpstreamError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from keyturn.core.ids import AddonId, JobId, OwnerId, RentalId, SiteId, UnitId
from keyturn.core.installation import AddonRecord
from keyturn.core.problem import Target
from keyturn.core.rental import Job, Missing, Owner, Pin, Rental, Site, Tenancy, Unit


class Source(Protocol):
    """One business' account."""

    async def rental(self, rental_id: RentalId) -> Tenancy:
        """Read one rental with its unit and owner. Raises `NotFound`."""
        ...

    async def rentals(self, rental_ids: Sequence[RentalId]) -> list[Tenancy]:
        """Read up to 50 rentals in one list. Those the account does not show are left out of the answer."""
        ...

    async def rentals_of(self, owner_id: OwnerId) -> list[Tenancy]:
        """Read all rentals of an owner, with units and owner. Complete, or an error."""
        ...

    async def changed_since(self, instant: datetime) -> list[RentalId]:
        """List the rentals changed since `instant`, which is included. Complete, or an error."""
        ...

    async def units(self) -> list[Unit]:
        """List all units. Complete, or an error."""
        ...

    async def unit(self, unit_id: UnitId) -> Unit:
        """Read one unit. Raises `NotFound`."""
        ...

    async def site(self, site_id: SiteId, *, fresh: bool = False) -> Site:
        """Read one site, from the cache unless `fresh`. Raises `NotFound`."""
        ...

    async def sites(self) -> list[Site]:
        """List all sites. Complete, or an error."""
        ...

    @property
    def installations(self) -> Sequence[AddonId]:
        """The add-on installations through which the account is reached."""
        ...

    async def addon(self, addon_id: AddonId) -> AddonRecord:
        """Read one of these installations now, with its own key. Raises `NotFound`."""
        ...

    @property
    def ahead(self) -> timedelta | None:
        """How far the account's clock is ahead of ours, by its last answer; `None` where it did not say."""
        ...

    def forget(self) -> None:
        """Drop cached records: the credentials they carry were refused."""
        ...

    async def job(self, job_id: JobId) -> Job:
        """Read one job. Raises `NotFound`."""
        ...

    async def write_owner_pin(self, owner_id: OwnerId, pin: Pin) -> Owner | None:
        """Write the owner's PIN field; return the owner as the answer shows it, if it does."""
        ...

    async def write_rental(
        self, rental_id: RentalId, *, pin: Pin | Missing | None = None, overlocked: bool | None = None
    ) -> Rental | None:
        """Write a rental's fields in one request; `None` leaves a field alone, `Missing.EMPTY` clears the PIN copy.

        Returns the rental as the answer shows it, if it does.
        """
        ...

    async def post_task(self, target: Target, title: str, text: str) -> None:
        """Leave a task for site staff on a record. Never repeated here.

        Raises `Unavailable`, whose `uncertain` says whether the task may be there all the same.
        """
        ...
