"""Which provider serves which site, from the credentials that are known.

A site's own credentials come first, then its business'. One provider is built per backend and
client and kept; all clients of one backend share its limit of requests under way.

Several businesses may share a client, so whose lease a call is made under is known from the task it is made
in: the lane's worker sets `PERMIT`, and every task of that lane inherits it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

from keyturn.clock import Clock
from keyturn.core.ids import BusinessCode, TenantUrl
from keyturn.core.rental import Site
from keyturn.providers.protocol import Provider
from keyturn.providers.registry import ProviderParts, provider
from keyturn.providers.sensorberg.token import TokenStore
from keyturn.settings import Settings
from keyturn.settings.values import address
from keyturn.sharing import Sharing
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.http import HttpClient

Credentials = tuple[TenantUrl, str, str]
"""Base URL, client id, client secret."""


def _always() -> bool:
    return True


PERMIT: ContextVar[Callable[[], bool]] = ContextVar("permit", default=_always)
"""Says whether the task at hand may still start a call; set by whoever holds the lane."""


def _permitted() -> bool:
    return PERMIT.get()()


class Backends:
    """All providers of an installation."""

    def __init__(
        self,
        *,
        system: str,
        settings: Settings,
        http: HttpClient,
        clock: Clock,
        tokens: TokenStore,
        sharing: Sharing,
    ) -> None:
        self._system = system
        self._settings = settings
        self._http = http
        self._clock = clock
        self._tokens = tokens
        self._providers: dict[Credentials, Provider] = {}
        self._sharing = sharing
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
        named = self._settings.businesses.get(code)
        table = named.sensorberg if named is not None else None
        if table is None:
            return None
        secret = table.client_secret.get_secret_value()
        return TenantUrl(table.base_url), table.client_id.get_secret_value(), secret

    def _provider(self, code: BusinessCode, credentials: Credentials) -> Provider:
        tenant, client_id, client_secret = credentials
        self._used[code, tenant] = credentials
        if credentials not in self._providers:
            parts = ProviderParts(
                http=self._http,
                clock=self._clock,
                tenant=tenant,
                client_id=client_id,
                client_secret=client_secret,
                circuit=Circuit(
                    self._system, self._clock, self._settings.timing.retry_cap, on_paused=self._http.paused
                ),
                limiter=self._sharing.limiter(tenant),
                permitted=_permitted,
                tokens=self._tokens,
                secret_key=self._settings.server.secret_key.get_secret_value().encode(),
            )
            self._providers[credentials] = provider(self._system, parts)
        return self._providers[credentials]


def _of_site(site: Site) -> Credentials | None:
    """Return the site's own credentials, if it carries all three: its own, or those of its installation."""
    url, client_id, client_secret = (site.credentials.get(key) for key in ("url", "client_id", "client_secret"))
    return (_one_spelling(url), client_id, client_secret) if url and client_id and client_secret else None


def _one_spelling(url: str) -> TenantUrl:
    """Return the address as the settings would spell it: two spellings of one backend must not be two backends.

    What is no address stays as it is, and is refused when it is called.
    """
    try:
        return TenantUrl(address(url).url)
    except ValueError:
        return TenantUrl(url.rstrip("/"))
