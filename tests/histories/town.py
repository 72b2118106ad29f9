"""The people of a history: who rents what, and what must be true of their doors.

What is true is read from the simulators' own tables, and what cannot be read there (who set a lock, which PIN
counts) from `tenancy`. Nothing here asks Keyturn.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from histories.tenancy import Code, Lock
from histories.world import World
from keyturn.storeganise.simulator import Account

MEMORY_S = 150.0
"""How long a read may still be acted upon: a queue on the way, a crashed machine's last words."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One occupied rental and the group its unit is mapped to; `is_open` `None`: either is right."""

    account: Account
    rental: str
    owner: str
    group: str
    is_open: bool | None


class Town:
    """All accounts, and the models of what must become of their tenants."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.locks: defaultdict[str, Lock] = defaultdict(Lock)
        self.codes: defaultdict[str, Code] = defaultdict(Code)
        self.pins: set[str] = set()
        """Every PIN that was ever anywhere."""
        self.wrong: list[str] = []
        self.story: asyncio.Task[Any] | None = None
        """What goes on as long as nothing is wrong."""
        self.calm = True
        """Whether Keyturn has seen everything that happened before the present step."""
        self.done: defaultdict[str, int] = defaultdict(int)
        self.was_hidden: set[str] = set()
        """Rentals that could not be seen for a while: one that ended meanwhile may never be read again."""
        self.by_hand: list[str] = []
        """Ids of the memberships that staff made at Sensorberg."""
        self.troubled = False
        """Whether something went wrong, or still may, since the world was calm."""
        self._acting = False
        self._owner_pins: dict[str, str] = {}
        self._start_moved: dict[str, float] = {}
        self._entitled: dict[tuple[str, str], float] = {}

    # Looking

    @property
    def today(self) -> date:
        """The date in Berlin."""
        return self.world.accounts[0].today()

    def rentals(self, *states: str) -> list[tuple[Account, dict[str, Any]]]:
        """All rentals in these states, the oldest first."""
        return [
            (account, record)
            for account in self.world.accounts
            for record in account.table["rentals"].values()
            if record["state"] in states
        ]

    def claims(self) -> Iterator[Claim]:
        """Return who is due a membership where."""
        now = self.world.sensorberg.now()
        for account, record in self.rentals("occupied"):
            group = self.group(account, record["unitId"])
            if group:
                start = account.midnight(date.fromisoformat(record["startDate"]))
                locked = self.locks[record["id"]].locked(overdue="overdue" in record)
                is_open = False if start > now else None if locked is None else not locked
                yield Claim(account=account, rental=record["id"], owner=record["ownerId"], group=group, is_open=is_open)

    def group(self, account: Account, unit: str) -> str:
        """Return the group a unit is mapped to, or an empty text."""
        return str(account.table["units"][unit]["customFields"].get("sensorberg_id") or "")

    def owner_pin(self, account: Account, owner: str) -> str | None:
        """Return the PIN in the owner's field."""
        value: str | None = account.table["users"][owner]["customFields"].get("sensorberg_pin")
        return value or None

    def said(self, what: str) -> None:
        """Note something that is wrong; the story ends with the first such thing."""
        if what not in self.wrong:
            self.wrong.append(what)
        story, self.story = self.story, None
        if story is not None:
            story.cancel()

    def said_at(self, when: str, what: list[str]) -> None:
        """Note what is wrong at a moment when it should not be."""
        for one in what:
            self.said(f"{one}, {when}")

    # Following

    def watch(self) -> None:
        """From now on, look at every change in both services."""
        self.world.storeganise.on_change = self._storeganise_changed

    @contextmanager
    def people_act(self) -> Iterator[None]:
        """Within the block, what changes in Storeganise was changed by people."""
        self._acting = True
        try:
            yield
        finally:
            self._acting = False

    def trouble(self) -> None:
        """Note that something goes wrong."""
        self.troubled = True

    def _storeganise_changed(self) -> None:
        self.note_entitled()
        for account in self.world.accounts:
            for record in account.table["rentals"].values():
                self.pins.add(record["customFields"].get("sensorberg_pin") or "")
            for owner in account.table["users"]:
                self._see_owner_pin(owner, self.owner_pin(account, owner))

    def _see_owner_pin(self, owner: str, pin: str | None) -> None:
        before = self._owner_pins.get(owner)
        if pin is None or pin == before:
            return
        self.pins.add(pin)
        self._owner_pins[owner] = pin
        if before is not None and not self._acting and not self.codes[owner].may_change:
            self.said(f"I11: the PIN of tenant {owner} was changed by nobody")

    def note_entitled(self) -> None:
        """Remember when each tenant was last entitled to each group, by any reading of what is known."""
        now = asyncio.get_running_loop().time()
        for account, record in self.rentals("occupied"):
            group = self.group(account, record["unitId"])
            if group and self.locks[record["id"]].may_be_open(overdue="overdue" in record):
                self._entitled[record["ownerId"], group] = now

    def lately_entitled(self, owner: str, group: str) -> bool:
        """Say whether a read of the last while could have shown this tenant as entitled to this group."""
        self.note_entitled()
        now = asyncio.get_running_loop().time()
        return now - self._entitled.get((owner, group), -MEMORY_S - 1) <= MEMORY_S

    def settled(self, *, trouble_is_over: bool = False, held: Collection[str] = ()) -> None:
        """The world is calm: what was unsure is decided now, save new PINs of who has a rental that is `held`."""
        self.calm = True
        self.troubled = self.troubled and not trouble_is_over
        for _, record in self.rentals("occupied"):
            if not held:  # a job that is held back may hide any rental
                flag = record["customFields"].get("sensorberg_overlocked") is True
                self.locks[record["id"]].calm(flag=flag, overdue="overdue" in record)
        served = {record["ownerId"]: account for account, record in self.served()}
        for owner, code in self.codes.items():
            if owner not in served:
                code.doubt()  # what is edited now counts when they come back, if it still stands there then
        waiting = {record["ownerId"] for _, record in self.served() if record["id"] in held}
        for owner, account in served.items():
            if owner in waiting and self.codes[owner].may_change:
                continue  # what was refused is tried again every hour, and may be the PIN
            fault = self.codes[owner].calm(self.owner_pin(account, owner))
            if fault is not None:
                self.said(f"I11: tenant {owner}: {fault}")

    def is_entitled(self, rental: str, owner: str, group: str) -> bool:
        """Say whether a rental is certainly entitled to be open as it is, and nobody else could be in its way."""
        for account, record in self.rentals("occupied"):
            if record["id"] == rental:
                mine = (record["ownerId"], self.group(account, record["unitId"])) == (owner, group)
                locked = self.locks[rental].locked(overdue="overdue" in record)
                return mine and locked is False and not self.moved_lately(rental)
        return False

    def served(self) -> list[tuple[Account, dict[str, Any]]]:
        """Return the rentals whose tenants have a membership at Sensorberg."""
        members = self.world.sensorberg.memberships
        return [(account, record) for account, record in self.rentals("occupied") if record["id"] in members]

    def served_by(self, account: Account, rental: str) -> bool:
        """Say whether a rental had a membership while it lasted."""
        return rental in self.world.sensorberg.memberships and rental in account.table["rentals"]

    def start_moved(self, rental: str) -> None:
        """Note that staff change a start date now."""
        self._start_moved[rental] = asyncio.get_running_loop().time()

    def moved_lately(self, rental: str) -> bool:
        """Say whether Keyturn may still know the start date from before."""
        moved = self._start_moved.get(rental)
        return moved is not None and (not self.calm or asyncio.get_running_loop().time() - moved < MEMORY_S)

    def start_of(self, account: Account, record: dict[str, Any]) -> datetime:
        """Return the first instant of a rental."""
        return account.midnight(date.fromisoformat(record["startDate"]))
