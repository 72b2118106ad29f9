"""Puts the addresses together."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette

from keyturn.core.ids import BusinessCode
from keyturn.engine.intake import Intake
from keyturn.web.health import Health, LoadProbe, ReadyProbe
from keyturn.web.hooks import AddonDoor, Door, Hooks
from keyturn.web.metrics import Metrics

BODY_SECONDS = 10.0
"""How long a sender may take for a body. Storeganise itself waits two seconds for an answer (help, "Webhooks")."""


def create_app(
    *,
    intake: Intake,
    doors: Mapping[BusinessCode, Door],
    addon: AddonDoor | None = None,
    ready: ReadyProbe,
    load: LoadProbe,
    metrics: Metrics,
    body_seconds: float = BODY_SECONDS,
) -> Starlette:
    """Build the web application. `ready` and `load` are asked on each request for `/readyz` and `/metrics`."""
    hooks = Hooks(intake, doors, addon, metrics=metrics, body_seconds=body_seconds)
    health = Health(ready=ready, load=load, metrics=metrics)
    return Starlette(routes=[*hooks.routes(), *health.routes()])


def create_probes(*, ready: ReadyProbe, load: LoadProbe, metrics: Metrics) -> Starlette:
    """Build what a process without webhooks shows to those who watch over it."""
    return Starlette(routes=Health(ready=ready, load=load, metrics=metrics).routes())
