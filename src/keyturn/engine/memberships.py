"""Bring one rental's membership at the provider to what is wanted, one recorded call at a time.

Each call is written down as *sent* before it goes out and as *known* only on its answer, under
a lease still held. A worker that finds its lease gone after a call marks the rental unknown
and wakes it, so that whoever holds the lane now looks again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from keyturn.core.ids import RentalId, TenantUrl
from keyturn.core.late import not_found
from keyturn.core.membership import Answered, Call, History, Result, Stuck, Verb, Wanted, after_call, next_call
from keyturn.core.memory import Record, RecordState
from keyturn.core.work import Lane
from keyturn.engine.account import Account
from keyturn.engine.business import Business
from keyturn.errors import CredentialsRejected, LeaseLost, NotFound, Refused
from keyturn.providers.protocol import Answer, Membership, Provider, Shown
from keyturn.store.ledger import Ledger

MOST_CALLS = 12
"""No sequence of answers needs more; one that does is a fault of ours and ends as stuck."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What the calls for one rental came to."""

    records: tuple[Record, ...]
    stuck: Stuck | None = None
    calls: int = 0


class Memberships:
    """Applies membership plans for one lane."""

    def __init__(self, *, business: Business, lane: Lane, ledger: Ledger, provider: Provider | None) -> None:
        """`provider` is the one that serves the rental's site; others are asked for at backends it left."""
        self._business = business
        self._lane = lane
        self._ledger = ledger
        self._own = provider

    async def settle(self, wanted: Wanted, records: tuple[Record, ...], account: Account | None = None) -> Settled:
        """Make calls until the membership is as wanted, or nothing more can be done.

        Raises `Unavailable`, `CredentialsRejected` or `LeaseLost`; what is unknown then stays recorded as sent.
        """
        history = History()
        for calls in range(MOST_CALLS):
            step = next_call(wanted, records, history)
            if isinstance(step, Stuck) and await self._user_was_missing(step, wanted, account):
                history = History()
                continue
            if not isinstance(step, Call):
                return Settled(records=records, stuck=step, calls=calls)
            before = _find(records, step.record)
            if step.verb is Verb.CREATE and account is not None:
                await account.ensure_user(self._provider(step.record.tenant))
            answer = await self._make(step)
            record = after_call(step, before, answer)
            if answer.result is Result.MISSING:
                record = not_found(record, before, wanted.now)
            await self._record(record)
            records, history = _with(records, record), history.add(step, answer)
        return Settled(records=records, stuck=Stuck(what=Verb.AMEND), calls=MOST_CALLS)

    async def _user_was_missing(self, stuck: Stuck, wanted: Wanted, account: Account | None) -> bool:
        """A refused create may mean that the provider lost the user; say whether it had to be made anew."""
        if stuck.what is not Verb.CREATE or wanted.user is None or account is None:
            return False
        return await account.ensure_user(self._provider(wanted.tenant), anew=True)

    async def _make(self, call: Call) -> Answered:
        """Record the call as sent, make it, and classify the answer."""
        await self._ledger.save(self._lane, records=[replace(call.record, state=RecordState.SENT)])
        try:
            return await self._ask(call)
        except NotFound:
            return Answered(result=Result.MISSING)
        except Refused:
            return Answered(result=Result.REFUSED)

    async def _ask(self, call: Call) -> Answered:
        record = call.record
        provider = self._provider(record.tenant)
        match call.verb:
            case Verb.CREATE:
                return _answered(await provider.create_membership(_membership(record)), record)
            case Verb.AMEND:
                return _answered(await provider.amend_membership(record.external_id, record.ends_at), record)
            case Verb.REMOVE:
                missing = await provider.remove_membership(record.external_id)
                return Answered(result=Result.MISSING if missing else Result.DONE)

    async def _record(self, record: Record) -> None:
        try:
            await self._ledger.save(self._lane, records=[record])
        except LeaseLost:
            await self.doubt([record.rental_id])
            raise

    async def doubt(self, rentals: list[RentalId]) -> None:
        """Mark these rentals' memberships unknown and wake them."""
        await self._ledger.mark_unknown(self._business.code, rentals, "a call was made after the lease was lost")

    def _provider(self, tenant: TenantUrl) -> Provider:
        own = self._own if self._own is not None and self._own.tenant == tenant else None
        provider = own or self._business.provider_at(tenant)
        if provider is None:
            raise CredentialsRejected(tenant, "memberships", "no credentials are known for this backend")
        return provider


def _find(records: tuple[Record, ...], wanted: Record) -> Record | None:
    return next((record for record in records if _key(record) == _key(wanted)), None)


def _with(records: tuple[Record, ...], changed: Record) -> tuple[Record, ...]:
    return (*(record for record in records if _key(record) != _key(changed)), changed)


def _key(record: Record) -> tuple[str, str]:
    return record.tenant, record.external_id


def _membership(record: Record) -> Membership:
    return Membership(
        external_id=record.external_id,
        user=record.owner_id,
        group=record.group,
        starts_at=record.starts_at,
        ends_at=record.ends_at,
    )


def _answered(answer: Shown | Answer, record: Record) -> Answered:
    match answer:
        case Shown():
            return Answered(result=Result.DONE, shown=_agrees(answer, record))
        case Answer.MISSING:
            return Answered(result=Result.MISSING)
        case Answer.TAKEN:
            return Answered(result=Result.TAKEN)


def _agrees(shown: Shown, record: Record) -> bool | None:
    """Compare what an answer showed with the record; `None` where it did not show all of user, group and start."""
    if shown.user is None or shown.group is None or shown.starts_at is None:
        return None
    return (shown.user, shown.group, shown.starts_at) == (record.owner_id, record.group, record.starts_at)
