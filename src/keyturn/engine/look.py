"""One look at one owner: apply what was decided, in an order in which no step can hurt.

    remember   the decision's memory, before anything goes out
    close      memberships that must end
    lock       memberships of overdue tenants
    grant      new memberships, together with the code of a new user
    depart     the old rental of a transfer, after the new one was granted
    settle_pin a changed PIN
    show       what people see in Storeganise

All looks of a batch take each step together, so a revoke never waits behind a grant. What
fails for one rental does not stop another; it is kept as that rental's failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from keyturn.clock import Clock
from keyturn.core.ids import GroupId, OwnerId, PinHash, RentalId, TenantUrl
from keyturn.core.late import unsure_until
from keyturn.core.membership import Access, Stuck, Verb, Wanted
from keyturn.core.memory import OwnerMemory, Record, RecordState
from keyturn.core.pin import PinDecision
from keyturn.core.problem import Problem, ProblemCode
from keyturn.core.rental import Pin
from keyturn.core.work import Ending, Lane
from keyturn.engine import problems
from keyturn.engine.account import Account, PinOutcome
from keyturn.engine.business import Business, Rules
from keyturn.engine.case import OwnerCase, RentalCase, decide_pin
from keyturn.engine.failure import Failure, failure_of
from keyturn.engine.memberships import Memberships
from keyturn.engine.steps import together
from keyturn.engine.vetting import Doors, Verdict
from keyturn.engine.writeback import WriteBack, plan_writes
from keyturn.errors import CredentialsRejected, HostNotAllowed, Refused, UpstreamError
from keyturn.store.ledger import Ledger
from keyturn.store.pins import Pins


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What every look of a lane works with."""

    business: Business
    lane: Lane
    clock: Clock
    ledger: Ledger
    pins: Pins
    rules: Rules
    doors: Doors
    drawn: dict[tuple[str, OwnerId], Pin]


