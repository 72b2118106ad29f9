"""One believable business in both simulators: sites, units, tenants, and what is true today.

Two sites in Germany, forty units, twenty-five invented people. Fifteen of them moved in during
the last months: their rentals, memberships and PINs are there and agree. The rest of the units
is free. The same clock and code give the same business, down to every id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random

from keyturn.providers.sensorberg.simulator import SensorbergSimulator
from keyturn.storeganise.simulator import Account, StoreganiseSimulator
from keyturn.storeganise.simulator.ids import timestamp

_SITES = (("Lagerhaus Nord", "nord"), ("Lagerhaus Süd", "sued"))
_UNITS_PER_SITE = 20
_RENTED = 15
_PIN_LENGTH = 6
_PEOPLE = (
    ("Jürgen", "Groß", "de"),
    ("Anneliese", "Weiß", "de"),
    ("Thomas", "Müller-Lüdenscheidt", "de"),
    ("Emily", "Carter", "en"),
    ("Jörg", "Öztürk", "de"),
    ("Sabine", "Köhler", "de"),
    ("William", "Hughes", "en"),
    ("Katharina", "von der Heide", "de"),
    ("Matthias", "Schröder", "de"),
    ("Ayşe", "Yılmaz", "de"),
    ("Oliver", "Bennett", "en"),
    ("Ursula", "Jäger", "de"),
    ("Friedrich", "Böhm", "de"),
    ("Grace", "O'Connor", "en"),
    ("Birgit", "Lößnitz", "de"),
    ("Stefan", "Krüger", "de"),
    ("Heike", "Sauerländer", "de"),
    ("Charlotte", "Murphy", "en"),
    ("Dieter", "Hübner", "de"),
    ("Monika", "Fürst", "de"),
    ("Łukasz", "Nowak", "en"),
    ("Renate", "Däubler", "de"),
    ("Daniel", "Price", "en"),
    ("Gisela", "Ahrends", "de"),
    ("Torsten", "Kühn", "de"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The business that was seeded; all ids are Storeganise's."""

    account: Account
    sites: tuple[str, ...]
    units: tuple[str, ...]
    free_units: tuple[str, ...]
    tenants: tuple[str, ...]
    prospects: tuple[str, ...]
    """Tenants who rent nothing yet."""
    occupied: tuple[str, ...]
    """Rentals, in the order of `tenants`."""
    pins: dict[str, str] = field(repr=False)
    """PIN per tenant who rents."""


def believable_operator(
    storeganise: StoreganiseSimulator,
    sensorberg: SensorbergSimulator,
    *,
    code: str = "acme",
    api_key: str = "storeganise-key",
    webhook_url: str | None = None,
    webhook_secret: str | None = None,
) -> Operator:
    """Add an account `code` and what belongs to it at Sensorberg; no webhook tells of the past."""
    account = storeganise.add_account(code, api_key=api_key, webhook_secret=webhook_secret)
    sites = tuple(account.add_site(title, {"securitySystem": "sensorberg"}, short) for title, short in _SITES)
    units = tuple(
        _add_unit(account, sensorberg, site, short, number)
        for number in range(1, _UNITS_PER_SITE + 1)
        for site, (_, short) in zip(sites, _SITES, strict=True)
    )
    tenants = tuple(_add_tenant(account, *person) for person in _PEOPLE)
    pins = dict(zip(tenants[:_RENTED], _pins(_RENTED), strict=True))
    occupied = tuple(
        _add_rental(account, sensorberg, tenant, unit, days=30 + 7 * n, pin=pins[tenant])
        for n, (tenant, unit) in enumerate(zip(tenants[:_RENTED], units, strict=False))
    )
    account.webhook_url = webhook_url
    return Operator(
        account=account,
        sites=sites,
        units=units,
        free_units=units[_RENTED:],
        tenants=tenants,
        prospects=tenants[_RENTED:],
        occupied=occupied,
        pins=pins,
    )


def _add_unit(account: Account, sensorberg: SensorbergSimulator, site: str, short: str, number: int) -> str:
    name = f"{short[0].upper()}{100 + number}"
    group = sensorberg.add_group(f"{account.code}-{short}-{100 + number}", name)
    return account.add_unit(site, name, {"sensorberg_id": group})


def _add_tenant(account: Account, first: str, last: str, language: str) -> str:
    local = "".join(c if c.isascii() and c.isalpha() else "-" for c in f"{first}.{last}".lower())
    return account.add_user(first, last, f"{local}@example.com", language)


def _add_rental(
    account: Account, sensorberg: SensorbergSimulator, tenant: str, unit: str, *, days: int, pin: str
) -> str:
    start = account.today() - timedelta(days=days)
    rental = account.move_in(tenant, unit, start)
    account.edit_user(tenant, {"sensorberg_pin": pin})
    account.edit_rental(rental, {"sensorberg_pin": pin})
    _age(account, rental, start)
    user = account.user(tenant)
    sensorberg.add_user(tenant, user["name"], user["email"], pin, user["language"])
    group = account.unit(unit)["customFields"]["sensorberg_id"]
    sensorberg.add_membership(rental, tenant, group, account.midnight(start))
    return rental


def _age(account: Account, rental: str, start: date) -> None:
    """Let a rental have been made a few days before its start, as it was."""
    made = datetime.combine(start - timedelta(days=3), time(10, 15), account.timezone)
    record = account.table["rentals"][rental]
    record["created"] = record["updated"] = timestamp(made)


def _pins(count: int) -> list[str]:
    """Return `count` different PINs, none of them easy to guess, the same in every run."""
    random = Random(2024)  # noqa: S311  # invented PINs have to be the same in every run
    pins: list[str] = []
    while len(pins) < count:
        pin = "".join(random.choices("0123456789", k=_PIN_LENGTH))
        if len(set(pin)) > 3 and pin not in pins and pin != pin[::-1]:  # noqa: PLR2004  # more than three digits differ
            pins.append(pin)
    return pins
