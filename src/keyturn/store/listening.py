"""News between processes, over PostgreSQL's NOTIFY and LISTEN.

A commit that made work due in a lane nobody holds is announced in the same transaction, in one message. The
holder of a lane needs none: it looks for more work before it lets go, and letting go with work left is
announced. The listener has a connection of its own. While that is lost, the poll goes on.

LISTEN needs a session of its own: through a pooler that shares one per transaction, nothing is heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, case, func, select

from keyturn.clock import Clock
from keyturn.logs import logger
from keyturn.store.database import Heard
from keyturn.store.lanes import is_free
from keyturn.store.news import MANY, SHARES, told
from keyturn.store.schema import lanes

CHANNEL = "keyturn"
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


def pass_on(connection: Connection, now: datetime) -> None:
    """Announce, with the commit, what was told on this connection: one business by its code, several as `MANY`."""
    news = told(connection)
    if SHARES in news:
        connection.execute(select(func.pg_notify(CHANNEL, SHARES)))
    if businesses := news - {SHARES}:
        word = case((func.count() == 1, func.min(lanes.c.business)), else_=MANY)
        free = select(func.pg_notify(CHANNEL, word)).where(lanes.c.business.in_(sorted(businesses)), is_free(now))
        connection.execute(free.having(func.count() > 0))


async def listen(connecting: Mapping[str, Any], clock: Clock, heard: Heard, stop: asyncio.Event) -> None:
    """Tell `heard` each announcement until `stop` is set. `connecting` is what the driver needs to connect."""
    listening = asyncio.create_task(_listen(connecting, clock, heard), name="listening for news")
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({listening, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening


async def _listen(connecting: Mapping[str, Any], clock: Clock, heard: Heard) -> None:
    """Listen for ever, over a connection that is made anew whenever it is lost."""
    log, never = logger(), asyncio.Event()
    pause_s, lost = FIRST_PAUSE_S, False
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(**connecting, autocommit=True) as connection:
                await connection.execute(SQL("LISTEN {}").format(Identifier(CHANNEL)))
                if lost:
                    log.info("listening_again")
                pause_s, lost = FIRST_PAUSE_S, False
                heard(MANY)
                async for announced in connection.notifies():
                    heard(announced.payload)
        except (psycopg.Error, OSError) as error:
            if not lost:
                log.warning("listening_lost", exc_info=error)
            lost = True
        await clock.wait(never, seconds=pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
