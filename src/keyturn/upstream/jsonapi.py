"""JSON as foreign services write it: strict reading, and what JSON:API error objects complain about.

Pure. It must never keep or return a value of an error document: a rejected value may be a
person's address. Neighbours: `upstream.http` reads answers with it, providers read errors with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_DEEPEST = 12
"""How deep error documents are looked through."""


def read_document(body: bytes) -> Any:
    """Return the JSON value in `body`. Raises `ValueError` for anything else.

    NaN, Infinity and repeated keys are refused: two readers could take them differently.
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def attributes(document: object) -> dict[str, Any]:
    """Return `data.attributes` of a JSON:API document; empty where there are none."""
    data = document.get("data") if isinstance(document, dict) else None
    found = data.get("attributes") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def complaints(body: bytes, known: frozenset[str]) -> frozenset[str]:
    """Say which of the `known` attribute names an error document is about; never raises.

    An error's `source.pointer` (JSON:API 1.1, "Error Objects") is believed before its words.
    """
    try:
        document = read_document(body)
    except ValueError:
        return frozenset()
    if not isinstance(document, dict):
        return frozenset()
    errors = document.get("errors", document.get("error"))
    listed = errors if isinstance(errors, list) else [errors]
    return frozenset().union(*(_about(error, known) for error in listed))


def _about(error: object, known: frozenset[str]) -> frozenset[str]:
    source = error.get("source") if isinstance(error, dict) else None
    pointed = _named(_texts(source, _DEEPEST), known) if isinstance(source, dict) else frozenset[str]()
    return pointed or _named(_texts(error, _DEEPEST), known)


def _named(texts: Iterator[str], known: frozenset[str]) -> frozenset[str]:
    words = [text.lower().replace("e-mail", "email").replace("_", "-").replace(" ", "-") for text in texts]
    return frozenset(name for name in known if any(name in word for word in words))


def _texts(value: object, deep: int) -> Iterator[str]:
    """Walk all keys and strings of `value`, down to `deep` levels."""
    if isinstance(value, str):
        yield value
    elif deep and isinstance(value, dict):
        yield from (key for key in value if isinstance(key, str))
        for part in value.values():
            yield from _texts(part, deep - 1)
    elif deep and isinstance(value, list):
        for part in value:
            yield from _texts(part, deep - 1)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a key is repeated")
    return read
