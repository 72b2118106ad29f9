"""What a person has to solve, and where they will see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from keyturn.core.ids import AddonId, SiteId
from keyturn.core.wording import ProblemCode
from keyturn.core.words import sentence

__all__ = ["CREDENTIAL_FIELDS", "Problem", "ProblemCode", "Target", "TargetKind", "addon_address", "no_credentials"]

CREDENTIAL_FIELDS = {
    "url": "sensorberg_url",
    "client_id": "sensorberg_clientId",
    "client_secret": "sensorberg_clientSecret",
}
"""Our names of a site's credentials, and the custom fields people know them by."""


class TargetKind(Enum):
    """What a task in Storeganise can be about (add-on starter template)."""

    UNIT = "unit"
    USER = "user"
    ADDON = "addon"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The record on which site staff will see a problem as a task."""

    kind: TargetKind
    id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One problem with one subject, which has at most one problem of each code."""

    code: ProblemCode
    subject_kind: str
    subject_id: str
    details: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What its sentence names: a unit, a group, fields; and `language`, that of the site's staff. Never a PIN, a
    person's name or an e-mail address.
    """
    target: Target | None = None
    """`None`: nothing in Storeganise could carry a task, so it is shown by `keyturn status` alone."""

    @property
    def text(self) -> str:
        """What happened, to what, and what to do, in English."""
        return sentence(self.code, self.details, "en").text


def no_credentials(site: SiteId, known: Mapping[str, str], addon: AddonId | None) -> Problem:
    """Return the problem of a site without provider credentials. `known`: those its fields carry."""
    missing = [shown for name, shown in CREDENTIAL_FIELDS.items() if not known.get(name)]
    details = {"missing": ", ".join(missing or CREDENTIAL_FIELDS.values())}
    if addon is not None:
        details["addon"] = addon
    return Problem(code=ProblemCode.CREDENTIALS, subject_kind="site", subject_id=site, details=details)


def addon_address(addon: AddonId) -> Problem:
    """Return the problem of an installation whose event named another address of its account."""
    target = Target(kind=TargetKind.ADDON, id=addon)
    return Problem(code=ProblemCode.ADDON_ADDRESS, subject_kind="addon", subject_id=addon, target=target)
