"""The table of providers: a new one is a folder and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from keyturn.clock import Clock
from keyturn.core.ids import TenantUrl
from keyturn.errors import SettingsError
from keyturn.providers.memory import MemoryProvider
from keyturn.providers.protocol import Provider
from keyturn.providers.sensorberg.client import SensorbergClient
from keyturn.providers.sensorberg.provider import SensorbergProvider
from keyturn.providers.sensorberg.token import TokenCache, TokenStore
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.http import HttpClient


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderParts:
    """What a provider is built from."""

    http: HttpClient
    clock: Clock
    tenant: TenantUrl
    """The backend's base URL."""
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    circuit: Circuit
    """This credential's own."""
    limiter: AbstractAsyncContextManager[Any]
    """Shared by all clients of this tenant; bounds the requests under way to it."""
    permitted: Callable[[], bool] = lambda: True
    """Whether the task at hand may still start a call."""
    tokens: TokenStore
    secret_key: bytes = field(repr=False)
    """The installation's key, under which tokens are sealed."""
    send_created_at: bool = True
    """New memberships carry `created-at`."""


def provider(name: str, parts: ProviderParts) -> Provider:
    """Build the provider called `name`. Raises `SettingsError` for a name that is not in the table."""
    factory = PROVIDERS.get(name)
    if factory is None:
        raise SettingsError([f"there is no provider called {name!r}; there are: {', '.join(sorted(PROVIDERS))}"])
    return factory(parts)


def _sensorberg(parts: ProviderParts) -> Provider:
    tokens = TokenCache(
        http=parts.http,
        clock=parts.clock,
        tenant=parts.tenant,
        client_id=parts.client_id,
        client_secret=parts.client_secret,
        limiter=parts.limiter,
        tokens=parts.tokens,
        secret_key=parts.secret_key,
    )
    client = SensorbergClient(
        http=parts.http,
        clock=parts.clock,
        tenant=parts.tenant,
        tokens=tokens,
        circuit=parts.circuit,
        limiter=parts.limiter,
        permitted=parts.permitted,
    )
    return SensorbergProvider(client, send_created_at=parts.send_created_at)


def _memory(parts: ProviderParts) -> Provider:
    return MemoryProvider(parts.clock, tenant=parts.tenant)


PROVIDERS: Mapping[str, Callable[[ProviderParts], Provider]] = MappingProxyType(
    {"sensorberg": _sensorberg, "memory": _memory}
)
