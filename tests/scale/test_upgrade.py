"""An older Keyturn and this one at work on the same database: `make upgrade FROM=revision`.

The older program is taken from the repository's history, so this runs only when a revision is named.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random

import psycopg
import pytest

from nursery import Nursery
from scale.fleet import Fleet, fleet, interpreter
from scale.test_processes import figures, looks
from scale.town import Town

FROM = os.environ.get("KEYTURN_UPGRADE_FROM", "")
ROOT = Path(__file__).parents[2]
MOST_ROUNDS = 200
"""How many rounds may pass until both versions have had work: whoever is quicker takes what is due."""
ROUNDS = 15


@pytest.mark.skipif(not FROM, reason="make upgrade FROM=revision names what to upgrade from")
@pytest.mark.timeout(400)
async def test_two_versions_side_by_side(
    nursery: Nursery, tmp_path: Path, empty_postgres_url: str, record_property: Callable[[str, object], None]
) -> None:
    """Data made by the older version is taken over, both work at once, the older one ends, and every door is right."""
    async with fleet(tmp_path, empty_postgres_url, nursery, businesses=6) as run:
        clock = run.storeganise.clock
        began = clock.now()
        older = await run.start("serve", by=interpreter(older_source(tmp_path)))
        run.send_to(older)
        town = Town(fleet=run, random=Random(5))  # noqa: S311  # a repeatable story
        town.arrive(4)
        await run.until_all(lambda: all(stay.pin for stay in town.stays))
        untouched = {stay.rental: stay.pin for stay in town.stays}
        revisions = [revision(run)]
        web, worker = await asyncio.gather(run.start("web"), run.start("worker"))
        revisions.append(revision(run))
        before = looks(older), looks(worker)
        turn, both = 0, (0, 0)
        while turn < ROUNDS or (min(both) == 0 and turn < MOST_ROUNDS):
            run.send_to(web if turn % 2 else older)
            town.happen()
            await run.deliver()
            turn, both = turn + 1, (looks(older) - before[0], looks(worker) - before[1])
        await town.settle()

        assert await older.stop() == 0

        run.send_to(web)
        town.arrive(1)
        await run.deliver()
        for _ in range(ROUNDS):
            town.happen()
            await run.deliver()
        await town.settle()
        seconds = (clock.now() - began).total_seconds()
        told = f"from {FROM}, tables {' to '.join(revisions)}: {figures(run, town, seconds)}; looks side by side {both}"
        record_property("upgrade", told)

        assert min(both) > 0
        assert kept(town, untouched)
        assert run.storeganise.journal.peak("list") <= 1
        assert run.storeganise.journal.peak("single") <= 4
        assert faults(run) == []
        assert [await web.stop(), await worker.stop()] == [0, 0]


def older_source(folder: Path) -> Path:
    """Unpack the older program; return where its package is."""
    archive = subprocess.run(["git", "archive", FROM, "src"], cwd=ROOT, capture_output=True, check=True)  # noqa: S603, S607  # the project's own history
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as packed:
        packed.extractall(folder / "older", filter="data")
    return folder / "older" / "src"


def revision(run: Fleet) -> str:
    """Return the revision of the tables."""
    with psycopg.connect(run.database_url or "") as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else "none"


def kept(town: Town, pins: dict[str, str | None]) -> bool:
    """Say whether every tenant whose PIN staff did not change, and who still rents, has the PIN of before."""
    return all(
        stay.pin == pins[stay.rental]
        for stay in town.stays
        if stay.rental in pins and stay.kind in {"overdue", "locked"} and not stay.gone
    )


def faults(run: Fleet) -> list[str]:
    """Everything that any of the processes logged as an error."""
    return [str(line) for command in run.commands for line in command.lines if line.get("level") == "error"]
