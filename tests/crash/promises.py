"""What Keyturn promises across crashes, and who keeps count of it.

- A webhook that was answered 200 is in the inbox for good, looked up id by id.
- A PIN that somebody was shown stays, unless staff typed another.
- A rental has one membership; at quiet, every door is right.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg

from keyturn.storeganise.simulator.mailbox import Status
from scale.fleet import PATIENCE_S, Fleet
from scale.town import Town

FIELD = "sensorberg_pin"


class Promises:
    """Watches over one story."""

    def __init__(self, run: Fleet, town: Town) -> None:
        self._run = run
        self._town = town
        self._shown: dict[str, str] = {}
        self._broken: list[str] = []
        run.storeganise.on_change = self._look_at_pins

    @property
    def answered(self) -> set[str]:
        """Return the ids of the webhooks that were answered 200."""
        sent = (one for account in self._run.accounts for one in account.sent)
        return {delivery.id for delivery, status in sent if status == 200}

    def lost(self) -> set[str]:
        """Return the ids that were answered and are not in the inbox."""
        answered = self.answered
        return answered - inbox(self._run)

    def kept(self) -> bool:
        """Say whether all is right and no promise was broken."""
        return self._town.right() and not self.broken()

    def broken(self) -> list[str]:
        """Say which promises were broken, apart from lost webhooks; only at quiet are all of them due."""
        return [*self._broken, *self._town.wrong(), *self._ignored_pins(), *self._doubled()]

    def _look_at_pins(self) -> None:
        for record, owner in self._records():
            pin = record["customFields"].get(FIELD)
            if pin and pin not in self._town.typed[owner] and self._shown.setdefault(owner, pin) != pin:
                self._broken.append(f"the PIN of {owner} was changed after it was shown")

    def _records(self) -> Iterator[tuple[Mapping[str, Any], str]]:
        """Give each record that shows a PIN, with its owner; nothing is copied, for this is asked at every change."""
        for account in self._run.accounts:
            yield from ((user, user["id"]) for user in account.table["users"].values())
            yield from ((rental, rental["ownerId"]) for rental in account.table["rentals"].values())

    def _ignored_pins(self) -> list[str]:
        """Name the owners whose PIN is not the one that staff typed last."""
        now = {owner: record["customFields"].get(FIELD) for record, owner in self._records() if record["id"] == owner}
        return [
            f"{owner} has not the PIN that staff typed"
            for owner, typed in self._town.typed.items()
            if typed and now[owner] != typed[-1]
        ]

    def _doubled(self) -> list[str]:
        """Name the rentals that have more memberships than one."""
        rows = Counter(str(row.external_id).partition("-")[0] for tenant in self._run.tenants for row in tenant.rows)
        return [f"{rental} has {count} memberships" for rental, count in rows.items() if count > 1]


class Sender:
    """Sends webhooks about one rental, one after the other, and remembers which were answered 200."""

    def __init__(self, run: Fleet, rental: str) -> None:
        self._run = run
        self._rental = rental
        self.answered: list[str] = []
        """The ids of those that were answered 200."""
        self.answers: Counter[Status] = Counter()

    async def send(self, count: int = 1) -> list[Status]:
        """Send so many; return the answers. Who does not answer within two seconds has not answered."""
        return [await self._send_one() for _ in range(count)]

    async def until(self, wanted: Status, *, times: int = 1) -> None:
        """Send until one answer has been given so many times."""
        async with asyncio.timeout(PATIENCE_S):
            before = self.answers[wanted]
            while self.answers[wanted] < before + times:
                await self._send_one()

    def lost(self) -> set[str]:
        """Return the ids that were answered 200 and are not in the inbox."""
        return set(self.answered) - inbox(self._run)

    async def _send_one(self) -> Status:
        account = self._run.accounts[0]
        event = account.forge("unitRental.updated", {"unitRentalId": self._rental}, secret=account.webhook_secret)
        answer = await account.send(event)
        self.answers[answer] += 1
        if answer == 200:
            self.answered.append(event.id)
        return answer


def inbox(run: Fleet) -> set[str]:
    """Return the ids of all deliveries that were kept; nothing stays open."""
    asked = "SELECT event_id FROM deliveries"
    if run.database_url is not None:
        with psycopg.connect(run.database_url) as postgres:
            return {str(row[0]) for row in postgres.execute(asked)}
    sqlite = sqlite3.connect(run.data_dir / "keyturn.db", timeout=30)
    try:
        return {str(row[0]) for row in sqlite.execute(asked)}
    finally:
        sqlite.close()
