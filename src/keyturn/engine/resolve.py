"""Rows that are not rentals: find out which rentals to wake.

A job is read once for the rentals it names; an owner and a unit wake the rentals known on them; a
sweep asks for everything that changed since the last one, so that a lost event is made good. One row finds no
rentals: it tells site staff of problems (`engine.tasks`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta

from keyturn import telemetry
from keyturn.clock import Clock
from keyturn.core.ids import JobId, OwnerId, RentalId, SiteId, TenantUrl, UnitId
from keyturn.core.memory import TransferPair
from keyturn.core.rental import Job
from keyturn.core.work import DELTA_SWEEP, TASKS, UNIT_SWEEP, Ending, Kind, Lane, Outcome, Subject, WorkItem
from keyturn.engine.business import Business, Rules
from keyturn.engine.failure import Failure, failure_of, outcome_of
from keyturn.engine.tasks import Tasks
from keyturn.errors import DatabaseUnavailable, LeaseLost, NotFound, UpstreamError
from keyturn.logs import logger
from keyturn.store.businesses import Businesses
from keyturn.store.ledger import Ledger
from keyturn.store.problems import Problems
from keyturn.store.units import UnitName, UnitNames
from keyturn.store.work import Work

UNITS_EVERY = timedelta(hours=12)
"""How often the names of all units are read, where policy lets a name stand in for a group."""
TRANSFER = "unit_transfer"
"""The type of job that moves a tenant from one unit to another."""
OVERLAP = timedelta(minutes=2)
"""How far a sweep reaches back before the last one: whether a change at the boundary is listed is not known."""


class Resolver:
    """Turns one row into wakes of rentals."""

    def __init__(
        self,
        *,
        business: Business,
        lane: Lane,
        clock: Clock,
        work: Work,
        ledger: Ledger,
        businesses: Businesses,
        names: UnitNames,
        problems: Problems,
        rules: Rules,
    ) -> None:
        self._tasks = Tasks(business=business, lane=lane, clock=clock, problems=problems, rules=rules)
        self._business = business
        self._lane = lane
        self._clock = clock
        self._work = work
        self._ledger = ledger
        self._businesses = businesses
        self._names = names
        self._rules = rules

    async def resolve(self, item: WorkItem) -> Outcome:
        """Resolve one row. Raises `LeaseLost` and `DatabaseUnavailable`; every other failure becomes an outcome."""
        subject, code = item.subject, self._business.code
        with telemetry.woken(
            "resolve", [item.trace], business=code, subject_kind=subject.kind, subject_id=subject.id
        ) as span:
            try:
                outcome = await self._resolved(item)
            except UpstreamError as error:
                outcome = outcome_of(item, failure_of(error), self._rules, self._clock.now())
            except (LeaseLost, DatabaseUnavailable):
                raise
            except Exception as error:  # noqa: BLE001 - one row that breaks us must not stop the lane
                logger().error("look_failed", business=code, exc_info=error)
                broken = Failure(ending=Ending.RETRY, reason=f"internal error ({type(error).__name__})")
                outcome = outcome_of(item, broken, self._rules, self._clock.now())
            span.note(ending=outcome.ending)
            return outcome

    async def _resolved(self, item: WorkItem) -> Outcome:
        match item.subject.kind:
            case Kind.JOB.value:
                rentals = await self._of_job(JobId(item.subject.id))
            case Kind.OWNER.value:
                rentals = await self._of_owner(OwnerId(item.subject.id))
            case Kind.UNIT.value:
                rentals = await self._of_unit(UnitId(item.subject.id))
            case _ if item.subject == UNIT_SWEEP:
                return await self._read_units(item)
            case _ if item.subject == TASKS:
                return await self._tasks.tell(item)
            case _:
                return await self._sweep(item)
        return await self._woken(item, rentals)

    async def _woken(self, item: WorkItem, rentals: Iterable[RentalId]) -> Outcome:
        subjects = [Subject.of(Kind.RENTAL, rental) for rental in sorted(set(rentals))]
        if not subjects and item.subject.kind == Kind.JOB.value:
            subjects = [DELTA_SWEEP]
        if subjects:
            await self._work.wake(self._business.code, subjects, item.reason, trace=telemetry.current_trace())
        reason = f"woke {len(subjects)}" if subjects else "nothing to do, because no rental is known for it"
        return Outcome(item=item, ending=Ending.DONE, reason=reason)

    async def _of_job(self, job_id: JobId) -> list[RentalId]:
        """Return the rentals a job names; else every rental known on its unit, and the unit's current one."""
        try:
            job = await self._business.source.job(job_id)
        except NotFound:
            return []
        if job.transfer is not None:
            old, new = job.transfer
            await self._ledger.save(self._lane, transfers=[TransferPair(old=old, new=new)])
        elif job.type == TRANSFER:
            return [*await self._of_owners(job.rentals), *await self._on_unit_of(job)]
        return list(job.rentals) if job.rentals else await self._on_unit_of(job)

    async def _on_unit_of(self, job: Job) -> list[RentalId]:
        return [] if job.unit_id is None else await self._of_unit(job.unit_id)

    async def _of_owners(self, rentals: Sequence[RentalId]) -> list[RentalId]:
        """Return these rentals and all others of their owners: a transfer that names one of its two rentals only."""
        found = list(rentals)
        for rental in rentals:
            with suppress(NotFound):
                owner = (await self._business.source.rental(rental)).rental.owner_id
                found += await self._of_owner(owner) if owner is not None else []
        return found

    async def _of_owner(self, owner: OwnerId) -> list[RentalId]:
        """Return the owner's rentals that are not over; all of them are asked for where none is remembered."""
        known = await self._ledger.rentals_of(self._business.code, owner)
        if known:
            return [memory.id for memory in known if memory.ended is None]
        return [tenancy.rental.id for tenancy in await self._business.source.rentals_of(owner)]

    async def _of_unit(self, unit_id: UnitId) -> list[RentalId]:
        known = await self._ledger.on_unit(self._business.code, unit_id)
        rentals = [memory.id for memory in known if memory.ended is None]
        try:
            unit = await self._business.source.unit(unit_id)
        except NotFound:
            return rentals
        return [*rentals, unit.rental_id] if unit.rental_id is not None else rentals

    async def _sweep(self, item: WorkItem) -> Outcome:
        """Wake everything that changed since the last sweep; the next one is planned."""
        began = self._clock.now()
        since = await self._businesses.cursor(self._business.code) or self._business.memory_since
        changed = await self._business.source.changed_since(since - OVERLAP)
        if changed:
            subjects = [Subject.of(Kind.RENTAL, rental) for rental in sorted(set(changed))]
            trace = telemetry.current_trace()
            await self._work.wake(self._business.code, subjects, "found by a sweep", trace=trace)
        await self._businesses.move_cursor(self._lane, began)
        again = began + self._rules.delta_every
        return Outcome(item=item, ending=Ending.DONE, reason=f"found {len(changed)} changed", again_at=again)

    async def _read_units(self, item: WorkItem) -> Outcome:
        """Remember the names and groups of all units, for a name may stand in for a group only if it is unique."""
        units = await self._business.source.units()
        tenants = {site: await self._tenant(site) for site in {unit.site_id for unit in units}}
        rows = [UnitName(unit=unit, tenant=tenant) for unit in units if (tenant := tenants[unit.site_id]) is not None]
        await self._names.replace(self._business.code, rows, self._clock.now())
        again = self._clock.now() + UNITS_EVERY
        return Outcome(item=item, ending=Ending.DONE, reason=f"read {len(units)} units", again_at=again)

    async def _tenant(self, site_id: SiteId | None) -> TenantUrl | None:
        if site_id is None:
            return None
        provider = self._business.provider_for(await self._business.source.site(site_id))
        return provider.tenant if provider else None
