"""Who is asked with which credentials, and where an operator finds both."""

from __future__ import annotations

from keyturn.core.ids import AddonId, BusinessCode, TenantUrl
from keyturn.doctor.finding import Code
from keyturn.doctor.reach import Asked


def own_account(code: BusinessCode, api_url: str) -> Asked:
    """Storeganise, asked with the account's own key."""
    return Asked(
        business=code,
        service="Storeganise",
        address=api_url,
        address_from=f"businesses.{code}.api_url",
        credentials_from=f"businesses.{code}.api_key",
        refused=Code.KEY_REFUSED,
        new_credentials=(
            "In Storeganise, under Main settings > Developer, make an API key with the role admin, give it as "
            f"businesses.{code}.api_key, and restart Keyturn."
        ),
    )


def installation(code: BusinessCode, api_url: str, addon_id: AddonId) -> Asked:
    """Storeganise, asked with the key of an installation."""
    return Asked(
        business=code,
        service="Storeganise",
        address=f"{api_url} for installation {addon_id}",
        address_from="the address that its events name",
        credentials_from="addon.api_key",
        refused=Code.KEY_REFUSED,
        new_credentials=(
            "Check in Storeganise that the add-on is installed and not disabled. If it is, give the right key as "
            f"addon.api_key, or as addon.installations.{addon_id}.api_key, and restart Keyturn. If it was removed: "
            f"keyturn addons forget {addon_id}."
        ),
    )


def sensorberg(code: BusinessCode, tenant: TenantUrl, origin: str) -> Asked:
    """A Sensorberg backend. `origin`: where its address and credentials are written."""
    return Asked(
        business=code,
        service="Sensorberg",
        address=tenant,
        address_from=f"the address in {origin}",
        credentials_from=origin,
        refused=Code.CLIENT_REFUSED,
        new_credentials=(
            "Ask your contact at Sensorberg for a client with the scope `app`, and enter its id and secret in "
            f"{origin}. After a change of the settings, restart Keyturn."
        ),
    )
