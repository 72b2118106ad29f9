"""Each webhook has one line in the log, whatever becomes of it."""

from __future__ import annotations

import io
import json
from typing import Any

from web.site import ADDON_SECRET, Site

ADDON = "/webhooks/storeganise/addon"


def body(**fields: object) -> bytes:
    return json.dumps({"id": "e1", "type": "unitRental.updated", "data": {"unitRentalId": "r1"}, **fields}).encode()


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    """Return what was logged, without time and level, and without what is empty."""
    read = [json.loads(line) for line in log.getvalue().splitlines()]
    return [
        {name: value for name, value in line.items() if name not in {"timestamp", "level"} and value is not None}
        for line in read
    ]


async def test_a_delivery_is_one_line(site: Site, log: io.StringIO) -> None:
    """The line says who sent what, and how it was answered; an event that is unknown is not named."""
    await site.post(body())
    await site.post(body())
    await site.post(body(id="e2", type="somebody@example.com"))

    common = {"action": "delivery", "business": "acme"}
    assert lines(log) == [
        {**common, "state": "accepted", "event_type": "unitRental.updated", "delivery": "e1"},
        {**common, "state": "repeated", "event_type": "unitRental.updated", "delivery": "e1"},
        {**common, "state": "accepted", "event_type": "other", "delivery": "e2"},
    ]


async def test_a_refusal_is_one_line(site: Site, log: io.StringIO) -> None:
    """Of a sender who is not known, nothing is repeated but that he is not."""
    await site.post(body(), secret=b"guess")
    await site.post(body(), path="/webhooks/storeganise/canary")
    await site.post(body(), path=ADDON)
    await site.post(b"{")
    await site.post(b" " * 300_000)

    assert [(line["action"], line["business"], line["state"]) for line in lines(log)] == [
        ("delivery", "acme", "rejected"),
        ("delivery", "-", "rejected"),
        ("delivery", "-", "rejected"),
        ("delivery", "acme", "malformed"),
        ("delivery", "acme", "too_large"),
    ]


async def test_a_delivery_of_an_installation_names_its_account(site: Site, log: io.StringIO) -> None:
    """Once the installation is known, the line says which account it belongs to."""
    event = body(addonId="a1", apiUrl="https://north.storeganise.com/api")
    await site.post(event, path=ADDON, secret=ADDON_SECRET)

    [found] = [line for line in lines(log) if line["action"] == "delivery"]
    assert (found["business"], found["addon_id"], found["state"]) == ("north", "a1", "accepted")


async def test_a_failure_of_ours_is_one_line(site: Site, log: io.StringIO) -> None:
    """What could not be stored is an error, and no second line says so."""
    await site.lose_database()
    await site.post(body())

    [found] = lines(log)
    assert (found["action"], found["business"], found["error"]) == (
        "delivery_not_stored",
        "acme",
        "DatabaseUnavailable",
    )
