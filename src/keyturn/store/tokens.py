"""Providers' access tokens, sealed by the caller: one per client for all processes.

Fetching a token is the one foreign call that happens inside a database transaction, because the lock on
the row is what makes it happen once for everybody who waits. That transaction is apart from all others,
and bounded in time. On SQLite the lock is this process' alone, which is the only one that serves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from keyturn.core.ids import TenantUrl
from keyturn.errors import DatabaseUnavailable
from keyturn.store.database import Database
from keyturn.store.rows import from_row, insert_new, to_row, upsert
from keyturn.store.schema import tokens

MINT_S = 45
"""How long fetching one token may take; the lock is never kept longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedToken:
    """A token that only the holder of `secret_key` can open."""

    sealed: str = field(repr=False)
    expires_at: datetime | None
    minted_at: datetime
    secret_hash: str | None = field(default=None, repr=False)
    """A keyed hash of the client secret it was fetched with; `None` where an older version stored it."""


class Tokens:
    """All tokens of all clients."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, tenant: TenantUrl, client_id: str) -> SealedToken | None:
        """Return the present token, which may have expired."""
        return await self._database.read(lambda connection: _read(connection, tenant, client_id))

    async def under_lock(
        self, tenant: TenantUrl, client_id: str, mint: Callable[[SealedToken | None], Awaitable[SealedToken]]
    ) -> SealedToken:
        """Give `mint` the present token, alone; store and return what it returns, new or the same.

        What `mint` raises is passed on, and nothing is stored. Raises `DatabaseUnavailable` when the lock
        cannot be had in time, or when `mint` takes longer than `MINT_S`.
        """
        async with self._database.apart(f"token {tenant} {client_id}") as run:
            held = await run(lambda connection: _lock(connection, tenant, client_id))
            token = await _bounded(mint(held))
            if token != held:
                await run(lambda connection: _store(connection, tenant, client_id, token))
        return token


async def _bounded(minting: Awaitable[SealedToken]) -> SealedToken:
    limit = asyncio.timeout(MINT_S)
    try:
        async with limit:
            return await minting
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise DatabaseUnavailable("Fetching a token took too long; its lock was given up.") from error


def _lock(connection: Connection, tenant: TenantUrl, client_id: str) -> SealedToken | None:
    """Lock the row until the transaction ends, making it first where there is none."""
    insert_new(connection, tokens, [{"tenant": tenant, "client_id": client_id}])
    return _read(connection, tenant, client_id, lock=True)


def _read(connection: Connection, tenant: TenantUrl, client_id: str, *, lock: bool = False) -> SealedToken | None:
    asked = select(tokens).where(tokens.c.tenant == tenant, tokens.c.client_id == client_id)
    row = connection.execute(asked.with_for_update() if lock else asked).mappings().one_or_none()
    return None if row is None or row["sealed"] is None else from_row(SealedToken, row)


def _store(connection: Connection, tenant: TenantUrl, client_id: str, token: SealedToken) -> None:
    upsert(connection, tokens, [{"tenant": tenant, "client_id": client_id, **to_row(token)}])
