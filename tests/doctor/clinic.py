"""A world that is examined: Keyturn runs beside both simulators, and `keyturn doctor` looks at it.

A test breaks one thing, sees the one finding, follows its advice, and sees it gone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keyturn.cli import doctor
from keyturn.clock import Clock
from keyturn.core.ids import BusinessCode
from keyturn.doctor.finding import Code, Finding, Report, Severity
from keyturn.settings import Settings
from scenarios.world import API_KEY, CLIENT_SECRET, SECRET, World, settings_for

ACME = BusinessCode("acme")
ADDON_KEY, ADDON_SECRET = "key of the add-on", "secret of the add-on"
SECRETS = {API_KEY, CLIENT_SECRET, SECRET, ADDON_KEY, ADDON_SECRET, "a secret key for tests only"}
"""What no finding may show."""


@dataclass(kw_only=True)
class Clinic:
    """A world, its settings as the doctor reads them, and everything the doctor said."""

    world: World
    folder: Path
    settings: Settings
    said: list[str] = field(default_factory=list)

    @property
    def file(self) -> Path:
        """The settings file; these tests write it only where it matters."""
        return self.folder / "keyturn.toml"

    def change_settings(self, **tables: Mapping[str, Any]) -> None:
        """Change the settings file; a restart is another matter."""
        storeganise = self.world.account.api_url.removesuffix("/acme/api")
        sensorberg = self.world.settings.businesses[ACME].sensorberg
        assert sensorberg is not None
        url = self.settings.database.url
        self.settings = settings_for(
            storeganise, sensorberg.base_url, self.folder, url.get_secret_value() if url else None, **tables
        )

    async def restart(self) -> None:
        """Start the service anew, with the settings as they are now."""
        await self.world.stop()
        self.world.settings = self.settings
        await self.world.start()

    async def report(self, *, clock: Clock | None = None) -> Report:
        """Examine, and keep what was printed."""
        report = await doctor.examined(self.settings, self.file, clock=clock or self.world.clock)
        self.said += [text(report), json.dumps(doctor.document(report))]
        return report

    def leaks(self) -> set[str]:
        """Return every key, secret, PIN, name and e-mail address that was ever printed."""
        account = self.world.account
        records = [*account.users.values(), *account.rentals.values()]
        pins = {str(pin) for one in records if (pin := one["customFields"].get("sensorberg_pin"))}
        people = {str(user[key]) for user in account.users.values() for key in ("name", "lastName", "email")}
        canaries = {*pins, *people, *SECRETS}
        return {one for one in canaries for said in self.said if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", said)}

    async def found(self, *, notes: bool = False, clock: Clock | None = None) -> set[Code]:
        """Return what is wrong, as codes; with `notes` what is worth knowing as well."""
        report = await self.report(clock=clock)
        return {one.code for one in report.findings if notes or one.severity is not Severity.NOTE}

    async def the(self, code: Code, *, clock: Clock | None = None) -> Finding:
        """Examine, and return the one finding of this kind."""
        [finding] = [one for one in (await self.report(clock=clock)).findings if one.code is code]
        return finding


def text(report: Report) -> str:
    """Return a report as people see it."""
    return "\n".join(str(part) for part in doctor.parts(report))
