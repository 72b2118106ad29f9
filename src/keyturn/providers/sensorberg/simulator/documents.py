"""JSON:API bodies: resources, and errors in the styles of the stacks Sensorberg may be built on.

Sources: jsonapi.org format 1.1; source code of jsonapi-resources, jsonapi-rails and
graphiti_errors for their error objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from keyturn.providers.sensorberg.simulator.knobs import ErrorStyle, Knobs
from keyturn.providers.sensorberg.simulator.tenant import Membership, User
from keyturn.simulation.exchange import Reply, html_reply, json_reply

MEDIA_TYPE = "application/vnd.api+json"
_NOT_FOUND = 404
_INVALID = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a request. `attribute` None: it is about the whole."""

    message: str
    attribute: str | None = None
    code: str | None = None

    @property
    def detail(self) -> str:
        """Return the sentence shown to people."""
        if self.attribute is None:
            return self.message
        return f"{self.attribute.replace('-', ' ').capitalize()} {self.message}"


class RefusalError(Exception):
    """The service refuses a request with a status and problems."""

    def __init__(self, status: int, *problems: Problem) -> None:
        super().__init__(status)
        self.status = status
        self.problems = problems


def invalid(attribute: str, message: str, code: str = "invalid") -> RefusalError:
    """Return the refusal of one attribute."""
    return RefusalError(_INVALID, Problem(attribute=attribute, message=message, code=code))


def taken(attribute: str, status: int = _INVALID) -> RefusalError:
    """Return the refusal of a value somebody else has, in Rails' words."""
    return RefusalError(status, Problem(attribute=attribute, message="has already been taken", code="taken"))


def document_reply(value: dict[str, Any], status: int, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Return a JSON:API document."""
    made = json_reply(value, status, headers)
    return Reply(status=status, body=made.body, content_type=MEDIA_TYPE, headers=headers)


def error_reply(status: int, problems: tuple[Problem, ...], knobs: Knobs) -> Reply:
    """Return an error as this tenant shows it."""
    style = knobs.error_style
    if status == _NOT_FOUND and knobs.not_found_body != "jsonapi":
        style = knobs.not_found_body
    if style == "empty":
        return Reply(status=status)
    if style == "html":
        return html_reply(status)
    shown = problems or (Problem(message=_REASONS.get(status, "Request refused")),)
    if style == "plain":
        return json_reply({"status": status, "error": shown[0].detail}, status)
    return document_reply({"errors": [_error(status, problem, style) for problem in shown]}, status)


def timestamp(instant: datetime | None) -> str | None:
    """Return an instant as the API writes it: UTC, whole seconds, `2026-03-01T00:00:00Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if instant is not None else None


def user_resource(user: User, knobs: Knobs) -> dict[str, Any]:
    """Return a user as a resource object."""
    attributes: dict[str, Any] = {
        "full-name": user.full_name,
        "email": user.email,
        "external-identifier": user.external_id,
        "locale": user.locale,
    }
    if knobs.user_exposes_code:
        attributes["identification-code"] = user.code
    return {"id": user.id, "type": "users", "attributes": attributes}


def membership_resource(row: Membership) -> dict[str, Any]:
    """Return a membership as a resource object; foreign keys are plain attributes."""
    attributes = {
        "external-identifier": row.external_id,
        "external-user-identifier": row.user,
        "external-user-group-identifier": row.group,
        "created-at": timestamp(row.created_at),
        "starts-at": timestamp(row.starts_at),
        "ends-at": timestamp(row.ends_at),
    }
    return {"id": row.id, "type": "user-group-memberships", "attributes": attributes}


_REASONS = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Record not found",
    406: "Not acceptable",
    409: "Conflict",
    415: "Unsupported media type",
    422: "Validation failed",
    429: "Too many requests",
    500: "Internal server error",
    503: "Service unavailable",
}


def _error(status: int, problem: Problem, style: ErrorStyle) -> dict[str, Any]:
    pointer = f"/data/attributes/{problem.attribute}" if problem.attribute else None
    source = {"source": {"pointer": pointer}} if pointer else {}
    if style == "jr":
        detail = f"{problem.attribute} - {problem.message}" if problem.attribute else problem.message
        code = "100" if status == _INVALID else problem.code or str(status)
        return {"title": problem.message, "detail": detail, "code": code, "status": str(status), **source}
    if style == "jsonapi_rb":
        return {"title": f"Invalid {problem.attribute or 'request'}", "detail": problem.detail, **source}
    if style == "graphiti":
        meta = {"attribute": problem.attribute, "message": problem.message, "code": problem.code}
        code = "unprocessable_entity" if status == _INVALID else _REASONS.get(status, "error").lower().replace(" ", "_")
        title = "Validation Error" if status == _INVALID else "Request Error"
        return {"code": code, "status": str(status), "title": title, "detail": problem.detail, "meta": meta, **source}
    return {"title": _REASONS.get(status, "Request refused"), "detail": problem.detail, "status": str(status)}
