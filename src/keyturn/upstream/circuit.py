"""When to leave an upstream alone: one circuit per credential, in memory, per process.

    open ──429/503, or 5 failures in a row on different subjects──▶ paused (Retry-After, else 1 s, 2 s, ... cap)
    open ──401, or 403 five times in a row on different subjects──▶ paused 15 min ("credentials")
    paused ──time passes──▶ open, on trial: the next failure pauses again, a success forgets everything

It never calls anything and never decides what is repeated: work rows are patient, this only
spares an upstream that is down. What a call was about (`subject`) is compared, never shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from keyturn.clock import Clock
from keyturn.errors import CredentialsRejected, HostNotAllowed, Refused, Unavailable, UpstreamError

ENOUGH = 5
"""Failures in a row, on different subjects, that count as an outage and not as one broken record."""
FIRST_PAUSE = timedelta(seconds=1)
CREDENTIALS_PAUSE = timedelta(minutes=15)
_FORBIDDEN = 403
_WORDS = {
    "busy": "paused: it asked to be left alone",
    "failing": "paused: it does not answer",
    "credentials": "paused: it refuses the credentials",
}


class Circuit:
    """Remembers how the calls with one credential went."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        retry_cap: timedelta,
        *,
        forbidden_pauses: bool = True,
        on_paused: Callable[[str, str], None] | None = None,
    ) -> None:
        """Name the upstream as its errors do. No pause is longer than `retry_cap`, but for credentials (15 min).

        `forbidden_pauses`: whether 403 on several subjects means that the credentials are refused.
        `on_paused` is told of each call that a pause keeps back: the name, and the reason in one word.
        """
        self._name = name
        self._clock = clock
        self._cap = retry_cap
        self._forbidden_pauses = forbidden_pauses
        self._on_paused = on_paused
        self._failing: set[str] = set()
        self._forbidden: set[str] = set()
        self._growing = FIRST_PAUSE
        self._until: datetime | None = None
        self._reason: str | None = None

    @property
    def paused_until(self) -> datetime | None:
        """When calls go out again; `None` while they do."""
        return self._until if self._until is not None and self._clock.now() < self._until else None

    @property
    def reason(self) -> str | None:
        """Why it is paused: `busy`, `failing` or `credentials`; `None` while it is not."""
        return self._reason if self.paused_until is not None else None

    @contextmanager
    def guard(self, operation: str, subject: str) -> Iterator[None]:
        """Let one call happen unless paused, and learn from how it ends. A cancelled call teaches nothing."""
        self.check(operation)
        try:
            yield
        except UpstreamError as error:
            self.failed(error, subject)
            if isinstance(error, Unavailable):
                error.paused_for = self._rest()
            raise
        self.succeeded()

    def check(self, operation: str) -> None:
        """Raise `Unavailable` with the rest of the pause while paused."""
        rest = self._rest()
        if rest is not None and self._reason is not None:
            paused = Unavailable(self._name, operation, _WORDS[self._reason], retry_after=rest)
            paused.paused_for = rest
            if self._on_paused is not None:
                self._on_paused(self._name, self._reason)
            raise paused

    def _rest(self) -> timedelta | None:
        until = self.paused_until
        return None if until is None else until - self._clock.now()

    def failed(self, error: UpstreamError, subject: str) -> None:
        """Learn that a call about `subject` failed. A refusal is an answer, so it speaks for the upstream."""
        match error:
            case CredentialsRejected():
                self._pause("credentials", CREDENTIALS_PAUSE)
            case Unavailable():
                self._unavailable(error, subject)
            case Refused(status=status) if status == _FORBIDDEN:
                self._forbidden.add(subject)
                if self._forbidden_pauses and len(self._forbidden) >= ENOUGH:
                    self._pause("credentials", CREDENTIALS_PAUSE)
            case Refused():
                self.succeeded()
            case HostNotAllowed() | _:
                return

    def succeeded(self) -> None:
        """Learn that the upstream answered. The late success of an older call does not end a pause."""
        if self.paused_until is None:
            self._failing.clear()
            self._forbidden.clear()
            self._growing = FIRST_PAUSE

    def _unavailable(self, error: Unavailable, subject: str) -> None:
        if self.paused_until is not None and not error.pauses:
            # Calls that were already under way, or waiting, tell nothing new.
            return
        self._failing.add(subject)
        if error.pauses:
            self._pause("busy", self._asked_or_growing(error.retry_after))
        elif len(self._failing) >= ENOUGH:
            self._pause("failing", self._asked_or_growing(error.retry_after))

    def _asked_or_growing(self, asked: timedelta | None) -> timedelta:
        if asked:
            return min(asked, self._cap)
        if self.paused_until is not None:
            return timedelta()
        pause, self._growing = self._growing, min(self._growing * 2, self._cap)
        return min(pause, self._cap)

    def _pause(self, reason: str, length: timedelta) -> None:
        """Pause, or lengthen a pause; a shorter one changes nothing."""
        until = self._clock.now() + length
        if self.paused_until is None or until > (self._until or until):
            self._until, self._reason = until, reason
