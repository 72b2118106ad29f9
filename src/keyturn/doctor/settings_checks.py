"""What can be said about the settings alone: too open doors, and secrets that others can read."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from keyturn.core.ids import BusinessCode
from keyturn.doctor.finding import Code, Finding, Severity
from keyturn.settings import Settings, values

_SECRETS = frozenset({"secret_key", "api_key", "webhook_secret", "signature_secret", "client_secret"})
"""The keys of the file that hold secrets; `database.url` only where it holds a password."""


def of_settings(settings: Settings, path: Path) -> Iterator[Finding]:
    """Look at settings that could be loaded, and at the file they came from."""
    yield from _unsigned(settings)
    yield from _readable(path)
    if not values.is_loopback(settings.server.host):
        yield Finding(
            code=Code.OPEN_HOST,
            severity=Severity.NOTE,
            about=f"server.host = {settings.server.host}",
            text="Keyturn listens on more than this machine, and speaks plain HTTP.",
            advice="Make sure that a proxy with TLS stands in front and that only it can reach this port.",
        )


def unusable(problems: list[str]) -> list[Finding]:
    """Return a finding for each problem that keeps the settings from being used."""
    return [
        Finding(
            code=Code.SETTINGS,
            severity=Severity.ERROR,
            about="settings",
            text=problem,
            advice="Correct the settings file as the sentence says; docs/settings.md explains every setting.",
        )
        for problem in problems
    ]


def _unsigned(settings: Settings) -> Iterator[Finding]:
    for code, business in settings.businesses.items():
        if business.allow_unsigned:
            yield Finding(
                code=Code.ALLOW_UNSIGNED,
                severity=Severity.WARNING,
                business=BusinessCode(code),
                about=f"businesses.{code}.allow_unsigned",
                text="Webhooks without a signature are accepted: whoever knows the address can make Keyturn work.",
                advice=(
                    f"Enter a secret for the webhook in Storeganise, write it as businesses.{code}.webhook_secret, "
                    "and remove allow_unsigned."
                ),
            )


def _readable(path: Path) -> Iterator[Finding]:
    """Find secrets in files that every user of this machine can read."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return
    written, named = _spelled(document, ""), _files(document)
    if written and _for_everybody(path):
        yield _exposed(path, f"It holds {', '.join(written)} in plain text")
    for name in sorted(named):
        file = path.absolute().parent / name
        if _for_everybody(file):
            yield _exposed(file, "It holds a secret")


def _exposed(path: Path, what: str) -> Finding:
    return Finding(
        code=Code.READABLE_SECRETS,
        severity=Severity.WARNING,
        about=str(path),
        text=f"{what}, and every user of this machine can read it.",
        advice=f"Run: chmod o-rwx {path}. Or give secrets as {{ env = ... }} or {{ file = ... }}.",
    )


def _for_everybody(path: Path) -> bool:
    """Say whether every user may read a file: it and its folder let them."""
    try:
        into = path.absolute().parent.stat().st_mode & stat.S_IXOTH
        return bool(into and path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _spelled(table: Any, above: str) -> list[str]:
    """Name the settings whose secret is written out."""
    found = []
    for key, value in table.items() if isinstance(table, dict) else ():
        name = f"{above}{key}"
        texts = [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, str)]
        if texts and (key in _SECRETS or (name == "database.url" and _has_password(texts[0]))):
            found.append(name)
        found += _spelled(value, f"{name}.")
    return found


def _has_password(url: str) -> bool:
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return False


def _files(table: Any) -> set[str]:
    """Name the files that secrets are read from."""
    if isinstance(table, list):
        return set().union(*(_files(part) for part in table))
    if not isinstance(table, dict):
        return set()
    match table:
        case {"file": str(name), **rest} if not rest:
            return {name}
    return set().union(*(_files(value) for value in table.values()))
