"""Who may enter: from the facts about one rental to the access it should have.

| rental, as read                                  | access                                                   |
|--------------------------------------------------|----------------------------------------------------------|
| occupied, not locked                             | a membership from the start date on, open-ended          |
| occupied, locked                                 | the same one, ended at the lock instant; none before the start |
| ended, cancelled, abandoned, submitted           | none                                                     |
| reserved                                         | none; prepared for 24 h from the start where policy says so |
| unknown state, a field that matters missing, 404 | hold: nothing is widened                                 |

Every decision carries its reason in words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from enum import Enum

from keyturn.core.ids import GroupId, OwnerId
from keyturn.core.membership import Access
from keyturn.core.memory import FieldMemory, RentalMemory
from keyturn.core.overlock import Overlock, end_lock, lock_instant, see_overlock
from keyturn.core.policy import Policy
from keyturn.core.problem import Problem, ProblemCode
from keyturn.core.rental import Missing, Rental, RentalState, Site, Tenancy, Unit
from keyturn.core.zones import first_instant

PREPARED_FOR = timedelta(hours=24)
"""How long a membership made for a reserved rental lasts unless the tenant moves in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """Everything one decision looks at."""

    tenancy: Tenancy
    site: Site | None
    zone: tzinfo
    memory: RentalMemory
    policy: Policy
    now: datetime
    provider_now: datetime
    has_membership: bool
    """A membership of this rental is recorded and not known to be gone."""
    site_rentals: int = 0
    """How many rentals of the remembered site have a membership recorded; asked only when the site left the scope."""
    name_is_unique: bool | None = None
    """Whether no other unit on the provider's backend has this unit's name or group; `None` when not known."""
    carried_lock: bool = False
    """A staff lock comes over from an earlier rental of the owner."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desired:
    """The access a rental should have, and why."""

    access: Access
    reason: str
    memory: RentalMemory
    """The rental's memory after this read, without its PIN field."""
    in_scope: bool = True
    locked: bool = False
    user: OwnerId | None = None
    group: GroupId | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def shows_flag(self) -> bool:
        """Whether `sensorberg_overlocked` is kept up to date: for occupied rentals in scope only."""
        return self.in_scope and self.memory.state == RentalState.OCCUPIED.value


class Scope(Enum):
    """Whether a rental is ours to decide."""

    IN = "in"
    OUT = "out"
    """Another system's, or none's: nothing to do."""
    LEFT = "left"
    """It was ours, and a fresh read says that it is another system's now."""
    DOUBTFUL = "doubtful"
    """It was ours, and the site says nothing, or too many would leave at once: nothing is widened."""


def decide(situation: Situation) -> Desired:
    """Return the access one rental should have."""
    match _scope(situation):
        case Scope.OUT:
            reason = "nothing to do, because the site's security system is another one, or none"
            return _outside(situation, Access.HOLD, reason)
        case Scope.LEFT:
            return _outside(situation, Access.NONE, "the site uses another security system")
        case Scope.DOUBTFUL:
            return _doubtful(situation)
        case Scope.IN:
            return _in_scope(situation)


def _in_scope(situation: Situation) -> Desired:
    rental = situation.tenancy.rental
    match rental.state:
        case RentalState.ENDED | RentalState.CANCELLED | RentalState.ABANDONED | RentalState.SUBMITTED:
            return _closed(situation)
        case RentalState.RESERVED if not situation.policy.prepare_reserved or rental.overdue is not None:
            return _waiting(situation)
        case RentalState.RESERVED | RentalState.OCCUPIED | RentalState.UNKNOWN:
            return _live(situation)


def _seen(situation: Situation) -> RentalMemory:
    """Return the memory with the plain facts of this read."""
    rental, memory = situation.tenancy.rental, situation.memory
    if rental.owner_id is not None and memory.owner_id not in {None, rental.owner_id}:
        memory = _new_tenancy(memory)
    return replace(
        memory,
        owner_id=rental.owner_id or memory.owner_id,
        unit_id=rental.unit_id or memory.unit_id,
        site_id=rental.site_id or memory.site_id,
        state=rental.state.value,
        start=rental.start,
        created=rental.created or memory.created,
        first_seen=memory.first_seen or situation.now,
        vanished_at=None,
    )


def _new_tenancy(memory: RentalMemory) -> RentalMemory:
    """Another owner: locks belong to the tenancy that is over; the PIN copy there is nobody's edit and must go."""
    return replace(
        memory,
        staff_lock=False,
        staff_lock_since=None,
        release_for=None,
        lock_at=None,
        staff_lock_at_end=False,
        carried_from=None,
        covered_by=None,
        pin=FieldMemory(sent=""),
    )


def _scope(situation: Situation) -> Scope:
    site, policy = situation.site, situation.policy
    if site is not None and is_ours(site, policy):
        return Scope.IN
    if site is None or site.system is Missing.UNKNOWN:
        return Scope.DOUBTFUL
    if not situation.has_membership:
        return Scope.OUT
    if site.system in {Missing.EMPTY, policy.system} or situation.site_rentals > policy.many:
        return Scope.DOUBTFUL
    return Scope.LEFT


def is_ours(site: Site, policy: Policy) -> bool:
    """Say whether a site is in scope: an installation serves it, or its field names our system and we have a key."""
    return site.addon is not None or (policy.plain and site.system == policy.system)


def _outside(situation: Situation, access: Access, reason: str) -> Desired:
    memory = replace(_seen(situation), live=False)
    return Desired(access=access, reason=reason, memory=memory, in_scope=False)


