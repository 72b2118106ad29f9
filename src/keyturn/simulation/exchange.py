"""What a simulated API is asked and what it answers, as values, and which route is meant.

A route's handler is an ordinary function from `Call` to `Reply`: the effect of a request is
one uninterrupted step, so "before the effect" and "after the effect" are exact moments.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"

RouteKind = Literal["list", "single", "token", "admin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request: `headers` has lower-case names, `params` the named parts of the path."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    params: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """Return the parsed body; ValueError when it is none."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer. `content_type` None sends no Content-Type."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Call], Reply | Awaitable[Reply]]


def json_reply(value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Return compact JSON, non-ASCII characters unescaped."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Reply(status=status, body=body, content_type=JSON, headers=headers)


def html_reply(status: int) -> Reply:
    """Return the sort of page a proxy in front of the real service shows."""
    page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>nginx</body></html>"
    return Reply(status=status, body=page.encode(), content_type=HTML)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation of a simulated API."""

    name: str
    method: str
    pattern: tuple[str, ...]
    kind: RouteKind
    handler: Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A route found, and the named parts of the path."""

    route: Route
    params: Mapping[str, str]


class Routes:
    """The table of operations. A pattern is `users/{id}`; a plain part wins over a named one."""

    def __init__(self) -> None:
        self._by_length: dict[int, list[Route]] = {}

    def add(self, method: str, pattern: str, name: str, handler: Handler, kind: RouteKind = "single") -> None:
        """Add an operation; the leading slash of `pattern` is left out."""
        parts = tuple(pattern.split("/"))
        route = Route(name=name, method=method, pattern=parts, kind=kind, handler=handler)
        same_length = self._by_length.setdefault(len(parts), [])
        same_length.append(route)
        same_length.sort(key=lambda known: sum(part.startswith("{") for part in known.pattern))

    def find(self, method: str, raw_path: str) -> Match | None:
        """Return the operation meant by a raw (still percent-encoded) path, or None."""
        parts = raw_path.lstrip("/").split("/")
        for route in self._by_length.get(len(parts), ()):
            if route.method == method and (params := _fits(route.pattern, parts)) is not None:
                return Match(route=route, params=params)
        return None

    def methods(self, raw_path: str) -> list[str]:
        """Return the methods this path knows, to tell 405 from 404."""
        parts = raw_path.lstrip("/").split("/")
        known = self._by_length.get(len(parts), ())
        return sorted({route.method for route in known if _fits(route.pattern, parts) is not None})


def _fits(pattern: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    params: dict[str, str] = {}
    for wanted, given in zip(pattern, parts, strict=True):
        if wanted.startswith("{") and given:
            params[wanted[1:-1]] = unquote(given)
        elif wanted != given:
            return None
    return params
