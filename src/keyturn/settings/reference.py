"""Writes docs/settings.md from the model: `python -m keyturn.settings.reference > docs/settings.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pydantic.fields import FieldInfo

from keyturn.settings.model import Table, tables

_HEAD = """\
# Settings

<!-- Written by `make docs` from the settings' own descriptions. Change those, not this page. -->

Keyturn reads one TOML file: `keyturn.toml`, or the one named with `--config` or `KEYTURN_CONFIG`. It is read
once, at the start. Every problem in it is reported at once, in words, before anything starts.

A **secret** is a string, `{ env = "NAME" }` (an environment variable) or `{ file = "PATH" }` (the content of a
file, without the line break at its end; a relative path starts at the folder of the settings file). Secrets
never appear in a log, a message or an error.

A **duration** is a number and one of `s`, `m`, `h`, `d`, in quotes: `"15s"`, `"10m"`, `"1h"`, `"90d"`.

A minimal file:

```toml
[server]
secret_key = { env = "KEYTURN_SECRET_KEY" }

[businesses.acme]
api_key = { env = "API_KEY_acme" }
webhook_secret = { env = "WEBHOOK_SECRET_acme" }

[businesses.acme.sensorberg]
base_url = "https://storeganise.sensorberg.io"
client_id = { env = "CLIENT_ID" }
client_secret = { env = "CLIENT_SECRET" }
```
"""
_COMPUTED = {"data_dir": '"./keyturn-data"', "api_url": '"https://CODE.storeganise.com/api"'}
"""Defaults that depend on where they stand."""


def reference() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(line for name, table in tables().items() for line in _table(name, table))])


def _table(name: str, table: type[Table]) -> Iterator[str]:
    yield f"## [{name}]"
    yield ""
    yield _prose(table.__doc__)
    yield ""
    for key, field in table.model_fields.items():
        if field.examples:
            yield from _key(field.alias or key, field)


def _key(key: str, field: FieldInfo) -> Iterator[str]:
    yield f"### `{key}`"
    yield ""
    yield _prose(field.description)
    yield ""
    examples = ", ".join(f"`{example}`" for example in field.examples or [])
    yield f"Default: {_default(key, field)}. Example: {examples}"
    yield ""


def _default(key: str, field: FieldInfo) -> str:
    if key in _COMPUTED:
        return f"`{_COMPUTED[key]}`"
    if field.is_required():
        return "none, it is required"
    if field.default in (None, ()):
        return "left out"
    return f"`{_toml(field)}`"


def _toml(field: FieldInfo) -> str:
    """Return a default as it would be written in the file."""
    match field.default:
        case bool() as flag:
            return str(flag).lower()
        case int() | float() as number:
            return str(number)
        case tuple() as hosts:
            return "[" + ", ".join(f'"{host}"' for host in hosts) + "]"
        case str() as text:
            return f'"{text}"'
        case _:
            return str((field.examples or [""])[0])


def _prose(text: str | None) -> str:
    return " ".join((text or "").split())


if __name__ == "__main__":
    sys.stdout.write(reference())
