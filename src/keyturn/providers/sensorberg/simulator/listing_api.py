"""Lists nobody has documented: they exist only with the optional endpoints.

Filters are bare dashed parameters, as in the vendor's own app, or JSON:API's `filter[...]`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from keyturn.providers.sensorberg.simulator.documents import (
    RefusalError,
    document_reply,
    membership_resource,
    user_resource,
)
from keyturn.providers.sensorberg.simulator.state import State
from keyturn.simulation.exchange import Call, Reply

Resources = list[dict[str, Any]]


def list_users(state: State, call: Call) -> Reply:
    """GET /users."""
    found = [user_resource(user, state.knobs) for user in state.tenant.users.values()]
    return _page(state, call, found, ("external-identifier", "email"))


def list_memberships(state: State, call: Call) -> Reply:
    """GET /user_group_memberships."""
    found = [membership_resource(row) for row in state.tenant.rows.values()]
    filters = ("external-identifier", "external-user-identifier", "external-user-group-identifier")
    return _page(state, call, found, filters)


def list_groups(state: State, call: Call) -> Reply:
    """GET /user_groups."""
    found = [_group(ident, name) for ident, name in state.tenant.groups.items()]
    return _page(state, call, found, ("external-identifier",))


def get_group(state: State, call: Call) -> Reply:
    """GET /user_groups/{id}."""
    ident = call.params["id"]
    if ident not in state.tenant.groups:
        raise RefusalError(404)
    return document_reply({"data": _group(ident, state.tenant.groups[ident])}, 200)


def _group(ident: str, name: str) -> dict[str, Any]:
    return {"id": ident, "type": "user-groups", "attributes": {"external-identifier": ident, "name": name}}


def _page(state: State, call: Call, found: Resources, filters: tuple[str, ...]) -> Reply:
    kept = [resource for resource in found if _passes(state, call, resource["attributes"], filters)]
    size = _size(state, call)
    paging = _by_cursor if state.knobs.list_paging == "cursor" else _by_number
    shown, following = paging(call, kept, size)
    link = None if following is None else f"{call.path}?{urlencode({**call.query, **following})}"
    return document_reply({"data": shown, "links": {"next": link}}, 200)


def _passes(state: State, call: Call, shown: dict[str, Any], filters: tuple[str, ...]) -> bool:
    spell: Callable[[str], str] = (lambda n: f"filter[{n}]") if state.knobs.list_filter == "filter" else str
    return all(shown[name] == call.query[spell(name)] for name in filters if spell(name) in call.query)


def _size(state: State, call: Call) -> int:
    asked = call.query.get("page[size]", "")
    return min(int(asked), state.knobs.page_size) if asked.isdecimal() and int(asked) > 0 else state.knobs.page_size


def _by_number(call: Call, kept: Resources, size: int) -> tuple[Resources, dict[str, str] | None]:
    asked = call.query.get("page[number]", "1")
    number = int(asked) if asked.isdecimal() and int(asked) > 0 else 1
    end = number * size
    return kept[end - size : end], {"page[number]": str(number + 1)} if end < len(kept) else None


def _by_cursor(call: Call, kept: Resources, size: int) -> tuple[Resources, dict[str, str] | None]:
    after = call.query.get("page[after]")
    ids = [resource["id"] for resource in kept]
    start = ids.index(after) + 1 if after in ids else 0
    shown = kept[start : start + size]
    return shown, {"page[after]": shown[-1]["id"]} if start + size < len(kept) else None
