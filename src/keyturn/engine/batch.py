"""Look at up to fifty rentals of one business together.

Read them in one list, decide them all, then take each step for all of them before the next:
revokes before locks before grants before PIN changes before write-backs. The answer is one
outcome per claimed row.

A batch goes on beside those ahead of it in its lane, from reading on. What is about the same owner,
rental, unit or group as one of them is read only after that one has ended. Outcomes and problems are
recorded in the order of the batches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from keyturn import telemetry
from keyturn.clock import Clock
from keyturn.core.ids import OwnerId, RentalId
from keyturn.core.membership import Access
from keyturn.core.rental import Pin
from keyturn.core.work import Ending, Kind, Lane, Outcome, Subject, WorkItem
from keyturn.engine.business import Business, Rules
from keyturn.engine.case import OwnerCase, RentalCase
from keyturn.engine.failure import Failure, failure_of, outcome_of
from keyturn.engine.look import Look, Surroundings
from keyturn.engine.observe import Observed, Observer
from keyturn.engine.problems import aimed
from keyturn.engine.steps import together
from keyturn.engine.vetting import Doors
from keyturn.errors import DatabaseUnavailable, LeaseLost, UpstreamError
from keyturn.logs import logger
from keyturn.store.claims import Claims
from keyturn.store.ledger import Ledger
from keyturn.store.pins import Pins
from keyturn.store.problems import Problems
from keyturn.store.work import Work

MOST = 50
"""Storeganise asks to keep lists that include related records under this size (Storeganise help, article 297)."""

IN_THE_WAY = "it is in the way of another rental"


@dataclass(frozen=True, kw_only=True, slots=True)
class Books:
    """The tables a batch works with."""

    work: Work
    ledger: Ledger
    pins: Pins
    claims: Claims
    problems: Problems


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What every batch of one claim works with."""

    business: Business
    lane: Lane
    clock: Clock
    books: Books
    observer: Observer
    rules: Rules
    drawn: dict[tuple[str, OwnerId], Pin]
    """PINs that were drawn and that nobody has seen yet."""
    news: asyncio.Event
    """Set when more may be due in the lane."""


class Stage(Enum):
    """How far a batch has come."""

    READING = auto()
    AT_DOORS = auto()
    SHOWING = auto()
    ENDED = auto()


