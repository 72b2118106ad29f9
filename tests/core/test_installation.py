"""Installations, and what an account is called that no settings name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keyturn.core.ids import AddonId, BusinessCode
from keyturn.core.installation import Installation, InstallationState, code_for

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("api_url", "code"),
    [
        pytest.param("https://acme.storeganise.com/api", "acme", id="by its host"),
        pytest.param("https://acme.storeganise.com:8443/api", "acme-storeganise-com-8443", id="another port"),
        pytest.param("https://boxes.example.com/api", "boxes-example-com", id="a host of its own"),
        pytest.param("https://example.com/acme/api", "example-com-acme", id="a path"),
        pytest.param("https://example.com/boxes/api", "example-com-boxes", id="another path on that host"),
        pytest.param("http://127.0.0.1:9001/acme/api", "127-0-0-1-9001-acme", id="this machine"),
        pytest.param("https://[::1]/api", "1", id="an IPv6 address"),
        pytest.param("https://" + "a" * 80 + ".example/api", "a" * 50, id="a long one"),
        pytest.param("https://-/api", "account", id="nothing left"),
    ],
)
def test_an_account_is_called_after_its_address(api_url: str, code: str) -> None:
    """The code can stand in the settings and in a URL; two accounts on one host differ."""
    assert code_for(api_url) == code


@pytest.mark.parametrize("state", InstallationState)
def test_only_an_approved_installation_is_served(state: InstallationState) -> None:
    """One that waits, or was refused, wakes nothing."""
    installation = Installation(
        addon_id=AddonId("a1"),
        business=BusinessCode("acme"),
        api_url="https://acme.storeganise.com/api",
        state=state,
        first_seen=NOW,
        last_seen=NOW,
    )
    assert installation.served is (state is InstallationState.APPROVED)
