"""Can the database be used: is it there, is it this version's, can it be written, is there room?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from keyturn.core.ids import BusinessCode
from keyturn.doctor.finding import Code, Finding, Severity
from keyturn.errors import DatabaseNotReady, DatabaseTooNew, KeyturnError
from keyturn.settings import Settings
from keyturn.store.checkup import Checkup

LEAST_FREE = 200 * 1024 * 1024
"""Bytes. The log of an embedded database grows before it is folded back, and a full disk stops every webhook."""


def could_not_open(error: KeyturnError) -> Finding:
    """Say why the database could not be opened, and what to do."""
    code, severity, advice = _reason(error)
    return Finding(code=code, severity=severity, about="database", text=str(error), advice=advice)


def _reason(error: KeyturnError) -> tuple[Code, Severity, str]:
    match error:
        case DatabaseNotReady(made=False):
            advice = "Start the service once (`keyturn serve`); it makes the database."
            return Code.DATABASE_NEW, Severity.WARNING, advice
        case DatabaseNotReady():
            advice = "Start this version of the service once; it brings the tables up to date. Make a backup before."
            return Code.DATABASE_OLD, Severity.ERROR, advice
        case DatabaseTooNew():
            advice = "Run the version that wrote it, or restore a backup from before the upgrade."
            return Code.DATABASE_TOO_NEW, Severity.ERROR, advice
        case _:
            advice = (
                "Check that the database server runs and can be reached from here, that database.url is right, or that "
                "this user may read and write database.data_dir."
            )
            return Code.DATABASE_UNREACHABLE, Severity.ERROR, advice


async def of_database(checkup: Checkup, settings: Settings) -> list[Finding]:
    """Look at an open database. Raises `DatabaseUnavailable`."""
    found = []
    refusal = await checkup.refuses_writes()
    if refusal is not None:
        found.append(_read_only(refusal))
    if settings.database.url is None:
        found += of_room(settings.database.data_dir, shutil.disk_usage(settings.database.data_dir).free)
    return found


def of_accounts(settings: Settings, remembered: Mapping[BusinessCode, str]) -> Iterator[Finding]:
    """Find accounts that the settings call by another code than the database. `remembered`: their addresses by code."""
    codes = {address: code for code, address in remembered.items()}
    for name, business in settings.businesses.items():
        known = codes.get(business.api_url, name)
        if known != name:
            yield Finding(
                code=Code.ACCOUNT_KNOWN,
                severity=Severity.ERROR,
                business=BusinessCode(name),
                about=f"businesses.{name}",
                text=f"This account is remembered as {known}. The service will not start under another code.",
                advice=f"Write [businesses.{known}] instead; what is known of the account stays with it.",
            )


def of_folder(folder: Path) -> Iterator[Finding]:
    """Look at where an embedded database would be made."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        what = "is not a folder" if not there.is_dir() else "cannot be written by this user"
        yield Finding(
            code=Code.DATABASE_FOLDER,
            severity=Severity.ERROR,
            about=str(folder),
            text=f"The database cannot be made here: {there} {what}.",
            advice="Name another folder as database.data_dir, or make this one writable for Keyturn's user.",
        )


def _read_only(refusal: str) -> Finding:
    return Finding(
        code=Code.DATABASE_READ_ONLY,
        severity=Severity.ERROR,
        about="database",
        text=f"The database cannot be written: {refusal}. No webhook can be accepted.",
        advice=(
            "Name a database that may be written (a standby may not), give Keyturn's role the right to write, or make "
            "database.data_dir writable for this user."
        ),
    )


def of_room(folder: Path, free: int) -> Iterator[Finding]:
    """Say so where `free` bytes are too few."""
    if free < LEAST_FREE:
        yield Finding(
            code=Code.DISK_FULL,
            severity=Severity.ERROR,
            about=str(folder),
            text=f"Only {free // 1024**2} MiB are free on the disk of the database.",
            advice="Make room, or move database.data_dir to a larger disk while the service is stopped.",
        )
