"""What a check found, and all findings together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from keyturn.core.ids import BusinessCode


class Severity(Enum):
    """How much a finding matters."""

    ERROR = "error"
    """Something does not work."""
    WARNING = "warning"
    """Something will not work, or somebody has to look."""
    NOTE = "note"
    """Worth knowing; nothing is wrong because of it."""


class Code(Enum):
    """The kinds of findings; the value is stable."""

    SETTINGS = "settings"
    ALLOW_UNSIGNED = "allow_unsigned"
    READABLE_SECRETS = "readable_secrets"
    OPEN_HOST = "open_host"

    DATABASE_UNREACHABLE = "database_unreachable"
    DATABASE_NEW = "database_new"
    DATABASE_FOLDER = "database_folder"
    DATABASE_OLD = "database_old"
    DATABASE_TOO_NEW = "database_too_new"
    DATABASE_READ_ONLY = "database_read_only"
    ACCOUNT_KNOWN = "account_known"
    DISK_FULL = "disk_full"
    NOT_CHECKED = "not_checked"

    UNREACHABLE = "unreachable"
    HOST_NOT_ALLOWED = "host_not_allowed"
    WRONG_ADDRESS = "wrong_address"
    UNEXPECTED = "unexpected_answer"
    NO_KEY = "no_key"
    KEY_REFUSED = "key_refused"
    NOT_PERMITTED = "not_permitted"
    CLIENT_REFUSED = "client_refused"
    CREDENTIALS_MISSING = "credentials_missing"
    CREDENTIALS_PARTIAL = "credentials_partial"
    CLOCK = "clock"

    NO_SITE = "no_site"
    UNMAPPED_UNITS = "unmapped_units"
    GROUP_SHARED = "group_shared"
    FIELD_MISSING = "field_missing"
    FIELD_UNSEEN = "field_unseen"
    FIELD_NOT_KEPT = "field_not_kept"
    WRITE_REFUSED = "write_refused"

    WEBHOOK_SILENCE = "webhook_silence"
    NO_WEBHOOK_YET = "no_webhook_yet"
    NO_INSTALLATION_YET = "no_installation_yet"
    INSTALLATION_WAITING = "installation_waiting"
    INSTALLATION_ADDRESS = "installation_address"
    INSTALLATION_GONE = "installation_gone"
    WORK_WAITS = "work_waits"
    OPEN_PROBLEMS = "open_problems"
    HELD = "held"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong, and what to do about it."""

    code: Code
    severity: Severity
    business: BusinessCode | None = None
    """`None`: it is about the whole installation."""
    about: str
    """What it is about, in a few words: a setting, a unit, an address."""
    text: str
    """What is wrong, in a sentence."""
    advice: str
    """What to do, in a sentence or two."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Everything that was found."""

    findings: Sequence[Finding]
    businesses: Sequence[BusinessCode] = ()
    """The businesses that were examined."""

    @property
    def ok(self) -> bool:
        """Nothing is wrong; notes do not count."""
        return all(finding.severity is Severity.NOTE for finding in self.findings)

    def has(self, *codes: Code) -> bool:
        """Say whether there is a finding of one of these kinds."""
        return any(finding.code in codes for finding in self.findings)
