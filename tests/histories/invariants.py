"""What must be true at Sensorberg after each change, and everywhere once all is quiet.

The numbers are those of docs/safety.md; I1, I6, I7, I20 and I24 are looked at in `play`, I11 in `town` as well:

    I1   what was answered 200 is kept                                     at the end
    I4   nobody comes in who was not entitled a short while ago            at each change
    I5   nobody is shut out without a reason                               at each change, while nothing goes wrong
    I6   what staff made by hand stays                                     at the end
    I7   each account is asked with its own key, gently                    at the end
    I9   one membership per rental                                         at each change, and at the end
    I10  no two tenants share a PIN, and none gets one that another had    at each change
    I11  a PIN that was shown stays, unless people changed it              at each change, and whenever all is calm
    I14  refused credentials and echoes do not make Keyturn call for ever  at each request
    I20  nothing is written once everything is right                       at the end
    I22  every door opens for whom it must, and for nobody else            whenever all is calm, and at the end
    I23  Storeganise shows the PIN that Sensorberg has                     whenever all is calm, and at the end
    I24  every delivery was dealt with                                     at the end
    I28  what is still to start opens at its first instant                 at the end
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from datetime import timedelta
from functools import partial

from histories.town import Claim, Town
from keyturn.providers.sensorberg.simulator import Membership
from keyturn.simulation.journal import Journal

SHUT_OUT_S = 60.0
"""How long a membership may be away while it is made anew."""
MOST_REQUESTS = 1500
"""More than any history needs of one service."""
MOST_REFUSED = 40
"""With credentials that are refused, calls under way are answered so once each, and then there is a pause."""


class AtEachChange:
    """Looks at Sensorberg after each change there."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._sensorberg = town.world.sensorberg
        self._open: set[tuple[str, str, str]] = set()
        self._codes: dict[str, str] = {}
        self._had: dict[str, str] = {}
        """Who had a code first."""
        self._sensorberg.on_change = self.look

    def look(self) -> None:
        """Compare with the look before."""
        self._look_at_codes()
        self._look_at_memberships()

    def _look_at_codes(self) -> None:
        codes = self._sensorberg.codes
        if codes == self._codes:
            return
        for owner, code in codes.items():
            self._town.pins.add(code)
            before = self._codes.get(owner)
            if before != code:
                self._town.done["PIN set" if before is None else "PIN changed"] += 1
            if self._had.setdefault(code, owner) != owner:
                self._town.said(f"I10: tenant {owner} was given the PIN of tenant {self._had[code]}")
        self._codes = codes

    def _look_at_memberships(self) -> None:
        now = self._sensorberg.now()
        managed = [row for row in self._sensorberg.rows if row.external_id is not None]
        is_open = {_named(row) for row in managed if row.ends_at is None or row.ends_at > now}
        self._town.done["granted"] += len(is_open - self._open)
        self._town.done["closed"] += len(self._open - is_open)
        for external_id, owner, group in sorted(is_open - self._open):
            if not self._town.lately_entitled(owner, group):
                self._town.said(f"I4: {external_id} opened {group} for tenant {owner}, who was not entitled")
        if len({row.external_id for row in managed}) < len(managed):
            self._town.said("I9: two memberships with one external id")
        for row in managed:
            self._check_start(row)
        for closed in sorted(self._open - is_open):
            if self._town.is_entitled(*closed):
                loop = asyncio.get_running_loop()
                loop.call_later(SHUT_OUT_S, self._look_again, closed, loop.time())
        self._open = is_open

    def _look_again(self, closed: tuple[str, str, str], since: float) -> None:
        """I5: a membership may be made anew at once; one that stays away was taken without a reason."""
        town, (rental, owner, group) = self._town, closed
        hidden = any(rental in account.hidden for account in town.world.accounts)
        alone = len({claim.owner for claim in town.claims() if claim.group == group}) == 1
        if closed not in self._open and (hidden or not town.troubled) and alone and town.is_entitled(*closed):
            town.said(f"I5: {rental} was closed at {since:.0f} s, and tenant {owner} is entitled to {group}")

    def _check_start(self, row: Membership) -> None:
        """A membership that is in force begins no earlier than the rental."""
        for account in self._town.world.accounts:
            record = account.table["rentals"].get(row.external_id or "")
            if record is None or record["state"] != "occupied" or record["ownerId"] != row.user:
                continue
            start, now = self._town.start_of(account, record), self._sensorberg.now()
            early = row.starts_at < start and start > now and not self._town.moved_lately(record["id"])
            if early and (row.ends_at is None or row.ends_at > now):
                self._town.said(f"I4: {row.external_id} opens before its start date")


