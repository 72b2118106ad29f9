"""Traces: one from the webhook to the door, for those who collect them. Off unless `[telemetry]` is set.

    webhook ─▶ store          the trace is stored with the work it wakes (`work.trace`)
       └─▶ resolve ─▶ look    a look goes on in the trace of what woke it
             └─▶ request      one span for each request to an upstream

A span carries words of our own, ids, counts and codes, and nothing else: an attribute whose name is not
in `ATTRIBUTES` is left out, and so is a value that is not plain. No message of an error, no URL, no
header and no body gets in. What a sender writes about traces into a webhook's headers is not believed.

While it is off, each call here costs one comparison, and no package of OpenTelemetry is imported.
Neighbours: `telemetry.tracer` makes the spans, `telemetry.outbox` sends them; `bootstrap` turns it on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from keyturn.clock import Clock
from keyturn.errors import SettingsError

if TYPE_CHECKING:
    from keyturn.telemetry.outbox import Send
    from keyturn.telemetry.tracer import Tracer

Value = str | int | bool | Enum | None
"""`None` is left out."""

ATTRIBUTES = frozenset(
    "attempts business count ending event operation outcome state subject_id subject_kind upstream".split()  # noqa: SIM905  # read and compared as words
)
"""The names an attribute may have; it is shown as `keyturn.<name>`."""

_MISSING = (
    'telemetry: the packages for it are missing; install Keyturn with its extra "telemetry", '
    "as make setup and deploy/install.sh do, "
    "or take the table out of the settings"
)


class Span(Protocol):
    """What a block that is traced can add to its span."""

    def note(self, **attributes: Value) -> None:
        """Add attributes."""
        ...


class _Nothing(AbstractContextManager[Span]):
    """The span of a trace that nobody collects."""

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def note(self, **attributes: Value) -> None:
        """Do nothing."""


_NOTHING = _Nothing()


class _Current:
    """The tracer of this process; `None` while nobody collects."""

    tracer: Tracer | None = None


def received(name: str, **attributes: Value) -> AbstractContextManager[Span]:
    """Trace a block as something that came from outside: the first span of a new trace."""
    tracer = _Current.tracer
    return _NOTHING if tracer is None else tracer.received(name, attributes)


def woken(name: str, traces: Iterable[str | None], **attributes: Value) -> AbstractContextManager[Span]:
    """Trace a block as the work that `traces` (W3C traceparents) asked for, one for each row.

    If all rows have one trace, it goes on here; else a new one begins, linked to each.
    """
    tracer = _Current.tracer
    return _NOTHING if tracer is None else tracer.woken(name, traces, attributes)


def calling(name: str, **attributes: Value) -> AbstractContextManager[Span]:
    """Trace a block as a request to a foreign service."""
    tracer = _Current.tracer
    return _NOTHING if tracer is None else tracer.calling(name, attributes)


def span(name: str, **attributes: Value) -> AbstractContextManager[Span]:
    """Trace a block as a part of what is under way."""
    tracer = _Current.tracer
    return _NOTHING if tracer is None else tracer.part(name, attributes)


def current_trace() -> str | None:
    """Return what is under way as a W3C traceparent, to be stored with work; `None` while nobody collects."""
    tracer = _Current.tracer
    return None if tracer is None else tracer.current()


@asynccontextmanager
async def collecting(*, sample: float, version: str, clock: Clock, send: Send) -> AsyncIterator[None]:
    """Collect traces while the block runs, and send what is left at its end.

    `sample` is the share of new traces that is kept, 0 to 1; `send` takes encoded spans to the collector.
    Raises `SettingsError` where the packages are missing.
    """
    try:
        from keyturn.telemetry.outbox import Outbox
        from keyturn.telemetry.tracer import Tracer
    except ImportError as error:
        if not (error.name or "").startswith(("opentelemetry", "google")):
            raise
        raise SettingsError([_MISSING]) from None
    outbox = Outbox(send, clock)
    before, _Current.tracer = _Current.tracer, Tracer(sample=sample, version=version, outbox=outbox)
    try:
        async with outbox.open():
            yield
    finally:
        _Current.tracer = before