def _doubtful(situation: Situation) -> Desired:
    """A site that may have left the scope: what narrows still happens, nothing is widened."""
    desired = _in_scope(situation)
    if desired.access is Access.NONE:
        return desired
    rental, site = situation.tenancy.rental, situation.site
    if site is not None and isinstance(site.system, str) and site.system != situation.policy.system:
        reason, details = "too many rentals would lose access at once", {"count": str(situation.site_rentals)}
    else:
        reason, details = "the site's security system is not known", {}
    subject = rental.site_id or desired.memory.site_id or ""
    problem = Problem(code=ProblemCode.SITE_LEFT, subject_kind="site", subject_id=subject, details=details)
    return replace(desired, access=Access.HOLD, reason=reason, problems=(*desired.problems, problem))


def _closed(situation: Situation) -> Desired:
    rental, memory = situation.tenancy.rental, end_lock(_seen(situation))
    ended = rental.end or situation.now.astimezone(situation.zone).date()
    memory = replace(memory, live=False, covered_by=None, ended=memory.ended or ended)
    return Desired(access=Access.NONE, reason=f"the rental is {rental.state.value}", memory=memory)


def _waiting(situation: Situation) -> Desired:
    """A reserved rental has no access yet; what staff set on it is remembered."""
    rental = situation.tenancy.rental
    overlock = see_overlock(_revived(situation), rental, carried=situation.carried_lock, now=situation.now)
    memory = replace(overlock.memory, live=False, lock_at=None)
    reason = "the rental is reserved; nobody has moved in"
    return Desired(access=Access.NONE, reason=reason, memory=memory, problems=_unconfirmed(rental, overlock))


def _revived(situation: Situation) -> RentalMemory:
    """A rental that had ended and is back brings its staff lock with it."""
    memory = _seen(situation)
    if memory.ended is None:
        return memory
    back = memory.staff_lock or memory.staff_lock_at_end
    since = situation.now if back else None
    return replace(memory, ended=None, staff_lock=back, staff_lock_since=since, staff_lock_at_end=False)


def _live(situation: Situation) -> Desired:
    rental = situation.tenancy.rental
    overlock = see_overlock(_revived(situation), rental, carried=situation.carried_lock, now=situation.now)
    if rental.state is RentalState.RESERVED and overlock.locked:
        return _waiting(situation)
    group, hold, unmapped = _group(situation)
    hold = _missing_fact(situation) or hold
    problems = (*_unconfirmed(rental, overlock), *(unmapped if hold else ()))
    starts_at, ends_at = _window(situation, overlock)
    memory = replace(overlock.memory, lock_at=ends_at if overlock.locked else None)
    live = hold is None or (memory.live and situation.has_membership)
    return Desired(
        access=Access.MEMBER if hold is None else Access.HOLD,
        reason=hold or f"the rental is {rental.state.value}, {overlock.reason}",
        memory=replace(memory, live=live, group=group if hold is None else memory.group),
        locked=overlock.locked,
        user=rental.owner_id,
        group=group,
        starts_at=starts_at,
        ends_at=ends_at,
        problems=problems,
    )


def _window(situation: Situation, overlock: Overlock) -> tuple[datetime | None, datetime | None]:
    """Return start and end of the membership; `None` as end is open-ended."""
    rental = situation.tenancy.rental
    starts_at = first_instant(rental.start, situation.zone) if rental.start else None
    if overlock.locked:
        provider_now, now = situation.provider_now, situation.now
        lock = lock_instant(overlock.memory, rental, starts_at=starts_at, provider_now=provider_now, now=now)
        return starts_at, lock
    prepared = rental.state is RentalState.RESERVED and starts_at is not None
    return starts_at, starts_at + PREPARED_FOR if prepared and starts_at else None


def _missing_fact(situation: Situation) -> str | None:
    """Return what is missing of the facts a grant depends on, or `None`."""
    tenancy = situation.tenancy
    rental = tenancy.rental
    if rental.state is RentalState.UNKNOWN:
        return "Storeganise shows a state that is not known"
    if rental.owner_id is None or tenancy.owner is None or tenancy.owner.id != rental.owner_id:
        return "Storeganise did not return the rental's owner"
    if rental.start is None:
        return "Storeganise did not return the rental's start date"
    if tenancy.unit is None or tenancy.unit.id != rental.unit_id:
        return "Storeganise did not return the rental's unit"
    if Missing.UNKNOWN in {rental.pin, rental.overlocked, tenancy.owner.pin}:
        return "Storeganise did not return the custom fields of the rental and its owner"
    return None


def _group(situation: Situation) -> tuple[GroupId | None, str | None, tuple[Problem, ...]]:
    """Return the provider's group for the unit, or why there is none."""
    unit = situation.tenancy.unit
    if unit is None or unit.group is Missing.UNKNOWN:
        return None, "Storeganise did not return the unit's custom fields", ()
    if not isinstance(unit.group, Missing):
        return unit.group, None, ()
    if situation.policy.group_from_unit_name and unit.name and situation.name_is_unique:
        return GroupId(unit.name), None, ()
    return None, "the unit has no access group", (_unmapped(situation, unit),)


def _unmapped(situation: Situation, unit: Unit) -> Problem:
    name = unit.name or unit.id
    details = {"unit": name}
    if situation.policy.group_from_unit_name and situation.name_is_unique is False:
        details["twin"] = name
    return Problem(code=ProblemCode.UNMAPPED_UNIT, subject_kind="unit", subject_id=unit.id, details=details)


def _unconfirmed(rental: Rental, overlock: Overlock) -> tuple[Problem, ...]:
    """Ask staff to confirm a lock that was taken from the flag at first sight."""
    if not overlock.unconfirmed:
        return ()
    return (Problem(code=ProblemCode.CONFIRM_STAFF_LOCK, subject_kind="rental", subject_id=rental.id),)
