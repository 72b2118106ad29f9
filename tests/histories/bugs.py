"""Known-bad variants of pieces of Keyturn, which the histories must catch: this proves the histories, not the code.

Each is planted for the length of a block, within which one real piece behaves as some product did, or could.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from unittest.mock import patch

from histories.history import Theme
from keyturn.businesses import Directory
from keyturn.core import entitlement
from keyturn.core.entitlement import Desired
from keyturn.core.ids import PinHash, RentalId
from keyturn.core.membership import Access
from keyturn.core.memory import FieldMemory
from keyturn.core.pin import merge_pins
from keyturn.core.rental import Tenancy
from keyturn.core.vanished import Disappearance
from keyturn.core.work import Ending, Kind, Lane, Outcome, WorkItem
from keyturn.engine import batch, case, observe, writeback
from keyturn.engine.intake import Intake, Notice
from keyturn.engine.lease import Lease
from keyturn.engine.look import Look
from keyturn.errors import DatabaseUnavailable
from keyturn.providers.sensorberg.client import SensorbergClient
from keyturn.providers.sensorberg.simulator import Knobs as SensorbergKnobs
from keyturn.store import businesses, ledger, work
from keyturn.store.pins import Pins
from keyturn.store.work import Work
from keyturn.storeganise.account import StoreganiseAccount
from keyturn.storeganise.client import ApiKey
from keyturn.storeganise.simulator import Knobs as StoreganiseKnobs


@contextmanager
def _with(*places: tuple[Any, str, Any]) -> Iterator[None]:
    """Put something else in several places."""
    with ExitStack() as stack:
        for owner, name, value in places:
            stack.enter_context(patch.object(owner, name, value))
        yield


def marked_done_first() -> Any:
    """A row counts as done before the look at it."""
    real = Work.take

    async def take(self: Work, lane: Lane, *kinds: Collection[Kind], limit: int) -> list[WorkItem]:
        items = await real(self, lane, *kinds, limit=limit)
        if items and items[0].subject.kind == Kind.RENTAL.value:
            await self.finish(lane, [Outcome(item=item, ending=Ending.DONE, reason="done") for item in items])
        return items

    return _with((Work, "take", take))


def ok_on_error() -> Any:
    """A webhook is answered 200 although it could not be stored."""
    real = Intake.accept

    async def accept(self: Intake, notice: Notice) -> bool:
        try:
            return await real(self, notice)
        except DatabaseUnavailable:
            return True

    return _with((Intake, "accept", accept))


def absence_means_revoke() -> Any:
    """A rental that is not shown is taken for ended."""

    def judge(vanished: Disappearance) -> Desired:
        memory = replace(vanished.memory, live=False)
        return Desired(access=Access.NONE, reason="it is not shown", memory=memory)

    return _with((observe, "judge", judge))


def reads_believed() -> Any:
    """What was read once is believed for two hours."""
    real = StoreganiseAccount.rental
    known: dict[RentalId, tuple[datetime, Tenancy]] = {}

    async def rental(self: StoreganiseAccount, rental_id: RentalId) -> Tenancy:
        now = self._clock.now()
        kept = known.get(rental_id)
        if kept is None or now - kept[0] > timedelta(hours=2):
            kept = known[rental_id] = (now, await real(self, rental_id))
        return kept[1]

    return _with((StoreganiseAccount, "rental", rental))


def new_pin_on_retry() -> Any:
    """Where a PIN's way to its field was not confirmed, the next try makes a new one."""

    def merge(owner: Any, rentals: Any, rules: Any) -> Any:
        decision = merge_pins(owner, rentals, rules)
        unconfirmed = owner.memory.sent is not None and decision.hold is None
        return replace(decision, target=None, generate="another try", changes=True) if unconfirmed else decision

    return _with((case, "merge_pins", merge))