class Budget:
    """I14: counts requests; a history with too many would never end by itself."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._refused: deque[float] = deque()
        self._seen: dict[str, int] = {}
        for name, journal in (("a", town.world.storeganise.journal), ("b", town.world.sensorberg.journal)):
            journal.changes.listener = partial(self._look, name, journal)

    def _look(self, name: str, journal: Journal) -> None:
        if len(journal.entries) > MOST_REQUESTS:
            self._town.said(f"I14: more than {MOST_REQUESTS} requests to one service")
        if name == "b" and journal.entries and journal.entries[-1].status == 401:
            now = asyncio.get_running_loop().time()
            self._refused.append(now)
            while self._refused[0] < now - 600:
                self._refused.popleft()
            if len(self._refused) > MOST_REFUSED:
                self._town.said(f"I14: more than {MOST_REFUSED} answers 401 within ten minutes")


def _named(row: Membership) -> tuple[str, str, str]:
    """Return whose membership it is; one that had to be made under a further id is the same rental's."""
    return str(row.external_id).partition("-")[0], str(row.user), str(row.group)


def wrong_doors(town: Town) -> list[str]:
    """I22: try every PIN that ever was at every door."""
    sensorberg, found = town.world.sensorberg, []
    by_group: defaultdict[str, list[Claim]] = defaultdict(list)
    for claim in town.claims():
        by_group[claim.group].append(claim)
    codes = sensorberg.codes
    for group in sensorberg.groups:
        claims = by_group[group]
        opened = {owner for owner, code in codes.items() if sensorberg.try_door(group, pin=code).opened}
        by_hand = {row.user for row in sensorberg.rows if row.external_id is None and row.group == group}
        found += [f"I22: {group} {what}" for what in _judge(claims, opened, by_hand)]
        current = {codes[owner] for owner in opened}
        strays = sorted(pin for pin in town.pins - current if sensorberg.try_door(group, pin=pin).opened)
        found += [f"I22: {group} opens for a PIN that is nobody's any more" for _ in strays]
    return found


def _judge(claims: list[Claim], opened: set[str], by_hand: set[str | None]) -> list[str]:
    """Compare who may open a door with who must; whom staff have let in by hand may always."""
    owners, through_us = {claim.owner for claim in claims}, opened - by_hand
    found = [f"opens for {owner}, who has no rental there" for owner in sorted(through_us - owners)]
    for owner in sorted(owners):
        states = {claim.is_open for claim in claims if claim.owner == owner}
        if states == {False} and owner in through_us:
            found.append(f"opens for {owner}, who is locked or has not started")
        if states == {True} and owner not in opened and len(owners) == 1:
            found.append(f"is closed for {owner}, who rents it")
    if len(through_us) > 1:
        found.append("opens for two tenants")
    if len(owners) > 1 and all(claim.is_open for claim in claims) and not opened:
        found.append("is closed for everybody, although several rent it")
    return found


def wrong_starts(town: Town) -> list[str]:
    """I28: a rental that is still to start opens at the first instant of its day at the site, and not before."""
    found = []
    sensorberg, codes = town.world.sensorberg, town.world.sensorberg.codes
    claims = list(town.claims())
    for account, record in town.rentals("occupied"):
        start, owner = town.start_of(account, record), record["ownerId"]
        group = town.group(account, record["unitId"])
        alone = sum(claim.group == group for claim in claims) == 1
        unlocked = town.locks[record["id"]].locked(overdue="overdue" in record) is False
        if start <= sensorberg.now() or not alone or not unlocked:
            continue
        pin = codes.get(owner, "")
        if any(row.external_id is None and row.user == owner for row in sensorberg.rows):
            continue
        if not sensorberg.try_door(group, pin=pin, at=start).opened:
            found.append(f"I28: {record['id']} is closed when it starts")
        if sensorberg.try_door(group, pin=pin, at=start - timedelta(seconds=1)).opened:
            found.append(f"I28: {record['id']} is open before it starts")
    return found


def wrong_fields(town: Town) -> list[str]:
    """I23 and the flag: what Storeganise shows is what is in force."""
    found = []
    codes = town.world.sensorberg.codes
    live = {record["id"] for _, record in town.served()}
    for account, record in town.rentals("occupied"):
        shown, owner = record["customFields"].get("sensorberg_pin"), town.owner_pin(account, record["ownerId"])
        if record["id"] in live and not (shown == owner == codes.get(record["ownerId"])):
            found.append(f"I23: {record['id']} shows another PIN than its owner or Sensorberg")
        locked = town.locks[record["id"]].locked(overdue="overdue" in record)
        if locked is not None and (record["customFields"].get("sensorberg_overlocked") is True) != locked:
            found.append(f"{record['id']} is {'' if locked else 'not '}locked, and its flag does not say so")
    for _, record in town.rentals("ended"):
        if record["customFields"].get("sensorberg_pin") and record["id"] not in town.was_hidden:
            found.append(f"I23: {record['id']} has ended and still shows a PIN")
    for account, record in town.served():
        fault = town.codes[record["ownerId"]].fault(town.owner_pin(account, record["ownerId"]))
        if fault is not None:
            found.append(f"I11: tenant {record['ownerId']}: {fault}")
    return found


def several_memberships(town: Town) -> list[str]:
    """I9: of each rental one membership at most is open."""
    counted: defaultdict[str, int] = defaultdict(int)
    now = town.world.sensorberg.now()
    for row in town.world.sensorberg.rows:
        if row.external_id is not None and (row.ends_at is None or row.ends_at > now):
            counted[row.external_id.partition("-")[0]] += 1
    return [f"I9: {rental} has {count} memberships" for rental, count in counted.items() if count > 1]
