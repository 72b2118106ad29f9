"""The problems a look can run into, in words for the people who have to solve them."""

from __future__ import annotations

import re
from dataclasses import replace

from keyturn.core.ids import OwnerId, RentalId, is_id
from keyturn.core.membership import Access, Stuck, Verb
from keyturn.core.problem import Problem, ProblemCode, Target, TargetKind
from keyturn.engine.account import PinOutcome
from keyturn.engine.business import Business
from keyturn.engine.case import OwnerCase, RentalCase
from keyturn.errors import Refused

_OF_OWNER = (ProblemCode.EMAIL_TAKEN, ProblemCode.USER_REFUSED, ProblemCode.NO_PIN, ProblemCode.FIELD_NOT_KEPT)
_OF_SITE_WHEN_REACHED = (ProblemCode.CREDENTIALS, ProblemCode.ADDRESS_NOT_ALLOWED)
_OTHER_SUBJECTS = {
    ProblemCode.UNMAPPED_UNIT,
    ProblemCode.GROUP_TAKEN,
    ProblemCode.SITE_LEFT,
    ProblemCode.ADDON_ADDRESS,
    *_OF_SITE_WHEN_REACHED,
}
_PLAIN_HOST = re.compile(
    r"https?://((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,9}[a-z]{2,24}|(?:[0-9]{1,3}\.){3}[0-9]{1,3})(?::[0-9]+)?(?:/.*)?",
    re.ASCII | re.IGNORECASE,
)
"""An address whose host looks like one. Whatever else somebody typed into the field may be a secret."""


def aimed(problem: Problem, case: OwnerCase, business: Business) -> Problem:
    """Say where site staff will see a problem as a task, and in which language they read.

    | subject | task on |
    |---|---|
    | unit | the unit |
    | owner | the customer |
    | rental | its unit, else its owner |
    | site | the installation that serves it, else the unit of the rental that showed the problem |
    """
    rental = _shown_by(problem, case)
    target = problem.target or _target(problem.subject_kind, rental)
    details = {**problem.details, "language": _language(rental, business)}
    unit = rental.tenancy.unit if rental.tenancy is not None else None
    if target is not None and target.kind is TargetKind.UNIT and unit is not None and unit.name:
        details.setdefault("unit", unit.name)
    return replace(problem, target=target, details=details)


def _shown_by(problem: Problem, case: OwnerCase) -> RentalCase:
    """Return the rental that showed a problem; for one of the owner, a rental that is live if there is any."""
    asked = problem.subject_id
    found = (r for r in case.rentals if asked in {r.id, r.memory.unit_id, r.memory.site_id})
    return next(found, (*case.live, *case.rentals)[0])


def _target(subject_kind: str, rental: RentalCase) -> Target | None:
    unit, owner = (TargetKind.UNIT, rental.memory.unit_id), (TargetKind.USER, rental.memory.owner_id)
    match subject_kind:
        case "unit":
            places: tuple[tuple[TargetKind, str | None], ...] = (unit,)
        case "owner":
            places = (owner,)
        case "site":
            places = ((TargetKind.ADDON, rental.site.addon if rental.site is not None else None), unit)
        case _:
            places = (unit, owner)
    return next((Target(kind=kind, id=id_) for kind, id_ in places if id_ is not None and is_id(id_)), None)


def _language(rental: RentalCase, business: Business) -> str:
    return business.language(rental.memory.site_id, rental.site.language if rental.site is not None else None)


def user_refused(owner: OwnerId | None, error: Refused) -> Problem:
    """The access system does not take the tenant as a user."""
    if "email" in error.about:
        return Problem(code=ProblemCode.EMAIL_TAKEN, subject_kind="owner", subject_id=str(owner))
    details = {"attributes": ", ".join(sorted(error.about))} if error.about else {}
    return Problem(code=ProblemCode.USER_REFUSED, subject_kind="owner", subject_id=str(owner), details=details)