def wrong_business() -> Any:
    """All accounts are asked with the key of the first one."""
    real = Directory._client

    def client(self: Directory, api_url: str, _authorization: Any, turns: Any, circuit: Any) -> Any:
        first = next(iter(self._settings.businesses.values())).api_key
        return real(self, api_url, ApiKey(first.get_secret_value() if first else ""), turns, circuit)

    return _with((Directory, "_client", client))


def no_fencing() -> Any:
    """Who once held a lane goes on as if they still did."""

    def fenced(*_: Any) -> None:
        return None

    def holds(_: Lease) -> bool:
        return True

    places = [(module, "fenced", fenced) for module in (work, ledger, businesses)]
    return _with(*places, (Lease, "holds", holds))


def swallowed_revoke() -> Any:
    """In a transfer, a revoke that fails is forgotten."""
    real = Look.depart

    async def depart(self: Look) -> None:
        before = set(self.failures)
        await real(self)
        for rental in set(self.failures) - before:
            del self.failures[rental]

    return _with((Look, "depart", depart))


def utc_midnight() -> Any:
    """A day starts at midnight in UTC, whatever the site's zone."""

    def first_instant(day: date, _: tzinfo) -> datetime:
        return datetime.combine(day, time(), UTC)

    return _with((entitlement, "first_instant", first_instant))


def endless_401() -> Any:
    """An answer 401 is repeated with a fresh token, again and again."""
    real = SensorbergClient._send

    async def send(self: SensorbergClient, operation: Any, method: str, path: str, token: Any, body: Any) -> Any:
        response = await real(self, operation, method, path, token, body)
        while response.status == 401:
            token = await self._tokens.token(instead_of=token)
            response = await real(self, operation, method, path, token, body)
        return response

    return _with((SensorbergClient, "_send", send))


def no_echo_guard() -> Any:
    """Fields are written whether they differ or not."""

    def needs_write(_memory: FieldMemory, _value: str, _wanted: str) -> bool:
        return True

    return _with((writeback, "needs_write", needs_write))


def lock_lost_on_transfer() -> Any:
    """A staff lock stays behind when the tenant changes the unit."""

    def carries(*_: Any, **__: Any) -> None:
        return None

    return _with((case, "carries_lock_from", carries))


def pins_not_reserved() -> Any:
    """A PIN is used without asking whether somebody else has it."""

    async def reserve(*_: Any, **__: Any) -> bool:
        return True

    async def taken(*_: Any, **__: Any) -> set[PinHash]:
        return set()

    return _with((Pins, "reserve", reserve), (Pins, "taken", taken))


def late_calls_forgotten() -> Any:
    """A call that was never answered counts as one that never happened, once its repetition was confirmed."""

    def as_it_is(value: Any, _now: datetime) -> Any:
        return value

    return _with((observe, "doubted", as_it_is), (observe, "doubted_code", as_it_is))


def one_owner_twice() -> Any:
    """A batch does not wait for one under way that is about the same owner, rental, unit or group."""
    return _with((batch, "_about", lambda _: set()))


@dataclass(frozen=True, kw_only=True)
class Bug:
    """A bug, and histories in which it can show."""

    plant: Callable[[], Any]
    seen_as: str
    """The invariant it breaks."""
    theme: Theme
    seed: int = 0
    """The first history that is tried."""


_MOVES = {"move_in": 2, "move_out": 1, "rent_again": 2, "transfer": 2}
_CHANGES = {"move_in": 2, "become_overdue": 2, "pay": 1, "edit_lock": 1, "move_out": 1}
FIRST = (0.001, 0, 0, 0)
"""The first of all it could be about."""
_EDITS = {"move_in": 1, "edit_owner_pin": 2, "edit_rental_pin": 1}
_FAULTS = {"fail": 1}

