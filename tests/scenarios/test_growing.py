"""From the embedded database to PostgreSQL: everything that is remembered comes along."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from keyturn.bootstrap import assemble
from keyturn.processes import plan_sweeps
from keyturn.store.schema import metadata
from scenarios.world import World, world

HOUR = timedelta(hours=1)
SCRIPT = Path(__file__).parents[2] / "deploy" / "copy-to-postgresql.sh"
EDITED_PIN = "038271"


@pytest.mark.skipif(not (shutil.which("psql") and shutil.which("sqlite3")), reason="needs psql and sqlite3")
async def test_the_embedded_database_is_copied(tmp_path: Path, empty_postgres_url: str) -> None:
    """After the copy nothing needs to be done, locks and releases by staff are known, and work goes on."""
    async with world(tmp_path) as acme:
        stays, locked, let_in, leaves = (acme.move_in(unit) for unit in ("A1", "A2", "A3", "A4"))
        await acme.settle()
        acme.account.edit_rental(stays, {"sensorberg_pin": EDITED_PIN})
        acme.account.edit_rental(locked, {"sensorberg_overlocked": True})
        acme.account.mark_overdue(let_in)
        await acme.settle()
        acme.account.edit_rental(let_in, {"sensorberg_overlocked": False})
        acme.account.move_out(leaves)
        await acme.settle()
        acme.account.mark_overdue(locked)
        await acme.settle()
        before, deliveries = acme.final_state(), len(await acme.service.inbox.recent(1000))
        await move(acme, empty_postgres_url)
        acme.forget_requests()
        for rental in (stays, locked, let_in):
            acme.account.emit("unitRental.updated", {"unitRentalId": rental})
        await acme.later(HOUR)

        assert (acme.writes, acme.final_state()) == ([], before)
        assert len(await acme.service.inbox.recent(1000)) == deliveries + 3
        assert [acme.door(unit, acme.pin_of(rental)) for unit, rental in (("A1", stays), ("A2", locked))] == [
            "approved",
            "denied",
        ]
        assert acme.door("A3", acme.pin_of(let_in)) == "approved"

        acme.account.pay(locked)
        new = acme.move_in("A5")
        await acme.settle()

        assert acme.door("A2", acme.pin_of(locked)) == "denied"
        assert acme.door("A5", acme.pin_of(new)) == "approved"


async def test_a_database_that_was_worked_with_is_left_alone(tmp_path: Path, empty_postgres_url: str) -> None:
    """The script refuses to overwrite what another Keyturn remembers, and says so."""
    if not (shutil.which("psql") and shutil.which("sqlite3")):
        pytest.skip("needs psql and sqlite3")
    async with world(tmp_path) as acme, world(tmp_path / "other", database_url=empty_postgres_url) as other:
        other.move_in("A1")
        await other.settle()
        before = await other.service.inbox.recent(1000)
        refused = copied(acme.settings.database.data_dir, empty_postgres_url)

        assert (refused.returncode, "has already worked with" in refused.stderr) == (1, True)
        assert await other.service.inbox.recent(1000) == before


def test_no_table_is_forgotten() -> None:
    """The script names every table but the one that belongs to running processes."""
    named = SCRIPT.read_text(encoding="utf-8").split('tables="')[1].split('"')[0].split()

    assert sorted(named) == sorted(set(metadata.tables) - {"shares"})


async def move(acme: World, url: str) -> None:
    """Stop, make the tables, copy, and start with the new database, as docs/operating.md says."""
    await acme.stop()
    folder = acme.settings.database.data_dir
    database = acme.settings.database.model_copy(update={"url": SecretStr(url)})
    acme.settings = acme.settings.model_copy(update={"database": database})
    async with assemble(acme.settings, clock=acme.clock, works=False):
        pass
    told = copied(folder, url)

    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("copied: 4 rentals, ")

    await acme.start()
    await plan_sweeps(acme.service)
    await acme.settle()


def copied(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    address = make_url(url)
    place = {
        "PGHOST": str(address.query.get("host") or address.host),
        "PGPORT": str(address.port or 5432),
        "PGUSER": str(address.username),
        "PGDATABASE": str(address.database),
    }
    return subprocess.run(  # noqa: S603  # our own script
        [SCRIPT, folder / "keyturn.db"], env=os.environ | place, capture_output=True, text=True, check=False
    )
