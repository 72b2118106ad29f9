"""From the file to the settings, or to the list of everything that is wrong with it.

One line per problem: the file, the dotted key, what is wrong, what to write instead.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from keyturn.errors import SettingsError
from keyturn.settings import checks
from keyturn.settings.model import Settings, Table, example_of
from keyturn.settings.values import Origin

_COMPLAINTS = {
    "missing": "is missing{instead}",
    "greater_than_equal": "is too small; write {ge} or more",
    "less_than_equal": "is too large; write {le} or less",
    "string_pattern_mismatch": (
        "is not a business code; write 1 to 63 lower-case letters, digits and hyphens, no hyphen first"
    ),
    "too_short": "is empty{instead}",
    "string_too_short": "is empty{instead}",
    "model_type": "is not a table; write it as [{where}]",
    "dict_type": "is not a table; write it as [{where}]",
    "int_type": "is not a whole number{instead}",
    "bool_type": "is neither true nor false{instead}",
    "string_type": "is not text{instead}",
    "tuple_type": "is not a list{instead}",
    "literal_error": "is none of {expected}{instead}",
    "float_type": "is not a number{instead}",
}
"""The words for each kind of complaint of pydantic that the model can cause."""


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read the settings file. Raises `SettingsError` with every problem found."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SettingsError([f"{path}: there is no such file; write one, or name another with --config FILE"]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
        raise SettingsError([f"{path}: the file cannot be read: {reason}"]) from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: this is not TOML: {error}"]) from None
    return parse_settings(document, name=str(path), folder=path.absolute().parent, environ=environ)


def parse_settings(document: Mapping[str, Any], *, name: str, folder: Path, environ: Mapping[str, str]) -> Settings:
    """Turn a parsed document into settings.

    `name` begins each line of a complaint; `folder` is where relative paths start.
    Raises `SettingsError` with every problem found.
    """
    filled = _with_defaults(dict(document), folder)
    found = checks.problems(filled)
    try:
        settings = Settings.model_validate(filled, context=Origin(environ=environ, folder=folder))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        found += [_problem(filled, detail) for detail in details]
        settings = None
    if settings is None or found:
        raise SettingsError([f"{name}: {key}: {words}" for key, words in sorted(set(found))])
    return settings


def _with_defaults(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Fill in the two defaults that depend on where they stand: `api_url` and `data_dir`."""
    document.setdefault("server", {})
    businesses = document.get("businesses")
    if isinstance(businesses, dict):
        document["businesses"] = {code: _with_address(code, table) for code, table in businesses.items()}
    database = document.get("database", {})
    if isinstance(database, dict):
        document["database"] = {"data_dir": str(folder / "keyturn-data"), **database}
    return document


def _with_address(code: str, business: Any) -> Any:
    if not isinstance(business, dict) or not re.fullmatch(r"[A-Za-z0-9-]+", code):
        return business
    return {"api_url": f"https://{code.lower()}.storeganise.com/api", **business}


def _problem(document: dict[str, Any], detail: ErrorDetails) -> tuple[str, str]:
    location = _location(document, detail)
    *above, key = location
    return ".".join(location), _words(detail, location, _table_at(above), key)


def _location(document: dict[str, Any], detail: ErrorDetails) -> list[str]:
    """Return the keys that lead to the problem, as they stand in the file.

    A position in a list is only named where the file has a list: one secret is read as a list of one.
    """
    location: list[str] = []
    here: Any = document
    for part in detail["loc"]:
        if part == "[key]" or (isinstance(part, int) and not isinstance(here, list)):
            continue
        location.append(str(part))
        here = here.get(part) if isinstance(here, dict) else None
    return location


def _words(detail: ErrorDetails, location: list[str], table: type[Table] | None, key: str) -> str:
    """Say what is wrong with one value and what to write instead."""
    context = detail.get("ctx", {})
    if detail["type"] == "value_error":
        return str(context["error"])
    if detail["type"] == "extra_forbidden":
        return _unknown(key, table)
    words = _COMPLAINTS.get(detail["type"], "cannot be used{instead}")
    return words.format(instead=_instead(location, table, key), where=".".join(location), **context)


def _instead(location: list[str], table: type[Table] | None, key: str) -> str:
    example = example_of(table, key) if table else None
    if example is None:
        return ""
    code = location[1] if location[0] == "businesses" else "acme"
    return f"; write {key} = {example.replace('acme', code)}"


def _unknown(key: str, table: type[Table] | None) -> str:
    known = [field.alias or name for name, field in table.model_fields.items()] if table else []
    close = get_close_matches(key, known, n=1)
    if close:
        return f"is not a setting; did you mean {close[0]}?"
    return f"is not a setting; remove it, or write one of: {', '.join(known)}"


def _table_at(location: list[str]) -> type[Table] | None:
    """Return the class of the table at this place of the document."""
    table: type[Table] | None = Settings
    keys = iter(location)
    for key in keys:
        table = _below(table, key, keys) if table else None
    return table


def _below(table: type[Table], key: str, keys: Iterator[str]) -> type[Table] | None:
    field = table.model_fields.get(key)
    if field is None:
        return None
    candidates = [field.annotation, *get_args(field.annotation)]
    found = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
    if found and dict in {getattr(c, "__origin__", None) for c in candidates}:
        next(keys, None)
    return found if found and issubclass(found, Table) else None
