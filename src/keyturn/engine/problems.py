"""The problems a look can run into, in words for the people who have to solve them."""

from __future__ import annotations

from keyturn.core.ids import OwnerId, RentalId
from keyturn.core.membership import Access, Stuck, Verb
from keyturn.core.problem import Problem, ProblemCode
from keyturn.engine.account import PinOutcome
from keyturn.engine.case import OwnerCase, RentalCase
from keyturn.errors import Refused

_OF_OWNER = (ProblemCode.EMAIL_TAKEN, ProblemCode.USER_REFUSED, ProblemCode.NO_PIN, ProblemCode.FIELD_NOT_KEPT)
_OTHER_SUBJECTS = {ProblemCode.UNMAPPED_UNIT, ProblemCode.GROUP_TAKEN, ProblemCode.SITE_LEFT, ProblemCode.CREDENTIALS}


def user_refused(owner: OwnerId | None, error: Refused) -> Problem:
    """The access system does not take the tenant as a user."""
    if "email" in error.about:
        code = ProblemCode.EMAIL_TAKEN
        text = (
            "The tenant's e-mail address already belongs to another user of the access system. "
            "Change one of the two addresses; two people are never merged."
        )
    else:
        code = ProblemCode.USER_REFUSED
        named = f" It names: {', '.join(sorted(error.about))}." if error.about else ""
        text = f"The access system refuses the tenant's user or code.{named} Check name, e-mail address and language."
    return Problem(code=code, subject_kind="owner", subject_id=str(owner), text=text)


def credentials_rejected(rental: RentalCase) -> Problem:
    """The access system refuses the credentials of a site."""
    text = "The access system refuses the credentials of this site. Enter valid ones; what is due runs by itself then."
    site = rental.memory.site_id or ""
    return Problem(code=ProblemCode.CREDENTIALS, subject_kind="site", subject_id=site, text=text)


def stuck(rental: RentalCase, what: Stuck) -> Problem:
    """The access system refuses a membership call that nothing can replace."""
    if what.what is Verb.REMOVE:
        text = "The access system refuses to end the access of this rental. Remove the membership there by hand."
        return Problem(code=ProblemCode.REVOKE_REFUSED, subject_kind="rental", subject_id=rental.id, text=text)
    group = rental.desired.group or "(none)"
    text = f"The access system refuses the membership. Check there that the group {group} exists and takes members."
    return Problem(code=ProblemCode.MEMBERSHIP_REFUSED, subject_kind="rental", subject_id=rental.id, text=text)


def write_refused(rental: RentalId) -> Problem:
    """Storeganise refuses a write-back."""
    text = (
        "Storeganise refuses to write the fields of this rental or of its owner. "
        "Check that sensorberg_pin and sensorberg_overlocked exist and that the API key may write."
    )
    return Problem(code=ProblemCode.WRITE_REFUSED, subject_kind="rental", subject_id=rental, text=text)


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
        solved |= {(("site", str(site)), ProblemCode.CREDENTIALS)} if reached else set()
    if case.owner_id is not None and case.live:
        solved |= {(("owner", str(case.owner_id)), code) for code in _OF_OWNER}
    return solved


def of_pin(case: OwnerCase, outcome: PinOutcome | None) -> list[Problem]:
    """What became of refused PINs. A PIN itself is never shown."""
    if outcome is None:
        return []
    found = [
        Problem(
            code=ProblemCode.PIN_REFUSED,
            subject_kind="owner" if refused.is_owner else "rental",
            subject_id=refused.record,
            text=f"The PIN entered here cannot be used: {refused.reason}. {_replaced(outcome)}",
        )
        for refused in outcome.decision.refused
    ]
    reason = outcome.refused or outcome.decision.hold
    if reason is not None:
        text = f"The tenant's PIN is not in order: {reason}. It is tried again every hour."
        found.append(Problem(code=ProblemCode.NO_PIN, subject_kind="owner", subject_id=str(case.owner_id), text=text))
    return found


def _replaced(outcome: PinOutcome) -> str:
    if outcome.decision.generate is not None:
        return "A new one was issued."
    return "The PIN in force was put back."
