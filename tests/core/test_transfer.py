"""A staff lock follows its tenant to another unit, once, and only to the same tenant."""

from __future__ import annotations

from datetime import date

import pytest

from core.builders import OWNER, RENTAL, START, STRANGER, a_memory, a_rental, memory_lost
from keyturn.core.ids import OwnerId, RentalId
from keyturn.core.memory import RentalMemory, TransferPair
from keyturn.core.rental import Rental
from keyturn.core.transfer import carries_lock_from

OLD = RentalId("old")
OLDER = RentalId("older")
NAMED = TransferPair(old=OLD, new=RENTAL)
FOR_ANOTHER = TransferPair(old=OLD, new=RentalId("another"))


def _old(
    ended: str | None = "2027-05-01", *, lock: bool = True, owner: OwnerId = OWNER, rental: RentalId = OLD
) -> RentalMemory:
    """An earlier rental of the owner, by default ended on the day the new one starts, with a staff lock."""
    return a_memory(
        id=rental, owner_id=owner, staff_lock_at_end=lock, ended=date.fromisoformat(ended) if ended else None
    )


NEW = memory_lost()
CARRIED = a_memory(carried_from=OLD)
CARRIED_FROM_OLDER = a_memory(carried_from=OLDER)
NOT_STARTED = a_rental(start=None)


@pytest.mark.parametrize(
    ("rental", "memory", "old", "pairs", "had_access", "expected"),
    [
        pytest.param(a_rental(), NEW, _old(), [NAMED], False, OLD, id="a named transfer carries the lock"),
        pytest.param(a_rental(), NEW, _old(), [], False, OLD, id="a transfer nobody named is taken for one"),
        pytest.param(a_rental(), NEW, _old("2027-04-29"), [], False, OLD, id="ended two days before the start"),
        pytest.param(a_rental(), NEW, _old("2027-04-28"), [], False, None, id="ended three days before the start"),
        pytest.param(a_rental(), NEW, _old("2027-05-03"), [], False, OLD, id="ended two days after the start"),
        pytest.param(a_rental(), NEW, _old("2027-05-04"), [], False, None, id="ended three days after the start"),
        pytest.param(a_rental(), NEW, _old("2026-01-01"), [NAMED], False, OLD, id="a named transfer has no time limit"),
        pytest.param(
            a_rental(), NEW, _old(lock=False), [NAMED], False, None, id="without a staff lock none comes over"
        ),
        pytest.param(a_rental(), NEW, _old(owner=STRANGER), [NAMED], False, None, id="named, but of another owner"),
        pytest.param(a_rental(), NEW, _old(owner=STRANGER), [], False, None, id="close, but of another owner"),
        pytest.param(
            a_rental(), NEW, _old(None), [], False, None, id="a rental that has not ended gives nothing by itself"
        ),
        pytest.param(
            a_rental(), NEW, _old(), [FOR_ANOTHER], False, None, id="close, but an event gave it to another rental"
        ),
        pytest.param(NOT_STARTED, NEW, _old(), [], False, None, id="a rental without a start takes nothing by itself"),
        pytest.param(NOT_STARTED, NEW, _old(), [NAMED], False, OLD, id="a named transfer needs no start"),
        pytest.param(a_rental(), NEW, _old(), [], True, None, id="a rental that had access is not new"),
        pytest.param(a_rental(), a_memory(), _old(), [NAMED], True, OLD, id="a late event still carries the lock"),
        pytest.param(
            a_rental(),
            NEW,
            _old(),
            [TransferPair(old=OLD, new=RENTAL, carried=True)],
            True,
            None,
            id="a transfer that was settled carries nothing again",
        ),
        pytest.param(
            a_rental(), CARRIED, _old(), [NAMED], False, None, id="the same lock never comes over twice, named"
        ),
        pytest.param(a_rental(), CARRIED, _old(), [], False, None, id="the same lock never comes over twice, unnamed"),
        pytest.param(
            a_rental(),
            CARRIED_FROM_OLDER,
            _old(),
            [],
            False,
            None,
            id="a rental that took one lock takes no other unnamed",
        ),
        pytest.param(
            a_rental(),
            CARRIED_FROM_OLDER,
            _old(),
            [NAMED],
            False,
            OLD,
            id="a second named transfer carries its own lock",
        ),
        pytest.param(
            a_rental(),
            a_memory(),
            _old("2026-01-01"),
            [TransferPair(old=OLD, new=RentalId("another"))],
            True,
            None,
            id="a transfer to another rental is none of ours",
        ),
    ],
)
def test_carries(
    rental: Rental,
    memory: RentalMemory,
    old: RentalMemory,
    pairs: list[TransferPair],
    had_access: bool,  # noqa: FBT001 - a column of the table
    expected: RentalId | None,
) -> None:
    """A staff lock that was on when the old rental ended comes over once per pair, to the same owner."""
    found = carries_lock_from(rental, memory, siblings=[old], pairs=pairs, had_access=had_access)

    assert found == expected


def test_several_rentals() -> None:
    """Of several earlier rentals, one with a staff lock is enough."""
    siblings = [_old(lock=False), _old("2026-01-01", rental=OLDER), _old(rental=RentalId("third"))]

    assert carries_lock_from(a_rental(), NEW, siblings=siblings, pairs=[], had_access=False) == "third"


def test_nothing_to_carry() -> None:
    """A tenant without an earlier rental starts without a lock."""
    assert carries_lock_from(a_rental(start=START), NEW, siblings=[], pairs=[], had_access=False) is None


def test_two_locks_at_once() -> None:
    """Of two rentals given up for this one, one lock is taken over; lifted by staff, neither comes back."""
    siblings = [_old(), _old(rental=OLDER)]
    first = carries_lock_from(a_rental(), NEW, siblings=siblings, pairs=[], had_access=False)
    later = a_memory(carried_from=first)

    assert first == OLD
    assert carries_lock_from(a_rental(), later, siblings=siblings, pairs=[], had_access=False) is None


def test_a_named_transfer_hides_no_other() -> None:
    """A named transfer without a lock does not keep that of another rental, given up at the same time, from coming."""
    siblings = [_old(lock=False), _old(rental=OLDER)]

    assert carries_lock_from(a_rental(), NEW, siblings=siblings, pairs=[NAMED], had_access=False) == OLDER


def test_a_lock_goes_to_one_rental_only() -> None:
    """A lock that another new rental of the owner took over does not come here as well."""
    heir = a_memory(id=RentalId("heir"), carried_from=OLD)

    assert carries_lock_from(a_rental(), NEW, siblings=[_old(), heir], pairs=[], had_access=False) is None
