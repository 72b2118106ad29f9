"""May this membership be made? The checks that look beyond one owner.

Two live rentals of different owners on one group: the newcomer waits, never the one who has the
membership. Users, rentals and groups belong to one business within a backend, so that two
operators on a shared backend cannot open each other's doors.
"""

from __future__ import annotations

from dataclasses import dataclass

from keyturn.core.ids import BusinessCode, GroupId, OwnerId, RentalId, TenantUrl
from keyturn.core.memory import Record, RecordState, RentalMemory
from keyturn.core.problem import Problem, ProblemCode
from keyturn.engine.case import RentalCase
from keyturn.store.claims import Claims
from keyturn.store.ledger import Ledger


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a membership may be made."""

    hold: str | None = None
    """Why it may not; `None` when it may."""
    covered_by: RentalId | None = None
    """The owner's other rental that opens the door already, so that none needs to be made."""
    problems: tuple[Problem, ...] = ()
    blockers: frozenset[RentalId] = frozenset()
    """The rentals in the way: worth another look, for their move-out may have gone unnoticed."""


class Doors:
    """Vets new memberships of one batch."""

    def __init__(self, *, business: BusinessCode, ledger: Ledger, claims: Claims) -> None:
        self._business = business
        self._ledger = ledger
        self._claims = claims
        self._promised: dict[tuple[TenantUrl, GroupId], OwnerId | None] = {}
        self._claims_held: set[tuple[TenantUrl, str, str]] = set()

    async def vet(self, rental: RentalCase, records: tuple[Record, ...]) -> Verdict:
        """Decide about one rental that should have an open membership."""
        tenant, group = rental.provider.tenant if rental.provider else None, rental.desired.group
        own = [record for record in records if record.owner_id == rental.desired.user]
        if tenant is None or group is None or any(_opens(record, tenant, group) for record in own):
            return Verdict()
        others = [
            (business, memory, held)
            for business, memory, held in await self._ledger.on_group(tenant, group)
            if (business, memory.id) != (self._business, rental.id)
        ]
        blocking = frozenset(
            memory.id
            for business, memory, held in others
            if self._is_stranger(business, memory, rental)
            and memory.live
            and any(_opens(r, tenant, group) for r in held)
        )
        promised = self._promised.setdefault((tenant, group), rental.desired.user)
        if blocking or promised != rental.desired.user:
            return _group_taken(rental, blocking)
        covering = _covering(rental, others, tenant, group)
        if covering is not None:
            return Verdict(covered_by=covering)
        claims = [("user", str(rental.desired.user)), ("rental", str(rental.id)), ("group", str(group))]
        return await self._claimed(rental, tenant, claims)

    async def cover(self, rental: RentalCase) -> RentalId | None:
        """Return the owner's other rental whose membership opens the same group, if there is one."""
        tenant, group = rental.provider.tenant if rental.provider else None, rental.desired.group
        if tenant is None or group is None:
            return None
        for business, memory, held in await self._ledger.on_group(tenant, group):
            own = business == self._business and memory.owner_id == rental.desired.user and memory.id != rental.id
            if own and _held_open(held, tenant, group):
                return memory.id
        return None

    def _is_stranger(self, business: BusinessCode, memory: RentalMemory, rental: RentalCase) -> bool:
        return business != self._business or memory.owner_id != rental.desired.user

    async def claim_rental(self, rental: RentalCase, tenant: TenantUrl) -> Verdict:
        """Claim the rental's id at a backend before anything is written there under it."""
        return await self._claimed(rental, tenant, [("rental", str(rental.id))])

    async def _claimed(self, rental: RentalCase, tenant: TenantUrl, claims: list[tuple[str, str]]) -> Verdict:
        missing = [(kind, one) for kind, one in claims if (tenant, kind, one) not in self._claims_held]
        held = await self._claims.claim(self._business, tenant, missing) if missing else []
        if not held:
            self._claims_held |= {(tenant, kind, one) for kind, one in missing}
            return Verdict()
        kinds = ", ".join(sorted({kind for kind, _, _ in held}))
        problem = Problem(
            code=ProblemCode.CLAIMED, subject_kind="rental", subject_id=rental.id, details={"kinds": kinds}
        )
        return Verdict(hold=f"the {kinds} belongs to another business on this access system", problems=(problem,))


def _opens(record: Record, tenant: TenantUrl, group: GroupId) -> bool:
    return record.state is not RecordState.GONE and (record.tenant, record.group) == (tenant, group)


def _covering(
    rental: RentalCase,
    others: list[tuple[BusinessCode, RentalMemory, tuple[Record, ...]]],
    tenant: TenantUrl,
    group: GroupId,
) -> RentalId | None:
    """Return the rental remembered as covering this one, if it still does."""
    for _, memory, held in others:
        if memory.id == rental.before.covered_by and memory.live and _held_open(held, tenant, group):
            return memory.id
    return None


def _held_open(records: tuple[Record, ...], tenant: TenantUrl, group: GroupId) -> bool:
    return any(_opens(r, tenant, group) and r.state is RecordState.KNOWN and r.ends_at is None for r in records)


def _group_taken(rental: RentalCase, blocking: frozenset[RentalId]) -> Verdict:
    unit = rental.memory.unit_id or ""
    details = {"group": str(rental.desired.group)}
    problem = Problem(code=ProblemCode.GROUP_TAKEN, subject_kind="unit", subject_id=unit, details=details)
    return Verdict(hold="another rental has access to the group of this unit", problems=(problem,), blockers=blocking)
