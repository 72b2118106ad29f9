"""The third room: a verified delivery becomes durable, and what it names is woken.

Delivery and wake are one transaction. Only after it has reached the disk does `accept` return,
and only then may the sender hear a 200. The document that is kept was reduced by the parser: it
holds ids and the names of keys, nothing about a person.

Before it: web.hooks, which verified the bytes and had them parsed. After it: the worker, which
`notify` tells that there is work. Intake never decides anything and never calls an upstream.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keyturn import telemetry
from keyturn.core.ids import AddonId, BusinessCode
from keyturn.core.memory import TransferPair
from keyturn.core.rental import Event
from keyturn.core.work import Subject
from keyturn.store.inbox import Accepted, DeliveryState, Inbox


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """One verified delivery."""

    event: Event
    state: DeliveryState
    """Whether the event wakes something, is of a kind that wakes nothing, or does not say what it is about."""
    subjects: tuple[Subject, ...]
    """What to look at because of it."""
    document: Mapping[str, Any]
    """What may be kept of the event."""
    body: bytes = field(repr=False)
    """The bytes as received: they identify a delivery that carries no id, and are not kept."""
    addon_id: AddonId | None = None
    """The installation it came from; `None`: the plain webhook."""


class Intake:
    """Takes verified deliveries in."""

    def __init__(self, inbox: Inbox, *, secret_key: bytes, notify: Callable[[BusinessCode], None]) -> None:
        """`secret_key` keys the identity of deliveries without an id; `notify` hears where there is work."""
        self._inbox = inbox
        self._secret_key = secret_key
        self._notify = notify

    async def accept(self, notice: Notice) -> bool:
        """Store the delivery and wake its subjects, durably; return whether it is new.

        A repeat is a success and wakes again. Raises `DatabaseUnavailable`.
        """
        accepted = self._accepted(notice)
        with telemetry.span("store a delivery"):
            new = await self._inbox.accept(accepted)
        self._notify(notice.event.business)
        return new

    def _accepted(self, notice: Notice) -> Accepted:
        event = notice.event
        return Accepted(
            business=event.business,
            key=self._key(notice),
            event_id=event.id,
            type=event.type,
            document=json.dumps(notice.document, separators=(",", ":")),
            state=notice.state,
            subjects=notice.subjects,
            transfer=TransferPair(old=event.transfer[0], new=event.transfer[1]) if event.transfer else None,
            reason=f"event {event.type}",
            addon_id=notice.addon_id,
            trace=telemetry.current_trace(),
        )

    def _key(self, notice: Notice) -> str:
        """Return what makes two deliveries the same: the event's id, or without one the same body."""
        if notice.event.id:
            return f"id:{notice.event.id}"
        return f"body:{hmac.new(self._secret_key, b'delivery:' + notice.body, hashlib.sha256).hexdigest()}"
