"""Which settings there are: one class per table of the file, one field per key.

The text under a field is what docs/settings.md shows: unit, default, why, effect. The
`examples` are TOML as it stands to the right of the equals sign; they appear in the reference
and in the messages that say what to write instead. The classes read nothing and decide nothing.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo

from keyturn.core.ids import BusinessCode, SiteId, is_id
from keyturn.settings import values

SHORTEST_KEY = 16
"""A `secret_key` of fewer characters can be guessed; `openssl rand -hex 32` writes a good one."""


def _origin(info: ValidationInfo) -> values.Origin:
    if not isinstance(info.context, values.Origin):
        raise TypeError("settings are read with load_settings or parse_settings")
    return info.context


def _secret(raw: object, info: ValidationInfo) -> SecretStr:
    return values.secret(raw, _origin(info))


def _secrets(raw: object) -> object:
    return tuple(raw) if isinstance(raw, list) else (raw,)


def _long_enough(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value()) < SHORTEST_KEY:
        raise ValueError(
            f"is too short; write at least {SHORTEST_KEY} characters, for example from: openssl rand -hex 32"
        )
    return key


def _folder(raw: object, info: ValidationInfo) -> Path:
    if not isinstance(raw, str) or not raw:
        raise ValueError('is not a folder; write a path such as "./keyturn-data"')
    return (_origin(info).folder / raw).absolute()


def _address(raw: object) -> str:
    return values.address(raw).url


def _host(raw: object) -> str:
    values.host_rule(raw)
    return str(raw).lower()


def _postgresql(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("is not a PostgreSQL address; write postgresql://user:password@host/name, or leave it out")
    return url


def _code(code: str) -> str:
    if code == "addon":
        raise ValueError("`addon` is kept for add-on installations; write another code for this business")
    return code


def _site(site: str) -> str:
    if not is_id(site):
        raise ValueError("is not a site id; write the id Storeganise shows in the site's address")
    return site


def _addon(addon: str) -> str:
    if not is_id(addon):
        raise ValueError("is not an installation's id; write the id that `keyturn addons` shows")
    return addon


def _listed(raw: object) -> object:
    return tuple(raw) if isinstance(raw, list) else raw


Secret = Annotated[SecretStr, BeforeValidator(_secret)]
SecretList = Annotated[tuple[Secret, ...], BeforeValidator(_secrets), Field(min_length=1)]
Duration = Annotated[timedelta, BeforeValidator(values.duration)]
Zone = Annotated[ZoneInfo, BeforeValidator(values.zone)]
Address = Annotated[str, BeforeValidator(_address)]
Host = Annotated[str, BeforeValidator(_host)]
Hosts = Annotated[tuple[Host, ...], BeforeValidator(_listed)]
Folder = Annotated[Path, BeforeValidator(_folder)]
Code = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$"), AfterValidator(_code)]
Site = Annotated[str, AfterValidator(_site)]
Sites = Annotated[tuple[Site, ...], BeforeValidator(_listed), Field(min_length=1)]
Addon = Annotated[str, AfterValidator(_addon)]
Language = Literal["en", "de"]


class Table(BaseModel):
    """A table of the file: frozen, strict about types, and without room for unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        use_attribute_docstrings=True,
        populate_by_name=False,
        hide_input_in_errors=True,
    )


class ServerSettings(Table):
    """How Keyturn itself is reached, and the key that protects what it stores."""

    host: str = Field(default="127.0.0.1", examples=['"127.0.0.1"'], min_length=1)
    """The address the web server listens on. The default is reached from this machine only, so that a
    proxy with TLS stands in front; "0.0.0.0" listens on every network."""
    port: int = Field(default=8080, ge=1, le=65535, examples=["8080"])
    """The TCP port the web server listens on."""
    secret_key: Annotated[Secret, AfterValidator(_long_enough)] = Field(examples=['{ env = "KEYTURN_SECRET_KEY" }'])
    """At least 16 characters, the same for all processes. Keys the hashes of PINs and the stored
    tokens. It has no default, because a known key protects nothing. A changed key is safe: every
    record is then seen for the first time again, and tokens are fetched anew."""


class DatabaseSettings(Table):
    """Where Keyturn keeps its memory."""

    url: Annotated[Secret, AfterValidator(_postgresql)] | None = Field(
        default=None, examples=['{ env = "DATABASE_URL" }', '"postgresql://keyturn@localhost/keyturn"']
    )
    """The address of a PostgreSQL database, for more than one process or machine. It may hold a password, so
    it can be given like a secret. Left out: the embedded SQLite database under `data_dir`, for one process."""
    data_dir: Folder = Field(default=Path("keyturn-data"), examples=['"./keyturn-data"'], validate_default=False)
    """The folder of the embedded database; made when it is missing. A relative path starts at the folder of
    the settings file. Put it on a local disk: SQLite on a network share loses data."""


