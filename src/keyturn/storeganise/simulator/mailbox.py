"""Webhook deliveries on their way: the queue, what was sent, and everything a test does to them.

Nothing leaves by itself. A test calls `deliver`; the demo runs `pump`, which also waits between
retries by the simulator's clock. How often a failure is repeated is a knob; real numbers are not
published.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Literal

import aiohttp

from keyturn.clock import Clock
from keyturn.simulation.changes import Changes
from keyturn.storeganise.simulator.envelope import Delivery, with_new_id
from keyturn.storeganise.simulator.knobs import Knobs

Status = int | Literal["timeout", "unreachable"]
_OK = 200
_SUCCESS = range(200, 300)


class Mailbox:
    """The outgoing webhooks of one account."""

    def __init__(self, clock: Clock, knobs: Callable[[], Knobs], new_id: Callable[[], str]) -> None:
        self._clock = clock
        self._knobs = knobs
        self._new_id = new_id
        self._random = Random(knobs().seed)  # noqa: S311  # a repeatable choice, no secret
        self._news = asyncio.Event()
        self.open_session: Callable[[], aiohttp.ClientSession] = aiohttp.ClientSession
        """How webhooks get out."""
        self.changes = Changes()
        self.outbox: list[Delivery] = []
        self.on_the_way = 0
        """How many deliveries a running `pump` is sending."""
        self.sent: list[tuple[Delivery, Status]] = []
        self.failed: list[Delivery] = []
        self.lost: list[Delivery] = []
        self.alerts: list[str] = []

    def post(self, delivery: Delivery) -> None:
        """Queue a delivery, or lose, double or misplace it as the knobs say."""
        knobs = self._knobs()
        if self._random.random() < knobs.loss_rate:
            self.lost.append(delivery)
            return
        copies = 2 if self._random.random() < knobs.dup_rate else 1
        for _ in range(copies):
            place = self._random.randint(0, len(self.outbox)) if knobs.reorder else len(self.outbox)
            self.outbox.insert(place, delivery)
        self.wake()

    def wake(self) -> None:
        """Tell a running `pump` to look at the queue again."""
        self._news.set()

    def duplicate(self, delivery: Delivery | None = None, *, new_id: bool = False) -> Delivery:
        """Queue a delivery once more (default: the last one queued), if wanted under another id."""
        original = delivery if delivery is not None else self.outbox[-1]
        again = with_new_id(original, self._new_id()) if new_id else original
        self.outbox.append(again)
        self.wake()
        return again

    def replay(self, delivery: Delivery) -> None:
        """Queue an old delivery again, byte for byte."""
        self.outbox.append(replace(delivery, attempts=0, due_at=None))
        self.wake()

    def shuffle(self, seed: int) -> None:
        """Bring the queue into an order given by `seed`."""
        Random(seed).shuffle(self.outbox)  # noqa: S311  # a repeatable choice, no secret

    def drop(self, kind: str | None = None) -> list[Delivery]:
        """Lose what is queued, all of it or one event type, and return it."""
        dropped = [d for d in self.outbox if kind in (None, d.type)]
        self.outbox[:] = [d for d in self.outbox if d not in dropped]
        self.lost.extend(dropped)
        return dropped

    async def deliver(self) -> list[tuple[Delivery, Status]]:
        """Send each queued delivery once, in order, and return how each ended.

        A failure goes back to the end of the queue until `retry_count` is used up; the wait
        between tries is left out.
        """
        results: list[tuple[Delivery, Status]] = []
        queued, self.outbox[:] = list(self.outbox), []
        async with self.open_session() as session:
            while queued:
                delivery = queued.pop(0)
                try:
                    status = await _post(session, delivery)
                except asyncio.CancelledError:
                    self.outbox[:0] = [delivery, *queued]
                    raise
                self._settle(delivery, status)
                results.append((delivery, status))
        return results

    async def send(self, delivery: Delivery) -> Status:
        """Send one delivery now, past the queue, and return how it ended."""
        async with self.open_session() as session:
            return await _post(session, delivery)

    async def pump(self, stop: asyncio.Event, concurrency: int = 8) -> None:
        """Deliver whatever is queued, with retries, until `stop` is set; several at once."""
        async with self.open_session() as session, asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work(session, stop)) for _ in range(concurrency)]
            await stop.wait()
            for worker in workers:
                worker.cancel()

    async def _work(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> None:
        while not stop.is_set():
            delivery = self._take_due()
            if delivery is None:
                await self._idle()
                continue
            self.on_the_way += 1
            try:
                status = await _post(session, delivery)
            except asyncio.CancelledError:
                self.outbox.insert(0, delivery)
                raise
            finally:
                self.on_the_way -= 1
            self._settle(delivery, status)

    def _take_due(self) -> Delivery | None:
        now = self._clock.now()
        for delivery in self.outbox:
            if delivery.due_at is None or delivery.due_at <= now:
                self.outbox.remove(delivery)
                return delivery
        return None

    async def _idle(self) -> None:
        self._news.clear()
        waits = [d.due_at - self._clock.now() for d in self.outbox if d.due_at is not None]
        await self._clock.wait(self._news, seconds=min(waits).total_seconds() if waits else None)

    def _settle(self, delivery: Delivery, status: Status) -> None:
        knobs = self._knobs()
        self.sent.append((delivery, status))
        if status != _OK and not (knobs.success_status == "2xx" and status in _SUCCESS):
            self._fail(delivery, knobs)
        self.changes.notify()

    def _fail(self, delivery: Delivery, knobs: Knobs) -> None:
        exhausted = delivery.attempts >= knobs.retry_count
        if exhausted or knobs.alert_mail_after == "each_failure":
            self.alerts.append(delivery.id)
        if exhausted:
            self.failed.append(delivery)
            return
        wait = timedelta(seconds=knobs.backoff_s * 2**delivery.attempts)
        again = replace(delivery, attempts=delivery.attempts + 1, due_at=self._clock.now() + wait)
        self.outbox.append(again if knobs.retry_same_id else with_new_id(again, self._new_id()))
        self.wake()


async def _post(session: aiohttp.ClientSession, delivery: Delivery) -> Status:
    timeout = aiohttp.ClientTimeout(total=delivery.timeout_s)
    with contextlib.suppress(aiohttp.ClientError):
        try:
            async with session.post(
                delivery.url, data=delivery.body, headers=delivery.headers, timeout=timeout, allow_redirects=False
            ) as response:
                await response.read()
                return response.status
        except TimeoutError:
            return "timeout"
    return "unreachable"
