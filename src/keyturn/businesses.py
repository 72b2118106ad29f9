"""All accounts that are served, each built when it is first asked for.

An account comes from the settings, from add-on installations, or from both: one address is one business, with
one lane and one memory, however many ways lead to it. Which installations serve it may change while the service
runs, so they are looked up again each time its lane is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from keyturn.backends import Backends
from keyturn.clock import Clock
from keyturn.core.ids import AddonId, BusinessCode, SiteId
from keyturn.core.installation import Installation, code_for
from keyturn.core.policy import Policy
from keyturn.core.work import DELTA_SWEEP, UNIT_SWEEP, Kind, Subject
from keyturn.engine.business import Business
from keyturn.settings import Settings
from keyturn.settings.model import BusinessSettings
from keyturn.store.businesses import Businesses
from keyturn.store.installations import Installations
from keyturn.storeganise.account import Key, StoreganiseAccount
from keyturn.storeganise.client import AddonKey, ApiKey, Authorization, StoreganiseClient
from keyturn.storeganise.turns import Turns
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.http import HttpClient

SYSTEM = "sensorberg"
"""The value of a site's `securitySystem` field that puts it in scope."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """One account, and what its business is built from."""

    business: Business
    api_url: str
    account: StoreganiseAccount
    turns: Turns
    own: Key | None
    installed: dict[AddonId, Key]


class Directory:
    """Finds businesses by code."""

    def __init__(
        self,
        *,
        settings: Settings,
        http: HttpClient,
        clock: Clock,
        backends: Backends,
        remembered: Businesses,
        installations: Installations,
    ) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._backends = backends
        self._remembered = remembered
        self._installations = installations
        self._served: dict[BusinessCode, Served] = {}
        self.sweeps = sweeps(settings)
        """What keeps each account in step without webhooks."""

    async def start(self) -> None:
        """Remember the accounts of the settings. Raises `AccountKnown`, `CodeTaken`, `DatabaseUnavailable`."""
        for name, business in self._settings.businesses.items():
            await self._remembered.remember(BusinessCode(name), business.api_url, self._clock.now())
        await self._remembered.name([BusinessCode(name) for name in self._settings.businesses])

    async def codes(self) -> list[BusinessCode]:
        """Return the codes of all accounts that are served, those of the settings first."""
        named = [BusinessCode(code) for code in self._settings.businesses]
        if self._settings.addon is None:
            return named
        approved = {i.business for i in await self._installations.all() if i.served and i.business is not None}
        return [*named, *sorted(approved - set(named))]

    async def open(self, code: BusinessCode) -> Business | None:
        """Return a business with the keys it has now; `None` where nobody may serve it (any more)."""
        installed = await self._installations.of(code) if self._settings.addon is not None else []
        named = self._settings.businesses.get(code)
        if named is None and not installed:
            return None
        served = self._served.get(code)
        if served is None:
            api_url = named.api_url if named is not None else str(installed[0].api_url)
            served = self._served[code] = await self._build(code, named, api_url)
        mine = [one for one in installed if one.api_url == served.api_url]
        served.account.hold(served.own, [self._key(served, one) for one in mine])
        return served.business

    def turns(self, code: BusinessCode) -> Turns:
        """Return the turns of a business that was opened."""
        return self._served[code].turns

    async def _build(self, code: BusinessCode, named: BusinessSettings | None, api_url: str) -> Served:
        turns = Turns(self._settings.policy.storeganise_in_flight)
        key = named.api_key.get_secret_value() if named is not None and named.api_key is not None else None
        circuit = self._circuit(code)
        own = None if key is None else Key(client=self._client(api_url, ApiKey(key), turns, circuit))
        account = StoreganiseAccount(
            clock=self._clock,
            system=SYSTEM,
            has_credentials=named is not None and named.sensorberg is not None,
            hint=partial(self._hint, code),
            gaps=self._installations,
        )
        business = Business(
            code=code,
            source=account,
            policy=make_policy(self._settings, plain=own is not None),
            memory_since=await self._remembered.since(code) or self._clock.now(),
            zone=partial(self._settings.zone, code),
            provider_for=partial(self._backends.for_site, code),
            provider_at=partial(self._backends.at, code),
            language=partial(self._settings.language, code),
        )
        return Served(business=business, api_url=api_url, account=account, turns=turns, own=own, installed={})

    def _key(self, served: Served, installation: Installation) -> Key:
        """Return the installation's key; its client is kept, and with it what it has learnt."""
        addon_id, addon = installation.addon_id, self._settings.addon
        if addon_id not in served.installed and addon is not None:
            own = addon.installations.get(addon_id)
            secret = own.api_key if own is not None and own.api_key is not None else addon.api_key
            authorization = AddonKey(addon_id, secret.get_secret_value())
            # A record of another site may be answered 403, which says nothing about the key.
            circuit = self._circuit(served.business.code, forbidden_pauses=False)
            served.installed[addon_id] = Key(
                client=self._client(served.api_url, authorization, served.turns, circuit),
                addon_id=addon_id,
                sites=frozenset(SiteId(site) for site in own.sites) if own is not None and own.sites else None,
            )
        return replace(served.installed[addon_id], unseen_since=installation.unseen_since)

    def _circuit(self, code: BusinessCode, *, forbidden_pauses: bool = True) -> Circuit:
        return Circuit(
            f"storeganise of {code}",
            self._clock,
            self._settings.timing.retry_cap,
            forbidden_pauses=forbidden_pauses,
            on_paused=self._http.paused,
        )

    def _client(self, api_url: str, authorization: Authorization, turns: Turns, circuit: Circuit) -> StoreganiseClient:
        return StoreganiseClient(
            http=self._http,
            clock=self._clock,
            api_url=api_url,
            authorization=authorization,
            circuit=circuit,
            turns=turns,
            site_cache=self._settings.timing.site_cache,
        )

    async def _hint(self, code: BusinessCode, kind: str, subjects: list[str]) -> dict[str, AddonId]:
        kinds = {one.value: one for one in Kind}
        if kind not in kinds or not subjects:
            return {}
        return await self._installations.last_named(code, kinds[kind], subjects)


def sweeps(settings: Settings) -> list[Subject]:
    """Return what keeps an account in step without webhooks."""
    return [DELTA_SWEEP, UNIT_SWEEP] if settings.policy.group_from_unit_name else [DELTA_SWEEP]


def wanted_code(settings: Settings, api_url: str) -> str:
    """Return what an account at this address is called: as in the settings, else after its host."""
    named = (code for code, business in settings.businesses.items() if business.api_url == api_url)
    return next(named, None) or code_for(api_url)


def make_policy(settings: Settings, *, plain: bool) -> Policy:
    """Return the operator's rules as the decision takes them."""
    policy, timing = settings.policy, settings.timing
    return Policy(
        system=SYSTEM,
        plain=plain,
        pin_length=policy.pin_length,
        group_from_unit_name=policy.group_from_unit_name,
        prepare_reserved=policy.prepare_reserved,
        confirm_vanished=timing.confirm_vanished,
    )
