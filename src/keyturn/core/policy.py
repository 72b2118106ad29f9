"""The operator's choices that the decision depends on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """Rules an operator can set; each default is the setting's default."""

    system: str
    """The value of a site's `securitySystem` field that puts its rentals in scope."""
    plain: bool = True
    """The account is also reached with a key of its own: without one only sites of an installation are in scope."""
    pin_length: int = 6
    group_from_unit_name: bool = False
    prepare_reserved: bool = False
    confirm_vanished: timedelta = timedelta(minutes=10)
    many: int = 3
    """More rentals of a site than this leaving the scope at once, or vanishing within a day, wait for staff."""
