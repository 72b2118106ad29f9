"""Do the sites in scope have credentials for the access system, and where do these come from?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from keyturn.core.ids import AddonId, BusinessCode
from keyturn.core.rental import Site
from keyturn.doctor.finding import Code, Finding, Severity
from keyturn.providers.protocol import Provider
from keyturn.storeganise.fields import CREDENTIALS

ProviderFor = Callable[[Site], Provider | None]
_MOST_NAMED = 10


def of_sites(business: BusinessCode, sites: Sequence[Site], provider_for: ProviderFor) -> Iterator[Finding]:
    """Look at the sites in scope: each needs a complete set, its own, its installation's or the settings'."""
    for place, here in _by_place(sites).items():
        lacking = _lacking(here[0].credentials)
        if provider_for(here[0]) is None:
            yield _missing(business, place, here, lacking)
        elif 0 < len(lacking) < len(CREDENTIALS):
            yield _partial(business, place, lacking)


def origin(business: BusinessCode, site: Site) -> str:
    """Say where the credentials that count at a site are written."""
    return of_settings(business) if _lacking(site.credentials) else f"the fields of {_place(site)}"


def of_settings(business: BusinessCode) -> str:
    """Name the table of a business in the settings."""
    return f"businesses.{business}.sensorberg"


def _by_place(sites: Iterable[Site]) -> dict[str, list[Site]]:
    """Group the sites by the record on which an operator enters credentials: the installation, or each site."""
    places: dict[str, list[Site]] = {}
    for site in sites:
        places.setdefault(_place(site), []).append(site)
    return places


def _place(site: Site) -> str:
    return f"site {site.id}" if site.addon is None else f"installation {site.addon}"


def _lacking(credentials: Mapping[str, str]) -> list[str]:
    return [field for name, field in CREDENTIALS.items() if not credentials.get(name)]


def _missing(business: BusinessCode, place: str, sites: Sequence[Site], lacking: Sequence[str]) -> Finding:
    served = "" if sites[0].addon is None else f" It serves {_named(sites)}."
    return Finding(
        code=Code.CREDENTIALS_MISSING,
        severity=Severity.ERROR,
        business=business,
        about=place,
        text=f"No complete credentials for Sensorberg are known here; empty: {', '.join(lacking)}.{served}",
        advice=f"{_enter(sites[0].addon, lacking)} Or write the table [businesses.{business}.sensorberg] and restart.",
    )


def _partial(business: BusinessCode, place: str, lacking: Sequence[str]) -> Finding:
    return Finding(
        code=Code.CREDENTIALS_PARTIAL,
        severity=Severity.WARNING,
        business=business,
        about=place,
        text=f"Some of its Sensorberg fields are filled and do not count, because {', '.join(lacking)} is empty.",
        advice=f"Fill in the rest, or empty them all. Until then businesses.{business}.sensorberg counts.",
    )


def _enter(addon: AddonId | None, lacking: Sequence[str]) -> str:
    where = "in the site's custom fields" if addon is None else "in the settings of the add-on"
    return f"In Storeganise, {where}, enter {', '.join(lacking)}."


def _named(sites: Sequence[Site]) -> str:
    more = f" and {len(sites) - _MOST_NAMED} more" if len(sites) > _MOST_NAMED else ""
    return "site " + ", ".join(site.id for site in sites[:_MOST_NAMED]) + more
