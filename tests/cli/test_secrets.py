"""No command prints a PIN, a key, a secret, a name or an address, however it ends."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from cli.desk import ACME, ADDON, Desk, an_installation
from keyturn.core.ids import RentalId
from keyturn.core.memory import RentalMemory
from keyturn.core.work import Kind
from keyturn.store.database import Database
from keyturn.store.inbox import Accepted, DeliveryState, Inbox
from keyturn.store.ledger import Ledger
from keyturn.store.work import Work
from keyturn.storeganise import webhook

SETTINGS = """
[server]
secret_key = "canary-secret-key"
[network]
allowed_hosts = ["127.0.0.1"]
[businesses.acme]
api_url = "https://127.0.0.1:1/api"
api_key = "canary-api-key"
webhook_secret = ["canary-webhook-secret", "canary-webhook-secret-2"]
[businesses.acme.sensorberg]
base_url = "https://127.0.0.1:1"
client_id = "canary-client-id"
client_secret = "canary-client-secret"
[addon]
api_key = "canary-addon-key"
signature_secret = "canary-signature-secret"
"""
BODY = {
    "id": "event1",
    "type": "unitRental.updated",
    "businessCode": "acme",
    "firstName": "canary-name",
    "data": {
        "unitRentalId": "r1",
        "unitRental": {"id": "r1", "customFields": {"sensorberg_pin": "canary-pin-483920"}},
        "user": {"firstName": "canary-name", "email": "canary@example.com", "phone": "+49 canary"},
        "changedKeys": ["customFields.sensorberg_pin"],
        "sensorberg_pin": "canary-pin-483920",
        "note": "canary-note",
    },
}
COMMANDS = [
    ["status"],
    ["deliveries"],
    ["deliveries", "1"],
    ["deliveries", "2"],
    ["deliveries", "99"],
    ["deliveries", "--since", "nonsense"],
    ["replay", "--since", "1h", "--dry-run"],
    ["replay", "--since", "1h"],
    ["replay", "1", "--yes"],
    ["wake", "r1", "--owner", "o1"],
    ["wake", "--all"],
    ["wake", "r1", "--business", "unknown"],
    ["explain", "r1"],
    ["explain", "r1", "--business", "unknown"],
    ["addons"],
    ["addons", "approve", "nobody"],
    ["addons", "approve", ADDON],
    ["addons", "forget", ADDON],
    ["doctor"],
    ["version"],
]


async def a_service_at_work(database: Database) -> None:
    """Keep the webhook, once plain and once of an installation, and remember a rental."""
    await an_installation(database)
    parsed = webhook.parse(json.dumps(BODY).encode(), ACME)
    read = webhook.subjects(parsed.event)
    for addon in (None, ADDON):
        await Inbox(database).accept(
            Accepted(
                business=ACME,
                key=f"id:{addon}",
                event_id=parsed.event.id,
                type=parsed.event.type,
                document=json.dumps(parsed.document),
                state=DeliveryState.ACCEPTED,
                subjects=read.wakes,
                reason="event unitRental.updated",
                addon_id=addon,
            )
        )
    work = Work(database)
    lane = await work.claim("test", lease=timedelta(minutes=1))
    assert lane is not None
    await work.take(lane, list(Kind), limit=1)
    await Ledger(database).save(lane, rentals=[RentalMemory(id=RentalId("r1"))])
    await work.release(lane)


def test_no_command_prints_what_nobody_may_see(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids of what was planted are shown; the canaries are not, in no output of any command."""
    desk.write(SETTINGS)
    desk.within(a_service_at_work)
    monkeypatch.chdir(desk.folder)
    said = {(*options, *command): desk.run(*options, *command) for command in COMMANDS for options in ([], ["--json"])}

    assert "r1" in said["deliveries", "1"].out
    assert [key for key, one in said.items() if "canary" in one.out + one.err] == []


def test_settings_that_cannot_be_used_keep_their_secrets(desk: Desk) -> None:
    """A complaint about a secret does not repeat it."""
    desk.write(SETTINGS.replace('"canary-secret-key"', '"canary-short"').replace("[addon]", "[addon]\nx = 1"))
    said = desk.run("status")

    assert (said.code, "secret_key" in said.err, "canary" in said.err) == (2, True, False)
