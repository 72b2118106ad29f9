"""`keyturn doctor`: what keeps this installation from working, and what to do about it."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyturn.cli import screen
from keyturn.cli.business import named_early, served
from keyturn.cli.options import (
    ConfigOption,
    JsonOption,
    OfBusinessOption,
    run_async,
    settings_file,
    settings_of,
    wants_json,
)
from keyturn.cli.outcome import Exit
from keyturn.core.ids import BusinessCode
from keyturn.errors import DatabaseNotReady, DatabaseTooNew, DatabaseUnavailable, SettingsError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from keyturn.bootstrap import Service
    from keyturn.clock import Clock
    from keyturn.doctor.examination import Parts
    from keyturn.doctor.finding import Finding, Report
    from keyturn.settings import Settings

_STYLES = {"error": "red", "warning": "yellow", "note": ""}


def command(
    context: typer.Context,
    business: OfBusinessOption = None,
    fix_fields: Annotated[  # noqa: FBT002  # a flag of the command line
        bool,
        typer.Option(
            "--fix-fields", help="Only list the custom fields Storeganise needs, and print the add-on's script."
        ),
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Look for what is wrong, and say what to do about each.

    Looks at settings, database, credentials, units, custom fields, clocks and webhooks. Asks both services, and
    changes nothing there or here. The service may be running or not.

    Example: keyturn doctor --business acme
    """
    as_json = wants_json(context, json=json)
    if fix_fields:
        _show_fields(as_json=as_json)
        raise typer.Exit(Exit.DONE)
    report = _report(context, config, business, as_json=as_json)
    if as_json:
        screen.show_json(document(report))
    else:
        screen.show(*parts(report))
    raise typer.Exit(ending(report))


def _report(context: typer.Context, config: Path | None, business: str | None, *, as_json: bool) -> Report:
    """Examine; settings that cannot be used are sentences for people and findings for machines."""
    from keyturn.doctor.finding import Report
    from keyturn.doctor.settings_checks import unusable

    try:
        settings = settings_of(context, config)
    except SettingsError as error:
        if not as_json:
            raise
        return Report(findings=unusable(error.problems))
    code = named_early(settings, business)
    return run_async(examined(settings, settings_file(context, config), code))


async def examined(
    settings: Settings, path: Path, business: BusinessCode | None = None, *, clock: Clock | None = None
) -> Report:
    """Examine everything, or one business; what could be checked stays found whatever ends the examination.

    `path`: the file of the settings; `clock`: this machine's. Raises `SettingsError` for a business that is not served.
    """
    from keyturn.bootstrap import assemble
    from keyturn.clock import SystemClock
    from keyturn.doctor.database_checks import could_not_open
    from keyturn.doctor.examination import examine, not_checked
    from keyturn.doctor.finding import Report
    from keyturn.doctor.settings_checks import of_settings

    clock, found = clock or SystemClock(), list(of_settings(settings, path))
    codes = [BusinessCode(code) for code in settings.businesses] if business is None else [business]
    try:
        async with assemble(settings, clock=clock, shared=True) as service:
            codes = await _codes(service, business)
            await examine(_parts(service, settings, clock), codes, found, only=business)
    except (DatabaseUnavailable, DatabaseTooNew) as error:
        found.append(could_not_open(error))
        if isinstance(error, DatabaseNotReady) and not error.made:
            await _without_memory(settings, codes, found, clock)
        else:
            found.append(not_checked("the database has to be usable first"))
    return Report(findings=list(dict.fromkeys(found)), businesses=codes)


async def _codes(service: Service, business: BusinessCode | None) -> list[BusinessCode]:
    if business is None:
        return await service.directory.codes()
    return await served(service.directory, business, several=True)


async def _without_memory(settings: Settings, codes: list[BusinessCode], found: list[Finding], clock: Clock) -> None:
    """Ask the services although there is no database yet: with one that is thrown away, as nobody else is at work."""
    from keyturn.bootstrap import assemble
    from keyturn.doctor.database_checks import of_folder
    from keyturn.doctor.examination import examine_services

    if settings.database.url is None:
        found += of_folder(settings.database.data_dir)
    with tempfile.TemporaryDirectory(prefix="keyturn-doctor-") as folder:
        database = settings.database.model_copy(update={"url": None, "data_dir": Path(folder)})
        changed = settings.model_copy(update={"database": database, "telemetry": None})
        async with assemble(changed, clock=clock) as service:
            served_here = await service.directory.codes()
            await examine_services(
                _parts(service, changed, clock), [code for code in codes if code in served_here], found
            )


def _parts(service: Service, settings: Settings, clock: Clock) -> Parts:
    from keyturn.bootstrap import speaking
    from keyturn.doctor.examination import Parts

    return Parts(
        settings=settings,
        database=service.database,
        directory=service.directory,
        speaking=partial(speaking, service),
        own_clock=clock,
    )


def ending(report: Report) -> Exit:
    """Return the exit code a report stands for."""
    from keyturn.doctor.finding import Code

    if report.has(Code.SETTINGS):
        return Exit.USAGE
    if report.has(Code.DATABASE_UNREACHABLE, Code.DATABASE_TOO_NEW):
        return Exit.UNREACHABLE
    return Exit.DONE if report.ok else Exit.WRONG


def document(report: Report) -> dict[str, Any]:
    """Return the report for machines."""
    return {
        "ok": report.ok,
        "businesses": list(report.businesses),
        "findings": [
            {
                "code": finding.code.value,
                "severity": finding.severity.value,
                "business": finding.business,
                "about": finding.about,
                "text": finding.text,
                "advice": finding.advice,
            }
            for finding in report.findings
        ],
    }


def parts(report: Report) -> list[RenderableType]:
    """Return the report for people, business by business."""
    shown: list[RenderableType] = []
    for business in dict.fromkeys(finding.business for finding in report.findings):
        shown.append(screen.title("This installation" if business is None else f"Business {business}"))
        for finding in (one for one in report.findings if one.business == business):
            shown += _finding(finding)
    looked_at = ", ".join(["the installation", *report.businesses])
    count = screen.counted(len(report.findings), "finding")
    shown += [
        screen.words(""),
        screen.words(f"Looked at {looked_at}: {count}." + (" Nothing is wrong." if report.ok else "")),
    ]
    return shown


def _finding(finding: Finding) -> list[RenderableType]:
    severity = finding.severity.value
    head = screen.words(f"{severity:<8}", _STYLES[severity])
    head.append_text(screen.words(f"{finding.about}  [{finding.code.value}]", "bold"))
    return [head, screen.words(f"        {finding.text}"), screen.words(f"        -> {finding.advice}")]


def _show_fields(*, as_json: bool) -> None:
    from keyturn.doctor.field_list import ADDON_WHERE, WHERE, rows
    from keyturn.storeganise.webtask import script

    fields = rows()
    if as_json:
        screen.show_json({"fields": fields, "script": script()})
        return
    screen.show(
        *map(screen.words, ("Custom fields Keyturn uses.", WHERE, ADDON_WHERE, "")),
        screen.table(*fields[0], rows=[list(field.values()) for field in fields]),
        screen.title("The script that creates them when the add-on is installed (docs/addon.md):"),
        screen.words(""),
        *map(screen.words, script().splitlines()),
    )
