"""A database that was lost and restored from a copy: memory is older than the world, and nobody notices."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from keyturn.processes import plan_sweeps
from scenarios.world import World

HOUR = timedelta(hours=1)
EDITED_PIN = "739204"
LATER_PIN = "402837"


class Copies:
    """Backs up and restores as docs/operating.md says."""

    def __init__(self, world: World, folder: Path) -> None:
        self._url = world.settings.database.url
        self._file = world.settings.database.data_dir / "keyturn.db"
        self._copy = folder / "keyturn.copy"
        if self._url is not None and shutil.which("pg_dump") is None:
            pytest.skip("pg_dump is not installed")

    def back_up(self) -> None:
        """Make a copy beside the running service."""
        if self._url is not None:
            address = self._url.get_secret_value()
            _run("pg_dump", "--format=custom", "--exclude-schema=tests", f"--file={self._copy}", address)
            return
        with closing(sqlite3.connect(self._file)) as connection:
            connection.execute("VACUUM INTO ?", (str(self._copy),))

    def restore(self) -> None:
        """Put the copy in the database's place; the service is stopped."""
        if self._url is not None:
            address = self._url.get_secret_value()
            emptied = ("--command", "DROP SCHEMA public CASCADE", "--command", "CREATE SCHEMA public")
            _run("psql", address, *emptied)
            _run("pg_restore", "--no-owner", "--single-transaction", f"--dbname={address}", str(self._copy))
            return
        for left in self._file.parent.glob("keyturn.db*"):
            left.unlink()
        shutil.copy(self._copy, self._file)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603  # the machine's own programs


@pytest.fixture
def copies(acme: World, tmp_path: Path) -> Copies:
    """Give what backs up and restores."""
    return Copies(acme, tmp_path)


async def restored(world: World, copies: Copies) -> None:
    """Lose the database, restore the copy, and start the service as its command does."""
    await world.stop()
    copies.restore()
    await world.start()
    await plan_sweeps(world.service)
    await world.settle()
    for _ in range(3):
        await world.later(HOUR)


async def test_after_a_restore_every_door_is_right_and_no_pin_is_new(acme: World, copies: Copies) -> None:
    """What happened after the copy was made is found by the first sweep; a staff lock from then is to be confirmed."""
    stays, leaves, edited, late, pays = (acme.move_in(unit) for unit in ("A1", "A2", "A3", "A4", "A5"))
    acme.account.mark_overdue(pays)
    await acme.settle()
    copies.back_up()
    acme.clock.advance(HOUR)
    acme.account.move_out(leaves)
    acme.account.edit_rental(edited, {"sensorberg_pin": EDITED_PIN})
    acme.account.mark_overdue(late)
    acme.account.pay(pays)
    new = acme.move_in("B1")
    again = acme.move_in("B2", acme.account.rental(stays)["ownerId"])
    await acme.settle()
    locked_new = acme.move_in("B3")
    await acme.settle()
    acme.account.edit_rental(locked_new, {"sensorberg_overlocked": True})
    await acme.settle()
    before, codes, pins = acme.final_state(), acme.sensorberg.codes, shown(acme)
    acme.forget_requests()

    await restored(acme, copies)

    assert acme.final_state() == before
    assert (acme.sensorberg.codes, shown(acme)) == (codes, pins)
    assert pins[edited] == EDITED_PIN
    doors = {"A1": stays, "A3": edited, "A4": late, "A5": pays, "B1": new, "B2": again, "B3": locked_new}
    assert {unit: acme.door(unit, pins[rental]) for unit, rental in doors.items()} == {
        "A1": "approved",
        "A3": "approved",
        "A4": "denied",
        "A5": "approved",
        "B1": "approved",
        "B2": "approved",
        "B3": "denied",
    }
    assert [problem.code for problem in await acme.service.problems.open()] == ["confirm_staff_lock"]


async def test_after_a_restore_later_changes_count_as_ever(acme: World, copies: Copies) -> None:
    """What staff and tenants do from then on is done as if nothing had been lost."""
    first = acme.move_in("A1")
    await acme.settle()
    copies.back_up()
    acme.clock.advance(HOUR)
    second = acme.move_in("A2")
    await acme.settle()
    await restored(acme, copies)
    acme.account.edit_rental(first, {"sensorberg_pin": EDITED_PIN})
    acme.account.edit_rental(second, {"sensorberg_pin": LATER_PIN})
    await acme.settle()
    acme.account.move_out(first)
    acme.account.mark_overdue(second)
    await acme.settle()

    assert (acme.door("A1", EDITED_PIN), acme.door("A2", LATER_PIN)) == ("denied", "denied")

    acme.account.pay(second)
    await acme.settle()

    assert acme.door("A2", LATER_PIN) == "approved"


async def test_whoever_paid_meanwhile_waits_for_staff(acme: World, copies: Copies) -> None:
    """A lock that the copy does not know, and a payment while nobody looked: the flag passes for a staff lock.

    It stays until staff clear it, which the operator's page says.
    """
    rental = acme.move_in("A1")
    await acme.settle()
    copies.back_up()
    acme.clock.advance(HOUR)
    acme.account.mark_overdue(rental)
    await acme.settle()
    acme.account.pay(rental)
    acme.account.drop()
    await restored(acme, copies)

    assert acme.door("A1", acme.pin_of(rental)) == "denied"

    acme.account.edit_rental(rental, {"sensorberg_overlocked": False})
    await acme.settle()

    assert acme.door("A1", acme.pin_of(rental)) == "approved"


def shown(world: World) -> dict[str, str | None]:
    """The PINs that tenants see."""
    return {rental: world.pin_of(rental) for rental in world.account.rentals}
