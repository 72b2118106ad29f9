"""What happens when somebody types a code at a door.

A door knows codes and memberships, perhaps not the newest ones: with a propagation delay it goes
on with what it knew, and an offline lock with what it was told last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from keyturn.providers.sensorberg.simulator.knobs import Knobs
from keyturn.providers.sensorberg.simulator.tenant import Membership, Tenant, User


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorAnswer:
    """What the door does. `user` is the external id of who was recognised.

    approved: it opens. denied: the code is known, but that user may not open this door now.
    unauthorized: nobody has this code.
    """

    state: Literal["approved", "denied", "unauthorized"]
    user: str | None

    @property
    def opened(self) -> bool:
        """Whether the door opened."""
        return self.state == "approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """Codes and memberships at one instant."""

    users: tuple[User, ...] = field(repr=False)
    rows: tuple[Membership, ...]


class Doors:
    """All doors of a tenant."""

    def __init__(self, tenant: Tenant, knobs: Callable[[], Knobs], now: Callable[[], datetime]) -> None:
        self._tenant = tenant
        self._knobs = knobs
        self._now = now
        self._history: deque[tuple[datetime, Knowledge]] = deque()
        self._offline: dict[str, Knowledge] = {}

    def remember(self) -> None:
        """Note the present state for doors that learn of it later; called after each change."""
        if self._knobs().propagation_delay_s > 0:
            if not self._history:
                self._history.append((datetime.min.replace(tzinfo=self._now().tzinfo), Knowledge(users=(), rows=())))
            self._history.append((self._now(), self._known_now()))

    def take_offline(self, group: str) -> None:
        """Cut the doors of a group off: they keep what they know."""
        self._offline[group] = self._known_now()

    def contact(self, group: str) -> None:
        """Let the doors of a group learn what is true now."""
        self._offline.pop(group, None)

    def try_code(self, group: str, pin: str, at: datetime | None) -> DoorAnswer:
        """Return what the doors of `group` do for `pin` at an instant (None: now)."""
        instant = at if at is not None else self._now()
        known = self._offline.get(group) or self._delayed(instant)
        if known is None:
            holders = self._tenant.users_by_code(pin)
            rows = [row for holder in holders for row in self._tenant.rows_of(holder.id)]
        else:
            holders = [user for user in known.users if user.code == pin]
            rows = [row for row in known.rows if any(row.user_id == holder.id for holder in holders)]
        return self._answer(group, holders, rows, instant)

    def _answer(self, group: str, holders: list[User], rows: list[Membership], instant: datetime) -> DoorAnswer:
        if not holders:
            return DoorAnswer(state="unauthorized", user=None)
        for row in rows:
            if row.group == group and self._covers(row, instant):
                return DoorAnswer(state="approved", user=row.user)
        return DoorAnswer(state="denied", user=holders[0].external_id)

    def _covers(self, row: Membership, instant: datetime) -> bool:
        if instant < row.starts_at:
            return False
        if row.ends_at is None:
            return True
        return instant <= row.ends_at if self._knobs().window_rule == "closed" else instant < row.ends_at

    def _delayed(self, instant: datetime) -> Knowledge | None:
        delay = self._knobs().propagation_delay_s
        if delay <= 0 or not self._history:
            return None
        horizon = min(instant, self._now()) - timedelta(seconds=delay)
        return next(known for moment, known in reversed(self._history) if moment <= horizon)

    def _known_now(self) -> Knowledge:
        return Knowledge(users=tuple(self._tenant.users.values()), rows=tuple(self._tenant.rows.values()))
