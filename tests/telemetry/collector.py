"""A collector of traces: takes OTLP over HTTP as a real one does, and keeps what it was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from keyturn.simulation.server import serving


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One span as it arrived."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    attributes: dict[str, Any]
    links: list[str]
    """The traces it is linked to."""
    failed: bool


@dataclass
class Collector:
    """What arrived."""

    url: str = ""
    status: int = 200
    """What it answers."""
    bodies: list[bytes] = field(default_factory=list)
    """Of the requests it took."""
    requests: int = 0
    heads: list[dict[str, str]] = field(default_factory=list)

    @property
    def spans(self) -> list[Seen]:
        """Every span, as they arrived."""
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        groups = [group for request in requests for group in request.resource_spans]
        return [_seen(span) for group in groups for scope in group.scope_spans for span in scope.spans]

    def named(self, name: str) -> list[Seen]:
        """The spans of one name."""
        return [span for span in self.spans if span.name == name]

    async def take(self, request: Request) -> Response:
        """Answer an export."""
        self.requests += 1
        self.heads.append(dict(request.headers))
        body = await request.body()
        if self.status == 200:
            self.bodies.append(body)
        return Response(status_code=self.status)


def _seen(span: Any) -> Seen:
    return Seen(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=span.kind,
        attributes={pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes},
        links=[link.trace_id.hex() for link in span.links],
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
    )


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """Run one on a free port."""
    started = Collector()
    app = Starlette(routes=[Route("/v1/traces", started.take, methods=["POST"])])
    async with serving(app) as url:
        started.url = url
        yield started
