"""One Storeganise account: its records, what can happen in it, its webhooks.

The life cycle lives in the classes this one inherits from, one idea each: `records` (what there
is), `webhooks` (who hears what), `staff` (edits), `moves`, `transfers`, `arrears`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from keyturn.storeganise.simulator.arrears import Arrears
from keyturn.storeganise.simulator.envelope import Delivery
from keyturn.storeganise.simulator.mailbox import Status


class Account(Arrears):
    """An account as a test sees it. Make one with `StoreganiseSimulator.add_account`."""

    api_keys: list[str]
    """Keys the API accepts as `ApiKey`; change the list to rotate them."""
    addon_api_keys: list[str]
    """Keys the API accepts from any add-on installation, besides the installation's own."""

    @property
    def outbox(self) -> list[Delivery]:
        """Deliveries that wait; a test may edit the list."""
        return self.mailbox.outbox

    @property
    def sent(self) -> list[tuple[Delivery, Status]]:
        """Every try so far and how it ended."""
        return self.mailbox.sent

    @property
    def failed(self) -> list[Delivery]:
        """Deliveries given up after the last retry."""
        return self.mailbox.failed

    @property
    def lost(self) -> list[Delivery]:
        """Deliveries that were never tried, by knob or by `drop`."""
        return self.mailbox.lost

    @property
    def alerts(self) -> list[str]:
        """Ids of the deliveries the alert receivers got a mail about."""
        return self.mailbox.alerts

    async def deliver(self) -> list[tuple[Delivery, Status]]:
        """Send each queued delivery once, in order; see `Mailbox.deliver`."""
        return await self.mailbox.deliver()

    async def deliver_all(self) -> list[tuple[Delivery, Status]]:
        """Deliver until nothing is queued, retries and echoes included."""
        results: list[tuple[Delivery, Status]] = []
        while self.outbox:
            results += await self.mailbox.deliver()
        return results

    async def send(self, delivery: Delivery) -> Status:
        """Send one delivery now, past the queue."""
        return await self.mailbox.send(delivery)

    async def pump(self, stop: asyncio.Event, concurrency: int = 8) -> None:
        """Deliver in the background, with retries, until `stop` is set."""
        await self.mailbox.pump(stop, concurrency)

    def duplicate(self, delivery: Delivery | None = None, *, new_id: bool = False) -> Delivery:
        """Queue a delivery once more (default: the last one queued)."""
        return self.mailbox.duplicate(delivery, new_id=new_id)

    def reverse_outbox(self) -> None:
        """Turn the queue round."""
        self.mailbox.outbox.reverse()

    def shuffle_outbox(self, seed: int) -> None:
        """Bring the queue into an order given by `seed`."""
        self.mailbox.shuffle(seed)

    def drop(self, kind: str | None = None) -> list[Delivery]:
        """Lose what is queued, all of it or one event type, and return it."""
        return self.mailbox.drop(kind)

    def replay(self, delivery: Delivery) -> None:
        """Queue an old delivery again, byte for byte."""
        self.mailbox.replay(delivery)

    def snapshot(self) -> dict[str, Any]:
        """Return what matters for access, without timestamps, for comparing two runs."""
        return {
            "rentals": {ident: _rental(record) for ident, record in sorted(self.rentals.items())},
            "users": {ident: {"customFields": record["customFields"]} for ident, record in sorted(self.users.items())},
        }


def _rental(record: dict[str, Any]) -> dict[str, Any]:
    kept = ("state", "ownerId", "unitId", "startDate", "customFields")
    return {**{key: record[key] for key in kept}, "overdue": "overdue" in record}
