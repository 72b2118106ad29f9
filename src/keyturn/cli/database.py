"""The database as commands open it: beside a service that may be running."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyturn.settings import Settings
    from keyturn.store.database import Database


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """Open the database for the length of a block. Raises `DatabaseUnavailable` or `DatabaseTooNew`."""
    from keyturn.clock import SystemClock
    from keyturn.store.database import open_database

    url = settings.database.url.get_secret_value() if settings.database.url else None
    database = await open_database(url=url, data_dir=settings.database.data_dir, clock=SystemClock(), shared=True)
    try:
        yield database
    finally:
        await database.close()
