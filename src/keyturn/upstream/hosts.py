"""Which hosts are listed, and which addresses a listed name may stand for.

Pure. A name says where a request is meant to go; the address it resolves to says where it really goes.
Whoever answers for a name could let it point into the operator's own network, at this machine, or at
the address where a cloud hands out credentials. So an address is judged by how its name is listed:

| listed as | may stand for |
|---|---|
| `*.domain.com` | public addresses |
| `host.domain.com` | public addresses, and private networks: the operator named it |
| `localhost` | loopback addresses |

Sources: RFC 1918, 4193 (private networks), 6890 (special addresses), 4291, 6052, 3056 (an IPv4 address
inside an IPv6 one), and the metadata addresses that the cloud providers document.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_PRIVATE_6 = IPv6Network("fc00::/7")
_UNICAST_6 = IPv6Network("2000::/3")
"""All of IPv6 that is given out to the public; what is outside has a special meaning, known or not."""
_ASSIGNMENTS = IPv4Network("192.0.0.0/24")
_TRANSLATED = IPv6Network("64:ff9b::/96")
_METADATA = frozenset(
    ip_address(text) for text in ("100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254")
)
"""Where clouds answer with credentials, besides 169.254.0.0/16. Some lie in private or even public ranges."""


class Listing(Enum):
    """How a host came to be allowed."""

    EXACT = "exact"
    BELOW = "below"
    """By `*.domain`: the operator trusts the domain, not this name."""
    LOCAL = "local"
    """`localhost` itself."""


def listing(host: str, port: int, allowed: Sequence[str]) -> Listing | None:
    """Say how `host` is listed for `port`, `None` where it is not. Entries are `host`, `host:port`, `*.domain`."""
    return _listing(host, port, tuple(allowed))


@lru_cache(maxsize=1024)
def _listing(host: str, port: int, allowed: tuple[str, ...]) -> Listing | None:
    name = host.lower().strip("[]")
    patterns = [entry for entry, listed_port in map(_split, allowed) if listed_port in {None, port}]
    if any(name == pattern.lower().strip("[]") for pattern in patterns):
        return Listing.LOCAL if name == "localhost" else Listing.EXACT
    return Listing.BELOW if any(_is_below(name, pattern.lower()) for pattern in patterns) else None


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Say whether only this machine answers under this host."""
    address = as_address(host.strip("[]"))
    return host == "localhost" if address is None else address.is_loopback


def may_stand_for(listed: Listing, address: str) -> bool:
    """Say whether a name that is listed so may be connected to at `address`, as a resolver writes it."""
    parsed = as_address(address)
    if parsed is None:
        return False
    inner = _inner(parsed)
    match listed:
        case Listing.LOCAL:
            return inner.is_loopback
        case Listing.EXACT:
            return _is_public(inner) or _is_private(inner)
        case Listing.BELOW:
            return _is_public(inner)


def as_address(text: str) -> Address | None:
    """Read an IP address; `None` for anything else."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _split(entry: str) -> tuple[str, int | None]:
    """Split an entry into name and port. A bare IPv6 address has several colons and no port."""
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and (":" not in name or name.endswith("]")):
        return name, int(port)
    return entry, None


def _is_below(name: str, pattern: str) -> bool:
    """Say whether `name` is below the domain of `*.domain`. No number is below a domain."""
    if not pattern.startswith("*.") or as_address(name) is not None:
        return False
    labels = name.removesuffix(pattern[1:])
    return labels != name and all(_LABEL.fullmatch(label) for label in labels.split("."))


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for: mapped, translated (NAT64) or tunnelled (6to4)."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Address) -> bool:
    """Say whether the address belongs to the public internet. `is_global` alone is true for multicast, too."""
    if address in _METADATA or address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return address not in _ASSIGNMENTS if isinstance(address, IPv4Address) else address in _UNICAST_6


def _is_private(address: Address) -> bool:
    if address in _METADATA:
        return False
    if isinstance(address, IPv4Address):
        return any(address in network for network in _PRIVATE)
    return address in _PRIVATE_6
