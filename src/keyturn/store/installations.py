"""Add-on installations: who delivered, for which account, and whether they may.

The address of an account is pinned by the first event that named one we may call. An installation that
waits for approval has its deliveries kept; approving it wakes what they named, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Update, delete, func, select, update

from keyturn.core.ids import AddonId, BusinessCode
from keyturn.core.installation import Installation, InstallationState
from keyturn.core.work import DELTA_SWEEP, Kind, Subject
from keyturn.store.businesses import ACCOUNTS, account_at
from keyturn.store.database import Database
from keyturn.store.lanes import business_scope
from keyturn.store.rows import from_row, to_row, upsert
from keyturn.store.schema import deliveries, delivery_subjects, installations
from keyturn.store.waking import wake

APPROVED = "its installation was approved"


class Installations:
    """All installations of the add-on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, addon_id: AddonId) -> Installation | None:
        """Return an installation, whatever its state."""
        found = await self._read(select(installations).where(installations.c.addon_id == addon_id))
        return found[0] if found else None

    async def all(self) -> list[Installation]:
        """Return every installation, the oldest first."""
        return await self._read(select(installations).order_by(installations.c.first_seen, installations.c.addon_id))

    async def of(self, business: BusinessCode) -> list[Installation]:
        """Return the approved installations of an account, by id."""
        approved = installations.c.state == InstallationState.APPROVED
        asked = select(installations).where(installations.c.business == business, approved)
        return await self._read(asked.order_by(installations.c.addon_id))

    async def register(self, addon_id: AddonId, api_url: str, *, wanted: str) -> Installation:
        """Keep a new installation and its account, under the code `wanted` if the account is new and the code free.

        It waits for approval. One that is pinned already is returned as it is.
        """
        return await self._database.write(
            lambda connection: _register(connection, addon_id, api_url, wanted, self._database.clock.now()),
            scope=ACCOUNTS,
        )

    async def refuse(self, addon_id: AddonId, url: str) -> None:
        """Note that an event of this installation named an address that was not believed."""
        await self._database.write(
            lambda connection: _refuse(connection, addon_id, url, self._database.clock.now()), scope=ACCOUNTS
        )

    async def approve(self, addon_id: AddonId, sweeps: Sequence[Subject] = (DELTA_SWEEP,)) -> int | None:
        """Serve a waiting installation from now on; wake its account's sweeps and what its kept deliveries named.

        Returns how many deliveries that were; `None` where there is no waiting installation of this id.
        """
        found = await self.find(addon_id)
        if found is None or found.business is None:
            return None
        business = found.business
        return await self._database.write(
            lambda connection: _approve(connection, addon_id, business, sweeps, self._database.clock.now()),
            scope=business_scope(business),
        )

    async def forget(self, addon_id: AddonId) -> bool:
        """Serve an installation no more; its next event makes it known again. Its deliveries stay."""
        found = await self.find(addon_id)
        if found is None:
            return False
        gone = delete(installations).where(installations.c.addon_id == addon_id)
        await self._database.write(
            lambda connection: connection.execute(gone), scope=business_scope(found.business) if found.business else ""
        )
        return True

    async def opened(self, addon_id: AddonId, since: datetime) -> None:
        """Note that changes from `since` on were not listed, unless an earlier instant is noted."""
        mine = (installations.c.addon_id == addon_id, installations.c.unseen_since.is_(None))
        await self._write(update(installations).where(*mine).values(unseen_since=since))

    async def closed(self, addon_id: AddonId, since: datetime) -> None:
        """Note that they were listed, if `since` is what is noted."""
        mine = (installations.c.addon_id == addon_id, installations.c.unseen_since == since)
        await self._write(update(installations).where(*mine).values(unseen_since=None))

    async def kept(self) -> dict[AddonId, int]:
        """Count the deliveries that wait for each installation's approval."""
        waiting = installations.c.state == InstallationState.WAITING
        asked = (
            select(deliveries.c.addon_id, func.count(deliveries.c.id.distinct()))
            .join(installations, installations.c.addon_id == deliveries.c.addon_id)
            .join(delivery_subjects, delivery_subjects.c.delivery_id == deliveries.c.id)
            .where(waiting, delivery_subjects.c.wanted == 0)
            .group_by(deliveries.c.addon_id)
        )
        rows = await self._database.read(lambda connection: connection.execute(asked).all())
        return {AddonId(addon): count for addon, count in rows}

    async def counts(self) -> dict[InstallationState, int]:
        """Count the installations by state."""
        asked = select(installations.c.state, func.count().label("n")).group_by(installations.c.state)
        rows = await self._database.read(lambda connection: connection.execute(asked).all())
        return {row.state: row.n for row in rows}

    async def last_named(self, business: BusinessCode, kind: Kind, subjects: Collection[str]) -> dict[str, AddonId]:
        """Return the installation whose delivery named each subject last, where it was not the plain webhook."""
        mine = (delivery_subjects.c.business == business, delivery_subjects.c.kind == kind.value)
        asked = (
            select(delivery_subjects.c.subject_id, deliveries.c.addon_id)
            .join(deliveries, deliveries.c.id == delivery_subjects.c.delivery_id)
            .where(*mine, delivery_subjects.c.subject_id.in_(list(subjects)))
            .order_by(deliveries.c.last_at, deliveries.c.id)
        )
        rows = await self._database.read(lambda connection: connection.execute(asked).all())
        latest = {str(subject): addon for subject, addon in rows}
        return {subject: AddonId(addon) for subject, addon in latest.items() if addon is not None}

    async def _write(self, statement: Update) -> None:
        await self._database.write(lambda connection: connection.execute(statement), scope=ACCOUNTS)

    async def _read(self, asked: Select[Any]) -> list[Installation]:
        rows: Sequence[Any] = await self._database.read(lambda connection: connection.execute(asked).mappings().all())
        return [from_row(Installation, row) for row in rows]