class Look:
    """Applies the case of one owner."""

    def __init__(self, case: OwnerCase, around: Surroundings) -> None:
        self.case = case
        self._around = around
        self._records = {rental.id: rental.records for rental in case.rentals}
        self._account = self._open_account()
        self._pin: PinOutcome | None = None
        self._reached = False
        self.failures: dict[RentalId, Failure] = {}
        self.problems: list[Problem] = [problem for rental in case.rentals for problem in rental.desired.problems]
        self.left: set[tuple[TenantUrl, GroupId]] = set()
        self.blockers: dict[RentalId, frozenset[RentalId]] = {}
        self.broken = False
        self.covered: dict[RentalId, RentalId] = {}
        self._departing = [rental for rental in self._closing() if self._departs(rental)]

    async def remember(self) -> None:
        """Store the memory after the read, where it changed."""
        changed = [rental.memory for rental in self.case.rentals if rental.memory != rental.before]
        if changed or self.case.settled_pairs:
            await self._around.ledger.save(self._around.lane, rentals=changed, transfers=self.case.settled_pairs)

    async def close(self) -> None:
        """Remove the memberships of rentals that are over, except those that a grant must precede.

        On a hold, a membership that belongs to an owner before this one is removed too.
        """
        holds = [r for r in self.case.rentals if r.desired.access is Access.HOLD and not r.desired.locked]
        closing = [rental for rental in self._closing() if rental not in self._departing]
        await together(self._settle(rental) for rental in (*closing, *holds))

    async def lock(self) -> None:
        """End the memberships of locked rentals."""
        await together(self._settle(rental) for rental in self.case.rentals if rental.desired.locked)

    async def grant(self) -> None:
        """Make or reopen memberships; the code of a user who may be new goes out at the same time."""
        granting = await self._welcomed([rental for rental in self._granting() if await self._vetted(rental)])
        if granting:
            await together([*(self._settle(rental) for rental in granting), self.settle_pin()])

    async def depart(self) -> None:
        """Remove the old memberships of a transfer, and make those they had covered."""
        await together(self._settle(rental) for rental in self._departing)
        gone = {rental.id for rental in self._departing}
        uncovered = [rental for rental in self._granting() if self.covered.get(rental.id) in gone]
        for rental in uncovered:
            del self.covered[rental.id]
        await together(self._settle(rental) for rental in uncovered)

    async def settle_pin(self) -> None:
        """Bring the owner's PIN into force, once per look."""
        decision, account = self.case.pin, self._account
        served = {rental.provider.tenant: rental.provider for rental in self._served() if rental.provider is not None}
        if decision is None or account is None or self._pin is not None or not served:
            return
        self._pin = PinOutcome(pin=None, decision=decision)
        try:
            self._pin = await account.settle_pin(decision, served, redecide=self._redecide)
        except UpstreamError as error:
            for rental in self.case.live:
                self._fail(rental, error)
            return
        reason = self._pin.refused or self._pin.decision.hold
        if reason is not None:
            held = Failure(ending=Ending.HELD, reason=reason)
            self.failures = {**{rental.id: held for rental in self.case.live}, **self.failures}

    async def show(self) -> None:
        """Write back to Storeganise what differs there."""
        account = self._account
        writes = plan_writes(
            self.case,
            account.memory.pin if account else None,
            pin=self._pin.pin if self._pin else None,
            records=self._records,
            failed=self.unfinished,
            covered=self.covered,
            digest=self._around.rules.digest,
        )
        back = WriteBack(source=self._around.business.source, ledger=self._around.ledger, lane=self._around.lane)
        stored = {rental.id: rental.memory for rental in self.case.rentals}
        for rental_id, error in (await back.write(writes, stored, account)).items():
            self.failures.setdefault(rental_id, failure_of(error))
            if isinstance(error, Refused):
                self.problems.append(problems.write_refused(rental_id))
        length = self._around.business.policy.pin_length
        self.problems += [*writes.problems, *problems.of_pin(self.case, self._pin, length=length)]

    @property
    def heirs(self) -> set[RentalId]:
        """The owner's remembered rentals that may take over a staff lock which ended in this look."""
        ended = [r for r in self.case.rentals if r.memory.staff_lock_at_end and not r.before.staff_lock_at_end]
        known = self.case.seen.rentals.values() if self.case.seen else ()
        return {memory.id for memory in known if ended and memory.ended is None} - {
            rental.id for rental in self.case.rentals
        }

    def unsure(self) -> dict[RentalId, datetime]:
        """Return the rentals of which a call that was never answered may still undo what is settled, and until when."""
        codes = self._account.memory.codes if self._account else ()
        found = {rental: unsure_until(records, codes) for rental, records in self._records.items()}
        return {rental: until for rental, until in found.items() if until is not None}

    def give_up(self, failure: Failure) -> None:
        """End this look with a failure for each of its rentals."""
        self.broken = True
        self.failures |= {rental.id: failure for rental in self.case.rentals}

    def solved(self) -> set[tuple[tuple[str, str], ProblemCode]]:
        """Return the problems, by subject and code, of which this look could have found any still there and did not."""
        found = {((problem.subject_kind, problem.subject_id), problem.code) for problem in self.problems}
        looked = [rental for rental in self.case.rentals if rental.id not in self.unfinished]
        checked = (problems.checked(self.case, rental, reached=self._reached) for rental in looked)
        return set().union(*checked) - found

    def _open_account(self) -> Account | None:
        case, around = self.case, self._around
        if case.owner is None:
            return None
        return Account(
            business=around.business,
            lane=around.lane,
            clock=around.clock,
            ledger=around.ledger,
            pins=around.pins,
            rules=around.rules,
            owner=case.owner,
            memory=case.memory or OwnerMemory(id=case.owner.id),
            drawn=around.drawn,
        )

    def _served(self) -> list[RentalCase]:
        """Return the live rentals that have a membership or may get one: a user who is not ours gets no code."""
        return [r for r in self.case.live if r.id not in self.failures or _groups(self._records[r.id])]

    def _closing(self) -> list[RentalCase]:
        return [rental for rental in self.case.rentals if rental.desired.access is Access.NONE]

    def _granting(self) -> list[RentalCase]:
        return [
            rental
            for rental in self.case.rentals
            if rental.desired.access is Access.MEMBER and not rental.desired.locked and rental.id not in self.failures
        ]

    def _departs(self, rental: RentalCase) -> bool:
        """Say whether this rental's revoke waits for a grant to the same owner: a transfer, seen by itself."""
        return bool(rental.open_records) and any(not other.open_records for other in self._granting())

    @property
    def unfinished(self) -> set[RentalId]:
        """Return the rentals that are looked at again soon, so that nothing is shown or solved for them yet."""
        return {rental for rental, failure in self.failures.items() if failure.ending is Ending.RETRY}

    async def _welcomed(self, granting: Sequence[RentalCase]) -> list[RentalCase]:
        """Make the user first where a new membership needs one, so that membership and code can go side by side.

        Returns the rentals that can go on.
        """
        welcomed: list[RentalCase] = []
        for rental in granting:
            try:
                if self._account and rental.provider and not rental.look_first and not self._records[rental.id]:
                    await self._account.ensure_user(rental.provider)
                welcomed.append(rental)
            except UpstreamError as error:
                self._fail(rental, error)
        return welcomed

    async def _vetted(self, rental: RentalCase) -> bool:
        """Ask whether a new membership may be made at all; note why not."""
        verdict = await self._around.doors.vet(rental, self._records[rental.id])
        match verdict:
            case Verdict(hold=None, covered_by=None):
                return True
            case Verdict(hold=None, covered_by=other) if other is not None:
                self.covered[rental.id] = other
                return False
            case _:
                self.failures[rental.id] = Failure(ending=Ending.HELD, reason=verdict.hold or "")
                self.problems += verdict.problems
                self.blockers[rental.id] = verdict.blockers
                await self._leave_what_is_wrong(rental)
                return False

    async def _leave_what_is_wrong(self, rental: RentalCase) -> None:
        """A rental that may not enter its group leaves another one, and lets go whoever had it before, all the same."""
        right = (rental.desired.group, rental.desired.user)
        wrong = tuple(record for record in rental.open_records if (record.group, record.owner_id) != right)
        if wrong and rental.wanted is not None:
            await self._bring_about(rental, replace(rental.wanted, access=Access.NONE), wrong)

    async def _settle(self, rental: RentalCase) -> None:
        """Bring about what is wanted. An id without a record of ours is touched only if no other business has it."""
        if rental.wanted is None:
            return
        if not self._records[rental.id] and rental.desired.access is not Access.HOLD:
            verdict = await self._around.doors.claim_rental(rental, rental.wanted.tenant)
            if verdict.hold is not None:
                self.failures[rental.id] = Failure(ending=Ending.HELD, reason=verdict.hold)
                self.problems += verdict.problems
                return
        await self._bring_about(rental, rental.wanted, self._records[rental.id])

    async def _bring_about(self, rental: RentalCase, wanted: Wanted, records: tuple[Record, ...]) -> None:
        around, provider = self._around, rental.provider
        memberships = Memberships(business=around.business, lane=around.lane, ledger=around.ledger, provider=provider)
        try:
            settled = await memberships.settle(wanted, records, self._account)
        except UpstreamError as error:
            self._fail(rental, error)
            return
        others = tuple(record for record in self._records[rental.id] if record not in records)
        self._records[rental.id] = (*others, *settled.records)
        self._reached |= settled.calls > 0
        self.left |= _groups(records) - _groups(settled.records)
        if settled.stuck is not None:
            await self._stuck(rental, settled.stuck)

    def _fail(self, rental: RentalCase, error: UpstreamError) -> None:
        if rental.id not in self.unfinished:
            self.failures[rental.id] = failure_of(error)
        if isinstance(error, Refused):
            self.problems.append(problems.user_refused(self.case.owner_id, error))
        if isinstance(error, CredentialsRejected):
            self.problems.append(problems.credentials_rejected(rental))
            self._around.business.source.forget()
        if isinstance(error, HostNotAllowed):
            self.problems.append(problems.address_not_allowed(rental))
            self._around.business.source.forget()

    async def _stuck(self, rental: RentalCase, stuck: Stuck) -> None:
        """Note what is refused; a second membership of one owner on a group is covered by the first."""
        other = await self._around.doors.cover(rental) if stuck.what is Verb.CREATE else None
        if other is not None:
            self.covered[rental.id] = other
            return
        problem = problems.stuck(rental, stuck)
        self.failures[rental.id] = Failure(ending=Ending.HELD, reason=problem.text)
        self.problems.append(problem)

    def _redecide(self, rejected: Mapping[PinHash, str]) -> PinDecision:
        """Decide the PIN again with what the backends refused."""
        seen, account, decision = self.case.seen, self._account, self.case.pin
        if seen is None or account is None or decision is None:
            return PinDecision(target=None, hold="nothing is known of the owner")
        again = replace(seen, rejected=rejected, owner_memory=account.memory)
        return (
            decide_pin(self.case.owner, again, self.case.rentals, self._around.business, self._around.rules) or decision
        )


def _groups(records: tuple[Record, ...]) -> set[tuple[TenantUrl, GroupId]]:
    return {(record.tenant, record.group) for record in records if record.state is not RecordState.GONE}
