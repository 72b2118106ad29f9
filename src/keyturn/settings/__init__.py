"""The settings: one TOML file, read once, every problem reported at once.

- `model` says which settings there are, with unit, default, reason and effect of each.
- `values` reads the small languages inside it: durations, secrets, addresses, hosts, zones.
- `checks` compares settings with each other.
- `loading` reads the file and turns every complaint into one line for a person.
- `reference` writes docs/settings.md from `model`.

Nothing here opens a connection, and nothing but `loading` and `values.secret` reads a file.
A secret never appears in a message, a `repr` or a `str`.
"""

from __future__ import annotations

from pydantic import SecretStr as Secret

from keyturn.settings.loading import load_settings, parse_settings
from keyturn.settings.model import (
    AddonSettings,
    BusinessSettings,
    DatabaseSettings,
    InstallationSettings,
    NetworkSettings,
    PolicySettings,
    SensorbergSettings,
    ServerSettings,
    Settings,
    SiteSettings,
    TelemetrySettings,
    TimingSettings,
)

__all__ = [
    "AddonSettings",
    "BusinessSettings",
    "DatabaseSettings",
    "InstallationSettings",
    "NetworkSettings",
    "PolicySettings",
    "Secret",
    "SensorbergSettings",
    "ServerSettings",
    "Settings",
    "SiteSettings",
    "TelemetrySettings",
    "TimingSettings",
    "load_settings",
    "parse_settings",
]
