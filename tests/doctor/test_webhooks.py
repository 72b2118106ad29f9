"""Webhooks that do not come, and installations that are not served: each found, mended as advised, gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from doctor.clinic import ACME, ADDON_KEY, ADDON_SECRET, Clinic
from keyturn.core.ids import AddonId
from keyturn.core.work import DELTA_SWEEP
from keyturn.doctor.finding import Code, Severity
from keyturn.simulation.faults import Fault
from scenarios.world import CLIENT_SECRET, TODAY, world

TWO_DAYS = timedelta(hours=49)


async def days_later(clinic: Clinic) -> None:
    """Let two days pass without a webhook; the worker has nothing left to do."""
    clinic.world.clock.advance(TWO_DAYS)
    await clinic.world.service.worker.settle()


async def test_webhooks_have_stopped(clinic: Clinic) -> None:
    """Something has changed, and no webhook has come for two days."""
    account, url = clinic.world.account, clinic.world.account.webhook_url
    account.webhook_url = None
    await days_later(clinic)
    account.move_in(clinic.world.add_tenant(), clinic.world.add_unit("B1"), TODAY)
    await clinic.world.service.worker.settle()
    finding = await clinic.the(Code.WEBHOOK_SILENCE)
    assert "1 rentals have changed since" in finding.text
    assert "https://YOUR-HOST/webhooks/storeganise/acme" in finding.advice

    account.webhook_url = url
    [*_, rental] = account.rentals
    account.edit_rental(rental, {}, notes="a change")
    await clinic.world.settle()
    assert await clinic.found() == set()


async def test_webhooks_with_another_secret(clinic: Clinic) -> None:
    """Deliveries that are refused leave no trace but a counter, which the advice names."""
    account, secret = clinic.world.account, clinic.world.account.webhook_secret
    account.webhook_secret = "another"
    await days_later(clinic)
    [rental] = account.rentals
    account.edit_rental(rental, {}, notes="a change")
    assert [status for _, status in await account.deliver()] == [401]
    finding = await clinic.the(Code.WEBHOOK_SILENCE)
    assert 'keyturn_deliveries_total with state="rejected"' in finding.advice

    account.webhook_secret = secret
    account.outbox.clear()
    account.edit_rental(rental, {}, notes="another change")
    await clinic.world.settle()
    assert await clinic.found() == set()


async def test_a_quiet_weekend_is_no_finding(clinic: Clinic) -> None:
    """Where nothing has changed, nothing has to come."""
    await days_later(clinic)

    assert await clinic.found() == set()


async def test_no_webhook_was_ever_set_up(tmp_path: Path) -> None:
    """At first it is a note; with rentals that a sweep found, and for two days, it is a finding."""
    async with world(tmp_path) as made:
        url, made.account.webhook_url = made.account.webhook_url, None
        rental = made.move_in("A1")
        await made.service.work.wake(ACME, [DELTA_SWEEP], "the service started")
        await made.settle()
        clinic = Clinic(world=made, folder=tmp_path, settings=made.settings)
        assert (await clinic.the(Code.NO_WEBHOOK_YET)).severity is Severity.NOTE

        await days_later(clinic)
        finding = await clinic.the(Code.WEBHOOK_SILENCE)
        assert ("None is on record" in finding.text, "rentals" in finding.text) == (True, True)

        made.account.webhook_url = url
        made.account.edit_rental(rental, {}, notes="a change")
        await made.settle()
        assert await clinic.found() == set()


class Addon:
    """An account that only an installation of the add-on reaches."""

    def __init__(self, clinic: Clinic, addon_id: AddonId) -> None:
        self.clinic = clinic
        self.addon_id = addon_id
        self.installation = clinic.world.account.installations[addon_id]

    async def hears(self) -> None:
        """Let the installation hear of something."""
        self.clinic.world.account.daily_event()
        await self.clinic.world.settle()


@pytest.fixture
async def addon(tmp_path: Path) -> AsyncIterator[Addon]:
    """Give an installation that is served."""
    tables: dict[str, Any] = {
        "addon": {"api_key": ADDON_KEY, "signature_secret": ADDON_SECRET, "auto_register": True},
    }
    async with world(tmp_path, **tables) as made:
        account = made.account
        account.webhook_url, account.addon_api_keys = None, [ADDON_KEY]
        account.edit_site(made.site, {"securitySystem": None})
        site, sensorberg = made.site, made.settings.businesses["acme"].sensorberg
        assert sensorberg is not None
        fields = {"sensorberg_url": sensorberg.base_url, "sensorberg_clientId": "client"}
        addon_id = account.add_installation(
            site,
            webhook_url=f"{made.url}/webhooks/storeganise/addon",
            webhook_secret=ADDON_SECRET,
            custom_fields={**fields, "sensorberg_clientSecret": CLIENT_SECRET},
        )
        bare = made.settings.businesses["acme"].model_copy(
            update={"api_key": None, "webhook_secrets": (), "sensorberg": None}
        )
        settings = made.settings.model_copy(update={"businesses": {"acme": bare}})
        clinic = Clinic(world=made, folder=tmp_path, settings=settings)
        await clinic.restart()
        made.add_unit("A1")
        made.move_in("A1")
        await made.settle()
        yield Addon(clinic, AddonId(addon_id))
        assert clinic.leaks() == set()


async def test_an_installation_in_order(addon: Addon) -> None:
    """An account that only an installation reaches is examined with its key."""
    assert await addon.clinic.found() == set()
    assert addon.clinic.world.door("A1", addon.clinic.world.pin_of(next(iter(addon.clinic.world.account.rentals)))) == (
        "approved"
    )


async def test_an_installation_waits(addon: Addon) -> None:
    """One that nobody approved is named with the command that does."""
    await addon.clinic.world.service.installations.forget(addon.addon_id)
    table = addon.clinic.settings.addon
    assert table is not None
    closed = table.model_copy(update={"auto_register": False})
    addon.clinic.settings = addon.clinic.settings.model_copy(update={"addon": closed, "businesses": {}})
    await addon.clinic.restart()
    await addon.hears()
    finding = await addon.clinic.the(Code.INSTALLATION_WAITING)
    assert f"keyturn addons approve {addon.addon_id}" in finding.advice
    assert "1 of its deliveries are kept" in finding.text

    await addon.clinic.world.service.installations.approve(addon.addon_id)
    await addon.clinic.world.settle()
    assert await addon.clinic.found() == set()


async def test_nobody_has_installed_it_yet(addon: Addon) -> None:
    """An account without any key cannot be asked, and the address of the add-on's webhook is said."""
    await addon.clinic.world.service.installations.forget(addon.addon_id)
    addon.clinic.world.forget_requests()
    assert await addon.clinic.found(notes=True) == {Code.NO_KEY, Code.NO_INSTALLATION_YET}
    assert addon.clinic.world.requests == []

    await addon.hears()
    assert await addon.clinic.found() == set()


