"""What Keyturn counts, in a registry of its own.

The label values are business codes, and words of our own; never an id, a name or a secret.
Each process counts for itself, apart from the work gauges: they come from the database, so
every process of an installation shows the same.
"""

from __future__ import annotations

from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from keyturn.core.work import Load

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """All counters and gauges of one process."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._deliveries = Counter(
            "keyturn_deliveries_total",
            "Webhook deliveries by answer; business '-' is an unknown one.",
            ("business", "state"),
            registry=registry,
        )
        self._looks = Counter("keyturn_looks_total", "Looks at a subject by ending.", ("ending",), registry=registry)
        self._requests = Counter(
            "keyturn_upstream_requests_total",
            "Requests to an upstream by operation and outcome.",
            ("upstream", "operation", "outcome"),
            registry=registry,
        )
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

    def delivery(self, business: str, state: str) -> None:
        """Count a delivery. `business` is a configured code or "-"."""
        self._deliveries.labels(business, state).inc()

    def look(self, ending: str) -> None:
        """Count a look by how it ended."""
        self._looks.labels(ending).inc()

    def upstream_request(self, upstream: str, operation: str, outcome: str) -> None:
        """Count a request: the upstream's and the operation's constant names, and an outcome word."""
        self._requests.labels(upstream, operation, outcome).inc()

    def show_load(self, load: Load, now: datetime) -> None:
        """Set the work gauges."""
        self._due.set(load.due)
        self._held.set(load.held)
        self._running.set(load.running)
        self._unread.set(load.unread)
        age = (now - load.oldest_due).total_seconds() if load.oldest_due else 0.0
        self._oldest.set(max(0.0, age))

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)
