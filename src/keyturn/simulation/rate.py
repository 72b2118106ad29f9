"""A request limit in the simulator's own time."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

from keyturn.clock import Clock


class RateLimit:
    """Lets a number of requests pass in any one second of the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._passed: deque[datetime] = deque()

    def refuses(self, per_second: int | None) -> bool:
        """Return whether one more request now is too many; one that passes is counted. None: no limit."""
        if per_second is None:
            return False
        now = self._clock.now()
        while self._passed and now - self._passed[0] >= timedelta(seconds=1):
            self._passed.popleft()
        if len(self._passed) >= per_second:
            return True
        self._passed.append(now)
        return False
