"""What the doctor finds at the two services: each finding provoked, its advice followed, gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doctor.clinic import ACME, Clinic
from keyturn.doctor.finding import Code
from keyturn.simulation.faults import Fault
from scenarios.world import API_KEY, CLIENT_SECRET


async def test_nothing_is_wrong(clinic: Clinic) -> None:
    """A Keyturn in order is found in order."""
    report = await clinic.report()

    assert (report.ok, report.businesses) == (True, [ACME])
    assert {one.code for one in report.findings} == {Code.FIELD_UNSEEN}


async def test_it_only_reads_and_fetches_no_second_token(clinic: Clinic) -> None:
    """An examination changes nothing anywhere, lists one page at a time, and uses the token there is."""
    clinic.world.sensorberg.knobs = replace(clinic.world.sensorberg.knobs, token_policy="revoke_previous")
    clinic.world.forget_requests()
    before = clinic.world.final_state()
    await clinic.report()

    assert clinic.world.writes == []
    assert clinic.world.routes == ["sites.list", "units.list", "unit-rentals.list", "users.get"]
    assert clinic.world.storeganise.journal.peak("list") == 1
    assert clinic.world.sensorberg.journal.count(route="oauth.token") == 0
    assert clinic.world.final_state() == before


async def test_storeganise_answers_with_an_error(clinic: Clinic) -> None:
    """An outage is said, and over when it is over."""
    outage = clinic.world.storeganise.faults.add(route="sites.list", fault=Fault.status(503), times=None)
    finding = await clinic.the(Code.UNREACHABLE)
    assert ("answered 503" in finding.text, finding.business) == (True, ACME)

    outage.remove()
    assert await clinic.found() == set()


async def test_nobody_listens_at_the_address(clinic: Clinic, unused_tcp_port: int) -> None:
    """No connection: a wrong port is corrected."""
    clinic.change_settings(businesses={"acme": {"api_url": f"http://127.0.0.1:{unused_tcp_port}/acme/api"}})
    finding = await clinic.the(Code.UNREACHABLE)
    assert ("no connection" in finding.text, "firewall" in finding.advice) == (True, True)

    clinic.change_settings()
    assert await clinic.found() == set()


async def test_sensorberg_is_away(clinic: Clinic) -> None:
    """An outage of the access system is told apart from one of Storeganise."""
    outage = clinic.world.sensorberg.faults.add(route="users.get", fault=Fault.status(500), times=None)
    finding = await clinic.the(Code.UNREACHABLE)
    assert finding.about.startswith("Sensorberg at http://127.0.0.1")

    outage.remove()
    assert await clinic.found() == set()


async def test_the_address_is_another_account(clinic: Clinic) -> None:
    """A path where no API is."""
    wrong = clinic.world.account.api_url.replace("/acme/", "/acne/")
    clinic.change_settings(businesses={"acme": {"api_url": wrong}})
    finding = await clinic.the(Code.WRONG_ADDRESS)
    assert finding.advice == "Correct businesses.acme.api_url."

    clinic.change_settings()
    assert await clinic.found() == set()


async def test_an_answer_nobody_expects(clinic: Clinic) -> None:
    """Something that is no API at all."""
    odd = clinic.world.storeganise.faults.add(route="sites.list", fault=Fault.status(302, body=b""), times=None)
    assert "answered 302" in (await clinic.the(Code.UNEXPECTED)).text

    odd.remove()
    assert await clinic.found() == set()


async def test_the_api_key_is_refused(clinic: Clinic) -> None:
    """A key that was withdrawn is replaced as the advice says."""
    clinic.world.account.api_keys = ["a new key"]
    finding = await clinic.the(Code.KEY_REFUSED)
    assert "businesses.acme.api_key" in finding.advice

    clinic.change_settings(businesses={"acme": {"api_key": "a new key"}})
    assert await clinic.found() == set()


async def test_the_api_key_may_too_little(clinic: Clinic) -> None:
    """A key without the right to read units."""
    forbidden = clinic.world.storeganise.faults.add(route="units.list", fault=Fault.status(403), times=None)
    finding = await clinic.the(Code.NOT_PERMITTED)
    assert ("list units" in finding.text, "role admin" in finding.advice) == (True, True)

    forbidden.remove()
    assert await clinic.found() == set()


async def test_the_client_is_refused(clinic: Clinic) -> None:
    """A client that Sensorberg does not know any more is replaced by a new one."""
    tokens = clinic.world.sensorberg.tokens
    del tokens.clients["client"]
    finding = await clinic.the(Code.CLIENT_REFUSED)
    assert "businesses.acme.sensorberg" in finding.advice

    clinic.world.sensorberg.add_client("new client", "new secret")
    backend = {"client_id": "new client", "client_secret": "new secret"}
    clinic.change_settings(businesses={"acme": {"sensorberg": backend}})
    assert await clinic.found() == set()


async def test_a_host_that_may_not_be_called(clinic: Clinic) -> None:
    """What an operator enters at a site is called only where the settings allow it."""
    own = {"sensorberg_url": "https://doors.example.net", "sensorberg_clientId": "c", "sensorberg_clientSecret": "s"}
    clinic.world.account.edit_site(clinic.world.site, own)
    finding = await clinic.the(Code.HOST_NOT_ALLOWED)
    assert (finding.about, "network.allowed_hosts" in finding.advice) == (
        "Sensorberg at https://doors.example.net",
        True,
    )

    clinic.world.account.edit_site(clinic.world.site, dict.fromkeys(own))
    assert await clinic.found() == set()


async def test_no_credentials_for_a_site(clinic: Clinic) -> None:
    """A site without any is named with the fields to fill in."""
    backend = clinic.settings.businesses[ACME].sensorberg
    assert backend is not None
    bare = clinic.settings.businesses[ACME].model_copy(update={"sensorberg": None})
    clinic.settings = clinic.settings.model_copy(update={"businesses": {ACME: bare}})
    finding = await clinic.the(Code.CREDENTIALS_MISSING)
    fields = ["sensorberg_url", "sensorberg_clientId", "sensorberg_clientSecret"]
    assert (finding.about, ", ".join(fields) in finding.text) == (f"site {clinic.world.site}", True)

    values = dict(zip(fields, [backend.base_url, "client", CLIENT_SECRET], strict=True))
    clinic.world.account.edit_site(clinic.world.site, values)
    assert await clinic.found() == set()


async def test_credentials_that_are_incomplete(clinic: Clinic) -> None:
    """A set with a gap does not count, and is said although the settings stand in."""
    clinic.world.account.edit_site(clinic.world.site, {"sensorberg_clientId": "mine"})
    finding = await clinic.the(Code.CREDENTIALS_PARTIAL)
    assert "sensorberg_url, sensorberg_clientSecret" in finding.text
    clinic.world.account.edit_site(clinic.world.site, {"sensorberg_clientSecret": "mine"})
    assert "because sensorberg_url is empty" in (await clinic.the(Code.CREDENTIALS_PARTIAL)).text

    clinic.world.account.edit_site(clinic.world.site, {"sensorberg_clientId": None, "sensorberg_clientSecret": None})
    assert await clinic.found() == set()


@pytest.mark.parametrize("skew", [-90.0, 90.0])
async def test_the_clocks_disagree(clinic: Clinic, skew: float) -> None:
    """A clock that is off is found at either service; one that is nearly right is not."""
    sensorberg, storeganise = clinic.world.sensorberg, clinic.world.storeganise
    sensorberg.knobs = replace(sensorberg.knobs, clock_skew_s=skew)
    finding = await clinic.the(Code.CLOCK)
    assert (finding.about.startswith("clock of Sensorberg at"), "90 s" in finding.text) == (True, True)

    sensorberg.knobs = replace(sensorberg.knobs, clock_skew_s=skew / 4)
    storeganise.knobs = replace(storeganise.knobs, clock_skew_s=skew)
    assert (await clinic.the(Code.CLOCK)).about == "clock of Storeganise"

    storeganise.knobs = replace(storeganise.knobs, clock_skew_s=0.0)
    assert await clinic.found() == set()


async def test_no_site_is_in_scope(clinic: Clinic) -> None:
    """An account whose sites name another system."""
    clinic.world.account.edit_site(clinic.world.site, {"securitySystem": "another"})
    assert "securitySystem" in (await clinic.the(Code.NO_SITE)).advice

    clinic.world.account.edit_site(clinic.world.site, {"securitySystem": "sensorberg"})
    assert await clinic.found() == set()


async def test_what_is_printed_holds_no_secret(clinic: Clinic) -> None:
    """Whatever goes wrong, no key, secret, PIN, name or e-mail address is said."""
    account = clinic.world.account
    [rental] = account.rentals
    pin, user = clinic.world.pin_of(rental), account.user(account.rental(rental)["ownerId"])
    telling = f"{user['email']} {pin} {API_KEY} {CLIENT_SECRET} {user['name']}"
    account.edit_unit(clinic.world.units["A1"], {"sensorberg_id": None})
    for status in (200, 302, 400, 401, 403, 404, 422, 500):
        for simulator, route in ((clinic.world.storeganise, "*.list"), (clinic.world.sensorberg, "*")):
            fault = Fault.status(status, body={"error": {"message": telling}, "errors": [{"detail": telling}]})
            simulator.faults.add(route=route, fault=fault)
        await clinic.report()
    assert len(set(clinic.said)) > 10
    assert clinic.leaks() == set()
    clinic.said.append(f"it was {pin} of {user['name']}")
    assert clinic.leaks() == {pin, user["name"], user["lastName"]}
    clinic.said.pop()
