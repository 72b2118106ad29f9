"""Spans on their way to the collector: encoded as OTLP, sent in batches, never waited for.

A collector that does not answer costs one warning in the log. What it missed is kept up to a bound and
sent when it is back; what it refuses is dropped. Neither the work nor the stop of the process waits
for it, but for the one try at the end, which is bounded. How bytes travel is `send`'s business.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import Context as Variables
from itertools import islice

from opentelemetry.context import attach
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from keyturn.clock import Clock
from keyturn.errors import Unavailable, UpstreamError
from keyturn.logs import logger

Send = Callable[[bytes], Awaitable[None]]
"""Takes an `ExportTraceServiceRequest` to the collector. Raises `UpstreamError`."""

MOST = 4096
"""Spans that are kept for a collector that is away; the oldest go first."""
BATCH = 256
EVERY_S = 5.0
"""Seconds between two batches, unless one is full before."""
LAST_TRY_S = 3.0
"""Seconds that the end of the process waits for the last batches."""

_NOT_KEPT = NonRecordingSpan(SpanContext(trace_id=1, span_id=1, is_remote=False))
"""The parent of the sending itself, so that it is not traced in turn."""


class Outbox:
    """Keeps ended spans until they are sent."""

    def __init__(self, send: Send, clock: Clock, *, last_try_s: float = LAST_TRY_S) -> None:
        self._send = send
        self._clock = clock
        self._last_try_s = last_try_s
        self._spans: deque[ReadableSpan] = deque(maxlen=MOST)
        self._full = asyncio.Event()
        self._failing = False
        self._log = logger()

    def add(self, span: ReadableSpan) -> None:
        """Keep a span until the next batch."""
        self._spans.append(span)
        if len(self._spans) >= BATCH:
            self._full.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Send while the block runs, and once more at its end."""
        sending = asyncio.create_task(self._run(), name="traces", context=Variables())
        try:
            yield
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            await asyncio.create_task(self._finish(), name="last traces", context=Variables())

    async def _run(self) -> None:
        attach(set_span_in_context(_NOT_KEPT))
        never = asyncio.Event()
        while True:
            # A collector that is away is asked at its time, however much there is for it.
            await self._clock.wait(never if self._failing else self._full, seconds=EVERY_S)
            self._full.clear()
            await self._flush()

    async def _finish(self) -> None:
        attach(set_span_in_context(_NOT_KEPT))
        try:
            async with asyncio.timeout(self._last_try_s):
                await self._flush()
        except TimeoutError:
            self._failed("no answer in time")

    async def _flush(self) -> None:
        """Send what is there, batch by batch, until one fails."""
        while self._spans:
            batch = list(islice(self._spans, BATCH))
            if not await self._sent(batch):
                return
            for span in batch:
                if self._spans and self._spans[0] is span:  # it is not, if it made room for a newer one meanwhile
                    self._spans.popleft()

    async def _sent(self, batch: list[ReadableSpan]) -> bool:
        """Send one batch; say whether it is done with."""
        try:
            await self._send(encode_spans(batch).SerializeToString())
        except Unavailable as error:
            self._failed(error.reason)
            return False
        except UpstreamError as error:
            self._failed(error.reason)
            return True
        except Exception as error:  # noqa: BLE001  # whatever it is, no trace is worth the service
            self._failed(type(error).__name__)
            return True
        if self._failing:
            self._failing = False
            self._log.info("traces_sent_again")
        return True

    def _failed(self, reason: str) -> None:
        """Say so once, until it works again."""
        if not self._failing:
            self._failing = True
            self._log.warning("traces_not_sent", reason=reason, count=len(self._spans))
