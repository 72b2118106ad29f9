"""One owner's rentals in one look: the facts, the memory, and the decisions made from them.

A case is made by `observe`, extended by `decide`, and consumed by the steps that apply it. It
holds no connection and makes no call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from keyturn.core.entitlement import Desired, Situation, decide
from keyturn.core.ids import OwnerId, PinHash, RentalId, SiteId, TenantUrl
from keyturn.core.membership import Access, Wanted
from keyturn.core.memory import (
    CodeMemory,
    OwnerMemory,
    Record,
    RecordState,
    RentalMemory,
    TransferPair,
)
from keyturn.core.overlock import PROVIDER_MARGIN
from keyturn.core.pin import PinCopy, PinDecision, PinRules, merge_pins
from keyturn.core.problem import no_credentials
from keyturn.core.rental import Missing, Owner, Site, Tenancy
from keyturn.core.transfer import carries_lock_from
from keyturn.engine.business import Business, Rules
from keyturn.providers.protocol import Provider


@dataclass(frozen=True, kw_only=True, slots=True)
class RentalCase:
    """One rental: what was read, what is remembered, what is wanted."""

    id: RentalId
    tenancy: Tenancy | None
    """`None` where Storeganise does not show the rental."""
    site: Site | None
    provider: Provider | None
    before: RentalMemory
    desired: Desired
    records: tuple[Record, ...]
    look_first: bool
    now: datetime

    @property
    def memory(self) -> RentalMemory:
        """The memory after this read."""
        return self.desired.memory

    @property
    def open_records(self) -> tuple[Record, ...]:
        """The memberships not known to be gone."""
        return tuple(record for record in self.records if record.state is not RecordState.GONE)

    @property
    def live(self) -> bool:
        """Whether the owner's PIN belongs on this rental: a membership exists or is due."""
        if not self.desired.in_scope or self.tenancy is None:
            return False
        due = self.desired.access is Access.MEMBER and not self.desired.locked
        return due or (self.desired.access is not Access.NONE and bool(self.open_records))

    @property
    def locks_late(self) -> bool:
        """Whether the lock just set is not yet in force, because the backend's clock turned out to be behind.

        The backend's time is known from its answers only, so the first lock after a start may be set by our own clock.
        """
        ends_at, starts_at = self.desired.ends_at, self.desired.starts_at
        if not self.desired.locked or self.provider is None or ends_at is None or ends_at == starts_at:
            return False
        return bool(self.open_records) and ends_at > self.provider.time() - PROVIDER_MARGIN

    @property
    def wanted(self) -> Wanted | None:
        """What the membership planner should bring about; `None` where there is no backend to speak of."""
        tenant = self.provider.tenant if self.provider else next((r.tenant for r in self.open_records), None)
        if tenant is None:
            return None
        desired = self.desired
        provider_now = self.provider.time() if self.provider else self.now
        return Wanted(
            access=desired.access,
            rental_id=self.id,
            tenant=tenant,
            user=desired.user,
            group=desired.group,
            starts_at=desired.starts_at,
            ends_at=desired.ends_at,
            locked=desired.locked,
            closes_at=(provider_now - PROVIDER_MARGIN).replace(microsecond=0),
            look_first=self.look_first,
            now=self.now,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnerCase:
    """One owner and those of their rentals that are looked at."""

    owner_id: OwnerId | None
    owner: Owner | None
    memory: OwnerMemory | None
    rentals: tuple[RentalCase, ...]
    pin: PinDecision | None
    """`None` where no rental of the owner is live, so their PIN is nobody's business."""
    seen: Observation | None = None
    """What the decisions were made from; `None` for a rental that was not found."""
    settled_pairs: tuple[TransferPair, ...] = ()

    @property
    def live(self) -> tuple[RentalCase, ...]:
        return tuple(case for case in self.rentals if case.live)

    @property
    def tenants(self) -> dict[TenantUrl, Provider]:
        """The backends that serve this owner's live rentals."""
        return {case.provider.tenant: case.provider for case in self.live if case.provider is not None}

    def code(self, tenant: TenantUrl) -> CodeMemory:
        """Return what is remembered of the owner's user at a backend."""
        codes = self.memory.codes if self.memory else ()
        return next((code for code in codes if code.tenant == tenant), CodeMemory(tenant=tenant))


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What one read found out about one owner, before any decision."""

    now: datetime
    owner_id: OwnerId | None
    tenancies: tuple[Tenancy, ...]
    sites: Mapping[str, Site]
    rentals: Mapping[RentalId, RentalMemory]
    """All remembered rentals of the owner, and a fresh memory for each rental seen for the first time."""
    records: Mapping[RentalId, tuple[Record, ...]]
    owner_memory: OwnerMemory | None
    pairs: tuple[TransferPair, ...] = ()
    taken: frozenset[PinHash] = frozenset()
    rejected: Mapping[PinHash, str] = field(default_factory=dict)
    site_rentals: Mapping[str, int] = field(default_factory=dict)
    unique_names: Mapping[str, bool | None] = field(default_factory=dict)
    complete: bool = False


def decide_case(seen: Observation, business: Business, rules: Rules) -> OwnerCase:
    """Make every decision about one owner's rentals. Ended rentals come first: their locks may go over to others.

    Those go to the rental that starts closest to an end, and of several to the newest: another one that the tenant
    booked is not the new half of a transfer.
    """
    memories = dict(seen.rentals)
    ends = [memory.ended for memory in memories.values()] + [tenancy.rental.end for tenancy in seen.tenancies]
    cases: dict[RentalId, RentalCase] = {}
    pairs: list[TransferPair] = []
    order = sorted(seen.tenancies, key=lambda tenancy: (_is_current(tenancy), tenancy.rental.id))
    newest_first = sorted(order, key=_created, reverse=True)
    for tenancy in sorted(newest_first, key=lambda tenancy: (_is_current(tenancy), _distance(tenancy, ends))):
        case = _decide_rental(tenancy, seen, memories, business)
        memories[case.id] = case.memory
        pairs += _settled_pairs(case, seen.pairs, memories)
        cases[case.id] = case
    rentals = tuple(cases[tenancy.rental.id] for tenancy in order)
    owner = next((tenancy.owner for tenancy in seen.tenancies if tenancy.owner is not None), None)
    return OwnerCase(
        owner_id=seen.owner_id,
        owner=owner,
        memory=seen.owner_memory,
        rentals=rentals,
        pin=decide_pin(owner, seen, rentals, business, rules),
        seen=seen,
        settled_pairs=tuple(pairs),
    )


def _is_current(tenancy: Tenancy) -> bool:
    return tenancy.rental.end is None


def _distance(tenancy: Tenancy, ends: Sequence[date | None]) -> timedelta:
    """Return how far a rental's start is from the closest of these days."""
    start = tenancy.rental.start
    return min((abs(start - end) for end in ends if start is not None and end is not None), default=timedelta.max)


def _created(tenancy: Tenancy) -> tuple[datetime, str]:
    return tenancy.rental.created or datetime.min.replace(tzinfo=UTC), tenancy.rental.id


def _decide_rental(
    tenancy: Tenancy,
    seen: Observation,
    memories: Mapping[RentalId, RentalMemory],
    business: Business,
) -> RentalCase:
    rental, now = tenancy.rental, seen.now
    memory = memories.get(rental.id, RentalMemory(id=rental.id))
    records = seen.records.get(rental.id, ())
    site = seen.sites.get(rental.site_id or "")
    provider = business.provider_for(site) if site is not None else None
    has_membership = any(record.state is not RecordState.GONE for record in records)
    siblings = tuple(other for other in memories.values() if other.id != rental.id)
    had_access = has_membership or memory.live
    carried = carries_lock_from(rental, memory, siblings=siblings, pairs=seen.pairs, had_access=had_access)
    desired = decide(
        Situation(
            tenancy=tenancy,
            site=site,
            zone=business.zone(rental.site_id),
            memory=memory,
            policy=business.policy,
            now=now,
            provider_now=provider.time() if provider else now,
            has_membership=has_membership,
            site_rentals=seen.site_rentals.get(rental.site_id or "", 0),
            name_is_unique=seen.unique_names.get(rental.unit_id or ""),
            carried_lock=carried is not None,
        )
    )
    if carried is not None and desired.memory.staff_lock:
        desired = replace(desired, memory=replace(desired.memory, carried_from=carried))
    if provider is not None:
        desired = replace(desired, memory=replace(desired.memory, tenant=provider.tenant))
    elif desired.access is Access.MEMBER:
        desired = _without_credentials(desired, tenancy, site)
    look_first = rental.created is None or rental.created <= business.memory_since
    return RentalCase(
        id=rental.id,
        tenancy=tenancy,
        site=site,
        provider=provider,
        before=memory,
        desired=desired,
        records=records,
        look_first=look_first,
        now=now,
    )


def _without_credentials(desired: Desired, tenancy: Tenancy, site: Site | None) -> Desired:
    known, addon = (site.credentials, site.addon) if site is not None else ({}, None)
    problem = no_credentials(tenancy.rental.site_id or SiteId(""), known, addon)
    reason = "no access credentials are known for the site"
    return replace(desired, access=Access.HOLD, reason=reason, problems=(*desired.problems, problem))


def _settled_pairs(
    case: RentalCase, pairs: tuple[TransferPair, ...], memories: Mapping[RentalId, RentalMemory]
) -> list[TransferPair]:
    """Return the transfers to this rental that are dealt with: the old one ended, and its lock, if any, came over."""
    mine = [pair for pair in pairs if pair.new == case.id and not pair.carried]
    olds = {pair.old: memories.get(pair.old) for pair in mine}
    return [
        replace(pair, carried=True)
        for pair in mine
        if (old := olds[pair.old]) is not None
        and old.ended is not None
        and (case.memory.carried_from == old.id or not old.staff_lock_at_end)
    ]


def decide_pin(
    owner: Owner | None, seen: Observation, cases: Sequence[RentalCase], business: Business, rules: Rules
) -> PinDecision | None:
    """Decide the owner's PIN from every record read; `None` where no rental is live."""
    live = [case for case in cases if case.live]
    if owner is None or not any(case.desired.access is Access.MEMBER for case in live):
        return None
    memory = seen.owner_memory or OwnerMemory(id=owner.id)
    return merge_pins(
        owner_copy(owner, memory),
        [rental_copy(case) for case in live],
        PinRules(
            length=business.policy.pin_length,
            digest=rules.digest,
            in_force=frozenset(code.in_force for code in memory.codes if code.in_force),
            taken=seen.taken,
            rejected=seen.rejected,
        ),
    )


def owner_copy(owner: Owner, memory: OwnerMemory) -> PinCopy:
    """Return the owner's PIN field for the merge."""
    return PinCopy(record=owner.id, is_owner=True, value=owner.pin, memory=memory.pin, updated=owner.updated)


def rental_copy(case: RentalCase) -> PinCopy:
    """Return a rental's PIN field for the merge."""
    rental = case.tenancy.rental if case.tenancy else None
    return PinCopy(
        record=case.id,
        is_owner=False,
        value=rental.pin if rental else Missing.UNKNOWN,
        memory=case.memory.pin,
        updated=rental.updated if rental else None,
    )


def needs_all_rentals(case: OwnerCase, seen: Observation, business: Business) -> bool:
    """Say whether the owner's other rentals must be read before this case may be applied.

    Before their PIN changes, unless they are new and have no other rental; when a rental closes that
    opens the unit of another; when a rental is new and another of theirs has a staff lock that may come over.
    """
    if seen.complete or case.owner_id is None:
        return False
    read = {tenancy.rental.id for tenancy in seen.tenancies}
    others = [memory for memory in seen.rentals.values() if memory.id not in read and memory.ended is None]
    created = case.owner.created if case.owner else None
    known_from_start = created is not None and created > business.memory_since
    if case.pin is not None and case.pin.changes and (others or not known_from_start):
        return True
    first_seen = any(rental.before.first_seen is None for rental in case.rentals)
    closing = any(rental.desired.access is Access.NONE and rental.open_records for rental in case.rentals)
    return (first_seen and any(other.staff_lock for other in others)) or (
        closing and any(other.covered_by in read for other in others)
    )
