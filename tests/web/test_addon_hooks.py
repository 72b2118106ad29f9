"""Deliveries of add-on installations: what is admitted, what is refused, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keyturn.core.ids import AddonId, BusinessCode
from keyturn.core.installation import InstallationState
from keyturn.core.work import Subject
from keyturn.settings import parse_settings
from keyturn.store.installations import Installations
from web.site import ADDON_SECRET, Site, running, sign

ADDON = "/webhooks/storeganise/addon"
ADDRESS = "https://north.storeganise.com/api"


def event(**fields: object) -> bytes:
    """Return a delivery as an installation sends it."""
    envelope = {"id": "e1", "type": "unitRental.updated", "data": {"unitRentalId": "r1"}, "addonId": "a1"}
    return json.dumps({**envelope, "apiUrl": ADDRESS, **fields}).encode()


async def test_a_signed_delivery_is_kept_for_its_account(site: Site) -> None:
    """The account is called after its host, and the rental is woken there."""
    answer = await site.post(event(), path=ADDON, secret=ADDON_SECRET)

    assert (answer.status, json.loads(answer.body)) == (200, {"status": "accepted"})
    [delivery] = await site.inbox.recent(10)
    assert (delivery.business, delivery.addon_id, delivery.subjects) == ("north", "a1", (Subject("rental", "r1"),))
    assert await site.work.row(BusinessCode("north"), Subject("rental", "r1")) is not None


@pytest.mark.parametrize("signature", [None, "", "wrong", sign(event())])
async def test_a_wrong_signature_is_401_and_nothing_is_known(site: Site, signature: str | None) -> None:
    """A business' own secret does not open the add-on's door."""
    answer = await site.post(event(), path=ADDON, signature=signature, secret=None)

    assert answer.status == 401
    assert await Installations(site.database).all() == []
    assert await site.inbox.recent(10) == []


async def test_the_addons_secret_opens_no_other_door(site: Site) -> None:
    """Nor does it sign for a business."""
    assert (await site.post(event(), secret=ADDON_SECRET)).status == 401


async def test_without_add_on_mode_nobody_may_deliver(tmp_path: Path) -> None:
    """The same answer as for a wrong signature."""
    async with running(tmp_path, addon=False) as site:
        assert (await site.post(event(), path=ADDON, secret=ADDON_SECRET)).status == 401


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/api",
        "http://north.storeganise.com/api",
        "https://north.storeganise.com@evil.example/api",
        7,
    ],
)
async def test_an_address_that_may_not_be_called_is_400_and_shown(site: Site, address: object) -> None:
    """The installation is shown as refused; nothing of the delivery is kept."""
    answer = await site.post(event(apiUrl=address), path=ADDON, secret=ADDON_SECRET)

    assert answer.status == 400
    known = await Installations(site.database).find(AddonId("a1"))
    assert known is not None
    assert known.state is InstallationState.REFUSED
    assert await site.inbox.recent(10) == []


async def test_what_is_stored_is_the_installations_own(site: Site) -> None:
    """The same event id at two installations of two accounts is two deliveries; at one account it is a repeat."""
    for addon, address in (("a1", ADDRESS), ("a2", ADDRESS), ("a3", "https://south.storeganise.com/api")):
        answer = await site.post(event(addonId=addon, apiUrl=address), path=ADDON, secret=ADDON_SECRET)
        assert answer.status == 200
    assert [(one.business, one.repeats) for one in await site.inbox.recent(10)] == [("south", 0), ("north", 1)]


async def test_a_lost_database_is_503(site: Site) -> None:
    """Never a 4xx for our fault: the sender shall try again."""
    await site.lose_database()
    assert (await site.post(event(), path=ADDON, secret=ADDON_SECRET)).status == 503


async def test_the_counters_name_no_installation(site: Site) -> None:
    """Anybody may sign up for an add-on: ids of others are no labels."""
    await site.post(event(), path=ADDON, secret=ADDON_SECRET)
    shown = (await site.get("/metrics")).body.decode()

    assert 'keyturn_deliveries_total{business="addon",state="accepted"} 1.0' in shown
    assert "a1" not in shown


def test_addon_is_no_business() -> None:
    """The address of the add-on cannot be taken by a business: the settings refuse the code."""
    with pytest.raises(Exception, match="kept for add-on"):
        parse_settings(
            {
                "server": {"secret_key": "0123456789abcdef"},
                "businesses": {"addon": {"api_key": "x", "webhook_secret": "y"}},
            },
            name="test",
            folder=Path(),
            environ={},
        )
