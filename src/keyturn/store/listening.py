"""News between processes, over PostgreSQL's NOTIFY and LISTEN.

A commit that made work due is announced in the same transaction, in one message. An idle worker starts at once,
and so does the holder of the lane, who may be waiting for what is under way to end. The listener has a connection
of its own. While that is lost, the poll goes on.

LISTEN needs a session of its own: through a pooler that shares one per transaction, nothing is heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, func, select

from keyturn.clock import Clock
from keyturn.logs import logger
from keyturn.store.database import Heard
from keyturn.store.news import MANY, SHARES, told

CHANNEL = "keyturn"
SEPARATOR = " "
LONGEST_MESSAGE = 7999
"""PostgreSQL takes messages shorter than 8000 bytes (its manual, NOTIFY)."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


def pass_on(connection: Connection) -> None:
    """Announce, with the commit, what was told on this connection; more than fits into a message is `MANY`."""
    news = told(connection)
    if SHARES in news:
        connection.execute(select(func.pg_notify(CHANNEL, SHARES)))
    if businesses := news - {SHARES}:
        message = SEPARATOR.join(sorted(businesses))
        connection.execute(select(func.pg_notify(CHANNEL, message if len(message) <= LONGEST_MESSAGE else MANY)))


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
                    for news in announced.payload.split(SEPARATOR):
                        heard(news)
        except (psycopg.Error, OSError) as error:
            if not lost:
                log.warning("listening_lost", exc_info=error)
            lost = True
        await clock.wait(never, seconds=pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
