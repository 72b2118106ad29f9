"""One business seen from outside: what its Storeganise shows, and whether its Sensorberg takes us.

The caller holds the lane of the business, so nobody else speaks to its Storeganise meanwhile. Reads come one
after the other: installations, sites, units, some of the rentals, and what has changed where webhooks are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keyturn.clock import Clock
from keyturn.core.entitlement import is_ours
from keyturn.core.ids import AddonId, BusinessCode, TenantUrl
from keyturn.core.rental import Site, Unit
from keyturn.doctor import asked, clocks, credentials, custom_fields, silence, units
from keyturn.doctor.finding import Code, Finding, Severity
from keyturn.doctor.reach import Asked, of_failure
from keyturn.doctor.silence import Channel
from keyturn.engine.business import Business
from keyturn.errors import CredentialsRejected, NotFound, Refused, UpstreamError
from keyturn.providers.protocol import Provider
from keyturn.store.checkup import Traffic
from keyturn.store.ledger import Ledger
from keyturn.storeganise.fields import SYSTEM

MOST_RENTALS = 20
"""So many rentals are read for the fields they carry, in one list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What is known of a business before its services are asked."""

    business: Business
    api_url: str
    backend: TenantUrl | None
    """The Sensorberg backend that its table in the settings names."""
    channels: Sequence[Channel]
    traffic: Traffic

    @property
    def code(self) -> BusinessCode:
        """Its code."""
        return self.business.code

    def ours(self, sites: Sequence[Site]) -> list[Site]:
        """Return the sites in scope."""
        return [site for site in sites if is_ours(site, self.business.policy)]


class Services:
    """Asks both services of one business."""

    def __init__(self, account: Account, ledger: Ledger, clock: Clock) -> None:
        self._account = account
        self._source = account.business.source
        self._ledger = ledger
        self._clock = clock
        self._found: list[Finding] = []

    async def examine(self) -> list[Finding]:
        """Return what is wrong. Raises `LeaseLost`, `DatabaseUnavailable`."""
        if not self._account.business.policy.plain and not self._source.installations:
            return [_no_key(self._account)]
        sites = await self._sites() if await self._installations() else None
        await self._channels(reached=sites is not None)
        self._found += clocks.of_difference("Storeganise", self._source.ahead, self._account.code)
        await self._backends(self._account.ours(sites or ()))
        return self._found

    async def _installations(self) -> bool:
        """Try each installation's key by itself: a list would only show that one of them works.

        Returns whether Storeganise answers at all.
        """
        for addon_id in self._source.installations:
            try:
                await self._source.addon(addon_id)
            except NotFound as error:
                self._found.append(_gone(self._account.code, addon_id, error))
            except (Refused, CredentialsRejected) as error:
                self._failed(error, asked.installation(self._account.code, self._account.api_url, addon_id))
            except UpstreamError as error:
                self._failed(error, asked.installation(self._account.code, self._account.api_url, addon_id))
                return False
        return True

    async def _sites(self) -> list[Site] | None:
        """Look at the sites and what is in them; `None` where they cannot be read."""
        account, business = self._account, self._account.business
        try:
            sites = await self._source.sites()
        except UpstreamError as error:
            self._failed(error, self._storeganise())
            return None
        ours = account.ours(sites)
        if not ours:
            self._found.append(_no_site(account, sites))
        self._found += credentials.of_sites(account.code, ours, business.provider_for)
        try:
            await self._records(sites, ours)
        except UpstreamError as error:
            self._failed(error, self._storeganise())
        return sites

    async def _records(self, sites: Sequence[Site], ours: Sequence[Site]) -> None:
        code, policy = self._account.code, self._account.business.policy
        everywhere = [unit for unit in await self._source.units() if not unit.archived]
        ids = {site.id for site in ours}
        here = [unit for unit in everywhere if unit.site_id in ids]
        self._found += units.of_units(code, here, everywhere, policy)
        self._found += custom_fields.of_records(code, await self._shown(sites, here), plain=policy.plain)

    async def _shown(self, sites: Sequence[Site], here: Sequence[Unit]) -> custom_fields.Shown:
        """Read some of the rentals that the units name, for the fields that they and their owners carry."""
        ids = [unit.rental_id for unit in here if unit.rental_id is not None][:MOST_RENTALS]
        tenancies = await self._source.rentals(ids) if ids else []
        owners = {one.owner.id: one.owner for one in tenancies if one.owner is not None}
        remembered = (await self._ledger.load(self._account.code, rentals=ids)).rentals
        return custom_fields.Shown(
            sites=sites,
            units=here,
            rentals=[one.rental for one in tenancies],
            owners=list(owners.values()),
            remembered=remembered,
        )

    async def _channels(self, *, reached: bool) -> None:
        """Judge the channels; only where one is silent is Storeganise asked what changed meanwhile."""
        now = self._clock.now()
        for channel in self._account.channels:
            changed = await self._changed(channel) if reached and channel.asks_what_changed(now) else None
            self._found += silence.of_channel(channel, self._account.traffic, now, changed)

    async def _changed(self, channel: Channel) -> int | None:
        since = self._clock.now() - silence.SILENT if channel.last is None else channel.last + silence.SETTLED
        try:
            return len(await self._source.changed_since(since))
        except UpstreamError as error:
            self._failed(error, self._storeganise())
            return None

    async def _backends(self, sites: Sequence[Site]) -> None:
        """Greet each backend once per client: those of the sites, else the one the settings name."""
        code, business = self._account.code, self._account.business
        origins: dict[Provider, str] = {}
        for site in sites:
            if (provider := business.provider_for(site)) is not None:
                origins.setdefault(provider, credentials.origin(code, site))
        backend = self._account.backend
        if not origins and backend is not None and (provider := business.provider_at(backend)) is not None:
            origins[provider] = credentials.of_settings(code)
        for provider, origin in origins.items():
            await self._greet(provider, origin)

    async def _greet(self, provider: Provider, origin: str) -> None:
        code = self._account.code
        try:
            await provider.greet()
        except UpstreamError as error:
            self._failed(error, asked.sensorberg(code, provider.tenant, origin))
        else:
            ahead = provider.time() - self._clock.now()
            self._found += clocks.of_difference(f"Sensorberg at {provider.tenant}", ahead, code)

    def _storeganise(self) -> Asked:
        """Say who was asked when the whole account was."""
        code, api_url = self._account.code, self._account.api_url
        if self._account.business.policy.plain:
            return asked.own_account(code, api_url)
        return asked.installation(code, api_url, self._source.installations[0])

    def _failed(self, error: UpstreamError, who: Asked) -> None:
        self._found.append(of_failure(error, who))


def _gone(code: BusinessCode, addon_id: AddonId, error: NotFound) -> Finding:
    return Finding(
        code=Code.INSTALLATION_GONE,
        severity=Severity.WARNING,
        business=code,
        about=f"installation {addon_id}",
        text=f"Storeganise does not show it any more ({error.operation}: {error.reason}).",
        advice=f"If the add-on was removed there: keyturn addons forget {addon_id}.",
    )


def _no_key(account: Account) -> Finding:
    return Finding(
        code=Code.NO_KEY,
        severity=Severity.WARNING,
        business=account.code,
        about=f"businesses.{account.code}",
        text="No key is known for this account: it has no api_key, and no installation of it is served.",
        advice=(
            f"Give businesses.{account.code}.api_key and restart Keyturn; or have the add-on installed there, and "
            "approve it if `keyturn addons` says that it waits."
        ),
    )


def _no_site(account: Account, sites: Sequence[Site]) -> Finding:
    policy = account.business.policy
    plain = f"In Storeganise, enter `{policy.system}` in the field {SYSTEM.code} of each site Keyturn shall look after."
    return Finding(
        code=Code.NO_SITE,
        severity=Severity.WARNING,
        business=account.code,
        about="sites",
        text=f"None of its {len(sites)} sites is in scope, so Keyturn does nothing here.",
        advice=plain if policy.plain else "Check in Storeganise at which sites the add-on is installed.",
    )
