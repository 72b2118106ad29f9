"""Everything about Storeganise that is unknown, disputed or changes between accounts, as a setting.

The defaults are what published sources and code in use make most likely; each alternative has
been claimed somewhere or cannot be ruled out. The product has to work with every one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """How a simulated account behaves."""

    # What a webhook says.
    channel: Literal["plain", "addon"] = "plain"
    """`addon`: the webhook of `add_account` is sent like that of an add-on installed for the whole account."""
    data_form: Literal["both", "job_only", "ids_only"] = "both"
    """What `data` of job events carries: the job's id, the rentals' ids, or both."""
    transfer_ids: Literal["string", "object"] = "string"
    """Whether `oldRentalId` and `newRentalId` are ids or objects with an `id`."""
    overdue_form: Literal["unitRentalId", "unitRentalIds"] = "unitRentalId"
    """One overdue event per rental, or one per batch with a list."""
    changed_keys: bool = True
    """Whether `*.updated` events name the changed keys."""
    addon_event_id: bool = True
    """Whether deliveries to an add-on carry `id`."""
    addon_id_place: Literal["top", "data"] = "top"
    """Where deliveries to an add-on carry `addonId`."""
    sign: Literal["valid", "missing", "wrong"] = "valid"
    """Whether `sg-signature` is right, left out, or made with another secret."""

    # How webhooks are delivered.
    timeout_s: float = 2.0
    """How long a plain webhook waits for an answer, in seconds."""
    addon_timeout_s: float = 30.0
    """How long a webhook of an add-on waits for an answer, in seconds."""
    success_status: Literal["200", "2xx"] = "200"
    """Which answers count as delivered."""
    retry_count: int = 3
    """How often a failed delivery is tried again."""
    backoff_s: float = 60.0
    """Wait before the first retry, in seconds; it doubles each time (`pump` only)."""
    retry_same_id: bool = True
    """Whether a retry carries the same `id`."""
    alert_mail_after: Literal["exhaustion", "each_failure"] = "exhaustion"
    """When the alert receivers get a mail (`account.alerts`)."""
    loss_rate: float = 0.0
    """Share of events that are never delivered, 0 to 1."""
    dup_rate: float = 0.0
    """Share of events that are delivered twice with the same id, 0 to 1."""
    reorder: bool = False
    """Whether a new event may overtake queued ones."""
    seed: int = 0
    """Seed of the random choices above."""
    echo_own_writes: bool = True
    """Whether a PUT over the API sends `*.updated` webhooks."""
    echo_unchanged_put: bool = False
    """Whether a PUT that changes nothing does so too."""

    # What the API does with writes.
    put_null: Literal["stores_null", "removes_key"] = "stores_null"
    """What null does to a custom field."""
    unknown_custom_field: Literal["stored", "ignored", "400"] = "stored"
    """What happens to a custom field the account does not define (`account.custom_field_codes`)."""
    task_targets: frozenset[str] = frozenset({"unit", "user", "addon"})
    """What a task job may be about."""
    create_status: int = 201
    """Status of a successful POST."""

    # What the API shows.
    include_default_on_list: Literal["none", "embed"] = "none"
    """`embed`: lists of rentals carry unit, owner and customFields unasked."""
    default_limit: int = 100
    """Length of a list page when `limit` is left out."""
    max_limit: int = 1000
    """Longest list page; a larger `limit` is cut to it."""
    unit_id_filter: Literal["supported", "ignored"] = "ignored"
    """Whether `unit-rentals?unitId=` filters; it is documented nowhere."""
    updated_after_inclusive: bool = True
    """Whether `updatedAfter` returns records of exactly that instant."""
    overdue_bumps_updated: bool = True
    """Whether marking or unmarking overdue moves the rental's `updated`."""

    # What the API refuses.
    rate_limit: int | None = None
    """Requests per second (of the simulator's clock) and account before 429; None: no limit."""
    rate_limit_retry_after: str | None = None
    """`Retry-After` of a 429; None: not sent."""
    error_shape: Literal["error", "empty", "html"] = "error"
    """Body of an error: `{"error": {"type", "message"}}`, `{}` or an HTML page."""
    date_header: bool = True
    """Whether answers carry `Date` (of the simulator, not of one account)."""
    clock_skew_s: float = 0.0
    """How far Storeganise's clock is ahead of ours, in seconds; only `Date` shows it (of the simulator)."""
    malformed_id_status: Literal[404, 400] = 404
    """Answer to an id that is not 24 hex digits."""
    addon_limited_to_site: bool = False
    """Whether an add-on's credential sees only the site it is installed on."""
    addon_names_site: bool = True
    """Whether an add-on's record carries `siteId`."""

    # How rentals live.
    unmark_timing: Literal["immediate", "next_run"] = "immediate"
    """Whether a payment lifts the overdue mark at once or with the next 13:00 run (`run_overdue`)."""
    auto_complete_move_in: bool = True
    """Whether `run_midnight` completes the move-ins whose date is reached."""
    manual_complete_early: bool = True
    """Whether staff may complete a move-in before its start date."""
    transfer_extra_events: bool = False
    """Whether a transfer also sends moveIn, moveOut and unit events."""
    transfer_moves_overdue: bool = True
    """Whether an overdue mark goes with the balance to the new rental."""
    end_state_name: str = "ended"
    """State of a rental that is over."""
    job_owner_is_api_user: bool = False
    """Whether `job.ownerId` is the API user instead of the tenant."""
    job_fields: Literal["result+steps", "steps", "data"] = "result+steps"
    """Where a job names its rental."""
