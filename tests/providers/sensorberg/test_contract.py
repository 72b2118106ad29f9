"""The Sensorberg provider keeps the promises of every provider, whatever the tenant is like."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from contract.provider_contract import Backend, Held, ProviderContract
from keyturn.providers.sensorberg.simulator import Knobs
from keyturn.providers.sensorberg.wire import OPEN_END
from providers.sensorberg.tenant import Tenant, tenant

TENANTS: dict[str, Knobs] = {
    "usual": Knobs(),
    "empty answers": Knobs(put_status=204, not_found_body="empty", error_style="graphiti", token_ttl=None),
    "not yet done": Knobs(post_status=202, put_status=202, delete_status="202", token_ttl=1),
    "conflicts": Knobs(user_conflict_status=409, membership_dup_external="409", membership_unknown_ref="404"),
    "resources": Knobs(delete_status="200_meta", error_style="jr", post_status=200, not_found_body="html"),
    "old oauth": Knobs(
        token_type_case="bearer", token_policy="reuse", token_body_formats="form", error_style="jsonapi_rb"
    ),
    "strict": Knobs(
        fractional_seconds="422",
        offsets="422",
        ends_at_null="422",
        created_at="required",
        accept_check="406",
        token_policy="revoke_previous",
        delete_missing=204,
    ),
    "chatty": Knobs(user_exposes_code=True, delete_status="200_data", internal_ids="uuid", created_at="ignored"),
}


@pytest.mark.parametrize("knobs", TENANTS.values(), ids=TENANTS.keys())
class TestSensorbergProvider(ProviderContract):
    """The contract."""

    @pytest.fixture
    async def backend(self, knobs: Knobs) -> AsyncIterator[Backend]:
        """A tenant with nobody in it."""
        async with tenant(knobs) as made:
            yield Backend(provider=made.provider(), held=lambda: _held(made))


def _held(made: Tenant) -> Held:
    rows = {
        external_id: (row.user or "", row.group or "", row.starts_at, row.ends_at in (None, OPEN_END))
        for external_id, row in made.sim.memberships.items()
    }
    return Held(memberships=rows, codes={user: code for user, code in made.sim.codes.items() if code})
