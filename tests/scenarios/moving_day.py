"""One story with every main event in it, and what must be true at its end.

Anna    moves in, then out
Ben     moves in, then into another unit
Clara   falls behind and pays
David   has his PIN changed by staff
Emma    is locked out by staff
Frank   falls behind, is let in by staff, pays, and falls behind again
Gina    rents from next week on
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from scenarios.world import TODAY, World

EDITED_PIN = "739204"
MIDNIGHT = "2026-11-22T23:00:00+00:00"
"""The first instant of the 23rd in Berlin."""
NEXT_WEEK = date(2026, 11, 30)
NEXT_MIDNIGHT = "2026-11-29T23:00:00+00:00"
LOCKED_BY_STAFF = "2026-11-23T09:10:00+00:00"
"""A minute before the lock was first seen, by Sensorberg's time."""
OVERDUE_AGAIN = "2026-11-23T11:16:00+00:00"

Deliver = Callable[[World], Awaitable[None]]


@dataclass(kw_only=True)
class Story:
    """The rentals of the story, by tenant."""

    world: World
    rentals: dict[str, str] = field(default_factory=dict)

    async def tell(self, deliver: Deliver) -> None:
        """Let everything happen, chapter by chapter, and let `deliver` bring the webhooks."""
        for chapter in (self._arrive, self._change, self._pay, self._fall_behind_again):
            chapter()
            self.world.clock.advance(timedelta(minutes=5))
            await deliver(self.world)
            await self.world.later(timedelta(hours=1))

    def _arrive(self) -> None:
        for name in ("Anna", "Ben", "Clara", "David", "Emma", "Frank"):
            self.rentals[name] = self.world.move_in(name[0], self.world.add_tenant(name))
        self.rentals["Gina"] = self.world.move_in("G", self.world.add_tenant("Gina"), NEXT_WEEK)

    def _change(self) -> None:
        account, rentals = self.world.account, self.rentals
        account.move_out(rentals["Anna"])
        rentals["Ben, new"] = account.transfer(rentals["Ben"], self.world.add_unit("B2"))
        account.mark_overdue(rentals["Clara"], rentals["Frank"])
        account.edit_rental(rentals["David"], {"sensorberg_pin": EDITED_PIN})
        account.edit_rental(rentals["Emma"], {"sensorberg_overlocked": True})

    def _pay(self) -> None:
        self.world.account.pay(self.rentals["Clara"])
        self.world.account.edit_rental(self.rentals["Frank"], {"sensorberg_overlocked": False})

    def _fall_behind_again(self) -> None:
        self.world.account.pay(self.rentals["Frank"])
        self.world.account.mark_overdue(self.rentals["Frank"])

    def expected(self) -> dict[str, Any]:
        """What tenants and doors must see at the end, by hand. PINs are numbered in the order of the rentals."""
        pins = {name: f"pin {n}" for n, name in enumerate(("Clara", "David", "Emma", "Frank", "Gina", "Ben"), 1)}
        over = {"sensorberg_pin": None}
        rentals = {
            "Anna": self._rental("Anna", "A", "ended", over),
            "Ben": self._rental("Ben", "B", "ended", over),
            "Ben, new": self._rental("Ben", "B2", "occupied", {"sensorberg_pin": pins["Ben"]}),
            "Clara": self._rental("Clara", "C", "occupied", _fields(pins["Clara"], overlocked=False)),
            "David": self._rental("David", "D", "occupied", {"sensorberg_pin": pins["David"]}),
            "Emma": self._rental("Emma", "E", "occupied", _fields(pins["Emma"], overlocked=True)),
            "Frank": self._rental("Frank", "F", "occupied", _fields(pins["Frank"], overlocked=True), overdue=True),
            "Gina": self._rental("Gina", "G", "occupied", {"sensorberg_pin": pins["Gina"]}, start=NEXT_WEEK),
        }
        members = {
            "Ben, new": self._member("Ben", "B2"),
            "Clara": self._member("Clara", "C"),
            "David": self._member("David", "D"),
            "Emma": self._member("Emma", "E", ends_at=LOCKED_BY_STAFF),
            "Frank": self._member("Frank", "F", ends_at=OVERDUE_AGAIN),
            "Gina": self._member("Gina", "G", starts_at=NEXT_MIDNIGHT),
        }
        owners = {self._owner(name): pin for name, pin in {**pins, "Anna": "pin 7"}.items()}
        return {
            "storeganise": {
                "rentals": {self.rentals[name]: rental for name, rental in rentals.items()},
                "users": {owner: {"customFields": {"sensorberg_pin": pin}} for owner, pin in owners.items()},
            },
            "sensorberg": {
                "users": {owner: {"code": pin} for owner, pin in owners.items()},
                "memberships": {self.rentals[name]: member for name, member in members.items()},
            },
        }

    def _owner(self, name: str) -> str:
        owner: str = self.world.account.rental(self.rentals[name])["ownerId"]
        return owner

    def _rental(
        self,
        name: str,
        unit: str,
        state: str,
        custom_fields: dict[str, Any],
        *,
        start: date = TODAY,
        overdue: bool = False,
    ) -> dict[str, Any]:
        return {
            "state": state,
            "ownerId": self._owner(name),
            "unitId": self.world.units[unit],
            "startDate": start.isoformat(),
            "customFields": custom_fields,
            "overdue": overdue,
        }

    def _member(
        self, name: str, unit: str, *, starts_at: str = MIDNIGHT, ends_at: str | None = None
    ) -> dict[str, str | None]:
        return {"user": self._owner(name), "group": f"group-{unit}", "starts_at": starts_at, "ends_at": ends_at}


def _fields(pin: str, *, overlocked: bool) -> dict[str, Any]:
    return {"sensorberg_pin": pin, "sensorberg_overlocked": overlocked}
