"""The table of providers."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from keyturn.clock import SystemClock
from keyturn.core.ids import TenantUrl
from keyturn.errors import SettingsError
from keyturn.providers.memory import MemoryProvider
from keyturn.providers.registry import ProviderParts, provider
from keyturn.providers.sensorberg.provider import SensorbergProvider
from keyturn.providers.sensorberg.token import MemoryTokens
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.http import HttpClient


def _parts() -> ProviderParts:
    clock = SystemClock()
    return ProviderParts(
        http=HttpClient([]),
        clock=clock,
        tenant=TenantUrl("https://a.sensorberg.io"),
        client_id="client",
        client_secret="canary",
        circuit=Circuit("sensorberg", clock, timedelta(minutes=15)),
        limiter=asyncio.Semaphore(32),
        tokens=MemoryTokens(),
        secret_key=b"canary",
    )


def test_known_names() -> None:
    """Each name is its provider, for the tenant it was built for."""
    assert isinstance(provider("sensorberg", _parts()), SensorbergProvider)
    assert isinstance(provider("memory", _parts()), MemoryProvider)
    assert provider("sensorberg", _parts()).tenant == "https://a.sensorberg.io"


def test_unknown_name() -> None:
    """A name that is not in the table is a problem in the settings."""
    with pytest.raises(SettingsError, match="there are: memory, sensorberg"):
        provider("nuki", _parts())


def test_no_secret_shows() -> None:
    """What a provider is built from shows no secret."""
    assert "canary" not in repr(_parts())
