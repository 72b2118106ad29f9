"""What Keyturn counts, in a registry of its own.

The label values are business codes, and words of our own; never an id, a name or a secret.
Each process counts for itself, apart from the gauges of work, problems and installations: they come
from the database, so every process of an installation shows the same. `docs/monitoring.md` explains
each one; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)

from keyturn.core.installation import InstallationState
from keyturn.core.problem import ProblemCode
from keyturn.core.work import Ending, Load

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ANSWER_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Bounds in seconds. Storeganise waits two for an answer; a body may take ten to arrive."""
REQUEST_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
"""Bounds in seconds. No request takes longer than fifteen."""


class Metrics:
    """All counters, gauges and histograms of one process. One without webhooks shows those at nothing.

    A series is looked up once and kept: the library's own way there costs more than the counting.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody asks for
        self._webhooks = _Webhooks(registry)
        self._upstreams = _Upstreams(registry)
        self._work = _Work(registry)
        looks = Counter("keyturn_looks_total", "Looks at a subject by ending.", ("ending",), registry=registry)
        self._looks = cache(looks.labels)
        for ending in Ending:
            self._looks(ending.value)  # shown at 0 from the start, or the first one would not be a rise
        build = Info("keyturn_build", "The program that runs.", registry=registry)
        build.info({"version": program_version()})

    def delivery(self, business: str, state: str, seconds: float) -> None:
        """Count a delivery and how long its answer took. `business` is a configured code or "-"."""
        self._webhooks.answers(business, state).inc()
        self._webhooks.seconds.observe(seconds)

    def look(self, ending: str) -> None:
        """Count a look by how it ended."""
        self._looks(ending).inc()

    def upstream_asked(self, upstream: str) -> None:
        """Count a request as under way."""
        self._upstreams.in_flight(upstream).inc()

    def upstream_request(self, upstream: str, operation: str, outcome: str, seconds: float) -> None:
        """Count a request that ended: the upstream's and the operation's constant names, and an outcome word."""
        self._upstreams.in_flight(upstream).dec()
        self._upstreams.requests(upstream, operation, outcome).inc()
        self._upstreams.seconds(upstream, operation).observe(seconds)

    def upstream_paused(self, upstream: str, reason: str) -> None:
        """Count a call that was kept back, because the upstream is left alone."""
        self._upstreams.paused(upstream, reason).inc()

    def show_load(self, load: Load, now: datetime) -> None:
        """Set the work gauges."""
        self._work.show(load, now)

    def show_census(self, problems: Mapping[ProblemCode, int], installations: Mapping[InstallationState, int]) -> None:
        """Set the gauges of open problems and of installations; what is not named is at nothing."""
        for code in ProblemCode:
            self._work.problems.labels(code.value).set(problems.get(code, 0))
        for state in InstallationState:
            self._work.installations.labels(state.value).set(installations.get(state, 0))

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _Webhooks:
    def __init__(self, registry: CollectorRegistry) -> None:
        answers = Counter(
            "keyturn_deliveries_total",
            "Webhook deliveries by answer; business '-' is an unknown one.",
            ("business", "state"),
            registry=registry,
        )
        self.answers = cache(answers.labels)
        self.seconds = Histogram(
            "keyturn_webhook_answer_seconds",
            "Time from a webhook's head to its answer, the body's arrival included.",
            buckets=ANSWER_S,
            registry=registry,
        )


class _Upstreams:
    def __init__(self, registry: CollectorRegistry) -> None:
        requests = Counter(
            "keyturn_upstream_requests_total",
            "Requests to an upstream by operation and outcome.",
            ("upstream", "operation", "outcome"),
            registry=registry,
        )
        seconds = Histogram(
            "keyturn_upstream_request_seconds",
            "Time from a request to the end of its answer.",
            ("upstream", "operation"),
            buckets=REQUEST_S,
            registry=registry,
        )
        in_flight = Gauge(
            "keyturn_upstream_requests_in_flight", "Requests under way.", ("upstream",), registry=registry
        )
        paused = Counter(
            "keyturn_upstream_paused_calls_total",
            "Calls that were kept back because the upstream is left alone, by reason.",
            ("upstream", "reason"),
            registry=registry,
        )
        self.requests, self.seconds = cache(requests.labels), cache(seconds.labels)
        self.in_flight, self.paused = cache(in_flight.labels), cache(paused.labels)


class _Work:
    """What the database says, the same in every process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._due = Gauge("keyturn_work_due", "Subjects to look at now.", registry=registry)
        self._held = Gauge("keyturn_work_held", "Subjects held until facts change or staff act.", registry=registry)
        self._running = Gauge("keyturn_work_running", "Subjects being looked at.", registry=registry)
        self._unread = Gauge(
            "keyturn_deliveries_unread", "Accepted deliveries nothing of which was looked at since.", registry=registry
        )
        self._oldest = Gauge(
            "keyturn_work_oldest_due_age_seconds",
            "Age of the oldest work that is not done, held and throttled included; 0 when there is none.",
            registry=registry,
        )
        self.problems = Gauge(
            "keyturn_problems_open", "Problems that a person must solve, by code.", ("code",), registry=registry
        )
        self.installations = Gauge(
            "keyturn_installations", "Installations of the add-on by state.", ("state",), registry=registry
        )

    def show(self, load: Load, now: datetime) -> None:
        self._due.set(load.due)
        self._held.set(load.held)
        self._running.set(load.running)
        self._unread.set(load.unread)
        age = (now - load.oldest_due).total_seconds() if load.oldest_due else 0.0
        self._oldest.set(max(0.0, age))


def program_version() -> str:
    """Return the installed version; `unknown` in a source tree that is not installed."""
    try:
        return version("keyturn")
    except PackageNotFoundError:
        return "unknown"
