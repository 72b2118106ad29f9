"""Memberships over the API: POST, PUT and DELETE by external identifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from keyturn.providers.sensorberg.simulator.documents import (
    Problem,
    RefusalError,
    document_reply,
    invalid,
    membership_resource,
    taken,
)
from keyturn.providers.sensorberg.simulator.inputs import attributes, time_of
from keyturn.providers.sensorberg.simulator.state import State
from keyturn.providers.sensorberg.simulator.tenant import Membership, User
from keyturn.simulation.exchange import Call, Reply

_TYPE = "user-group-memberships"
_USER = "external-user-identifier"
_GROUP = "external-user-group-identifier"
_MUST_EXIST = "must exist"


def get_membership(state: State, call: Call) -> Reply:
    """GET /user_group_memberships/{id}; exists only with the optional endpoints."""
    row = state.find_row(call.params["id"])
    if row is None:
        raise RefusalError(404)
    return document_reply({"data": membership_resource(row)}, 200)


def post_membership(state: State, call: Call) -> Reply:
    """POST /user_group_memberships."""
    given = attributes(call, _TYPE, state.knobs)
    user = _user(state, given)
    group = _group(state, given)
    fresh = _window(state, _blank(state, given, user, group), given, creating=True)
    known = _same_external(state, fresh)
    if known is not None:
        row = state.tenant.save_row(replace(fresh, id=known.id, created_at=known.created_at))
        return document_reply({"data": membership_resource(row)}, 200)
    _check_pair(state, fresh)
    row = state.tenant.save_row(fresh)
    _add_manual(state, row)
    location = (("location", f"/api/backend-sdk/v1/user_group_memberships/{row.id}"),)
    return state.created({"data": membership_resource(row)}, location)


def put_membership(state: State, call: Call) -> Reply:
    """PUT /user_group_memberships/{id}: attributes left out stay as they are."""
    given = attributes(call, _TYPE, state.knobs)
    row = state.find_row(call.params["id"])
    if row is None:
        raise RefusalError(404)
    changed = _window(state, _regrouped(state, row, given), given, creating=False)
    if changed != row:
        state.tenant.save_row(changed)
    return state.updated({"data": membership_resource(changed)})


def delete_membership(state: State, call: Call) -> Reply:
    """DELETE /user_group_memberships/{id}: only the row that is found; a second one stays."""
    row = state.find_row(call.params["id"])
    if row is None:
        return state.missing()
    state.tenant.remove_row(row)
    return state.deleted({"data": membership_resource(row)})


def _user(state: State, given: Mapping[str, Any]) -> User:
    ident = given.get(_USER)
    user = state.find_user(ident) if isinstance(ident, str) else None
    if user is None and ident is not None and state.knobs.membership_unknown_ref == "404":
        raise RefusalError(404)
    if user is None:
        raise invalid(_USER, _MUST_EXIST, "required")
    return user


def _group(state: State, given: Mapping[str, Any]) -> str | None:
    group = given.get(_GROUP)
    if group is None:
        if state.knobs.missing_group_key == "created":
            return None
        raise invalid(_GROUP, _MUST_EXIST, "required")
    if isinstance(group, str) and group in state.tenant.groups:
        return group
    if state.knobs.membership_unknown_ref == "null_group":
        return None
    if state.knobs.membership_unknown_ref == "404":
        raise RefusalError(404)
    raise invalid(_GROUP, _MUST_EXIST, "required")


def _blank(state: State, given: Mapping[str, Any], user: User, group: str | None) -> Membership:
    external_id = given.get("external-identifier")
    if external_id is not None and not isinstance(external_id, str):
        raise invalid("external-identifier", "is invalid")
    return Membership(
        id=state.new_id(),
        external_id=external_id,
        user=user.external_id,
        user_id=user.id,
        group=group,
        starts_at=state.now(),
        ends_at=None,
        created_at=_created(state, given),
    )


def _created(state: State, given: Mapping[str, Any]) -> datetime:
    knob = state.knobs.created_at
    if "created-at" not in given:
        if knob == "required":
            raise invalid("created-at", "can't be blank", "blank")
        return state.now()
    if knob in ("400", "422"):
        problem = Problem(attribute="created-at", message="is not allowed", code="105")
        raise RefusalError(int(knob), problem)
    chosen = time_of(given, "created-at", state.knobs) if knob in ("accepted", "required") else None
    return chosen or state.now()


def _window(state: State, row: Membership, given: Mapping[str, Any], *, creating: bool) -> Membership:
    starts_at = _starts(state, row, given, creating=creating)
    ends_at = _ends(state, row, given)
    if ends_at is not None and "ends-at" in given:
        if ends_at < starts_at and state.knobs.ends_before_starts == "422":
            raise invalid("ends-at", "must be after starts at")
        if ends_at < state.now() and state.knobs.ends_in_past == "422":
            raise invalid("ends-at", "must not be in the past")
    return replace(row, starts_at=starts_at, ends_at=ends_at)


def _starts(state: State, row: Membership, given: Mapping[str, Any], *, creating: bool) -> datetime:
    if "starts-at" not in given:
        return row.starts_at
    starts_at = time_of(given, "starts-at", state.knobs)
    if starts_at is None:
        raise invalid("starts-at", "can't be blank", "blank")
    if creating or starts_at == row.starts_at:
        return starts_at
    if state.knobs.starts_at_update == "422":
        raise invalid("starts-at", "cannot be changed")
    return starts_at if state.knobs.starts_at_update == "accepted" else row.starts_at


def _ends(state: State, row: Membership, given: Mapping[str, Any]) -> datetime | None:
    if "ends-at" not in given:
        return row.ends_at
    ends_at = time_of(given, "ends-at", state.knobs)
    if ends_at is None and state.knobs.ends_at_null == "422":
        raise invalid("ends-at", "can't be blank", "blank")
    if ends_at is None and state.knobs.ends_at_null == "ignored":
        return row.ends_at
    return ends_at


def _regrouped(state: State, row: Membership, given: Mapping[str, Any]) -> Membership:
    if given.get(_GROUP, row.group) == row.group or state.knobs.group_update == "ignored":
        return row
    if state.knobs.group_update == "422":
        raise invalid(_GROUP, "cannot be changed")
    return replace(row, group=_group(state, given))


def _same_external(state: State, fresh: Membership) -> Membership | None:
    """Return the row an upsert writes to; refuse a duplicate where the tenant does."""
    if fresh.external_id is None:
        return None
    reusable = state.knobs.external_id_reuse_after_delete
    known = state.tenant.row_by_external(fresh.external_id)
    if known is None and (reusable or fresh.external_id not in state.tenant.gone):
        return None
    match state.knobs.membership_dup_external:
        case "upsert":
            return known
        case "second_row" if known is not None:
            return None
        case "409":
            raise taken("external-identifier", 409)
        case _:
            raise taken("external-identifier")


def _check_pair(state: State, fresh: Membership) -> None:
    if state.knobs.membership_dup_user_group == "allowed":
        return
    if any(row.group == fresh.group for row in state.tenant.rows_of(fresh.user_id)):
        raise taken("user")


def _add_manual(state: State, row: Membership) -> None:
    """Where the tenant is one in which staff had made memberships by hand, let there be one."""
    if not state.knobs.existing_manual_membership:
        return
    rows = state.tenant.rows_of(row.user_id)
    if not any(other.external_id is None and other.group == row.group for other in rows):
        state.tenant.save_row(replace(row, id=state.new_id(), external_id=None, ends_at=None))
