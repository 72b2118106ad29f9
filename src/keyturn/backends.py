"""Which provider serves which site, from the credentials that are known.

A site's own credentials come first, then its business'. One provider is built per backend and
client and kept; all clients of one backend share its limit of requests under way.
"""

from __future__ import annotations

import asyncio

from keyturn.clock import Clock
from keyturn.core.ids import BusinessCode, TenantUrl
from keyturn.core.rental import Site
from keyturn.providers.protocol import Provider
from keyturn.providers.registry import ProviderParts, provider
from keyturn.providers.sensorberg.token import TokenStore
from keyturn.settings import Settings
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.http import HttpClient

Credentials = tuple[TenantUrl, str, str]
"""Base URL, client id, client secret."""


class Backends:
    """All providers of an installation."""

    def __init__(self, *, system: str, settings: Settings, http: HttpClient, clock: Clock, tokens: TokenStore) -> None:
        self._system = system
        self._settings = settings
        self._http = http
        self._clock = clock
        self._tokens = tokens
        self._providers: dict[Credentials, Provider] = {}
        self._limits: dict[TenantUrl, asyncio.Semaphore] = {}
        self._used: dict[tuple[BusinessCode, TenantUrl], Credentials] = {}

    def for_site(self, code: BusinessCode, site: Site) -> Provider | None:
        """Return the provider for a site, `None` where no credentials are known."""
        credentials = _of_site(site) or self._of_business(code)
        return self._provider(code, credentials) if credentials else None

    def at(self, code: BusinessCode, tenant: TenantUrl) -> Provider | None:
        """Return the provider with which this business reaches a backend, `None` where it no longer can."""
        own = self._of_business(code)
        credentials = own if own and own[0] == tenant else self._used.get((code, tenant))
        return self._provider(code, credentials) if credentials else None

    def _of_business(self, code: BusinessCode) -> Credentials | None:
        table = self._settings.businesses[code].sensorberg
        if table is None:
            return None
        secret = table.client_secret.get_secret_value()
        return TenantUrl(table.base_url), table.client_id.get_secret_value(), secret

    def _provider(self, code: BusinessCode, credentials: Credentials) -> Provider:
        tenant, client_id, client_secret = credentials
        self._used[code, tenant] = credentials
        if credentials not in self._providers:
            in_flight = self._settings.policy.sensorberg_in_flight
            parts = ProviderParts(
                http=self._http,
                clock=self._clock,
                tenant=tenant,
                client_id=client_id,
                client_secret=client_secret,
                circuit=Circuit(self._system, self._clock, self._settings.timing.retry_cap),
                limiter=self._limits.setdefault(tenant, asyncio.Semaphore(in_flight)),
                tokens=self._tokens,
                secret_key=self._settings.server.secret_key.get_secret_value().encode(),
            )
            self._providers[credentials] = provider(self._system, parts)
        return self._providers[credentials]


def _of_site(site: Site) -> Credentials | None:
    """Return the site's own credentials, if its custom fields carry all three."""
    url, client_id, client_secret = (site.credentials.get(key) for key in ("url", "client_id", "client_secret"))
    return (TenantUrl(url.rstrip("/")), client_id, client_secret) if url and client_id and client_secret else None
