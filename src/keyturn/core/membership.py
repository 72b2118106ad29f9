"""Which call comes next for a rental's membership at the provider.

Nothing can be read there, so what is known is what was confirmed. Whatever is unknown is
written, never assumed: an unknown membership is *looked at* by setting the end it should
have; an unwanted one is removed even if it may not exist. `next_call` names one call at a
time from the records; the shell records it as sent, makes it, feeds the answer to
`after_call`, and asks again until nothing is left to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from keyturn.core.ids import ExternalId, GroupId, OwnerId, RentalId, TenantUrl
from keyturn.core.memory import Record, RecordState

BEFORE_START = "locked before its start"


class Access(Enum):
    """What the decision wants of a rental."""

    MEMBER = "member"
    NONE = "none"
    HOLD = "hold"
    """Nothing may be widened; a membership that exists can still be locked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The membership a rental should have."""

    access: Access
    rental_id: RentalId
    tenant: TenantUrl
    user: OwnerId | None = None
    group: GroupId | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    """`None` is open-ended; with `locked` it is the lock instant."""
    locked: bool = False
    closes_at: datetime
    """The end to set where a removal is refused: just past, by the provider's time."""
    look_first: bool = True
    """The rental may have a membership from before our memory, so the first thing is a look, not a create."""
    now: datetime


