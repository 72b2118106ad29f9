"""Everything about Sensorberg's backend SDK that is unknown or differs between tenants, as a setting.

Six calls and their bodies are known from a published case study; how the service answers is not.
The defaults are the most likely guess (a hand-made JSON:API on Rails with Doorkeeper for OAuth);
the product has to work with every alternative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ErrorStyle = Literal["custom", "jr", "jsonapi_rb", "graphiti", "plain", "html", "empty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """How a simulated tenant behaves."""

    # Tokens.
    token_ttl: int | None = 7200
    """Life of an access token in seconds; None: no `expires_in`, it never expires."""
    token_type_case: Literal["Bearer", "bearer"] = "Bearer"  # noqa: S105  # a word, no secret
    """Spelling of `token_type`."""
    token_policy: Literal["new", "reuse", "revoke_previous"] = "new"  # noqa: S105  # a word, no secret
    """Each request gives a new token; the same one with less time left; or a new one that ends the last."""
    token_errors: Literal["modern", "all_401", "html_502"] = "modern"  # noqa: S105  # a word, no secret
    """400 with 401 for `invalid_client`; 401 for everything (Doorkeeper up to 5.0); or a proxy's page."""
    token_body_formats: Literal["form+json+basic", "form"] = "form+json+basic"  # noqa: S105  # a word, no secret
    """How a client may give its credentials."""
    api_401_body: Literal["empty", "jsonapi"] = "empty"
    """Body of a 401 or 403; the reason is in `WWW-Authenticate`."""
    scope_failure: Literal[403, 404, 401] = 403
    """Answer to a token without the scope `app`."""

    # Requests and answers.
    error_style: ErrorStyle = "custom"
    """Shape of error bodies."""
    not_found_body: Literal["jsonapi", "empty", "html"] = "jsonapi"
    """Body of a 404."""
    delete_status: Literal["204", "200_meta", "200_data", "202"] = "204"
    """Answer to a DELETE that worked."""
    delete_missing: Literal[404, 204] = 404
    """Answer to a DELETE of something that is not there."""
    put_status: Literal[200, 204, 202] = 200
    """Answer to a PUT that worked; 200 carries the resource."""
    post_status: Literal[201, 200, 202] = 201
    """Answer to a POST that worked."""
    patch_supported: bool = True
    """Whether PATCH does the same as PUT."""
    put_needs_id: bool = False
    """Whether a PUT without `data.id` is refused (400, code 109)."""
    type_check: Literal["409", "ignored"] = "409"
    """Answer to a wrong `data.type`."""
    path_id: Literal["external", "external_or_internal"] = "external"
    """Which id a path may name."""
    internal_ids: Literal["numeric", "uuid"] = "numeric"
    """Form of the ids Sensorberg gives."""
    content_type_check: Literal["415", "lenient", "ignored_body"] = "415"
    """What a POST or PUT with a Content-Type other than exactly `application/vnd.api+json` gets."""
    accept_check: Literal["none", "406"] = "none"
    """Whether `Accept` must allow `application/vnd.api+json`."""
    optional_endpoints: bool = False
    """Whether lists, GET of a membership, PUT and DELETE of a user exist; nothing documents them."""
    list_filter: Literal["bare", "filter"] = "bare"
    """Query of a list: `?external-identifier=x` or `?filter[external-identifier]=x`."""
    list_paging: Literal["page", "cursor"] = "page"
    """Paging of a list: `page[number]` and `page[size]`, or `page[after]`; `links.next` either way."""
    page_size: int = 25
    """Length of a list page, and the most `page[size]` gives."""
    rate_limit: int | None = None
    """Requests per second (of the simulator's clock) before 429; None: no limit."""
    rate_limit_retry_after: str | None = None
    """`Retry-After` of a 429; None: not sent."""

    # Users and codes.
    user_unique: Literal["external_and_email", "external", "none"] = "external_and_email"
    """What no two users may share; `none` is the race that makes two of them."""
    user_conflict_status: Literal[422, 409] = 422
    """Answer to a user who exists."""
    email_case_insensitive: bool = False
    """Whether two spellings of an e-mail are the same."""
    user_required: frozenset[str] = frozenset({"full-name", "email"})
    """Attributes a new user must have."""
    locales: frozenset[str] | None = None
    """Locales accepted; None: any."""
    user_exposes_code: bool = False
    """Whether a user resource shows `identification-code`."""
    invite_mail: bool = False
    """Whether a new user gets a mail (`simulator.mails`)."""
    code_length: Literal["4-8", "4", "6", "any"] = "4-8"
    """Length of a code, in digits; `any`: any text."""
    code_unique: Literal["tenant", "group", "off", "500"] = "tenant"
    """Where no two users may share a code; `500`: the clash is only found by the database."""
    code_clear: Literal["422", "clears"] = "422"
    """What null or an empty code does."""
    code_missing_user: Literal[404, 422] = 404
    """Answer to a code for a user who does not exist."""
    user_delete_cascade: Literal["removes", "blocked"] = "removes"
    """What deleting a user does to their memberships; `blocked`: refused while there are any."""

    # Memberships.
    membership_dup_external: Literal["422", "409", "upsert", "second_row"] = "422"
    """What a second POST with the same external identifier does."""
    membership_dup_user_group: Literal["allowed", "422"] = "allowed"
    """What a second membership of a user in a group does."""
    membership_unknown_ref: Literal["422", "404", "null_group"] = "422"
    """What a POST for an unknown user or group does."""
    missing_group_key: Literal["422", "created"] = "422"
    """What a POST without a group does."""
    created_at: Literal["accepted", "required", "400", "422", "ignored"] = "accepted"
    """What `created-at` in a POST does; 400 and 422: it is read-only."""
    ends_at_null: Literal["open_ended", "422", "ignored"] = "open_ended"
    """What `ends-at: null` does."""
    ends_before_starts: Literal["422", "accepted"] = "422"
    """What an end before the start does; the two being equal is always fine."""
    ends_in_past: Literal["accepted", "422"] = "accepted"
    """What an end before now does."""
    fractional_seconds: Literal["accepted", "422"] = "accepted"
    """What a time with fractions of a second does."""
    offsets: Literal["accepted", "422"] = "accepted"
    """What a time with an offset other than Z does."""
    starts_at_update: Literal["ignored", "accepted", "422"] = "ignored"
    """What another `starts-at` in a PUT does."""
    group_update: Literal["ignored", "accepted", "422"] = "ignored"
    """What another group in a PUT does."""
    external_id_reuse_after_delete: bool = True
    """Whether the external identifier of a deleted membership is free again."""
    existing_manual_membership: bool = False
    """Whether each user and group that get a membership also have one made by hand, without external identifier."""

    # Doors and time.
    window_rule: Literal["half_open", "closed"] = "half_open"
    """Whether a membership still opens at the very instant of its `ends-at`."""
    propagation_delay_s: float = 0.0
    """How long a door goes on with what it knew, in seconds."""
    clock_skew_s: float = 0.0
    """How far Sensorberg's clock is ahead of ours, in seconds; doors and `Date` follow it."""
    date_header: bool = True
    """Whether answers carry `Date`."""
