"""Lists of the API: filters, order, pages.

A list is a bare array. `limit` and `offset` page through it; there is no total and no cursor.
Sources: Storeganise help article 297, requests of integrations in production.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from keyturn.storeganise.simulator.ids import normal_timestamp
from keyturn.storeganise.simulator.knobs import Knobs
from keyturn.storeganise.simulator.shapes import Resource

Test = Callable[[Resource], bool]
_VIRTUAL: dict[str, Test] = {
    "active": lambda record: record["state"] in ("reserved", "occupied"),
    "overdue": lambda record: record["state"] == "occupied" and "overdue" in record,
}


def page(
    records: Iterable[Resource], query: Mapping[str, str], knobs: Knobs, equal: Mapping[str, str]
) -> list[Resource]:
    """Return the page a query asks for.

    `equal` names the parameters that must equal a field, as {parameter: field}. ValueError for an
    `updatedAfter` that is no time.
    """
    tests = _tests(query, knobs, equal)
    found = [record for record in records if all(test(record) for test in tests)]
    _sort(found, query.get("sort", ""))
    limit = min(_number(query.get("limit"), knobs.default_limit), knobs.max_limit)
    offset = _number(query.get("offset"), 0)
    return found[offset : offset + limit]


def _tests(query: Mapping[str, str], knobs: Knobs, equal: Mapping[str, str]) -> list[Test]:
    tests = [_equals(field, query[parameter]) for parameter, field in equal.items() if query.get(parameter)]
    # An empty `ids` is no filter at all: the whole list comes back.
    if query.get("ids"):
        tests.append(_one_of_ids(query["ids"]))
    if query.get("state"):
        tests.append(_in_state(query["state"]))
    if query.get("search"):
        tests.append(_contains(query["search"]))
    if query.get("updatedAfter"):
        tests.append(_updated_after(query["updatedAfter"], inclusive=knobs.updated_after_inclusive))
    for parameter, field in (("start", "startDate"), ("end", "endDate")):
        if query.get(parameter):
            tests.append(_between(field, query[parameter]))
    return tests


def _equals(field: str, value: str) -> Test:
    return lambda record: record.get(field) == value


def _one_of_ids(text: str) -> Test:
    wanted = frozenset(text.split(","))
    return lambda record: record["id"] in wanted


def _in_state(text: str) -> Test:
    states = text.split(",")
    virtual = [_VIRTUAL[state] for state in states if state in _VIRTUAL]
    return lambda record: record["state"] in states or any(test(record) for test in virtual)


def _contains(text: str) -> Test:
    needle = text.lower()
    fields = ("name", "email", "phone")
    return lambda record: any(needle in str(record.get(field) or "").lower() for field in fields)


def _updated_after(text: str, *, inclusive: bool) -> Test:
    since = normal_timestamp(text)
    if inclusive:
        return lambda record: bool(record["updated"] >= since)
    return lambda record: bool(record["updated"] > since)


def _between(field: str, text: str) -> Test:
    first, _, last = text.partition(",")
    return lambda record: field in record and first <= record[field] and (not last or record[field] <= last)


def _sort(records: list[Resource], key: str) -> None:
    field = key.lstrip("-")
    if field:
        records.sort(key=lambda record: str(record.get(field, "")), reverse=key.startswith("-"))


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() else default


def included(query: Mapping[str, str]) -> frozenset[str]:
    """Return the names in `include`."""
    return frozenset(part for part in query.get("include", "").split(",") if part)


def view(record: Resource, include: frozenset[str], nested: Mapping[str, Any]) -> Resource:
    """Return a resource as the API shows it: `customFields` and nested records only when asked for."""
    shown = {key: value for key, value in record.items() if key != "customFields" or "customFields" in include}
    for name, other in nested.items():
        if name in include and other is not None:
            shown[name] = view(other, include, {})
    return shown
