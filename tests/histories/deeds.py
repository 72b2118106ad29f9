"""What people do in a history: tenants, staff, and whoever works at Sensorberg's dashboard.

Each deed picks whom it is about with the numbers it is given, so that the same numbers give the same deed; where
there is nobody it could be about, it does nothing and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any, TypeVar

from histories.dice import dice
from histories.town import Town
from keyturn.storeganise.simulator import Account

T = TypeVar("T")
Draws = tuple[float, float, float, float]
Deed = Callable[["Deeds", Draws], bool]
Found = tuple[Account, dict[str, Any]]


def pick(among: Sequence[T], draw: float) -> T | None:
    """Return one of them, the same for the same draw."""
    return among[int(draw * len(among))] if among else None


class Deeds:
    """Does things to a town."""

    def __init__(self, town: Town, seed: int) -> None:
        self.town = town
        self._random = dice(seed)
        self._names = 0

    # Moving

    def move_in(self, draws: Draws) -> bool:
        """A new tenant, or one who is there already, moves in today."""
        return self._move_in(draws, later=0)

    def move_in_later(self, draws: Draws) -> bool:
        """Somebody moves in whose rental starts in a day or two."""
        return self._move_in(draws, later=1 + int(draws[3] * 2))

    def book(self, draws: Draws) -> bool:
        """Somebody reserves a unit from tomorrow on; the platform completes that at midnight."""
        return self._move_in(draws, later=1, completed=False)

    def cancel_booking(self, draws: Draws) -> bool:
        """A reservation is withdrawn."""
        found = pick([f for f in self.town.rentals("reserved") if "moveInJobId" in f[1]], draws[0])
        if found is None:
            return False
        found[0].cancel_move_in(found[1]["id"])
        return True

    def move_out(self, draws: Draws) -> bool:
        """A tenant moves out."""
        found = self._rental(draws)
        if found is None or "moveOutJobId" in found[1]:
            return False
        self.town.codes[found[1]["ownerId"]].lose_rental()
        found[0].move_out(found[1]["id"])
        return True

    def plan_move_out(self, draws: Draws) -> bool:
        """A tenant gives notice, which changes nothing yet, or takes it back."""
        found = self._rental(draws)
        if found is None:
            return False
        account, rental = found
        if "moveOutJobId" in rental:
            account.cancel_move_out(rental["id"])
        else:
            account.schedule_move_out(rental["id"], account.today() + timedelta(days=3))
        return True

    def rent_again(self, draws: Draws) -> bool:
        """A tenant moves out and within minutes somebody else has the unit."""
        found = self._rental(draws)
        if found is None or "moveOutJobId" in found[1]:
            return False
        account, rental = found
        self.town.codes[rental["ownerId"]].lose_rental()
        account.move_out(rental["id"])
        account.move_in(self._new_tenant(account), rental["unitId"], account.today())
        return True

    def transfer(self, draws: Draws) -> bool:
        """A tenant changes to a free unit."""
        found = self._rental(draws)
        unit = pick(self._free(found[0]), draws[1]) if found else None
        if found is None or unit is None or "moveOutJobId" in found[1]:
            return False
        account, rental = found
        self.town.codes[rental["ownerId"]].lose_rental()
        new = account.transfer(rental["id"], unit)
        self._takes_over(rental["id"], new, account)
        return True

    def change_owner(self, draws: Draws) -> bool:
        """A rental goes to another tenant."""
        found = self._rental(draws)
        if found is None:
            return False
        account, rental = found
        self.town.codes[rental["ownerId"]].lose_rental()
        account.change_owner(rental["id"], self._new_tenant(account))
        self.town.locks.pop(rental["id"], None)
        self.town.locks[rental["id"]].unsure = True
        return True

    def change_start(self, draws: Draws) -> bool:
        """Staff correct a start date."""
        found = self._rental(draws)
        if found is None:
            return False
        account, rental = found
        day = account.today() + timedelta(days=int(draws[1] * 4) - 1)
        self.town.start_moved(rental["id"])
        account.edit_rental(rental["id"], startDate=day.isoformat())
        return True

    # Owing

    def become_overdue(self, draws: Draws) -> bool:
        """A tenant has not paid."""
        found = pick([f for f in self.town.rentals("occupied") if "overdue" not in f[1]], draws[0])
        if found is None:
            return False
        found[0].mark_overdue(found[1]["id"])
        self.town.locks[found[1]["id"]].overdue_changed()
        return True

    def pay(self, draws: Draws) -> bool:
        """A tenant pays."""
        found = pick([f for f in self.town.rentals("occupied") if "overdue" in f[1]], draws[0])
        if found is None:
            return False
        found[0].pay(found[1]["id"])
        self.town.locks[found[1]["id"]].overdue_changed()
        return True

    def edit_lock(self, draws: Draws) -> bool:
        """Staff turn the flag of a rental over: a lock of their own, a release, the end of either."""
        found = self._rental(draws)
        if found is None:
            return False
        account, rental = found
        if self._flag_is_unread(rental["id"]):  # see "not kept" in docs/safety.md
            return False
        shown, overdue = rental["customFields"].get("sensorberg_overlocked") is True, "overdue" in rental
        lock = self.town.locks[rental["id"]]
        known = self.town.calm and lock.locked(overdue=overdue) is shown
        account.edit_rental(rental["id"], {"sensorberg_overlocked": not shown})
        lock.edit(locked=not shown, overdue=overdue, known=known)
        return True

    def _flag_is_unread(self, rental: str) -> bool:
        """Say whether Keyturn has written the flag and not read the rental since."""
        for entry in reversed(self.town.world.storeganise.journal.entries):
            named = entry.path.endswith(rental) or rental in entry.query.get("ids", "")
            if named and entry.method == "PUT" and "sensorberg_overlocked" in entry.body.get("customFields", {}):
                return True
            if named and entry.method == "GET" and entry.status == 200:  # an answer that shows it
                return False
        return False

    # PINs

    def edit_owner_pin(self, draws: Draws) -> bool:
        """Staff give a tenant another PIN."""
        return self._edit_pin(draws, self._new_pin(), at_owner=True)

    def edit_rental_pin(self, draws: Draws) -> bool:
        """Staff change the copy of a rental, which is meant for the tenant."""
        return self._edit_pin(draws, self._new_pin(), at_owner=False)

    def edit_bad_pin(self, draws: Draws) -> bool:
        """Staff type a PIN that is weak, too short, or another tenant's."""
        taken = pick(sorted(self.town.world.sensorberg.codes.values()), draws[1])
        bad = pick(["123456", "4711", taken or "111111", taken or "12345a"], draws[2])
        return self._edit_pin(draws, bad, at_owner=draws[3] < 0.5, refused=True)

    def clear_owner_pin(self, draws: Draws) -> bool:
        """Staff empty a tenant's field to have the PIN rotated."""
        found = self._with_pin(draws)
        if found is None or not self.town.calm:  # see "not kept" in docs/safety.md
            return False
        account, rental = found
        self.town.codes[rental["ownerId"]].clear(known=self.town.calm)
        account.edit_user(rental["ownerId"], {"sensorberg_pin": None})
        return True

    def clear_rental_pin(self, draws: Draws) -> bool:
        """Staff empty the copy of a rental, which is put back."""
        found = self._with_pin(draws)
        if found is None or not self.town.calm:  # see "not kept" in docs/safety.md
            return False
        account, rental = found
        self.town.codes[rental["ownerId"]].edit(None, known=self.town.calm)
        account.edit_rental(rental["id"], {"sensorberg_pin": None})
        return True

    # Doors

    def add_by_hand(self, draws: Draws) -> bool:
        """Somebody is let in at Sensorberg by hand: a cleaner with a code of their own, or a tenant elsewhere."""
        sensorberg = self.town.world.sensorberg
        group = pick(sorted(sensorberg.groups), draws[0])
        user = pick(sorted(sensorberg.users), draws[1])
        if group is None:
            return False
        if user is None or draws[2] < 0.5:
            self._names += 1
            user, pin = f"cleaner {self._names}", self._new_pin(7)
            sensorberg.add_user(user, "Cleaner", f"cleaner{self._names}@example.com", code=pin)
        self.town.by_hand.append(sensorberg.add_manual_membership(user, group))
        return True

    def remap(self, draws: Draws) -> bool:
        """A unit gets another lock, and with it another group: a new one, or by mistake that of another unit."""
        account = pick(self.town.world.accounts, draws[0])
        unit = pick(sorted(account.table["units"]), draws[1]) if account else None
        if account is None or unit is None:
            return False
        self._names += 1
        other = pick(sorted(account.table["units"]), draws[2]) or unit
        fresh = self.town.world.sensorberg.add_group(f"new lock {self._names}")
        group = fresh if draws[3] < 0.6 else self.town.group(account, other)
        account.edit_unit(unit, {"sensorberg_id": group})
        return True

    def swap(self, draws: Draws) -> bool:
        """Two units had their groups mixed up, which is put right."""
        account = pick(self.town.world.accounts, draws[0])
        units = sorted(account.table["units"]) if account else []
        one, two = pick(units, draws[1]), pick(units, draws[2])
        if account is None or one is None or two is None or one == two:
            return False
        groups = self.town.group(account, one), self.town.group(account, two)
        account.edit_unit(one, {"sensorberg_id": groups[1]})
        account.edit_unit(two, {"sensorberg_id": groups[0]})
        return True

    # Steps

    def _move_in(self, draws: Draws, *, later: int, completed: bool = True) -> bool:
        account = pick(self.town.world.accounts, draws[0])
        unit = pick(self._free(account), draws[1]) if account else None
        if account is None or unit is None:
            return False
        known = sorted({record["ownerId"] for a, record in self.town.rentals("occupied", "ended") if a is account})
        tenant = pick(known, draws[2] * 3) if draws[2] < 1 / 3 else None
        day = account.today() + timedelta(days=later)
        rental = (account.move_in if completed else account.book)(tenant or self._new_tenant(account), unit, day)
        if tenant is not None:
            self._may_inherit(rental, tenant)
        return True

    def _may_inherit(self, rental: str, tenant: str) -> None:
        """A lock of an earlier rental may come over, or a PIN edited while nobody looked may count now."""
        earlier = [r["id"] for _, r in self.town.rentals("occupied", "ended") if r["ownerId"] == tenant]
        if any(self.town.locks[one].staff or self.town.locks[one].unsure for one in earlier if one != rental):
            self.town.locks[rental].unsure = True
        if not any(r["ownerId"] == tenant and r["id"] != rental for _, r in self.town.served()):
            self.town.codes[tenant].doubt()

    def _takes_over(self, old: str, new: str, account: Account) -> None:
        before, after = self.town.locks[old], self.town.locks[new]
        after.staff, after.unsure = before.staff, before.unsure or not self.town.calm
        if not self.town.served_by(account, old) or self._another_lock_may_come(old, new):
            after.unsure = True

    def _another_lock_may_come(self, old: str, new: str) -> bool:
        """Say whether Keyturn may take yet another rental, locked when it ended, for the one transferred from."""
        mine = {r["id"]: r["ownerId"] for _, r in self.town.rentals("occupied", "ended")}
        others = [self.town.locks[r] for r, owner in mine.items() if owner == mine.get(new) and r not in {old, new}]
        return not self.town.locks[old].staff and any(lock.staff or lock.unsure for lock in others)

    def _edit_pin(self, draws: Draws, pin: str | None, *, at_owner: bool, refused: bool = False) -> bool:
        found = self._with_pin(draws)
        if found is None or pin is None:
            return False
        account, rental = found
        record = account.table["users"][rental["ownerId"]] if at_owner else rental
        if record["customFields"].get("sensorberg_pin") == pin:
            return False
        self.town.codes[rental["ownerId"]].edit(None if refused else pin, known=self.town.calm)
        if at_owner:
            account.edit_user(rental["ownerId"], {"sensorberg_pin": pin})
        else:
            account.edit_rental(rental["id"], {"sensorberg_pin": pin})
        return True

    def _rental(self, draws: Draws) -> Found | None:
        return pick([f for f in self.town.rentals("occupied") if self._is_shown(f)], draws[0])

    def _with_pin(self, draws: Draws) -> Found | None:
        shown = [f for f in self.town.served() if f[1]["customFields"].get("sensorberg_pin") and self._is_shown(f)]
        return pick(shown, draws[0])

    def _is_shown(self, found: Found) -> bool:
        """Say whether Keyturn's key sees the rental: when it will have read what changes meanwhile is not known."""
        account, rental = found
        return rental["id"] not in account.hidden

    def _free(self, account: Account) -> list[str]:
        return [ident for ident, unit in account.table["units"].items() if unit["state"] == "available"]

    def _new_tenant(self, account: Account) -> str:
        self._names += 1
        return account.add_user("Jo", f"Kay {self._names}", f"jo{self._names}@example.com")

    def _new_pin(self, length: int = 6) -> str:
        while True:
            digits = "".join(self._random.sample("0123456789", length))
            if digits not in self.town.pins and len({(int(b) - int(a)) for a, b in pairwise(digits)}) > 1:
                self.town.pins.add(digits)
                return digits
