"""Add-on mode: many installations of many accounts, each with its own key, credentials and host."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from keyturn.core.ids import AddonId
from keyturn.core.installation import InstallationState
from scenarios.estate import ADDON_SECRET, Estate, estate, furnished

HOUR = timedelta(hours=1)


@pytest.fixture
async def three(tmp_path: Path, database_url: str | None) -> AsyncIterator[Estate]:
    """Give three accounts and two tenants, without sites and without Keyturn."""
    async with estate(tmp_path, database_url) as made:
        yield made


async def deliver(estate: Estate, **envelope: Any) -> tuple[int, str]:
    """Send an add-on delivery of our own making, rightly signed."""
    body = json.dumps({"type": "unitRental.updated", "data": {"unitRentalId": "r1"}, **envelope}).encode()
    signature = base64.b64encode(hmac.new(ADDON_SECRET.encode(), body, hashlib.sha256).digest()).decode()
    address = f"{estate.urls['front']}/webhooks/storeganise/addon"
    async with (
        aiohttp.ClientSession() as session,
        session.post(address, data=body, headers={"sg-signature": signature}) as answer,
    ):
        return answer.status, await answer.text()


async def test_ten_installations_on_three_accounts_each_use_their_own_key_and_host(three: Estate) -> None:
    """Every door is right, and no request used another site's credential or backend."""
    await three.start(**await furnished(three))
    rentals = [(place, three.move_in(place, unit)) for place in three.places for unit in (0, 1)]
    await three.settle()

    assert {three.door(place, rental) for place, rental in rentals} == {"approved"}
    for place, rental in rentals[::2]:
        place.account.mark_overdue(rental)
    await three.settle()
    assert {three.door(place, rental) for place, rental in rentals[::2]} == {"denied"}
    for place, rental in rentals[1::2]:
        place.account.move_out(rental)
    for place, rental in rentals[::2]:
        place.account.pay(rental)
    await three.settle()
    assert {three.door(place, rental) for place, rental in rentals[::2]} == {"approved"}
    assert three.strays() == []
    known = await three.service.installations.all()
    assert len(known) == 10
    assert {one.business for one in known} == {
        "acme",
        "north",
        next(o.business for o in known if "south" in str(o.api_url)),
    }


async def test_one_account_by_both_channels_is_one_business(three: Estate) -> None:
    """A tenant with a rental in a plain site and one in an installation's site has one PIN, and it opens both."""
    await three.start(**await furnished(three))
    plain, extra = (
        next(place for place in three.places if name in place.account.site(place.site)["title"]["en"])
        for name in ("Plain", "Extra1")
    )
    first = three.move_in(plain)
    await three.settle()
    tenant = plain.account.rental(first)["ownerId"]
    second = three.move_in(extra, tenant=tenant)
    await three.settle()

    pins = {plain.account.rental(rental)["customFields"]["sensorberg_pin"] for rental in (first, second)}
    assert len(pins) == 1
    assert (three.door(plain, first), three.door(extra, second)) == ("approved", "approved")
    assert three.strays() == []


async def test_a_site_both_claim_is_the_plain_ones(three: Estate) -> None:
    """The installation's events wake; keys and credentials are the account's own."""
    await three.start(**await furnished(three))
    both = next(place for place in three.places if "Both" in place.account.site(place.site)["title"]["en"])
    both.account.webhook_url = None
    rental = three.move_in(both)
    await three.settle()

    assert three.door(both, rental) == "approved"
    assert three.strays() == []


async def test_an_unknown_installation_waits_and_its_events_run_once_it_is_approved(three: Estate) -> None:
    """Nothing is asked of anybody before; nothing is lost after."""
    await three.start(auto_register=False)
    place = three.add_served("north", "North", "east")
    rental = three.move_in(place)
    await three.settle()

    assert three.storeganise.journal.entries == []
    installation = await three.service.installations.find(AddonId(str(place.addon_id)))
    assert installation is not None
    assert installation.state is InstallationState.WAITING
    kept = await three.service.installations.kept()
    assert await three.service.installations.approve(installation.addon_id) == kept[installation.addon_id] > 0
    await three.settle()
    assert three.door(place, rental) == "approved"
    assert three.strays() == []


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/api",
        "http://127.0.0.1.evil.example/api",
        "http://10.0.0.1/api",
        "http://[::1]/api",
        "nonsense",
    ],
)
async def test_a_forged_address_opens_no_socket(three: Estate, address: str) -> None:
    """An address that may not be called is answered 400 and shown, also where the signature is right."""
    await three.start()
    status, _ = await deliver(three, addonId="a1", apiUrl=address)
    await three.settle()

    assert status == 400
    assert three.storeganise.journal.entries == []
    refused = await three.service.installations.find(AddonId("a1"))
    assert refused is not None
    assert refused.state is InstallationState.REFUSED
    assert await three.service.inbox.recent(9) == []


