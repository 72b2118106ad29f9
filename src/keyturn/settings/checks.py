"""Checks between settings, on the document as it was written.

They run on the raw document, not on the model, so that they speak up together with the
complaints about single values. What has the wrong type is skipped here: the model says so.
Each problem is a pair of the dotted key and the words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keyturn.settings import values
from keyturn.settings.model import NetworkSettings

Problem = tuple[str, str]


def problems(document: dict[str, Any]) -> list[Problem]:
    """Return what is wrong between the settings of a document whose defaults are filled in."""
    businesses = {code: table for code, table in _table(document, "businesses").items() if isinstance(table, dict)}
    found = [
        *_nothing_to_do(document, businesses),
        *_without_key(document, businesses),
        *_unsigned(businesses),
        *_shared_accounts(businesses),
    ]
    rules = _rules(document)
    if rules is not None:
        found += _foreign_hosts(document, businesses, rules)
    return found


def _table(document: dict[str, Any], key: str) -> dict[str, Any]:
    table = document.get(key, {})
    return table if isinstance(table, dict) else {}


def _nothing_to_do(document: dict[str, Any], businesses: dict[str, Any]) -> Iterator[Problem]:
    if not businesses and "businesses" not in document and "addon" not in document:
        yield "businesses", "no business is set up; write a table [businesses.CODE] with its api_key and webhook_secret"


def _without_key(document: dict[str, Any], businesses: dict[str, Any]) -> Iterator[Problem]:
    """An account without a key of its own is fine only where the add-on may reach it."""
    for code, business in businesses.items():
        if "api_key" not in business and "addon" not in document:
            yield f"businesses.{code}.api_key", f'is missing; write api_key = {{ env = "API_KEY_{code}" }}'


def _unsigned(businesses: dict[str, Any]) -> Iterator[Problem]:
    for code, business in businesses.items():
        signed = "webhook_secret" in business or business.get("allow_unsigned") is True
        if not signed and "api_key" in business:
            yield (
                f"businesses.{code}.webhook_secret",
                f'is missing; write webhook_secret = {{ env = "WEBHOOK_SECRET_{code}" }}, or allow_unsigned = true',
            )


def _address(raw: object) -> values.Address | None:
    try:
        return values.address(raw)
    except ValueError:
        return None


def _shared_accounts(businesses: dict[str, Any]) -> Iterator[Problem]:
    first: dict[tuple[str, str], str] = {}
    for code, business in businesses.items():
        target = _address(business.get("api_url"))
        if target is None:
            continue
        account = (target.host if target.port is None else f"{target.host}:{target.port}", target.path)
        if account in first:
            yield (
                f"businesses.{code}.api_url",
                f"is the account of businesses.{first[account]} already; write one table for one Storeganise account",
            )
        first.setdefault(account, code)


def _rules(document: dict[str, Any]) -> list[values.HostRule] | None:
    """Return the allowed hosts; `None` where one of them cannot be read, so nothing can be said about addresses."""
    default = NetworkSettings.model_fields["allowed_hosts"].default
    hosts = _table(document, "network").get("allowed_hosts", list(default))
    try:
        return [values.host_rule(host) for host in hosts] if isinstance(hosts, list) else None
    except ValueError:
        return None


def _foreign_hosts(
    document: dict[str, Any], businesses: dict[str, Any], rules: list[values.HostRule]
) -> Iterator[Problem]:
    addresses = {"telemetry.endpoint": _table(document, "telemetry").get("endpoint")}
    for code, business in businesses.items():
        addresses[f"businesses.{code}.api_url"] = business.get("api_url")
        addresses[f"businesses.{code}.sensorberg.base_url"] = _table(business, "sensorberg").get("base_url")
    for key, raw in addresses.items():
        target = _address(raw)
        if target is not None and not values.allowed(target, rules):
            yield key, _complaint(target)


def _complaint(target: values.Address) -> str:
    if target.scheme == "http" and not values.is_loopback(target.host):
        return "begins with http://; write https:// (http is for loopback addresses in network.allowed_hosts)"
    host = target.host if target.port is None else f"{target.host}:{target.port}"
    return f'its host is not allowed; write "{host}" into network.allowed_hosts, if Keyturn shall call it'
