"""The kinds of problems, and the form their words have in any language.

A problem carries *details*: what its sentence names. Which of several wordings is said depends only on which
details are there, so a problem of which little is known still makes a whole sentence.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

SENDER = "Keyturn"
"""Every title begins with it: site staff should see at once who left the task."""
_LONGEST = 120
"""Characters of a detail that are shown; a unit's name is free text."""


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
    ADDON_ADDRESS = "addon_address"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """A problem as people read it."""

    title: str
    """One line, without a full stop."""
    text: str
    """What happened, to what, and what to do."""


@dataclass(frozen=True, slots=True)
class If:
    """A wording that needs a detail it does not name."""

    detail: str
    text: str


Part = str | tuple[str | If, ...]
"""One sentence, or several wordings of it: the first whose details are all there is said, or none."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One problem in one language."""

    title: Part
    text: tuple[Part, ...]

    def said(self, details: Mapping[str, str]) -> Words:
        """Fill in the details."""
        shown = {name: _plain(value) for name, value in details.items()}
        said = (_said(part, shown) for part in self.text)
        return Words(title=f"{SENDER}: {_said(self.title, shown)}", text=" ".join(text for text in said if text))


def _said(part: Part, details: Mapping[str, str]) -> str:
    wordings = (part,) if isinstance(part, str) else part
    return next((text.format_map(details) for text, needs in map(_needs, wordings) if needs <= details.keys()), "")


def _needs(wording: str | If) -> tuple[str, set[str]]:
    """Return the text, and the names of the details that must be there for it."""
    text, others = (wording, set[str]()) if isinstance(wording, str) else (wording.text, {wording.detail})
    return text, others | {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def _plain(value: str) -> str:
    """One line of bounded length without odd characters, whatever somebody typed."""
    printable = "".join(character if character.isprintable() else " " for character in value)
    return " ".join(printable.split())[:_LONGEST]
