"""What a request says: media types, the JSON:API document, times.

The real service checks the Content-Type of POST and PUT strictly; it is documented on
developer.sensorberg.com ("General").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from keyturn.providers.sensorberg.simulator.documents import MEDIA_TYPE, Problem, RefusalError, invalid
from keyturn.providers.sensorberg.simulator.knobs import Knobs
from keyturn.simulation.exchange import Call

_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?P<fraction>\.\d+)?(?P<zone>Z|[+-]\d\d:?\d\d)",
)


def check_accept(call: Call, knobs: Knobs) -> None:
    """Refuse an `Accept` that does not allow JSON:API, where the tenant looks at it."""
    accepted = call.headers.get("accept", "*/*")
    if knobs.accept_check == "406" and MEDIA_TYPE not in accepted and "*/*" not in accepted:
        raise RefusalError(406)


def attributes(call: Call, kind: str, knobs: Knobs) -> dict[str, Any]:
    """Return `data.attributes` of a JSON:API document of type `kind`; refuse what is none."""
    if call.headers.get("content-type") != MEDIA_TYPE:
        if knobs.content_type_check == "415":
            raise RefusalError(415)
        if knobs.content_type_check == "ignored_body":
            return {}
    resource = _resource(call)
    if resource.get("type") != kind and knobs.type_check == "409":
        raise RefusalError(409, Problem(message="Type does not match the resource", code="101"))
    if call.method in ("PUT", "PATCH") and knobs.put_needs_id and "id" not in resource:
        raise RefusalError(400, Problem(message="A key is required", code="109"))
    given = resource.get("attributes", {})
    if not isinstance(given, dict):
        raise RefusalError(400, Problem(message="attributes is no object"))
    return given


def _resource(call: Call) -> dict[str, Any]:
    try:
        document = call.json()
    except ValueError:
        raise RefusalError(400, Problem(message="The body is no JSON")) from None
    resource = document.get("data") if isinstance(document, dict) else None
    if not isinstance(resource, dict):
        raise RefusalError(400, Problem(message="data is missing"))
    return resource


def time_of(given: Mapping[str, Any], attribute: str, knobs: Knobs) -> datetime | None:
    """Return the time under `attribute`, None for null; refuse anything that is no such time."""
    text = given[attribute]
    if text is None:
        return None
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise invalid(attribute, "is not a time")
    if match["fraction"] and knobs.fractional_seconds == "422":
        raise invalid(attribute, "must not have fractions")
    if match["zone"] != "Z" and knobs.offsets == "422":
        raise invalid(attribute, "must end with Z")
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        raise invalid(attribute, "is not a time") from None
