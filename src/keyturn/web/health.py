"""Says whether the process lives (`/healthz`) and whether it can work (`/readyz`), and shows the counters.

`/healthz` answers as long as the event loop turns; restart the process when it does not.
`/readyz` is 503 while the database does not let us write or the worker has stopped: a load
balancer then sends webhooks elsewhere. The answers name no business and no reason, because
anybody who reaches the port can read them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keyturn.core.installation import InstallationState
from keyturn.core.problem import ProblemCode
from keyturn.core.work import Load
from keyturn.errors import DatabaseUnavailable
from keyturn.logs import logger
from keyturn.web.metrics import CONTENT_TYPE, Metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """What the process needs to do its work."""

    database: bool
    """The database took a write."""
    worker: bool | None
    """The worker of this process is alive; `None` where the process has none."""

    @property
    def ok(self) -> bool:
        """Everything is there."""
        return self.database and self.worker is not False


@dataclass(frozen=True, kw_only=True, slots=True)
class Gauge:
    """The work at one instant of the database's clock, and what waits for people."""

    load: Load
    now: datetime
    problems: Mapping[ProblemCode, int] = field(default_factory=dict)
    """Open problems by code."""
    installations: Mapping[InstallationState, int] = field(default_factory=dict)


ReadyProbe = Callable[[], Awaitable[Readiness]]
LoadProbe = Callable[[], Awaitable[Gauge]]


class Health:
    """The addresses for machines that watch over Keyturn."""

    def __init__(self, *, ready: ReadyProbe, load: LoadProbe, metrics: Metrics) -> None:
        self._ready = ready
        self._load = load
        self._metrics = metrics
        self._log = logger()

    def routes(self) -> list[Route]:
        """Return the three addresses."""
        return [
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/metrics", self._show),
        ]

    async def _healthz(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _readyz(self, _request: Request) -> Response:
        try:
            readiness = await self._ready()
        except Exception as error:  # noqa: BLE001  # a probe that breaks means "not ready", whatever broke
            self._log.error("readiness_unknown", exc_info=error)
            readiness = Readiness(database=False, worker=False)
        words = {
            "database": _word(ok=readiness.database),
            "worker": "none" if readiness.worker is None else _word(ok=readiness.worker),
        }
        status = "ready" if readiness.ok else "not ready"
        return JSONResponse({"status": status, **words}, 200 if readiness.ok else 503)

    async def _show(self, _request: Request) -> Response:
        try:
            gauge = await self._load()
        except DatabaseUnavailable:
            return Response("# the database cannot be reached\n", 503, media_type="text/plain")
        self._metrics.show_load(gauge.load, gauge.now)
        self._metrics.show_census(gauge.problems, gauge.installations)
        return Response(self._metrics.render(), headers={"content-type": CONTENT_TYPE})


def _word(*, ok: bool) -> str:
    return "ok" if ok else "failed"
