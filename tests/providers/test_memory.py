"""The in-memory provider keeps the promises of every provider."""

from __future__ import annotations

from datetime import datetime

import pytest

from contract.provider_contract import GATE, OTHER_GATE, Backend, Held, ProviderContract
from keyturn.clock import MovableClock, SystemClock
from keyturn.providers.memory import MemoryProvider
from keyturn.providers.protocol import Provider


class TestMemoryProvider(ProviderContract):
    """The contract."""

    @pytest.fixture
    def backend(self) -> Backend:
        """An empty one."""
        provider = MemoryProvider(SystemClock(), groups=[GATE, OTHER_GATE])

        def held() -> Held:
            rows: dict[str, tuple[str, str, datetime, bool]] = {
                external_id: (row.user, row.group, row.starts_at, row.ends_at is None)
                for external_id, row in provider.memberships.items()
            }
            return Held(memberships=rows, codes={user: pin.reveal() for user, pin in provider.codes.items()})

        return Backend(provider=provider, held=held)


def test_any_group_exists_unless_they_are_named() -> None:
    """Without a list of groups every group is there."""
    provider: Provider = MemoryProvider(MovableClock(SystemClock().now()))
    assert provider.tenant == "memory:"
