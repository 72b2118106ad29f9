"""The collector of traces, as one more service that is called under the rules of `upstream.http`.

It takes OTLP over HTTP, `POST <endpoint>/v1/traces` with a protobuf body (OpenTelemetry protocol 1.x,
"OTLP/HTTP"). What it answers with 2xx is not read: a part that it did not like cannot be mended.
"""

from __future__ import annotations

from keyturn.clock import Clock
from keyturn.upstream.http import HttpClient, Operation, failure

_SEND = Operation("telemetry", "send traces")


class Collector:
    """Where traces are sent to."""

    def __init__(self, *, http: HttpClient, clock: Clock, endpoint: str) -> None:
        """Keep the parts. `endpoint` is the base, such as `https://otel.example.com:4318`."""
        self._http = http
        self._clock = clock
        self._url = f"{endpoint.rstrip('/')}/v1/traces"

    async def send(self, body: bytes) -> None:
        """Send an encoded `ExportTraceServiceRequest`, once. Raises `UpstreamError`."""
        headers = {"Content-Type": "application/x-protobuf"}
        response = await self._http.request("POST", self._url, operation=_SEND, headers=headers, body=body)
        error = failure(response, _SEND, now=self._clock.now())
        if error is not None:
            raise error
