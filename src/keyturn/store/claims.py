"""Which business a user, a rental or a group at a provider's backend belongs to.

Several businesses may share one backend (a tenant). An id there belongs to the first that names it, for good.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from keyturn.core.ids import BusinessCode, TenantUrl
from keyturn.store.columns import plain
from keyturn.store.database import Database
from keyturn.store.rows import by_first, insert_new
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
        asked = (business, tenant, frozenset(wanted))
        return await self._database.write_each(_claim, asked, scope=tenant_scope(tenant))


def _claim(
    connection: Connection, asks: Sequence[tuple[BusinessCode, TenantUrl, frozenset[tuple[str, str]]]]
) -> list[list[tuple[str, str, BusinessCode]]]:
    ((_, tenant, _), *_) = asks  # the scope is one tenant
    named = [(business, sorted((kind, plain(one)) for kind, one in wanted)) for business, _, wanted in asks]
    insert_new(
        connection,
        claims,
        [
            {"tenant": tenant, "kind": kind, "id": one, "business": business}
            for business, wanted in named
            for kind, one in wanted
        ],
    )
    holders: dict[tuple[str, str], BusinessCode] = {}
    for kind, ids in by_first(pair for _, wanted in named for pair in wanted).items():
        held = select(claims.c.id, claims.c.business).where(
            claims.c.tenant == tenant, claims.c.kind == kind, claims.c.id.in_(ids)
        )
        holders |= {(kind, row.id): row.business for row in connection.execute(held)}
    return [[(*key, holders[key]) for key in wanted if holders[key] != business] for business, wanted in named]
