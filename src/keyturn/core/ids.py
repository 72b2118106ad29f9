"""Identities, one type each, so that a rental's id cannot be passed where an owner's belongs.

All of them are the upstream's own ids, as text. Ids from outside are checked with `is_id`
before they may become part of a URL.
"""

from __future__ import annotations

import re
from typing import NewType

BusinessCode = NewType("BusinessCode", str)
"""One Storeganise account, by the code the operator uses for it in the settings."""
RentalId = NewType("RentalId", str)
OwnerId = NewType("OwnerId", str)
UnitId = NewType("UnitId", str)
SiteId = NewType("SiteId", str)
JobId = NewType("JobId", str)
AddonId = NewType("AddonId", str)
"""One installation of the add-on."""
TenantUrl = NewType("TenantUrl", str)
"""The base URL of a provider's backend: the namespace in which its external ids live."""
GroupId = NewType("GroupId", str)
"""The external identifier of the provider's access group that opens a unit."""
ExternalId = NewType("ExternalId", str)
"""The external identifier of a membership at the provider: the rental's id, or `<rental>-2` and so on."""
PinHash = NewType("PinHash", str)
"""`<key id>:<hex>`: a keyed hash of a PIN. Two hashes with different key ids cannot be compared."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def is_id(text: object) -> bool:
    """Say whether `text` may be used as an upstream id in a URL."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None