class NetworkSettings(Table):
    """Which hosts Keyturn may call."""

    allowed_hosts: Hosts = Field(
        default=("*.storeganise.com", "*.sensorberg.io", "*.sensorberg.com"),
        examples=['["*.storeganise.com", "*.sensorberg.io"]'],
    )
    """Hosts, as `host`, `host:port` or `*.domain.com`; without a port every port is meant. Nothing else is ever
    called, whatever a webhook or a custom field says, so that a key cannot be sent to a stranger. http:// is
    accepted for loopback addresses that are listed here, for nothing else. A name that `*.domain.com` allows must
    lead to a public address; a backend in a private network is listed by its full name. Neither may lead to this
    machine, to link-local addresses or to those where a cloud keeps credentials."""

    def callable_address(self, raw: str) -> str | None:
        """Return an address from outside in its one spelling; `None` where it is none, or may not be called."""
        try:
            target = values.address(raw)
        except ValueError:
            return None
        rules = [values.host_rule(host) for host in self.allowed_hosts]
        return target.url if values.allowed(target, rules) else None


class PolicySettings(Table):
    """What Keyturn decides where operators differ."""

    pin_length: int = Field(default=6, ge=4, le=8, examples=["6"])
    """Digits of a new PIN, 4 to 8. Six leave a guesser a chance of one in a million per try. Valid PINs of
    another length stay as they are."""
    group_from_unit_name: bool = Field(default=False, examples=["false"])
    """Use the unit's name as its access group where the custom field `sensorberg_id` is empty, and no other unit
    has that name. Off by default: a guessed group could open the wrong door."""
    prepare_reserved: bool = Field(default=False, examples=["false"])
    """Give a reserved rental its membership and PIN before the move-in is completed. It ends 24 hours after
    the start unless the rental becomes occupied."""
    timezone: Zone = Field(default=ZoneInfo("Europe/Berlin"), examples=['"Europe/Berlin"'])
    """The zone in which a start date begins, where neither the site nor the business names one."""
    language: Language = Field(default="en", examples=['"de"'])
    """The language of tasks for site staff, "en" or "de", where nothing else says which."""
    storeganise_in_flight: int = Field(default=4, ge=1, examples=["4"])
    """Most single-item requests to Storeganise at once, per business. Lists are always
    read one after the other. Storeganise asks integrators to be gentle."""
    sensorberg_in_flight: int = Field(default=32, ge=2, examples=["32"])
    """Most requests to one Sensorberg backend at once, over all processes. One of them is kept for commands."""


class TimingSettings(Table):
    """How long Keyturn waits. A duration is a number and one of s, m, h, d."""

    confirm_vanished: Duration = Field(default=timedelta(minutes=10), examples=['"10m"'])
    """The least time between the two reads that must both miss a rental before its access is revoked. A
    short outage of an upstream must not look like a move-out."""
    retry_cap: Duration = Field(default=timedelta(minutes=15), examples=['"15m"'])
    """The longest pause between two tries while an upstream cannot be used. Tries never stop."""
    retry_refused: Duration = Field(default=timedelta(hours=1), examples=['"1h"'])
    """How often a held rental is looked at again although nothing changed."""
    site_cache: Duration = Field(default=timedelta(hours=1), examples=['"1h"'])
    """How long a site is remembered before it is read again."""
    delta_every: Duration = Field(default=timedelta(minutes=15), examples=['"15m"'])
    """How often each business is asked for what changed, in case a webhook was lost."""
    pin_rest: Duration = Field(default=timedelta(days=90), examples=['"90d"'])
    """How long a replaced PIN is given to nobody else."""
    lease: Duration = Field(default=timedelta(seconds=15), examples=['"15s"'])
    """How long a worker's right to a business lasts without being renewed. Another worker takes over the
    work of a dead one after this time."""


class SensorbergSettings(Table):
    """The Sensorberg backend of a business. May be left out where the site's custom fields carry it."""

    base_url: Address = Field(examples=['"https://storeganise.sensorberg.io"'])
    """The backend's address. Its host must be in `network.allowed_hosts`."""
    client_id: Secret = Field(examples=['{ env = "CLIENT_ID" }'])
    """The id of the OAuth client."""
    client_secret: Secret = Field(examples=['{ env = "CLIENT_SECRET" }'])
    """The secret of the OAuth client."""


class SiteSettings(Table):
    """One site of a business, by its Storeganise id."""

    timezone: Zone | None = Field(default=None, examples=['"Europe/Zurich"'])
    """The site's zone. Left out: the business'."""
    language: Language | None = Field(default=None, examples=['"de"'])
    """The language of tasks about this site, "en" or "de". Left out: the business'."""