def credentials_rejected(rental: RentalCase) -> Problem:
    """The access system refuses the credentials of a site."""
    site = rental.memory.site_id or ""
    addon = rental.site.addon if rental.site is not None else None
    details = {"addon": addon} if addon is not None else {}
    return Problem(code=ProblemCode.CREDENTIALS, subject_kind="site", subject_id=site, details=details)


def address_not_allowed(rental: RentalCase) -> Problem:
    """The address of a site's access system is one that may not be called. Its host is named if it looks like one."""
    site = rental.memory.site_id or ""
    host = _PLAIN_HOST.fullmatch(rental.provider.tenant) if rental.provider is not None else None
    details = {"host": host[1].lower()} if host is not None else {}
    return Problem(code=ProblemCode.ADDRESS_NOT_ALLOWED, subject_kind="site", subject_id=site, details=details)


def stuck(rental: RentalCase, what: Stuck) -> Problem:
    """The access system refuses a membership call that nothing can replace."""
    if what.what is Verb.REMOVE:
        code, details = ProblemCode.REVOKE_REFUSED, {"rental": str(rental.id)}
    else:
        group = rental.desired.group
        code, details = ProblemCode.MEMBERSHIP_REFUSED, {} if group is None else {"group": str(group)}
    return Problem(code=code, subject_kind="rental", subject_id=rental.id, details=details)


def write_refused(rental: RentalId) -> Problem:
    """Storeganise refuses a write-back."""
    return Problem(code=ProblemCode.WRITE_REFUSED, subject_kind="rental", subject_id=rental)


def checked(case: OwnerCase, rental: RentalCase, *, reached: bool) -> set[tuple[tuple[str, str], ProblemCode]]:
    """Return what a look at this rental has checked, by subject and code: what it did not find is solved.

    A refused PIN and an unconfirmed staff lock stand until the rental ends or staff act on them, because the
    look that reports them also mends them. Credentials count as mended once the access system was `reached`.
    """
    over = rental.desired.access is Access.NONE
    codes = set(ProblemCode) - _OTHER_SUBJECTS
    if not over:
        codes -= {ProblemCode.PIN_REFUSED}
        codes -= {ProblemCode.CONFIRM_STAFF_LOCK} if rental.memory.staff_lock else set()
    solved = {(("rental", str(rental.id)), code) for code in codes}
    unit, site = rental.memory.unit_id, rental.memory.site_id
    if unit is not None:
        solved |= {(("unit", str(unit)), code) for code in (ProblemCode.UNMAPPED_UNIT, ProblemCode.GROUP_TAKEN)}
    if site is not None and rental.desired.in_scope:
        solved.add((("site", str(site)), ProblemCode.SITE_LEFT))
        solved |= {(("site", str(site)), code) for code in _OF_SITE_WHEN_REACHED if reached}
    if case.owner_id is not None and case.live:
        solved |= {(("owner", str(case.owner_id)), code) for code in _OF_OWNER}
    return solved


def of_pin(case: OwnerCase, outcome: PinOutcome | None, *, length: int) -> list[Problem]:
    """What became of refused PINs; a new one needs `length` digits. A PIN itself is never shown."""
    if outcome is None:
        return []
    replaced = "issued" if outcome.decision.generate is not None else "put_back"
    found = [
        Problem(
            code=ProblemCode.PIN_REFUSED,
            subject_kind="owner" if refused.is_owner else "rental",
            subject_id=refused.record,
            details={"reason": refused.reason, "digits": str(length), replaced: "yes"},
        )
        for refused in outcome.decision.refused
    ]
    reason = outcome.refused or outcome.decision.hold
    if reason is not None:
        code, owner = ProblemCode.NO_PIN, str(case.owner_id)
        found.append(Problem(code=code, subject_kind="owner", subject_id=owner, details={"reason": reason}))
    return found