BUGS: dict[str, Bug] = {
    "a row counts as done before the look": Bug(
        plant=marked_done_first, seen_as="I22", theme=Theme(deeds=_CHANGES, trouble=_FAULTS, trouble_rate=0.5)
    ),
    "200 although nothing was stored": Bug(
        plant=ok_on_error,
        seen_as="I23",
        theme=Theme(deeds=_EDITS | {"remap": 1}, trouble={"lose_database": 1}, trouble_rate=0.8),
    ),
    "what is not shown is revoked": Bug(
        plant=absence_means_revoke, seen_as="I5", theme=Theme(deeds=_MOVES, trouble={"hide": 1})
    ),
    "a read is believed for hours": Bug(plant=reads_believed, seen_as="I22", seed=4, theme=Theme(deeds=_CHANGES)),
    "another PIN on each try": Bug(
        plant=new_pin_on_retry,
        seen_as="I11",
        theme=Theme(deeds=_EDITS, trouble=_FAULTS | {"crash": 1}, trouble_rate=0.5),
    ),
    "the first business' keys for all": Bug(
        plant=wrong_business, seen_as="I22", theme=Theme(deeds=_MOVES, plan={"businesses": 2})
    ),
    "no fencing": Bug(
        plant=no_fencing,
        seen_as="I22",
        seed=9,
        theme=Theme(
            deeds={"become_overdue": 1, "pay": 1},
            webhooks={"stand_still": 1},
            webhook_rate=0.5,
            trouble_rate=0,
            lengths=(6,),
            calm_rate=0,
            gaps_s=(20.0,),
            numbers={"stand_still": (0, 0.6, 0, 0)},
            plan={"machines": 2},
        ),
    ),
    "a revoke that fails in a transfer is forgotten": Bug(
        plant=swallowed_revoke,
        seen_as="I22",
        seed=8,
        theme=Theme(
            deeds={"move_in": 1, "transfer": 2},
            trouble=_FAULTS,
            trouble_rate=0.5,
            numbers={"fail": (0.1, 0.3, 0, 0)},
            plan={"storeganise": StoreganiseKnobs(echo_own_writes=False)},
        ),
    ),
    "midnight in UTC": Bug(plant=utc_midnight, seen_as="I28", theme=Theme(deeds={"move_in_later": 1})),
    "401 without end": Bug(
        plant=endless_401, seen_as="I14", theme=Theme(deeds=_MOVES, trouble={"forbid": 1}, trouble_rate=0.5)
    ),
    "fields are written whether they differ or not": Bug(plant=no_echo_guard, seen_as="I20", theme=Theme(deeds=_MOVES)),
    "a staff lock stays behind": Bug(
        plant=lock_lost_on_transfer,
        seen_as="I22",
        theme=Theme(
            deeds={"edit_lock": 1, "transfer": 1},
            trouble_rate=0,
            webhook_rate=0,
            calm_rate=1,
            numbers={"transfer": FIRST},
        ),
    ),
    "PINs are not reserved": Bug(
        plant=pins_not_reserved,
        seen_as="I10",
        seed=6,
        theme=Theme(
            deeds={"move_in": 2, "edit_bad_pin": 1},
            numbers={"edit_bad_pin": (0.001, 0.999, 0.6, 0)},
            plan={"sensorberg": SensorbergKnobs(code_unique="off")},
        ),
    ),
    "one owner in two batches": Bug(
        plant=one_owner_twice,
        seen_as="I11",
        seed=13,
        theme=Theme(
            deeds={"move_in": 1, "transfer": 2},
            trouble_rate=0,
            webhook_rate=0,
            lengths=(12,),
            calm_rate=0,
            gaps_s=(0.3,),
            plan={"latency_s": 0.3},
        ),
    ),
    "late calls are forgotten": Bug(
        plant=late_calls_forgotten,
        seen_as="I22",
        seed=6,
        theme=Theme(deeds=_MOVES | {"become_overdue": 1, "pay": 1}, trouble={"hang": 1}, trouble_rate=0.6),
    ),
}
