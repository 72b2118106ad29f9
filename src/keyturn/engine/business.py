"""One business as the engine sees it: its source of truth, its doors, its rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from keyturn.core.ids import BusinessCode, PinHash, SiteId, TenantUrl
from keyturn.core.policy import Policy
from keyturn.core.rental import Pin, Site
from keyturn.engine.source import Source
from keyturn.providers.protocol import Provider


@dataclass(frozen=True, kw_only=True, slots=True)
class Business:
    """What is fixed about a business while the service runs."""

    code: BusinessCode
    source: Source
    policy: Policy
    memory_since: datetime
    """When this database began to remember the business; rentals created later are known from their first day."""
    zone: Callable[[SiteId | None], tzinfo]
    provider_for: Callable[[Site], Provider | None]
    """The provider that serves a site; `None` where no credentials are known for it."""
    provider_at: Callable[[TenantUrl], Provider | None]
    """The provider for a backend that a membership was made at."""
    language: Callable[[SiteId | None, str | None], str]
    """The language of a site's staff; given the site, and what Storeganise shows of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What holds for all businesses of this installation."""

    digest: Callable[[Pin], PinHash]
    """The keyed hash under which a PIN is remembered."""
    key_id: str
    """The id of the key behind `digest`; hashes under another key say nothing."""
    draw: Callable[[int], Pin]
    """Draws a new PIN of the given length."""
    chance: Callable[[], float]
    """A random number from 0 to 1, for jitter."""
    retry_cap: timedelta = timedelta(minutes=15)
    retry_refused: timedelta = timedelta(hours=1)
    pin_rest: timedelta = timedelta(days=90)
    lease: timedelta = timedelta(seconds=15)
    delta_every: timedelta = timedelta(minutes=15)
