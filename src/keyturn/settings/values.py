"""The small languages inside the settings: durations, secrets, addresses, hosts and zones.

Each reader takes what TOML gave and returns the value, or raises `ValueError` with the words
"what is wrong; what to write instead". No message repeats a secret.
"""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

_DURATION = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=3650)
_HOSTNAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII
)
_LAST_PORT = 65535
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where the settings come from: what `{ env = ... }` and relative paths are read against."""

    environ: Mapping[str, str]
    folder: Path


def duration(raw: object) -> timedelta:
    """Read "15s", "10m", "1h" or "90d"."""
    match = _DURATION.fullmatch(raw) if isinstance(raw, str) else None
    if match is None:
        raise ValueError('is not a duration; write a number and one of s, m, h, d in quotes, such as "10m"')
    span = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if not timedelta() < span <= _LONGEST:
        raise ValueError('is out of range; write a duration from "1s" to "3650d"')
    return span


def zone(raw: object) -> zoneinfo.ZoneInfo:
    """Read the name of a time zone of the IANA database."""
    if isinstance(raw, str):
        try:
            return zoneinfo.ZoneInfo(raw)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            close = get_close_matches(raw, zoneinfo.available_timezones(), n=1)
            if close:
                raise ValueError(f'is not a time zone; did you mean "{close[0]}"?') from None
    raise ValueError('is not a time zone; write a name such as "Europe/Berlin"')


def secret(raw: object, origin: Origin) -> SecretStr:
    """Read a secret: a string, `{ env = "NAME" }` or `{ file = "PATH" }`."""
    match raw:
        case str():
            text = raw
        case {"env": str(name), **rest} if not rest:
            text = _from_environment(name, origin.environ)
        case {"file": str(path), **rest} if not rest:
            text = _from_file(origin.folder / path)
        case _:
            raise ValueError('is not a secret; write a string, { env = "NAME" } or { file = "PATH" }')
    if not text:
        raise ValueError("is empty; put the secret there")
    if not text.isprintable():
        raise ValueError("holds a line break or another control character; remove it")
    return SecretStr(text)


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise ValueError(f"the environment variable {name} is not set; set it before starting Keyturn")
    return environ[name]


def _from_file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
        raise ValueError(f"the file {path} cannot be read ({reason}); write the path of a readable file") from None
    return text.removesuffix("\n").removesuffix("\r")


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A base URL, taken apart."""

    scheme: str
    host: str
    port: int | None
    path: str

    @property
    def url(self) -> str:
        """The address in its one spelling: lower-case host, no usual port, no trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def address(raw: object) -> Address:
    """Read a base URL: a scheme, a host, perhaps a port and a path, and nothing else."""
    complaint = 'is not an address Keyturn can call; write it as "https://host/path"'
    if not isinstance(raw, str) or not raw.isascii() or not raw.isprintable() or re.search(r"[\s\\@?#%]", raw):
        raise ValueError(complaint)
    try:
        parts = urlsplit(raw)
        port = parts.port
    except ValueError:
        raise ValueError(complaint) from None
    host = parts.hostname or ""
    if parts.scheme not in _PORTS or not is_host(host) or port == 0:
        raise ValueError(complaint)
    shown = None if port == _PORTS[parts.scheme] else port
    return Address(scheme=parts.scheme, host=str(_ip(host) or host), port=shown, path=parts.path.rstrip("/"))


def is_host(host: str) -> bool:
    """Say whether this is a host name or an IP address, in lower case."""
    if ":" in host:
        return _ip(host) is not None
    return _HOSTNAME.fullmatch(host) is not None


def is_loopback(host: str) -> bool:
    """Say whether only this machine answers under this host."""
    ip = _ip(host)
    return host == "localhost" or (ip is not None and ip.is_loopback)


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class HostRule:
    """One entry of `network.allowed_hosts`."""

    host: str
    port: int | None
    below: bool
    """The entry was written as `*.host`: every name below `host`, not `host` itself."""

    def covers(self, host: str, port: int | None) -> bool:
        """Say whether the entry allows this host and port."""
        same = host.endswith("." + self.host) if self.below else host == self.host
        return same and self.port in {None, port}


def host_rule(raw: object) -> HostRule:
    """Read "host", "host:port", "*.domain", "*.domain:port", "[IPv6]" or "[IPv6]:port"."""
    text = raw.lower() if isinstance(raw, str) else ""
    below = text.startswith("*.")
    match = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::(\d{1,5}))?", text.removeprefix("*."), re.ASCII)
    host = (match[1] or match[2]) if match else ""
    port = int(match[3]) if match and match[3] else None
    if not is_host(host) or (below and (_ip(host) or "." not in host)) or not (port is None or 0 < port <= _LAST_PORT):
        raise ValueError('is not a host; write it as "host", "host:port" or "*.domain.com"')
    return HostRule(host=str(_ip(host) or host), port=port, below=below)


def allowed(target: Address, rules: list[HostRule]) -> bool:
    """Say whether Keyturn may call `target`: its host is listed, and plain http stays on this machine."""
    port = target.port or _PORTS[target.scheme]
    listed = any(rule.covers(target.host, port) for rule in rules)
    return listed and (target.scheme == "https" or is_loopback(target.host))