def is_approved(connection: Connection, addon_id: AddonId) -> bool:
    """Say whether deliveries of this installation may wake anything."""
    asked = select(installations.c.state).where(installations.c.addon_id == addon_id)
    return connection.execute(asked).scalar_one_or_none() is InstallationState.APPROVED


def _find(connection: Connection, addon_id: AddonId) -> Installation | None:
    row = connection.execute(select(installations).where(installations.c.addon_id == addon_id)).mappings().one_or_none()
    return None if row is None else from_row(Installation, row)


def _register(connection: Connection, addon_id: AddonId, api_url: str, wanted: str, now: datetime) -> Installation:
    known = _find(connection, addon_id)
    if known is not None and known.api_url is not None:
        return known
    new = Installation(
        addon_id=addon_id,
        business=account_at(connection, api_url, wanted, now),
        api_url=api_url,
        state=InstallationState.WAITING,
        first_seen=known.first_seen if known else now,
        last_seen=now,
        refused_url=known.refused_url if known else None,
        refused_at=known.refused_at if known else None,
    )
    upsert(connection, installations, [to_row(new)])
    return new


def _refuse(connection: Connection, addon_id: AddonId, url: str, now: datetime) -> None:
    seen = {"refused_url": url, "refused_at": now}
    if _find(connection, addon_id) is not None:
        connection.execute(update(installations).where(installations.c.addon_id == addon_id).values(**seen))
        return
    row = {"addon_id": addon_id, "state": InstallationState.REFUSED, "first_seen": now, "last_seen": now, **seen}
    upsert(connection, installations, [row])


def _approve(
    connection: Connection, addon_id: AddonId, business: BusinessCode, sweeps: Sequence[Subject], now: datetime
) -> int | None:
    mine = (installations.c.addon_id == addon_id, installations.c.state == InstallationState.WAITING)
    approved = update(installations).where(*mine).values(state=InstallationState.APPROVED, last_seen=now)
    if connection.execute(approved).rowcount == 0:
        return None
    wake(connection, business, sweeps, APPROVED, now=now)
    return _release(connection, addon_id, business, now)


def _release(connection: Connection, addon_id: AddonId, business: BusinessCode, now: datetime) -> int:
    """Wake what the kept deliveries named, and note on each that it was woken."""
    unwoken = (
        select(delivery_subjects)
        .join(deliveries, deliveries.c.id == delivery_subjects.c.delivery_id)
        .where(deliveries.c.addon_id == addon_id, deliveries.c.business == business, delivery_subjects.c.wanted == 0)
    )
    rows = connection.execute(unwoken).mappings().all()
    counts = wake(connection, business, [Subject(row["kind"], row["subject_id"]) for row in rows], APPROVED, now=now)
    woken = [{**row, "wanted": counts[Subject(row["kind"], row["subject_id"])]} for row in rows]
    upsert(connection, delivery_subjects, woken)
    return len({row["delivery_id"] for row in rows})
