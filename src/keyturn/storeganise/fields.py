"""The custom fields Keyturn uses in Storeganise, as data: the one place that spells their codes.

    unit         sensorberg_id                            which access group opens it
    user         sensorberg_pin                           the tenant's PIN
    unitRental   sensorberg_pin, sensorberg_overlocked    what the tenant sees; the lock
    site         securitySystem                           whether it is ours (plain mode)
    site, addon  sensorberg_url, _clientId, _clientSecret whose Sensorberg it is

Sources: Storeganise help, article 299 (the Sensorberg case study, which names the codes), article 114
(what a custom field can be), the add-on starter template (`ownerAcl`). Neighbours: `wire` reads and writes
the fields, `webtask` makes the script that creates them, `keyturn doctor` looks for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal


class On(Enum):
    """The record a field is on, in the word Storeganise's API has for it."""

    UNIT = "unit"
    USER = "user"
    RENTAL = "unitRental"
    SITE = "site"
    ADDON = "addon"


class Mode(Enum):
    """In which way of connecting an account a field is needed."""

    BOTH = "both"
    PLAIN = "plain"
    ADDON = "addon"


@dataclass(frozen=True, kw_only=True, slots=True)
class Title:
    """What people see above the field."""

    en: str
    de: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomField:
    """One custom field."""

    on: On
    code: str
    """Exactly as Storeganise has it; letters, digits, hyphen and underscore (help, article 114)."""
    type: Literal["string", "boolean"]
    """`string` is text, never a number: a PIN may begin with a zero. `boolean` is a checkbox."""
    title: Title
    mode: Mode
    filled_by: str
    """Who gives it its value, in words."""
    why: str
    """What it is for, in words."""
    tenant_reads: bool = False
    """The tenant sees it (`ownerAcl` is `read`). None may be changed by a tenant."""
    secret: bool = False
    """Storeganise hides its value from staff who do not need it."""
    optional: bool = False
    """Needed only where the settings do not say the same."""


GROUP = CustomField(
    on=On.UNIT,
    code="sensorberg_id",
    type="string",
    title=Title(en="Sensorberg access group", de="Sensorberg-Zugangsgruppe"),
    mode=Mode.BOTH,
    filled_by="staff",
    why="the External Identifier of the access group that opens the unit; without it nobody gets access",
)
OWNER_PIN = CustomField(
    on=On.USER,
    code="sensorberg_pin",
    type="string",
    title=Title(en="Door PIN", de="Tür-PIN"),
    mode=Mode.BOTH,
    filled_by="Keyturn; staff may change it, or clear it for a new one",
    why="the tenant's PIN, one for all units",
)
RENTAL_PIN = CustomField(
    on=On.RENTAL,
    code="sensorberg_pin",
    type="string",
    title=Title(en="Door PIN", de="Tür-PIN"),
    mode=Mode.BOTH,
    filled_by="Keyturn; staff may change it",
    why="the copy of the PIN that the tenant sees",
    tenant_reads=True,
)
OVERLOCKED = CustomField(
    on=On.RENTAL,
    code="sensorberg_overlocked",
    type="boolean",
    title=Title(en="Locked out (overlock)", de="Gesperrt (Overlock)"),
    mode=Mode.BOTH,
    filled_by="Keyturn and staff",
    why="shows whether the tenant is locked out; staff tick it to lock and untick it to let in",
)
SYSTEM = CustomField(
    on=On.SITE,
    code="securitySystem",
    type="string",
    title=Title(en="Security system", de="Schließsystem"),
    mode=Mode.PLAIN,
    filled_by="staff",
    why="`sensorberg` puts the site in Keyturn's care; any other word keeps it out",
)


def _credential(on: On, code: str, title: Title, why: str, *, secret: bool = False) -> CustomField:
    mode = Mode.ADDON if on is On.ADDON else Mode.PLAIN
    return CustomField(
        on=on,
        code=code,
        type="string",
        title=title,
        mode=mode,
        filled_by="the operator",
        why=why,
        secret=secret,
        optional=on is On.SITE,
    )


_URL = ("sensorberg_url", Title(en="Sensorberg address", de="Sensorberg-Adresse"))
_CLIENT_ID = ("sensorberg_clientId", Title(en="Sensorberg client ID", de="Sensorberg-Client-ID"))
_CLIENT_SECRET = ("sensorberg_clientSecret", Title(en="Sensorberg client secret", de="Sensorberg-Client-Secret"))

SITE_CREDENTIALS = (
    _credential(On.SITE, *_URL, "the address of the site's own Sensorberg backend"),
    _credential(On.SITE, *_CLIENT_ID, "the OAuth client of that backend"),
    _credential(On.SITE, *_CLIENT_SECRET, "the secret of that client", secret=True),
)
ADDON_CREDENTIALS = (
    _credential(On.ADDON, *_URL, "the address of the operator's Sensorberg backend"),
    _credential(On.ADDON, *_CLIENT_ID, "the OAuth client of that backend"),
    _credential(On.ADDON, *_CLIENT_SECRET, "the secret of that client", secret=True),
)

FIELDS = (GROUP, OWNER_PIN, RENTAL_PIN, OVERLOCKED, SYSTEM, *SITE_CREDENTIALS, *ADDON_CREDENTIALS)
"""Every field there is."""

CREDENTIALS = dict(zip(("url", "client_id", "client_secret"), (f.code for f in SITE_CREDENTIALS), strict=True))
"""Keyturn's names of a provider's credentials, and the codes they have on a site and on an installation."""


def made_by_webtask() -> tuple[CustomField, ...]:
    """Return the fields an add-on's install script creates. The add-on's own belong to the add-on itself."""
    return tuple(field for field in FIELDS if field.mode is Mode.BOTH)


def made_by_hand() -> tuple[CustomField, ...]:
    """Return the fields an account needs that has no add-on to create them."""
    return tuple(field for field in FIELDS if field.on is not On.ADDON)
