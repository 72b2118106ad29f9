"""Users and their codes over the API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from keyturn.providers.sensorberg.simulator.documents import (
    RefusalError,
    document_reply,
    invalid,
    taken,
    user_resource,
)
from keyturn.providers.sensorberg.simulator.inputs import attributes
from keyturn.providers.sensorberg.simulator.state import State
from keyturn.providers.sensorberg.simulator.tenant import User
from keyturn.simulation.exchange import Call, Reply

_LENGTHS = {"4-8": r"\d{4,8}", "4": r"\d{4}", "6": r"\d{6}", "any": r".+"}
_FIELDS = {"full-name": "full_name", "email": "email", "locale": "locale"}


def get_user(state: State, call: Call) -> Reply:
    """GET /users/{id}."""
    user = state.find_user(call.params["id"])
    if user is None:
        raise RefusalError(404)
    return document_reply({"data": user_resource(user, state.knobs)}, 200)


def post_user(state: State, call: Call) -> Reply:
    """POST /users."""
    given = attributes(call, "users", state.knobs)
    for attribute in sorted(state.knobs.user_required):
        if not given.get(attribute):
            raise invalid(attribute, "can't be blank", "blank")
    external_id = _text(given, "external-identifier")
    user = User(id=state.new_id(), external_id=external_id, **_fields(given))
    _check_user(state, user)
    state.tenant.save_user(user)
    if state.knobs.invite_mail and user.email:
        state.mails.append(user.email)
    location = (("location", f"/api/backend-sdk/v1/users/{user.id}"),)
    return state.created({"data": user_resource(user, state.knobs)}, location)


def put_user(state: State, call: Call) -> Reply:
    """PUT /users/{id}; exists only with the optional endpoints."""
    user = state.find_user(call.params["id"])
    if user is None:
        raise RefusalError(404)
    changed = replace(user, **_fields(attributes(call, "users", state.knobs)))
    _check_user(state, changed)
    state.tenant.save_user(changed)
    return state.updated({"data": user_resource(changed, state.knobs)})


def delete_user(state: State, call: Call) -> Reply:
    """DELETE /users/{id}; exists only with the optional endpoints."""
    user = state.find_user(call.params["id"])
    if user is None:
        return state.missing()
    if state.knobs.user_delete_cascade == "blocked" and state.tenant.rows_of(user.id):
        raise invalid("base", "has memberships", "restrict")
    state.tenant.remove_user(user)
    return state.deleted({"data": user_resource(user, state.knobs)})


def put_code(state: State, call: Call) -> Reply:
    """PUT /users/{id}/identification_code."""
    given = attributes(call, "users", state.knobs)
    user = state.find_user(call.params["id"])
    if user is None:
        raise RefusalError(state.knobs.code_missing_user)
    code = _code(state, given)
    if code is not None and _clashes(state, user, code):
        raise RefusalError(500) if state.knobs.code_unique == "500" else taken("identification-code")
    changed = state.tenant.save_user(replace(user, code=code))
    return state.updated({"data": user_resource(changed, state.knobs)})


def _code(state: State, given: Mapping[str, Any]) -> str | None:
    if "identification-code" not in given:
        raise invalid("identification-code", "can't be blank", "blank")
    code = given["identification-code"]
    if code in (None, ""):
        if state.knobs.code_clear == "clears":
            return None
        raise invalid("identification-code", "can't be blank", "blank")
    if not isinstance(code, str) or not re.fullmatch(_LENGTHS[state.knobs.code_length], code, re.ASCII):
        raise invalid("identification-code", "is invalid")
    return code


def _clashes(state: State, user: User, code: str) -> bool:
    others = [other for other in state.tenant.users_by_code(code) if other.id != user.id]
    if state.knobs.code_unique == "off":
        return False
    if state.knobs.code_unique == "group":
        mine = {row.group for row in state.tenant.rows_of(user.id)}
        return any(row.group in mine for other in others for row in state.tenant.rows_of(other.id))
    return bool(others)


def _check_user(state: State, user: User) -> None:
    knobs = state.knobs
    if knobs.locales is not None and user.locale is not None and user.locale not in knobs.locales:
        raise invalid("locale", "is not included in the list", "inclusion")
    if knobs.user_unique == "none":
        return
    holder = state.tenant.user_by_external(user.external_id) if user.external_id else None
    if holder is not None and holder.id != user.id:
        raise taken("external-identifier", knobs.user_conflict_status)
    if knobs.user_unique == "external_and_email" and user.email and _email_taken(state, user):
        raise taken("email", knobs.user_conflict_status)


def _email_taken(state: State, user: User) -> bool:
    others = [other for other in state.tenant.users_by_email(user.email or "") if other.id != user.id]
    return any(state.knobs.email_case_insensitive or other.email == user.email for other in others)


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    return {field: _text(given, attribute) for attribute, field in _FIELDS.items() if attribute in given}


def _text(given: Mapping[str, Any], attribute: str) -> str | None:
    value = given.get(attribute)
    if value is not None and not isinstance(value, str):
        raise invalid(attribute, "is invalid")
    return value
