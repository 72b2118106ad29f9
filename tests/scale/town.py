"""What happens to the tenants of a fleet's businesses, and what must be true for them at the end.

overdue tenants    are marked overdue and pay, again and again
locked tenants     are locked and let in by staff
tenants with PINs  have theirs changed by staff
others             move out, and their units are rented anew
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from random import Random

from keyturn.providers.sensorberg.simulator import SensorbergSimulator
from keyturn.storeganise.simulator import Account
from scale.fleet import TENANTS, Fleet

KINDS = ("overdue", "locked", "pins", "moves")


@dataclass(kw_only=True)
class Stay:
    """One rental."""

    account: Account
    backend: SensorbergSimulator
    rental: str
    unit: str
    kind: str
    locked: bool = False
    gone: bool = False
    last_pin: str | None = None
    """The PIN the tenant had when they left."""

    @property
    def pin(self) -> str | None:
        """The PIN the tenant sees."""
        pin: str | None = self.account.rental(self.rental)["customFields"].get("sensorberg_pin")
        return pin

    def leave(self) -> None:
        """Let the tenant move out."""
        self.last_pin, self.gone = self.pin, True
        self.account.move_out(self.rental)

    def wrong(self) -> str | None:
        """Say what is not as it must be; `None` when everything is."""
        record = self.account.rental(self.rental)
        group = self.account.unit(self.unit)["customFields"]["sensorberg_id"]
        owner = self.account.user(record["ownerId"])["customFields"].get("sensorberg_pin")
        if self.gone:
            still = self.backend.try_door(group, pin=owner or self.last_pin or "").state
            return f"opens {group} after the end" if still == "approved" or self.pin else None
        if not self.pin or self.pin != owner or self.backend.codes.get(record["ownerId"]) != owner:
            return "has no PIN, or not the same everywhere"
        expected = "denied" if self.locked else "approved"
        found = self.backend.try_door(group, pin=self.pin)
        if (found.state, found.user) != (expected, record["ownerId"]):
            return f"is {found.state} at {group}, not {expected}"
        return None


@dataclass(kw_only=True)
class Town:
    """All stays of all businesses; the same seed gives the same events."""

    fleet: Fleet
    random: Random
    stays: list[Stay] = field(default_factory=list)
    events: int = 0
    typed: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The PINs that staff typed for an owner, the last one last."""
    _pins: set[str] = field(default_factory=set)
    _last_wrong: int = 0
    """Where something was wrong when it was asked last."""

    def arrive(self, each: int) -> None:
        """Let so many tenants move into new units in every business, all kinds of them in turn."""
        for number, account in enumerate(self.fleet.accounts):
            site = next(iter(account.sites), None) or account.add_site("Lager", {"securitySystem": "sensorberg"})
            for kind in (KINDS[(number + one) % len(KINDS)] for one in range(each)):
                backend = self.fleet.tenants[number % TENANTS]
                name = f"{account.code}-{len(account.units)}"
                unit = account.add_unit(site, name, {"sensorberg_id": backend.add_group(name)})
                self._move_in(account, backend, unit, kind)

    async def settle(self) -> None:
        """Deliver what is queued until nothing is left to do and all is right."""
        await self.fleet.until(self.right)

    def happen(self) -> None:
        """Let one thing happen to one tenant of each business."""
        for account in self.fleet.accounts:
            here = [stay for stay in self.stays if stay.account is account and not stay.gone and stay.pin]
            if here:
                self._happen_to(self.random.choice(here))

    def right(self) -> bool:
        """Say whether everything is as it must be; soon told while something is not, for it looks there first."""
        order = [*self.stays[self._last_wrong :], *self.stays[: self._last_wrong]]
        wrong = next((number for number, stay in enumerate(order) if stay.wrong()), None)
        if wrong is not None:
            self._last_wrong = (self._last_wrong + wrong) % len(order)
        return wrong is None

    def wrong(self) -> list[str]:
        """Everything that is not as it must be."""
        return [f"{stay.kind} {stay.rental} {found}" for stay in self.stays if (found := stay.wrong())]

    def _happen_to(self, stay: Stay) -> None:
        self.events += 1
        match stay.kind:
            case "overdue":
                stay.locked = not stay.locked
                change = stay.account.mark_overdue if stay.locked else stay.account.pay
                change(stay.rental)
            case "locked":
                stay.locked = not stay.locked
                stay.account.edit_rental(stay.rental, {"sensorberg_overlocked": stay.locked})
            case "pins":
                owner = stay.account.rental(stay.rental)["ownerId"]
                self.typed[owner].append(self._new_pin())
                stay.account.edit_user(owner, {"sensorberg_pin": self.typed[owner][-1]})
            case _:
                stay.leave()
                self._move_in(stay.account, stay.backend, stay.unit, stay.kind)

    def _move_in(self, account: Account, backend: SensorbergSimulator, unit: str, kind: str) -> None:
        self.events += 1
        number = len(account.users)
        tenant = account.add_user("Jörg", f"Müller {number}", f"j{number}-{account.code}@example.com")
        rental = account.move_in(tenant, unit, account.today() - timedelta(days=1))
        self.stays.append(Stay(account=account, backend=backend, rental=rental, unit=unit, kind=kind))

    def _new_pin(self) -> str:
        while True:
            digits = self.random.sample("0123456789", 6)
            pin = "".join(digits)
            steps = {(int(b) - int(a)) % 10 for a, b in pairwise(digits)}
            if pin not in self._pins and len(steps) > 1:
                self._pins.add(pin)
                return pin