class BusinessSettings(Table):
    """One Storeganise account. CODE is yours to choose: lower-case letters, digits and hyphens; not `addon`."""

    api_url: Address = Field(examples=['"https://acme.storeganise.com/api"'])
    """The account's API. Left out: https://CODE.storeganise.com/api. Two businesses cannot share one."""
    api_key: Secret | None = Field(default=None, examples=['{ env = "API_KEY_acme" }'])
    """The account's API key. Left out only where the account is reached through the add-on alone; the table then
    gives it its code, its zone and its fallback credentials."""
    webhook_secrets: SecretList = Field(
        default=(), alias="webhook_secret", examples=['{ env = "WEBHOOK_SECRET_acme" }']
    )
    """The secret that signs the account's webhooks. A list is accepted as well: each of its secrets is valid,
    so that a secret can be replaced without a gap. Required with `api_key`, unless `allow_unsigned` is on."""
    allow_unsigned: bool = Field(default=False, examples=["false"])
    """Accept webhooks without a signature. Off by default: anybody who knows the address could wake work. Even
    then a webhook only makes Keyturn look; nothing it says is believed."""
    timezone: Zone | None = Field(default=None, examples=['"Europe/Berlin"'])
    """The zone of the business' sites. Left out: `policy.timezone`."""
    language: Language | None = Field(default=None, examples=['"de"'])
    """The language of tasks for site staff, "en" or "de". Left out: the only one of the two in which Storeganise
    shows the site's title, else `policy.language`."""
    sensorberg: SensorbergSettings | None = None
    sites: dict[Site, SiteSettings] = Field(default_factory=dict)


class InstallationSettings(Table):
    """One installation of the add-on, by its id. Needed only where the defaults do not fit."""

    api_key: Secret | None = Field(default=None, examples=['{ env = "SG_API_KEY_north" }'])
    """The installation's own API key, where Storeganise gave it one. Left out: `addon.api_key`."""
    sites: Sites | None = Field(default=None, examples=['["5f1b0c2d3e4f5a6b7c8d9e0f"]'])
    """The ids of the sites it serves, where its record in Storeganise names none. Left out: all sites of the
    account."""


class AddonSettings(Table):
    """Add-on mode: what Storeganise gave for the add-on."""

    api_key: Secret = Field(examples=['{ env = "SG_API_KEY" }'])
    """The add-on's API key."""
    signature_secrets: SecretList = Field(alias="signature_secret", examples=['{ env = "SG_SIGNATURE_SECRET" }'])
    """The secret that signs the add-on's webhooks. A list is accepted as well: each of its secrets is valid, so
    that a secret can be replaced without a gap."""
    auto_register: bool = Field(default=False, examples=["false"])
    """Serve a new installation from its first signed event on. Off by default: it waits in `keyturn addons`,
    its events are kept, and they run once it is approved."""
    installations: dict[Addon, InstallationSettings] = Field(default_factory=dict)


class TelemetrySettings(Table):
    """Traces, for those who collect them. `make setup` and `deploy/install.sh` bring what it needs."""

    endpoint: Address = Field(examples=['"https://otel.example.com:4318"'])
    """Where traces are sent as OTLP over HTTP. Its host must be in `network.allowed_hosts`."""
    sample: Annotated[float, Field(ge=0, le=1)] = Field(default=1.0, examples=["0.1"])
    """The share of webhooks that are traced, 0 to 1."""


class Settings(Table):
    """All settings."""

    server: ServerSettings
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    network: NetworkSettings = Field(default_factory=NetworkSettings)
    policy: PolicySettings = Field(default_factory=PolicySettings)
    timing: TimingSettings = Field(default_factory=TimingSettings)
    businesses: dict[Code, BusinessSettings] = Field(default_factory=dict)
    addon: AddonSettings | None = None
    telemetry: TelemetrySettings | None = None

    def zone(self, business: BusinessCode, site: SiteId | None) -> ZoneInfo:
        """Return the zone of a site: its own, else the business', else the policy's."""
        account = self.businesses.get(business)
        place = account.sites.get(site) if account and site else None
        candidates = (place and place.timezone, account and account.timezone)
        return next((zone for zone in candidates if zone), self.policy.timezone)

    def language(self, business: BusinessCode, site: SiteId | None, shown: str | None) -> str:
        """Return the language of a site's staff; `shown` is what Storeganise says about the site."""
        account = self.businesses.get(business)
        place = account.sites.get(site) if account and site else None
        candidates = (place and place.language, account and account.language, shown)
        return next((language for language in candidates if language), self.policy.language)


def tables() -> dict[str, type[Table]]:
    """Return every table by its name in the file, in the file's order."""
    return {
        "server": ServerSettings,
        "database": DatabaseSettings,
        "network": NetworkSettings,
        "policy": PolicySettings,
        "timing": TimingSettings,
        "businesses.CODE": BusinessSettings,
        "businesses.CODE.sensorberg": SensorbergSettings,
        "businesses.CODE.sites.SITE_ID": SiteSettings,
        "addon": AddonSettings,
        "addon.installations.ADDON_ID": InstallationSettings,
        "telemetry": TelemetrySettings,
    }


def example_of(table: type[Table], key: str) -> str | None:
    """Return how a key's value may look in the file."""
    for name, field in table.model_fields.items():
        if key in {name, field.alias} and field.examples:
            first: Any = field.examples[0]
            return str(first)
    return None
