"""An operator whose Keyturn is in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from doctor.clinic import Clinic
from scenarios.world import world


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Clinic]:
    """Give an operator with one tenant who has moved in, and nothing wrong."""
    async with world(tmp_path) as made:
        made.move_in("A1")
        await made.settle()
        clinic = Clinic(world=made, folder=tmp_path, settings=made.settings)
        yield clinic
        assert clinic.leaks() == set()
