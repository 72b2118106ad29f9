"""A little model of a provider's backend: it holds memberships and answers the three calls truthfully."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from keyturn.core.ids import ExternalId, GroupId, OwnerId, TenantUrl
from keyturn.core.membership import Answered, Call, History, Result, Stuck, Verb, Wanted, after_call, next_call
from keyturn.core.memory import Record, RecordState

MOST_CALLS = 40
"""More than any look needs with a few memberships at two backends; a look that takes more goes round in circles."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A membership as the backend holds it."""

    user: OwnerId
    group: GroupId
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What backends are free to do one way or the other."""

    shows_attributes: bool = True
    """Answers carry user, group and start."""
    keeps_ids_spent: bool = False
    """The external id of a removed membership is never taken again."""
    refuses_removal: bool = False
    refuses_amendment: bool = False


class AnswerLost(Exception):
    """The call had its effect, and nobody knows."""


@dataclass(kw_only=True)
class Backend:
    """One tenant of the access system."""

    habits: Habits = field(default_factory=Habits)
    held: dict[ExternalId, Held] = field(default_factory=dict)
    spent: set[ExternalId] = field(default_factory=set)

    def answer(self, call: Call) -> Answered:
        """Carry out one call."""
        match call.verb:
            case Verb.CREATE:
                return self._create(call.record)
            case Verb.AMEND:
                return self._amend(call.record)
            case Verb.REMOVE:
                return self._remove(call.record)

    def opens(self, now: datetime) -> list[tuple[OwnerId, GroupId]]:
        """Say who may open what: now, or from a later start on."""
        return [
            (held.user, held.group)
            for held in self.held.values()
            if held.ends_at is None or held.ends_at > max(now, held.starts_at)
        ]

    def _create(self, record: Record) -> Answered:
        if record.external_id in self.held or record.external_id in self.spent:
            return Answered(result=Result.TAKEN)
        self.held[record.external_id] = Held(
            user=record.owner_id, group=record.group, starts_at=record.starts_at, ends_at=record.ends_at
        )
        return Answered(result=Result.DONE, shown=self._shown(record))

    def _amend(self, record: Record) -> Answered:
        if record.external_id not in self.held:
            return Answered(result=Result.MISSING)
        if self.habits.refuses_amendment:
            return Answered(result=Result.REFUSED)
        self.held[record.external_id] = replace(self.held[record.external_id], ends_at=record.ends_at)
        return Answered(result=Result.DONE, shown=self._shown(record))

    def _remove(self, record: Record) -> Answered:
        if self.habits.refuses_removal and record.external_id in self.held:
            return Answered(result=Result.REFUSED)
        if self.held.pop(record.external_id, None) is not None and self.habits.keeps_ids_spent:
            self.spent.add(record.external_id)
        return Answered(result=Result.DONE)

    def _shown(self, record: Record) -> bool | None:
        held = self.held[record.external_id]
        same = (held.user, held.group, held.starts_at) == (record.owner_id, record.group, record.starts_at)
        return same if self.habits.shows_attributes else None


@dataclass(kw_only=True)
class World:
    """The backends, and what is recorded of them."""

    backends: dict[TenantUrl, Backend]
    records: tuple[Record, ...] = ()
    calls: list[Call] = field(default_factory=list)

    def look(self, wanted: Wanted, *, lose: Sequence[int] = ()) -> Stuck | None:
        """Make calls until none is left, as the engine does; raise at those whose answer is to be lost."""
        history = History()
        for number in range(MOST_CALLS):
            step = next_call(wanted, self.records, history)
            if not isinstance(step, Call):
                return step
            before = next((record for record in self.records if _key(record) == _key(step.record)), None)
            self._record(replace(step.record, state=RecordState.SENT))
            answer = self.backends[step.record.tenant].answer(step)
            self.calls.append(step)
            if number in lose:
                raise AnswerLost
            self._record(after_call(step, before, answer))
            history = history.add(step, answer)
        raise AssertionError(f"no end after {MOST_CALLS} calls")

    def settle(self, wanted: Wanted, losses: Sequence[Sequence[int]] = ()) -> Stuck | None:
        """Look again after each look that lost an answer, and return how the last one ended."""
        for lose in losses:
            try:
                return self.look(wanted, lose=lose)
            except AnswerLost:
                continue
        return self.look(wanted)

    def _record(self, record: Record) -> None:
        self.records = (*(other for other in self.records if _key(other) != _key(record)), record)


def _key(record: Record) -> tuple[TenantUrl, ExternalId]:
    return record.tenant, record.external_id