async def test_an_event_named_another_address(addon: Addon) -> None:
    """It is refused and shown; when the account has moved, forgetting the installation makes the new one known."""
    account = addon.clinic.world.account
    account.api_url = account.api_url.replace("127.0.0.1", "127.0.0.2")
    addon.clinic.world.clock.advance(timedelta(minutes=1))
    account.daily_event()
    await account.deliver()
    finding = await addon.clinic.the(Code.INSTALLATION_ADDRESS)
    assert f"keyturn addons forget {addon.addon_id}" in finding.advice

    account.api_url = account.api_url.replace("127.0.0.2", "127.0.0.1")
    account.outbox.clear()
    await addon.clinic.world.service.installations.forget(addon.addon_id)
    await addon.hears()
    assert await addon.clinic.found() == set()


async def test_a_new_installation_names_an_address_that_may_not_be_called(addon: Addon) -> None:
    """Once its host is allowed, the next event makes the installation known."""
    world, account = addon.clinic.world, addon.clinic.world.account
    await world.service.installations.forget(addon.addon_id)
    account.api_url = account.api_url.replace("127.0.0.1", "localhost")
    account.daily_event()
    await account.deliver()
    finding = await addon.clinic.the(Code.INSTALLATION_ADDRESS)
    assert "network.allowed_hosts" in finding.advice

    account.outbox.clear()
    before = addon.clinic.settings
    acme = before.businesses[ACME].model_copy(update={"api_url": account.api_url})
    network = before.network.model_copy(update={"allowed_hosts": ("127.0.0.1", "localhost")})
    addon.clinic.settings = before.model_copy(update={"businesses": {ACME: acme}, "network": network})
    await addon.clinic.restart()
    await addon.hears()
    assert await addon.clinic.found() == set()


async def test_an_installation_lacks_a_credential(addon: Addon) -> None:
    """The field to fill in is named."""
    secret = addon.installation.custom_fields.pop("sensorberg_clientSecret")
    finding = await addon.clinic.the(Code.CREDENTIALS_MISSING)
    assert (finding.about, "empty: sensorberg_clientSecret" in finding.text) == (
        f"installation {addon.addon_id}",
        True,
    )

    addon.installation.custom_fields["sensorberg_clientSecret"] = secret
    assert await addon.clinic.found() == set()


async def test_an_installations_key_is_refused(addon: Addon) -> None:
    """One that was disabled in Storeganise is enabled again."""
    addon.installation.state = "disabled"
    finding = await addon.clinic.the(Code.KEY_REFUSED)
    assert (str(addon.addon_id) in finding.about, "not disabled" in finding.advice) == (True, True)

    addon.installation.state = "enabled"
    assert await addon.clinic.found() == set()


async def test_an_installation_is_gone(addon: Addon) -> None:
    """One that was removed at Storeganise is forgotten."""
    addon.clinic.world.storeganise.faults.add(route="addons.get", fault=Fault.status(404), times=None)
    finding = await addon.clinic.the(Code.INSTALLATION_GONE)
    assert finding.advice.endswith(f"keyturn addons forget {addon.addon_id}.")

    await addon.clinic.world.service.installations.forget(addon.addon_id)
    assert Code.INSTALLATION_GONE not in await addon.clinic.found()


async def test_an_installation_is_silent(addon: Addon) -> None:
    """An add-on hears something every day; a paused one does not."""
    addon.installation.state = "paused"
    await days_later(addon.clinic)
    finding = await addon.clinic.the(Code.WEBHOOK_SILENCE)
    assert (finding.about, "not paused" in finding.advice) == (f"installation {addon.addon_id}", True)

    addon.installation.state = "enabled"
    await addon.hears()
    assert await addon.clinic.found() == set()