async def test_another_address_than_the_pinned_one_is_refused_and_shown(three: Estate) -> None:
    """Even an address that may be called: the installation stays with the account it was first seen at."""
    await three.start()
    first = f"{three.urls['storeganise']}/north/api"
    assert (await deliver(three, id="e1", addonId="a1", apiUrl=first))[0] == 200
    other = await deliver(three, id="e2", addonId="a1", apiUrl=f"{three.urls['storeganise']}/south/api")
    again = await deliver(three, id="e3", addonId="a1", apiUrl=first + "/")
    without = await deliver(three, id="e4", addonId="a1")

    assert (other[0], again[0], without[0]) == (400, 200, 200)
    [problem] = await three.service.problems.open()
    assert (problem.code, problem.subject.id) == ("addon_address", "a1")
    assert {delivery.event_id for delivery in await three.service.inbox.recent(9)} == {"e1", "e3", "e4"}


@pytest.mark.parametrize(
    "envelope", [{}, {"addonId": "a1"}, {"addonId": "not an id", "apiUrl": "https://x.storeganise.com/api"}]
)
async def test_a_delivery_that_names_no_installation_or_account_is_malformed(
    three: Estate, envelope: dict[str, Any]
) -> None:
    """400, and nothing is kept."""
    await three.start()
    assert (await deliver(three, **envelope))[0] == 400
    assert await three.service.installations.all() == []


async def test_an_installation_without_credentials_is_held_until_they_are_entered(three: Estate) -> None:
    """The sentence names the fields; once they are there, the same events open the door."""
    await three.start()
    place = three.add_served("north", "North", "east", fields={"sensorberg_url": three.urls["east"]})
    rental = three.move_in(place)
    await three.settle()

    [problem] = [one for one in await three.service.problems.open() if one.code == "credentials"]
    assert "sensorberg_clientId" in problem.text
    assert "sensorberg_clientSecret" in problem.text
    three.accounts["north"].installations[str(place.addon_id)].custom_fields.update(
        three.credentials("client-of-North", "east")
    )
    three.clock.advance(HOUR)
    await three.settle()
    assert three.door(place, rental) == "approved"
    assert await three.service.problems.open() == []


async def test_a_changed_client_secret_is_read_at_once_after_a_401(three: Estate) -> None:
    """Credentials that were replaced in the installation's record do not wait for its cache of an hour."""
    await three.start()
    place = three.add_served("north", "North", "east")
    three.move_in(place)
    await three.settle()
    east = three.tenants["east"]
    east.change_secret("client-of-North", "another secret")
    east.revoke_tokens()
    three.accounts["north"].installations[str(place.addon_id)].custom_fields["sensorberg_clientSecret"] = (
        "another secret"
    )
    rental = three.move_in(place, 1)
    await three.settle()
    three.clock.advance(timedelta(seconds=5))
    await three.settle()

    assert three.door(place, rental) == "approved"


async def test_the_client_id_of_another_operator_opens_nothing_without_the_secret(three: Estate) -> None:
    """A backend's address and a client id are no secrets: they must not be enough to use somebody's token."""
    await three.start()
    north = three.add_served("north", "North", "east")
    three.move_in(north)
    await three.settle()
    south = three.add_place("south", "South", "client-of-North", "east")
    fields = {**three.credentials("client-of-North", "east"), "sensorberg_clientSecret": "no idea"}
    south.addon_id = three.install("south", None, "another", "east", fields=fields)
    south.key = f"addon:{south.addon_id}"
    group = three.accounts["north"].unit(north.units[1])["customFields"]["sensorberg_id"]
    three.accounts["south"].edit("units", south.units[0], {"sensorberg_id": group}, {}, by_api=False)
    rental = three.move_in(south)
    await three.settle()

    assert three.door(south, rental) == "unauthorized"
    assert [p.code for p in await three.service.problems.open() if p.subject.kind == "site"] == ["credentials"]


async def test_an_account_that_becomes_known_is_swept(three: Estate) -> None:
    """What no webhook told of a new account is found all the same."""
    await three.start()
    place = three.add_served("north", "North", "east")
    three.move_in(place)
    await three.settle()
    three.clock.advance(timedelta(minutes=1))
    rental = three.move_in(place, 1)
    place.account.drop()
    three.clock.advance(timedelta(minutes=20))
    await three.settle()

    assert three.door(place, rental) == "approved"


async def test_a_removed_installation_takes_nobodys_access_away(three: Estate) -> None:
    """Its site is nobody's then, but a site that says nothing is no evidence: access stays, and staff are told."""
    await three.start()
    place = three.add_served("north", "North", "east")
    three.add_served("north", "Other", "east")
    rental = three.move_in(place)
    await three.settle()
    assert await three.service.installations.forget(AddonId(str(place.addon_id)))
    three.accounts["north"].installations[str(place.addon_id)].webhook_url = None
    three.accounts["north"].edit_rental(rental, {"note": "x"})
    three.clock.advance(2 * HOUR)
    await three.settle()

    assert three.door(place, rental) == "approved"


async def test_the_secret_of_the_addon_can_be_replaced_without_a_gap(three: Estate) -> None:
    """Two signature secrets are valid at once."""
    await three.start(signature_secret=["the new one", ADDON_SECRET])
    address = f"{three.urls['storeganise']}/north/api"
    assert (await deliver(three, addonId="a1", apiUrl=address))[0] == 200
