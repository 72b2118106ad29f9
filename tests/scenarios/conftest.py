"""Worlds for the stories, once with each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from scenarios.world import World, WorldMaker, world


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Give the address of a fresh PostgreSQL database, or `None` for the embedded one."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def make_world(tmp_path: Path, database_url: str | None) -> WorldMaker:
    """Give what starts a world of its own settings."""
    return partial(world, tmp_path, database_url=database_url)


@pytest.fixture
async def acme(make_world: WorldMaker) -> AsyncIterator[World]:
    """Give an operator with one site in Berlin and no unit."""
    async with make_world() as started:
        yield started
