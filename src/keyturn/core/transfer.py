"""A staff lock follows its tenant to another unit, once, and only to the same tenant."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from keyturn.core.ids import RentalId
from keyturn.core.memory import RentalMemory, TransferPair
from keyturn.core.rental import Rental

CLOSE = timedelta(days=2)
"""An earlier rental that ended this close to the new start is taken for a transfer, named or not."""


def carries_lock_from(
    rental: Rental,
    memory: RentalMemory,
    *,
    siblings: Collection[RentalMemory],
    pairs: Sequence[TransferPair],
    had_access: bool,
) -> RentalId | None:
    """Return the rental whose staff lock comes over to this one, or `None`.

    `siblings` are the owner's other rentals; `pairs` the transfers that events named. Without a named
    transfer only a rental that never had access takes over a lock, and only one that nobody took over yet and
    that no event gave to another rental.
    """
    named = {pair.old: pair.carried for pair in pairs if pair.new == rental.id}
    carried_before = {sibling.carried_from for sibling in (*siblings, memory)}
    for old in siblings:
        if not old.staff_lock_at_end or old.owner_id != rental.owner_id or old.id == memory.carried_from:
            continue
        fresh = not had_access and memory.carried_from is None and old.id not in carried_before
        for_another = any(pair.old == old.id and pair.new != rental.id for pair in pairs)
        guessed = fresh and not for_another and _close(old, rental)
        if guessed or named.get(old.id) is False:
            return old.id
    return None


def _close(old: RentalMemory, rental: Rental) -> bool:
    return old.ended is not None and rental.start is not None and abs(old.ended - rental.start) <= CLOSE
