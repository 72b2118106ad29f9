"""Do the webhooks arrive? A channel is the account's own webhook, or one installation of the add-on.

A rejected delivery is not stored, so it cannot be seen here; the counter `keyturn_deliveries_total` has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyturn.core.ids import AddonId, BusinessCode
from keyturn.doctor.finding import Code, Finding, Severity
from keyturn.store.checkup import Traffic

SILENT = timedelta(hours=48)
"""An account changes more often than that, and an add-on has an event each day."""
SETTLED = timedelta(hours=1)
"""What changes so soon after a delivery may be its own consequence: what Keyturn wrote itself."""
_COUNTERS = (
    'Deliveries that were rejected are counted at /metrics, in keyturn_deliveries_total with state="rejected": '
    "then the secrets differ."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """One way in which an account's events come."""

    business: BusinessCode
    addon_id: AddonId | None
    last: datetime | None
    """The last delivery; `None`: there was none."""
    since: datetime
    """Since when one could have come."""

    def silent(self, now: datetime) -> bool:
        """Nothing has come for too long."""
        return now - (self.last or self.since) > SILENT

    def asks_what_changed(self, now: datetime) -> bool:
        """Only the account's own webhook may be silent because nothing happened; an add-on has an event each day."""
        return self.addon_id is None and self.silent(now)

    @property
    def about(self) -> str:
        """What people call it."""
        return "webhook" if self.addon_id is None else f"installation {self.addon_id}"

    @property
    def address(self) -> str:
        """The address that belongs into Storeganise."""
        return f"https://YOUR-HOST/webhooks/storeganise/{'addon' if self.addon_id else self.business}"


def channels(
    business: BusinessCode, traffic: Traffic, since: datetime, *, plain: bool, installed: Mapping[AddonId, datetime]
) -> list[Channel]:
    """Return the channels of an account.

    `since`: when its memory began; `plain`: it has a webhook of its own; `installed`: its installations, with when
    each was first seen.
    """
    begun: list[tuple[AddonId | None, datetime]] = [*([(None, since)] if plain else []), *installed.items()]
    return [
        Channel(business=business, addon_id=addon, last=traffic.last_delivery.get(addon), since=at)
        for addon, at in begun
    ]


def of_channel(channel: Channel, traffic: Traffic, now: datetime, changed: int | None) -> Iterator[Finding]:
    """Judge one channel. `changed`: rentals changed since its last delivery; `None` where nobody could be asked."""
    if channel.last is None and not channel.silent(now):
        yield _none_yet(channel)
    elif channel.silent(now) and (channel.addon_id is not None or changed):
        yield _silence(channel, f"{changed} rentals have changed since" if changed else "it should hear once a day")
    elif channel.last is None and traffic.live_rentals:
        yield _silence(channel, f"{traffic.live_rentals} rentals are known")


def _none_yet(channel: Channel) -> Finding:
    return Finding(
        code=Code.NO_WEBHOOK_YET,
        severity=Severity.NOTE,
        business=channel.business,
        about=channel.about,
        text="No delivery has come yet.",
        advice=f"In Storeganise, the webhook's address is {channel.address}. Any change of a rental makes it "
        f"deliver. {_COUNTERS}",
    )


def _silence(channel: Channel, although: str) -> Finding:
    came = "None is on record" if channel.last is None else f"The last one came {channel.last:%Y-%m-%d %H:%M} UTC"
    return Finding(
        code=Code.WEBHOOK_SILENCE,
        severity=Severity.ERROR,
        business=channel.business,
        about=channel.about,
        text=f"Webhooks do not arrive. {came}, although {although}. Until then only sweeps find changes.",
        advice=f"{_where(channel)} {_COUNTERS}",
    )


def _where(channel: Channel) -> str:
    if channel.addon_id is not None:
        return (
            "In Storeganise, check under the site's add-ons that it is enabled, not paused. Its address is "
            f"{channel.address}, its secret addon.signature_secret."
        )
    return (
        f"In Storeganise, check under Main settings > Developer > Webhooks: the address {channel.address}, the secret "
        f"(businesses.{channel.business}.webhook_secret), that it is switched on, and the events (docs/quickstart.md)."
    )