class Batch:
    """Looks at rentals of one lane, once."""

    def __init__(
        self, parts: Parts, items: Sequence[WorkItem], *, ahead: Sequence[Batch], on_stage: Callable[[], None]
    ) -> None:
        """`ahead`: the batches of this lane that have not ended; `on_stage` is called at each new stage."""
        self._parts = parts
        self._business = parts.business
        self._clock = parts.clock
        self._books = parts.books
        self._rules = parts.rules
        self._ahead = tuple(ahead)
        self._on_stage = on_stage
        self._log = logger()
        self.items = tuple(items)
        self.stage = Stage.READING
        self.about: frozenset[str] = frozenset()
        """What no batch behind this one may be about before it has ended."""
        self.ended = asyncio.Event()

    async def look(self) -> list[Outcome]:
        """Look at all its rentals. Raises `LeaseLost`; every other failure becomes an outcome."""
        try:
            observed = await self._observe([RentalId(item.subject.id) for item in self.items])
        except UpstreamError as error:
            return self._all_failed(failure_of(error))
        except (LeaseLost, DatabaseUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - one record that breaks us must not stop forty-nine others
            return await self._one_by_one(error)
        looks = self._looks(observed)
        await self._take(looks, Look.remember)
        self._enter(Stage.AT_DOORS)
        await self._take(looks, Look.close, Look.lock, Look.grant, Look.depart, Look.settle_pin)
        await self._wake_others(looks)
        self._enter(Stage.SHOWING)
        await self._take(looks, Look.show)
        for batch in self._ahead:
            await batch.ended.wait()
        await self._plan_others(looks)
        await self._report(looks)
        failures = {rental: failure_of(error) for rental, error in observed.unread.items()}
        return self._outcomes(self.items, looks, failures, self._clock.now())

    def end(self) -> None:
        """Let the batches behind this one go on: its outcomes are recorded, or will never be."""
        self._enter(Stage.ENDED)
        self.ended.set()
        self._ahead = ()  # or each would keep all that ever went before it

    def _enter(self, stage: Stage) -> None:
        self.stage = stage
        self._on_stage()

    async def _observe(self, rentals: Sequence[RentalId]) -> Observed:
        """Read and decide; what another batch was still about while it was read is read again once that has ended."""
        while True:
            under_way = [batch for batch in self._ahead if not batch.ended.is_set()]
            observed = await self._parts.observer.observe(self._business, rentals, self._clock.now())
            self.about = frozenset().union(*(_about(case) for case in observed.cases))
            met = [batch for batch in under_way if batch.about & self.about]
            if not met:
                return observed
            for batch in met:
                await batch.ended.wait()

    def _looks(self, observed: Observed) -> list[Look]:
        parts, books = self._parts, self._books
        around = Surroundings(
            business=parts.business,
            lane=parts.lane,
            clock=parts.clock,
            ledger=books.ledger,
            pins=books.pins,
            rules=parts.rules,
            doors=Doors(business=parts.business.code, ledger=books.ledger, claims=books.claims),
            drawn=parts.drawn,
        )
        return [Look(case, around) for case in observed.cases]

    def _all_failed(self, failure: Failure) -> list[Outcome]:
        return [outcome_of(item, failure, self._rules, self._clock.now()) for item in self.items]

    async def _one_by_one(self, error: Exception) -> list[Outcome]:
        """Find the record behind a fault of ours by looking at each one by itself. The next batch waits meanwhile."""
        if len(self.items) > 1:
            alone = [Batch(self._parts, [item], ahead=self._ahead, on_stage=_nobody_hears) for item in self.items]
            return [outcome for batch in alone for outcome in await batch.look()]
        self._log.error("look_failed", business=self._business.code, exc_info=error)
        return self._all_failed(Failure(ending=Ending.RETRY, reason=f"internal error ({type(error).__name__})"))

    async def _take(self, looks: Sequence[Look], *steps: Callable[[Look], Awaitable[None]]) -> None:
        for step in steps:
            await together(self._guarded(look, step) for look in looks)

    async def _guarded(self, look: Look, step: Callable[[Look], Awaitable[None]]) -> None:
        """Take one step of one look. A fault of ours ends this look alone; it is logged and tried again."""
        if look.broken:
            return
        try:
            await step(look)
        except (LeaseLost, DatabaseUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - the worker's edge: whatever it is must not stop the lane
            self._log.error("look_failed", business=self._business.code, exc_info=error)
            look.give_up(Failure(ending=Ending.RETRY, reason=f"internal error ({type(error).__name__})"))

    async def _wake_others(self, looks: Sequence[Look]) -> None:
        """Wake whatever these looks gave a reason to look at.

        Two rentals in each other's way must not wake each other for ever.
        """
        asked = {RentalId(item.subject.id) for item in self.items if item.reason == IN_THE_WAY}
        wakes: dict[str, set[RentalId]] = {}
        neighbours = await together(self._neighbours(look) for look in looks)
        for look, its_neighbours in zip(looks, neighbours, strict=True):
            wakes.setdefault("the group of its unit was left", set()).update(its_neighbours)
            wakes.setdefault(IN_THE_WAY, set()).update(*(ids for id_, ids in look.blockers.items() if id_ not in asked))
            wakes.setdefault("a staff lock may come over", set()).update(look.heirs)
        for reason, rentals in wakes.items():
            if rentals:
                subjects = [Subject.of(Kind.RENTAL, rental) for rental in sorted(rentals)]
                trace = telemetry.current_trace()
                await self._books.work.wake(self._business.code, subjects, reason, trace=trace)
                self._parts.news.set()

    async def _plan_others(self, looks: Sequence[Look]) -> None:
        """Plan the next look of rentals that were read along with an owner's others, and are not done.

        Not before the ones that were claimed are tried again, or two of an owner's rentals would chase each other.
        """
        claimed = {item.subject.id for item in self.items}
        attempts = max((item.attempts for item in self.items), default=0)
        others = [case.id for look in looks for case in look.case.rentals if case.id not in claimed]
        stand_ins = [
            WorkItem(subject=Subject.of(Kind.RENTAL, rental), wanted=0, attempts=attempts, reason="")
            for rental in others
        ]
        for outcome in self._outcomes(stand_ins, looks, {}, self._clock.now()):
            if outcome.again_at is not None:
                subject, reason = outcome.item.subject, "a look at another rental of its owner"
                await self._books.work.wake(self._business.code, [subject], reason, at=outcome.again_at)

    async def _neighbours(self, look: Look) -> set[RentalId]:
        """Return the live rentals mapped to the groups that rentals of this look have left."""
        own = {rental.id for rental in look.case.rentals}
        found: set[RentalId] = set()
        for tenant, group in look.left:
            holders = await self._books.ledger.on_group(tenant, group)
            found |= {memory.id for business, memory, _ in holders if business == self._business.code and memory.live}
        return found - own

    async def _report(self, looks: Sequence[Look]) -> None:
        found = [aimed(problem, look.case, self._business) for look in looks for problem in look.problems]
        solved = {(subject, code) for look in looks for subject, code in look.solved()}
        trace = telemetry.current_trace()
        new = await self._books.problems.settle(self._business.code, found, solved, self._clock.now(), trace=trace)
        for problem in new:
            self._log.warning(
                "problem",
                business=self._business.code,
                code=problem.code.value,
                subject_kind=problem.subject_kind,
                subject_id=problem.subject_id,
            )

    def _outcomes(
        self,
        items: Sequence[WorkItem],
        looks: Sequence[Look],
        unread: Mapping[RentalId, Failure],
        now: datetime,
    ) -> list[Outcome]:
        failures = dict(unread)
        cases: dict[RentalId, RentalCase] = {}
        unsure: dict[RentalId, datetime] = {}
        for look in looks:
            failures |= look.failures
            cases |= {rental.id: rental for rental in look.case.rentals}
            unsure |= look.unsure()
        outcomes = []
        for item in items:
            rental = RentalId(item.subject.id)
            failure = failures.get(rental) or self._held(cases.get(rental), now)
            done = self._done(item, cases.get(rental), now)
            outcome = outcome_of(item, failure, self._rules, now) if failure else done
            outcomes.append(_at_the_latest(outcome, unsure.get(rental)))
        return outcomes

    def _done(self, item: WorkItem, rental: RentalCase | None, now: datetime) -> Outcome:
        reason = rental.desired.reason if rental else "done"
        again_at = now if rental is not None and rental.locks_late else None
        return Outcome(item=item, ending=Ending.DONE, reason=reason, again_at=again_at)

    def _held(self, rental: RentalCase | None, now: datetime) -> Failure | None:
        """A hold is tried again hourly; one that waits for a confirming read, when that is due."""
        if rental is None or rental.desired.access is not Access.HOLD or not rental.desired.in_scope:
            return None
        confirmed_at = None
        if rental.memory.vanished_at is not None:
            due = rental.memory.vanished_at + self._business.policy.confirm_vanished
            confirmed_at = due if due > now else None
        return Failure(ending=Ending.HELD, reason=rental.desired.reason, again_at=confirmed_at)


def _nobody_hears() -> None:
    """Say nothing."""


def _about(case: OwnerCase) -> set[str]:
    """Return the ids of the owner and of all their rentals, remembered ones included, and of their units and groups."""
    memories = [memory for rental in case.rentals for memory in (rental.before, rental.memory)]
    memories += case.seen.rentals.values() if case.seen is not None else ()
    found: set[str | None] = {case.owner_id, *(rental.desired.group for rental in case.rentals)}
    for memory in memories:
        found |= {memory.id, memory.unit_id, memory.group}
    for rental in case.rentals:
        found |= {record.group for record in rental.records}
    return {one for one in found if one is not None}


def _at_the_latest(outcome: Outcome, instant: datetime | None) -> Outcome:
    """Plan the next look for `instant` unless it comes before; a retry keeps its own pace."""
    if instant is None or outcome.ending is Ending.RETRY:
        return outcome
    return replace(outcome, again_at=min(outcome.again_at or instant, instant))