class Verb(Enum):
    """The three membership calls."""

    CREATE = "create"
    AMEND = "amend"
    REMOVE = "remove"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call, with the record as it should be once the call has succeeded."""

    verb: Verb
    record: Record
    reason: str
    closes: bool = False
    """It ends a membership whose removal was refused."""
    doubtful: bool = False
    """An unanswered call under the same id, for another user, group or start, may still take its place."""


class Result(Enum):
    """How a call ended."""

    DONE = "done"
    MISSING = "missing"
    TAKEN = "taken"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """The answer to a call."""

    result: Result
    shown: bool | None = None
    """Whether the answer showed user, group and start as recorded; `None` where it did not show them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """What was already tried in this look, so that no call is made twice for the same reason."""

    results: Mapping[tuple[Verb, TenantUrl, ExternalId], Result] = field(default_factory=dict)
    closed: frozenset[tuple[TenantUrl, ExternalId]] = frozenset()
    """Memberships whose end was set because their removal was refused."""
    creates: int = 0

    def add(self, call: Call, answer: Answered) -> History:
        """Return the history with one more call. A removal makes room for a new create under the same id."""
        key = _key(call.record)
        results = {**self.results, (call.verb, *key): answer.result}
        if call.verb is Verb.REMOVE and answer.result in {Result.DONE, Result.MISSING}:
            results = {tried: result for tried, result in results.items() if tried[1:] != key}
        closed = self.closed | {key} if call.closes else self.closed
        return History(results=results, closed=closed, creates=self.creates + (call.verb is Verb.CREATE))

    def of(self, verb: Verb, record: Record) -> Result | None:
        """Return how this call ended, `None` if it was not made."""
        return self.results.get((verb, *_key(record)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Stuck:
    """No call is left that could help; `what` was refused."""

    what: Verb


def next_call(wanted: Wanted, records: Sequence[Record], history: History) -> Call | Stuck | None:
    """Return the next call, or `None` when the membership is as wanted, or `Stuck`."""
    here = [record for record in records if record.tenant == wanted.tenant]
    elsewhere = [record for record in records if record.tenant != wanted.tenant and _open(record)]
    match wanted.access:
        case Access.HOLD:
            return _narrow(wanted, list(filter(_open, records)), history)
        case Access.NONE:
            return _remove_all(wanted, [*here, *elsewhere] or _never_sent(wanted), history, "no access is due")
        case Access.MEMBER:
            if not here and wanted.look_first:
                here = _never_sent(wanted)
            step = _lock(wanted, here, history) if wanted.locked else _grant(wanted, here, history)
            return _first(step, _remove_all(wanted, elsewhere, history, "the site uses another backend now"))


def _first(*steps: Call | Stuck | None) -> Call | Stuck | None:
    """Return the first call there is to make; where there is none, what is stuck."""
    call = next((step for step in steps if isinstance(step, Call)), None)
    return call or next((step for step in steps if isinstance(step, Stuck)), None)


def foresee(wanted: Wanted, records: Sequence[Record]) -> list[Call]:
    """Return the calls that would follow if each one succeeded and showed what was written."""
    calls: list[Call] = []
    history = History()
    known = tuple(records)
    while isinstance(step := next_call(wanted, known, history), Call):
        before = next((record for record in known if _key(record) == _key(step.record)), None)
        answer = Answered(result=Result.DONE, shown=True)
        known = (*(record for record in known if record is not before), after_call(step, before, answer))
        history = history.add(step, answer)
        calls.append(step)
    return calls


def after_call(call: Call, before: Record | None, answer: Answered) -> Record:
    """Return the record after an answer. `before` is the record as it was before the call, if there was one."""
    record = call.record
    match call.verb, answer.result:
        case Verb.REMOVE, Result.DONE:
            return replace(record, state=RecordState.GONE, made=False, spent=True)
        case _, Result.MISSING:
            was_sent = before is not None and before.state is RecordState.SENT
            return replace(record, state=RecordState.GONE, made=False, spent=record.spent or record.made or was_sent)
        case Verb.CREATE, Result.DONE:
            spent = record.spent or call.doubtful
            return replace(record, state=RecordState.KNOWN, made=not call.doubtful, spent=spent)
        case Verb.CREATE, Result.TAKEN:
            return replace(record, state=RecordState.UNKNOWN, made=False)
        case Verb.AMEND, Result.DONE:
            return _amended(record, answer)
        case _:
            refused_create = call.verb is Verb.CREATE
            return before or replace(record, state=RecordState.GONE if refused_create else RecordState.UNKNOWN)


def _amended(record: Record, answer: Answered) -> Record:
    if answer.shown or (answer.shown is None and record.made):
        return replace(record, state=RecordState.KNOWN, made=True)
    return replace(record, state=RecordState.UNKNOWN, made=False)


def _open(record: Record) -> bool:
    return record.state is not RecordState.GONE


def _key(record: Record) -> tuple[TenantUrl, ExternalId]:
    return record.tenant, record.external_id


def _never_sent(wanted: Wanted) -> list[Record]:
    """Stand in for a membership that may exist although we have no record of it."""
    return [
        Record(
            tenant=wanted.tenant,
            external_id=ExternalId(wanted.rental_id),
            rental_id=wanted.rental_id,
            owner_id=wanted.user or OwnerId(""),
            group=wanted.group or GroupId(""),
            starts_at=wanted.starts_at or wanted.closes_at,
            ends_at=wanted.ends_at,
            state=RecordState.UNKNOWN,
            made=False,
        )
    ]


def _remove_all(wanted: Wanted, records: Sequence[Record], history: History, reason: str) -> Call | Stuck | None:
    return _first(*(_remove(wanted, record, history, reason) for record in records if _open(record)))


def _remove(wanted: Wanted, record: Record, history: History, reason: str) -> Call | Stuck:
    """Remove; where that is refused, end the membership instead."""
    if history.of(Verb.REMOVE, record) is not Result.REFUSED:
        return Call(verb=Verb.REMOVE, record=record, reason=reason)
    if _key(record) not in history.closed:
        ends_at = max(wanted.closes_at, record.starts_at) if record.made else wanted.closes_at
        closed = replace(record, ends_at=ends_at)
        return Call(verb=Verb.AMEND, record=closed, reason=f"{reason}, and its removal was refused", closes=True)
    return Stuck(what=Verb.REMOVE)


def _narrow(wanted: Wanted, records: Sequence[Record], history: History) -> Call | Stuck | None:
    """On hold: what exists is locked if it has to be, and what is somebody else's is removed; nothing is widened."""
    others = [record for record in records if wanted.user is not None and record.owner_id != wanted.user]
    own = [record for record in records if record not in others]
    removal = _remove_all(wanted, others, history, "the rental has another owner now")
    if not wanted.locked:
        return removal
    if wanted.starts_at is not None and wanted.starts_at > wanted.now:
        return _first(removal, _remove_all(wanted, own, history, BEFORE_START))
    return _first(removal, _lock_all(wanted, own, history))


def _lock_all(wanted: Wanted, records: Sequence[Record], history: History) -> Call | Stuck | None:
    return _first(*(_lock_one(wanted, record, history) for record in records))


def _lock_one(wanted: Wanted, record: Record, history: History) -> Call | Stuck | None:
    """End one membership at the lock instant; where that is refused, remove it."""
    if record.state is RecordState.KNOWN and record.ends_at == wanted.ends_at:
        return None
    if history.of(Verb.AMEND, record) is None:
        return Call(verb=Verb.AMEND, record=replace(record, ends_at=wanted.ends_at), reason="locked")
    return _remove(wanted, record, history, "locked, and its end could not be set for certain")


def _lock(wanted: Wanted, records: Sequence[Record], history: History) -> Call | Stuck | None:
    started = wanted.starts_at is not None and wanted.starts_at <= wanted.now
    if not started:
        return _remove_all(wanted, records, history, BEFORE_START)
    present = list(filter(_open, records))
    wrong = [record for record in present if not _matches(wanted, record)]
    removal = _remove_all(wanted, wrong, history, "locked, and its user, group or start has changed")
    return _first(removal, _lock_all(wanted, [record for record in present if record not in wrong], history))


def _grant(wanted: Wanted, records: Sequence[Record], history: History) -> Call | Stuck | None:
    """Have exactly one open membership, the wanted one."""
    present = sorted(filter(_open, records), key=lambda record: not _certain(wanted, record))
    usable = [record for record in present if _key(record) not in history.closed]
    kept = usable[:1]
    step = _keep(wanted, kept[0], history) if kept else _create(wanted, records, history)
    extra = [record for record in present if record not in kept]
    return _first(step, _remove_all(wanted, extra, history, "another membership of this rental is in force"))


def _keep(wanted: Wanted, record: Record, history: History) -> Call | Stuck | None:
    """Make an existing membership the wanted one."""
    if not _matches(wanted, record):
        return _remove(wanted, record, history, "its user, group or start has changed")
    if record.state is RecordState.KNOWN and record.ends_at == wanted.ends_at:
        return None
    match history.of(Verb.AMEND, record):
        case None:
            reason = "its end changes" if record.state is RecordState.KNOWN else "it is not known what exists"
            return Call(verb=Verb.AMEND, record=replace(record, ends_at=wanted.ends_at), reason=reason)
        case Result.REFUSED:
            return Stuck(what=Verb.AMEND)
        case _:
            return _remove(wanted, record, history, "it exists, but not certainly for this user, group and start")


def _create(wanted: Wanted, records: Sequence[Record], history: History) -> Call | Stuck:
    external_id = _next_id(wanted, records, history)
    if external_id is None or wanted.user is None or wanted.group is None or wanted.starts_at is None:
        return Stuck(what=Verb.CREATE)
    before = next((record for record in records if record.external_id == external_id), None)
    record = Record(
        tenant=wanted.tenant,
        external_id=external_id,
        rental_id=wanted.rental_id,
        owner_id=wanted.user,
        group=wanted.group,
        starts_at=wanted.starts_at,
        ends_at=wanted.ends_at,
        state=RecordState.UNKNOWN,
        made=False,
        spent=before is not None and before.spent,
        unsure_until=before.unsure_until if before else None,
    )
    doubtful = before is not None and before.unsure_until is not None and not _matches(wanted, before)
    return Call(verb=Verb.CREATE, record=record, reason="access is due", doubtful=doubtful)


MOST_UNPROVEN = 2
"""How far ids are numbered on suspicion alone: a rental older than our memory may have had one that was removed."""
MOST_CREATES = 3


def _next_id(wanted: Wanted, records: Sequence[Record], history: History) -> ExternalId | None:
    """Return the external id to create under: the last one used, or one further where that one cannot be used again.

    A create that is refused as taken, while the look finds nothing, shows that the id is spent.
    """
    if history.creates >= MOST_CREATES:
        return None
    used = sorted(records, key=lambda record: (len(record.external_id), record.external_id))
    if not used:
        return ExternalId(wanted.rental_id)
    last = used[-1]
    tried = history.of(Verb.CREATE, last)
    if tried is None and not _open(last):
        return last.external_id
    _, _, number = last.external_id.removeprefix(wanted.rental_id).rpartition("-")
    following = int(number or 1) + 1
    found_nothing = tried is Result.TAKEN and history.of(Verb.AMEND, last) is Result.MISSING
    proven = found_nothing and (last.spent or (wanted.look_first and following <= MOST_UNPROVEN))
    return ExternalId(f"{wanted.rental_id}-{following}") if proven or _open(last) else None


def _certain(wanted: Wanted, record: Record) -> bool:
    return record.state is RecordState.KNOWN and _matches(wanted, record)


def _matches(wanted: Wanted, record: Record) -> bool:
    """Say whether user, group and start are as wanted. Two starts that are both past are as good as equal."""
    same_start = record.starts_at == wanted.starts_at or (
        wanted.starts_at is not None and max(record.starts_at, wanted.starts_at) <= wanted.now
    )
    return record.owner_id == wanted.user and record.group == wanted.group and same_start
