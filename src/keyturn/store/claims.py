"""Which business a user, a rental or a group at a provider's backend belongs to.

Several businesses may share one backend (a tenant). An id there belongs to the first that names it, for good.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, tuple_

from keyturn.core.ids import BusinessCode, TenantUrl
from keyturn.store.database import Database
from keyturn.store.rows import insert_new
from keyturn.store.schema import claims


def tenant_scope(tenant: TenantUrl) -> str:
    """Return the scope in which all writes about one backend are serialised."""
    return f"tenant {tenant}"


class Claims:
    """All claims at all tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, business: BusinessCode, tenant: TenantUrl, wanted: Sequence[tuple[str, str]]
    ) -> list[tuple[str, str, BusinessCode]]:
        """Claim each (kind, id) that is free; return those that another business has, with its code."""
        return await self._database.write(
            lambda connection: _claim(connection, business, tenant, wanted), scope=tenant_scope(tenant)
        )


def _claim(
    connection: Connection, business: BusinessCode, tenant: TenantUrl, wanted: Sequence[tuple[str, str]]
) -> list[tuple[str, str, BusinessCode]]:
    rows = [{"tenant": tenant, "kind": kind, "id": one, "business": business} for kind, one in sorted(set(wanted))]
    insert_new(connection, claims, rows)
    others = (
        select(claims.c.kind, claims.c.id, claims.c.business)
        .where(claims.c.tenant == tenant, tuple_(claims.c.kind, claims.c.id).in_(wanted), claims.c.business != business)
        .order_by(claims.c.kind, claims.c.id)
    )
    return [(row.kind, row.id, row.business) for row in connection.execute(others)]
