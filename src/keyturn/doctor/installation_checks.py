"""Installations of the add-on that are not served, and addresses that were not believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from keyturn.core.ids import AddonId
from keyturn.core.installation import Installation, InstallationState
from keyturn.doctor.finding import Code, Finding, Severity

RECENT = timedelta(days=7)
"""How long a refused address is worth a finding; a single forgery does not come back."""


def none_yet() -> Finding:
    """Say that the add-on is set up and nobody has delivered for it."""
    return Finding(
        code=Code.NO_INSTALLATION_YET,
        severity=Severity.NOTE,
        about="add-on",
        text="No installation of the add-on has delivered yet.",
        advice="Storeganise sends the add-on's events to https://YOUR-HOST/webhooks/storeganise/addon.",
    )


def of_installations(
    installations: Sequence[Installation], kept: Mapping[AddonId, int], now: datetime
) -> Iterator[Finding]:
    """Look at all installations; `kept` counts the deliveries that wait for each one's approval."""
    for one in installations:
        if one.state is InstallationState.WAITING:
            yield _waiting(one, kept.get(one.addon_id, 0))
        if _refused_since(one, now - RECENT):
            yield _refused(one)


def _refused_since(one: Installation, instant: datetime) -> bool:
    """Say whether an address was refused lately, and not before the installation was registered or approved."""
    if one.refused_at is None or one.refused_at < instant:
        return False
    return one.state is InstallationState.REFUSED or one.refused_at > one.last_seen


def _waiting(one: Installation, kept: int) -> Finding:
    return Finding(
        code=Code.INSTALLATION_WAITING,
        severity=Severity.WARNING,
        business=one.business,
        about=f"installation {one.addon_id}",
        text=f"It waits for approval; {kept} of its deliveries are kept. It says that it belongs to {one.api_url}.",
        advice=f"If you know it: keyturn addons approve {one.addon_id}. If not: keyturn addons forget {one.addon_id}.",
    )


def _refused(one: Installation) -> Finding:
    pinned = "an address that may not be called" if one.api_url is None else f"another address than {one.api_url}"
    advice = (
        "If it is the account's, write its host into network.allowed_hosts and restart; the next event makes the "
        "installation known."
        if one.api_url is None
        else f"If the account has moved: keyturn addons forget {one.addon_id}; its next event makes it known again."
    )
    return Finding(
        code=Code.INSTALLATION_ADDRESS,
        severity=Severity.WARNING,
        business=one.business,
        about=f"installation {one.addon_id}",
        text=f"A signed event named {pinned}. It was refused.",
        advice=f"{advice} Otherwise somebody knows the signature secret: ask Storeganise for a new one.",
    )
