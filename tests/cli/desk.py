"""A settings file with its database, and the program run on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from databases import lay_tables
from keyturn.cli.app import run
from keyturn.clock import MovableClock, SystemClock
from keyturn.core.ids import AddonId, BusinessCode
from keyturn.core.work import Ending, Kind, Outcome, Subject
from keyturn.store.database import Database, open_database
from keyturn.store.inbox import Accepted, DeliveryState, Inbox
from keyturn.store.installations import Installations
from keyturn.store.work import Work

ACME, BOXES = BusinessCode("acme"), BusinessCode("boxes")
ADDON = AddonId("addon1")
SETTINGS = """
[server]
secret_key = "0123456789abcdef"
[businesses.acme]
api_key = "a"
webhook_secret = "w"
"""
ANOTHER = '[businesses.boxes]\napi_key = "b"\nwebhook_secret = "w"\n'
WITH_ADDON = '[addon]\napi_key = "k"\nsignature_secret = "s"\n'


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of the answer."""
        return self.out.splitlines()


class Desk:
    """Where a person sits who runs commands."""

    def __init__(self, folder: Path, url: str | None, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.config = folder / "keyturn.toml"
        self._url = url
        self._data_dir = folder / "keyturn-data"
        self._capsys = capsys
        self.write(SETTINGS)

    def write(self, settings: str) -> None:
        """Write the settings file."""
        database = f'[database]\nurl = "{self._url}"\n' if self._url else ""
        self.config.write_text(settings + database, encoding="utf-8")

    def run(self, *arguments: str) -> Said:
        """Run a command line with this settings file."""
        self._capsys.readouterr()
        code = run(["--config", str(self.config), *arguments])
        out, err = self._capsys.readouterr()
        return Said(code=code, out=out, err=err)

    def json(self, *arguments: str, ends: int = 0) -> dict[str, Any]:
        """Run a command that must end so, and return its document."""
        said = self.run(*arguments, "--json")
        assert (said.code, said.err) == (ends, ""), said
        document: dict[str, Any] = json.loads(said.out)
        return document

    def within(self, work: Callable[[Database], Awaitable[None]], *, ago: timedelta = timedelta()) -> None:
        """Do something to the database, as a service would; perhaps some time ago."""
        clock = MovableClock(SystemClock().now() - ago, running=True)

        async def do() -> None:
            if self._url is None:
                await lay_tables(self._data_dir)
            database = await open_database(url=self._url, data_dir=self._data_dir, clock=clock)
            try:
                await work(database)
            finally:
                await database.close()

        asyncio.run(do())

    def came(self, *accepted: Accepted, ago: timedelta = timedelta()) -> None:
        """Let webhooks come, in this order and at once."""

        async def accept(database: Database) -> None:
            await asyncio.gather(*(Inbox(database).accept(one) for one in accepted))

        self.within(accept, ago=ago)

    def due(self) -> set[tuple[str, str, str]]:
        """Return business, kind and id of all that is due, as a worker would find it."""
        found: set[tuple[str, str, str]] = set()

        async def look(database: Database) -> None:
            work, seen = Work(database), list[BusinessCode]()
            while lane := await work.claim("test", lease=timedelta(minutes=5), avoid=seen):
                items = await work.take(lane, list(Kind), limit=10_000)
                found.update((lane.business, item.subject.kind, item.subject.id) for item in items)
                await work.release(lane)
                seen.append(lane.business)

        self.within(look)
        return found

    def settle(self) -> None:
        """Look at everything that is due, and find nothing to do."""

        async def look(database: Database) -> None:
            work = Work(database)
            while lane := await work.claim("test", lease=timedelta(minutes=5)):
                items = await work.take(lane, list(Kind), limit=10_000)
                await work.finish(lane, [Outcome(item=item, ending=Ending.DONE, reason="in order") for item in items])
                await work.release(lane)

        self.within(look)


def delivery(key: str, *rentals: str, **others: Any) -> Accepted:
    """Return a webhook that names these rentals."""
    values: dict[str, Any] = {
        "business": ACME,
        "type": "unitRental.updated",
        "document": json.dumps({"id": key, "data": {"unitRentalIds": list(rentals)}}),
        "state": DeliveryState.ACCEPTED,
        "subjects": tuple(Subject("rental", rental) for rental in rentals),
        "reason": "event unitRental.updated",
    }
    return Accepted(key=f"id:{key}", event_id=key, **values | others)


async def nothing(_database: Database) -> None:
    """Only make the database."""


async def an_installation(database: Database) -> None:
    """Let an installation of the add-on come that waits for approval."""
    await Installations(database).register(ADDON, "https://acme.storeganise.com/api", wanted=ACME)
