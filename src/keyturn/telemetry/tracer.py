"""Makes the spans, with the OpenTelemetry SDK. Imported only where traces are collected.

The SDK's habit of attaching an exception's message to a span is off: messages may quote what must not
be seen. A block that fails is marked with the error's code, or the name of its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import Enum

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from keyturn.errors import KeyturnError
from keyturn.telemetry import ATTRIBUTES, Value
from keyturn.telemetry.outbox import Outbox

_LONGEST = 200
_HEADER = "traceparent"
_W3C = TraceContextTextMapPropagator()


class Tracer:
    """Starts spans, and hands those that ended to the outbox."""

    def __init__(self, *, sample: float, version: str, outbox: Outbox) -> None:
        """`sample`: the share of new traces that is kept."""
        # Named outright: the SDK would also read the environment, and ask the machine for its name.
        resource = Resource({"service.name": "keyturn", "service.version": version})
        sampler = ParentBased(_Following(TraceIdRatioBased(sample)))
        provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(_Ended(outbox))
        self._tracer = provider.get_tracer("keyturn", version)

    @contextmanager
    def _span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Value],
        *,
        parent: Context | None = None,
        links: Sequence[Link] = (),
    ) -> Iterator[_Noting]:
        begun = self._tracer.start_as_current_span(
            name,
            context=parent,
            kind=kind,
            attributes=_known(attributes),
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        )
        with begun as span:
            try:
                yield _Noting(span)
            except Exception as error:
                span.set_status(StatusCode.ERROR)
                kind_of_error = error.code if isinstance(error, KeyturnError) else type(error).__name__
                span.set_attribute("error.type", kind_of_error)
                raise

    def received(self, name: str, attributes: Mapping[str, Value]) -> AbstractContextManager[_Noting]:
        """See `keyturn.telemetry.received`."""
        return self._span(name, SpanKind.SERVER, attributes, parent=Context())

    def woken(
        self, name: str, traces: Iterable[str | None], attributes: Mapping[str, Value]
    ) -> AbstractContextManager[_Noting]:
        """See `keyturn.telemetry.woken`."""
        asked = set(traces)
        causes = [cause for trace in sorted(asked - {None}, key=str) if (cause := _read(trace)) is not None]
        one_trace = len({cause.trace_id for cause in causes}) == 1 and None not in asked
        parent, others = (causes[0], causes[1:]) if one_trace else (None, causes)
        return self._span(
            name,
            SpanKind.CONSUMER,
            attributes,
            parent=Context() if parent is None else set_span_in_context(NonRecordingSpan(parent), Context()),
            links=[Link(other) for other in others],
        )

    def calling(self, name: str, attributes: Mapping[str, Value]) -> AbstractContextManager[_Noting]:
        """See `keyturn.telemetry.calling`."""
        return self._span(name, SpanKind.CLIENT, attributes)

    def part(self, name: str, attributes: Mapping[str, Value]) -> AbstractContextManager[_Noting]:
        """See `keyturn.telemetry.span`."""
        return self._span(name, SpanKind.INTERNAL, attributes)

    def current(self) -> str | None:
        """Return what is under way as a W3C traceparent."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        return carrier.get(_HEADER)


class _Noting:
    """A span that is under way, for adding attributes."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def note(self, **attributes: Value) -> None:
        self._span.set_attributes(_known(attributes))


class _Ended(SpanProcessor):
    """Takes spans that ended to the outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def on_end(self, span: ReadableSpan) -> None:
        self._outbox.add(span)


class _Following(Sampler):
    """Keeps a new trace that is linked to one that is kept, so that none ends before the door; else a share."""

    def __init__(self, share: Sampler) -> None:
        self._share = share

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if not links:
            return self._share.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        kept = any(link.context.trace_flags.sampled for link in links)
        return SamplingResult(Decision.RECORD_AND_SAMPLE if kept else Decision.DROP, attributes)

    def get_description(self) -> str:
        return f"Following{{{self._share.get_description()}}}"


def _read(trace: str | None) -> SpanContext | None:
    """Read a traceparent that we stored; `None` for anything else."""
    found = get_current_span(_W3C.extract({_HEADER: trace or ""}, Context())).get_span_context()
    return found if found.is_valid else None


def _known(attributes: Mapping[str, Value]) -> dict[str, str | int | bool]:
    """Return the attributes that may be shown, under the names they are shown by."""
    shown: dict[str, str | int | bool] = {}
    for name, value in attributes.items():
        plain = value.value if isinstance(value, Enum) else value
        if name in ATTRIBUTES and isinstance(plain, str | int):
            shown[f"keyturn.{name}"] = plain[:_LONGEST] if isinstance(plain, str) else plain
    return shown
