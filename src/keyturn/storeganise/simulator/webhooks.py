"""Which event goes to whom, and in which form.

A plain webhook hears of the whole account, an add-on installation of its own site. Only ids are
sent, never values. Source: Storeganise help article 19 (webhooks), add-on starter template.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from keyturn.clock import Clock
from keyturn.simulation.changes import Changes
from keyturn.storeganise.simulator.envelope import Delivery, Listener, encode, make
from keyturn.storeganise.simulator.knobs import Knobs
from keyturn.storeganise.simulator.mailbox import Mailbox
from keyturn.storeganise.simulator.records import Records
from keyturn.storeganise.simulator.shapes import Resource

ACCESS_EVENTS = frozenset(
    {
        "job.unit_moveIn.created",
        "job.unit_moveIn.completed",
        "job.unit_moveIn.cancelled",
        "job.unit_moveOut.created",
        "job.unit_moveOut.completed",
        "job.unit_moveOut.cancelled",
        "job.unit_transfer.completed",
        "unitRental.updated",
        "unitRental.markOverdue",
        "unitRental.unmarkOverdue",
        "unit.updated",
        "user.updated",
        "addon.dailyEvent.started",
    }
)
"""The events an access-control integration subscribes to."""

Sites = str | tuple[str, ...] | None
"""The site or sites an event is about; None is the whole account."""

WRONG_SECRET = "not-the-secret"  # noqa: S105  # what forged deliveries are signed with


@dataclass(slots=True, kw_only=True)
class Installation:
    """An add-on installed in the account; `site` None is the whole account."""

    id: str
    site: str | None
    webhook_url: str | None
    webhook_secret: str | None = field(repr=False)
    api_key: str | None = field(repr=False)
    state: Literal["enabled", "paused", "disabled"]
    custom_fields: dict[str, Any] = field(repr=False)


class Webhooks(Records):
    """An account that tells others what happened in it."""

    def __init__(
        self,
        *,
        code: str,
        clock: Clock,
        knobs: Knobs,
        series: int,
        timezone: str,
        changes: Changes,
        webhook_url: str | None,
        webhook_secret: str | None,
        subscriptions: frozenset[str] | None,
    ) -> None:
        super().__init__(code=code, clock=clock, knobs=knobs, series=series, timezone=timezone, changes=changes)
        self.webhook_url = webhook_url
        self.webhook_secret = webhook_secret
        self.subscriptions = subscriptions
        self.api_url = f"https://{code}.storeganise.com/api"
        self.installations: dict[str, Installation] = {}
        self.mailbox = Mailbox(clock, lambda: self.knobs, self.ids.new)
        self._channel_addon = self.ids.new()

    def add_installation(
        self,
        site: str | None = None,
        *,
        webhook_url: str | None = None,
        webhook_secret: str | None = None,
        api_key: str | None = None,
        custom_fields: Mapping[str, Any] | None = None,
        state: Literal["enabled", "paused", "disabled"] = "enabled",
    ) -> str:
        """Install an add-on for a site (None: all) and return its id. It has its own secret, URL and API key."""
        ident = self.ids.new()
        self.installations[ident] = Installation(
            id=ident,
            site=site,
            webhook_url=webhook_url,
            webhook_secret=webhook_secret,
            api_key=api_key,
            state=state,
            custom_fields=dict(custom_fields or {}),
        )
        self.emit("addon.installed", {}, addon=ident)
        return ident

    def installation(self, ident: str) -> Resource:
        """Return the add-on's record as the API shows it, with custom fields; KeyError when absent."""
        installed = self.installations[ident]
        record: Resource = {"id": ident, "customFields": copy.deepcopy(installed.custom_fields)}
        if self.knobs.addon_names_site and installed.site is not None:
            record["siteId"] = installed.site
        return record

    def daily_event(self) -> None:
        """Send the add-ons their daily event."""
        for ident in self.installations:
            self.emit("addon.dailyEvent.started", {}, addon=ident)

    def emit(self, kind: str, data: Mapping[str, Any], *, site: Sites = None, addon: str | None = None) -> None:
        """Queue an event for everybody who hears it: about `site` (None: the account), or for one add-on only."""
        if addon is None and self.webhook_url and self._subscribed(kind):
            self._queue(kind, data, self._plain(self.webhook_url))
        for installed in self.installations.values():
            if self._hears(installed, kind, site, addon) and installed.webhook_url:
                self._queue(kind, data, self._to_addon(installed, installed.webhook_url))

    def emit_updated(
        self, kind: str, data: Mapping[str, Any], changed: list[str], *, site: Sites, by_api: bool
    ) -> None:
        """Queue an `*.updated` event for changed keys, unless the knobs keep the API's own writes quiet."""
        if by_api and not self.knobs.echo_own_writes:
            return
        if not changed and not (by_api and self.knobs.echo_unchanged_put):
            return
        keys = {"changedKeys": changed} if self.knobs.changed_keys else {}
        self.emit(kind, {**data, **keys}, site=site)

    def emit_job(self, kind: str, job: str, ids: Mapping[str, Any], *, site: Sites) -> None:
        """Queue a job's event in the form the account uses: job id, rental ids, or both."""
        form = self.knobs.data_form
        data: dict[str, Any] = {} if form == "ids_only" else {"jobId": job}
        if form != "job_only":
            data.update(ids)
        self.emit(kind, data, site=site)

    def forge(
        self, kind: str, data: Mapping[str, Any], *, secret: str | None = None, body: bytes | None = None
    ) -> Delivery:
        """Return a delivery nobody at Storeganise made, for `send`.

        `secret` None leaves it unsigned, "wrong" signs it with another secret, any other text is
        used as the secret. With `body` these bytes are sent in place of the envelope.
        """
        signing = WRONG_SECRET if secret == "wrong" else secret  # noqa: S105  # a word of this function
        listener = Listener(url=self.webhook_url or "", secret=signing, timeout_s=self.knobs.timeout_s)
        ident = self.ids.new()
        raw = body if body is not None else encode(self._envelope(ident, kind, data, None))
        return make(ident=ident, kind=kind, body=raw, listener=listener)

    def _subscribed(self, kind: str) -> bool:
        return self.subscriptions is None or kind in self.subscriptions

    def _hears(self, installed: Installation, kind: str, site: Sites, addon: str | None) -> bool:
        if installed.state != "enabled" or not self._subscribed(kind):
            return False
        if addon is not None:
            return installed.id == addon
        sites = (site,) if isinstance(site, str) else site
        return sites is None or installed.site is None or installed.site in sites

    def _plain(self, url: str) -> Listener:
        addon = self._channel_addon if self.knobs.channel == "addon" else None
        timeout = self.knobs.timeout_s if addon is None else self.knobs.addon_timeout_s
        return Listener(url=url, secret=self.webhook_secret, timeout_s=timeout, addon=addon)

    def _to_addon(self, installed: Installation, url: str) -> Listener:
        timeout = self.knobs.addon_timeout_s
        return Listener(url=url, secret=installed.webhook_secret, timeout_s=timeout, addon=installed.id)

    def _queue(self, kind: str, data: Mapping[str, Any], listener: Listener) -> None:
        if self.knobs.sign == "wrong":
            listener = Listener(
                url=listener.url, secret=WRONG_SECRET, timeout_s=listener.timeout_s, addon=listener.addon
            )
        ident = self.ids.new()
        body = encode(self._envelope(ident, kind, data, listener.addon))
        signed = self.knobs.sign != "missing"
        self.mailbox.post(make(ident=ident, kind=kind, body=body, listener=listener, signed=signed))

    def _envelope(self, ident: str, kind: str, data: Mapping[str, Any], addon: str | None) -> dict[str, Any]:
        if addon is None:
            head = {"id": ident, "type": kind, "businessCode": self.code, "apiUrl": self.api_url}
            return {**head, "created": self.now(), "data": dict(data)}
        named = {"id": ident} if self.knobs.addon_event_id else {}
        if self.knobs.addon_id_place == "data":
            return {**named, "type": kind, "data": {**data, "addonId": addon}, "apiUrl": self.api_url}
        return {**named, "type": kind, "data": dict(data), "apiUrl": self.api_url, "addonId": addon}
