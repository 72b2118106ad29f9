"""The order of the checks: the database, what lies in it, then business by business.

Findings are added to one list as they come, so that what was found stays found when the database goes away.
It builds nothing: the command gives it the parts of a service that was opened beside the running one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from keyturn.businesses import Directory
from keyturn.clock import Clock
from keyturn.core.ids import BusinessCode, TenantUrl
from keyturn.core.installation import Installation
from keyturn.doctor import clocks, custom_fields, silence
from keyturn.doctor.database_checks import of_accounts, of_database
from keyturn.doctor.finding import Code, Finding, Severity
from keyturn.doctor.installation_checks import none_yet, of_installations
from keyturn.doctor.services import Account, Services
from keyturn.doctor.work_checks import of_held, of_load, of_problems
from keyturn.engine.business import Business
from keyturn.errors import Busy, LeaseLost
from keyturn.settings import Settings
from keyturn.store.businesses import Businesses
from keyturn.store.checkup import Checkup
from keyturn.store.database import Database
from keyturn.store.installations import Installations
from keyturn.store.ledger import Ledger
from keyturn.store.problems import Problems
from keyturn.store.work import Work

Speaking = Callable[[BusinessCode], AbstractAsyncContextManager[None]]
"""Holds the lane of a business, so that we may speak to its Storeganise. Raises `Busy`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What is examined."""

    settings: Settings
    database: Database
    directory: Directory
    speaking: Speaking
    own_clock: Clock
    """This machine's; the database may have one of its own."""


async def examine(
    parts: Parts, codes: Sequence[BusinessCode], found: list[Finding], *, only: BusinessCode | None = None
) -> None:
    """Add to `found` what is wrong here and with these businesses; `only`: of the add-on, what belongs to this one.

    Raises `DatabaseUnavailable`.
    """
    database, now = parts.database, parts.database.clock.now()
    checkup = Checkup(database)
    found += await of_database(checkup, parts.settings)
    found += clocks.of_difference("the database server", now - parts.own_clock.now())
    found += of_accounts(parts.settings, await Businesses(database).addresses())
    found += of_load(await Work(database).load(now), now)
    installations = Installations(database)
    everywhere = await installations.all()
    if parts.settings.addon is not None and not everywhere:
        found.append(none_yet())
    known = [one for one in everywhere if only is None or one.business in {None, only}]
    found += of_installations(known, await installations.kept(), now)
    for code in codes:
        await _examine_business(parts, code, known, found)


async def examine_services(parts: Parts, codes: Sequence[BusinessCode], found: list[Finding]) -> None:
    """Add to `found` what is wrong with the services alone: for an installation that remembers nothing yet."""
    for code in codes:
        await _ask(parts, code, (), found)


async def _examine_business(
    parts: Parts, code: BusinessCode, known: Sequence[Installation], found: list[Finding]
) -> None:
    problems = await Problems(parts.database).open(code)
    found += of_problems(code, problems)
    found += custom_fields.of_problems(code, problems)
    found += of_held(code, await Work(parts.database).held(code))
    if any(one.code in {Code.DATABASE_READ_ONLY, Code.ACCOUNT_KNOWN} for one in found):
        found.append(not_checked("what stands above has to be mended first", code))
        return
    await _ask(parts, code, known, found)


async def _ask(parts: Parts, code: BusinessCode, known: Sequence[Installation], found: list[Finding]) -> None:
    """Ask both services of a business, under its lane."""
    business = await parts.directory.open(code)
    if business is None:
        return
    account = await _account(parts, business, known)
    try:
        async with parts.speaking(code):
            services = Services(account, Ledger(parts.database), parts.database.clock)
            found += await services.examine()
    except (Busy, LeaseLost):
        found.append(not_checked("a worker is busy with it and did not give way", code))


async def _account(parts: Parts, business: Business, known: Sequence[Installation]) -> Account:
    code, named = business.code, parts.settings.businesses.get(business.code)
    traffic = await Checkup(parts.database).traffic(code)
    served = {one.addon_id: one for one in known if one.served and one.business == code}
    backend = None if named is None or named.sensorberg is None else TenantUrl(named.sensorberg.base_url)
    return Account(
        business=business,
        api_url=named.api_url if named is not None else next((str(one.api_url) for one in served.values()), code),
        backend=backend,
        channels=silence.channels(
            code,
            traffic,
            business.memory_since,
            plain=business.policy.plain,
            installed={addon: one.first_seen for addon, one in served.items()},
        ),
        traffic=traffic,
    )


def not_checked(reason: str, business: BusinessCode | None = None) -> Finding:
    """Say that the services of a business, or of all, were not asked."""
    return Finding(
        code=Code.NOT_CHECKED,
        severity=Severity.WARNING,
        business=business,
        about="Storeganise and Sensorberg",
        text=f"They were not asked: {reason}.",
        advice="Run `keyturn doctor` again afterwards.",
    )
