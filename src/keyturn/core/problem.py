"""What a person has to solve, in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ProblemCode(Enum):
    """The kinds of problems; the value is stable and appears in logs, tables and exports."""

    UNMAPPED_UNIT = "unmapped_unit"
    GROUP_TAKEN = "group_taken"
    CLAIMED = "claimed_by_other_business"
    EMAIL_TAKEN = "email_taken"
    USER_REFUSED = "user_refused"
    MEMBERSHIP_REFUSED = "membership_refused"
    PIN_REFUSED = "pin_refused"
    NO_PIN = "no_pin"
    FIELD_NOT_KEPT = "field_not_kept"
    CONFIRM_STAFF_LOCK = "confirm_staff_lock"
    SITE_LEFT = "site_left"
    VANISHED = "vanished"
    CREDENTIALS = "credentials"
    WRITE_REFUSED = "write_refused"
    REVOKE_REFUSED = "revoke_refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One problem with one subject. The text says what happened, to what, and what to do; never a PIN or a name."""

    code: ProblemCode
    subject_kind: str
    subject_id: str
    text: str
