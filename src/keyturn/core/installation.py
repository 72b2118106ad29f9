"""Add-on installations: who they are, and which account they belong to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from keyturn.core.ids import AddonId, BusinessCode, SiteId


class InstallationState(Enum):
    """How far an installation is trusted."""

    WAITING = "waiting"
    """Its events are kept; nothing is called until an operator approves it."""
    APPROVED = "approved"
    """It is served."""
    REFUSED = "refused"
    """It named an address that may not be called; nothing of it was kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """One installation of the add-on, as its signed events showed it."""

    addon_id: AddonId
    business: BusinessCode | None
    """The account it belongs to; `None` while it is refused."""
    api_url: str | None
    """The account's API, pinned by the first event whose address was believed."""
    state: InstallationState
    first_seen: datetime
    last_seen: datetime
    """When it was registered, approved or refused last."""
    refused_url: str | None = None
    """The last address an event named that was not believed."""
    refused_at: datetime | None = None
    unseen_since: datetime | None = None
    """Since when its changes were not listed, because its key was refused; `None`: they were."""

    @property
    def served(self) -> bool:
        """Whether its events wake work."""
        return self.state is InstallationState.APPROVED


@dataclass(frozen=True, kw_only=True, slots=True)
class AddonRecord:
    """What Storeganise shows of an installation."""

    id: AddonId
    sites: frozenset[SiteId]
    """The sites it is installed on, where the record names any."""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Its provider credentials (`url`, `client_id`, `client_secret`), as far as its custom fields carry them."""


def code_for(api_url: str) -> str:
    """Return the code of an account that no settings name: from the host, `acme` for `https://acme.storeganise.com/api`.

    Another address is spelled out, so that two accounts on one host stay two.
    """
    plain = re.sub(r"/api$", "", api_url.partition("://")[2]).removesuffix(".storeganise.com")
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:50] or "account"
