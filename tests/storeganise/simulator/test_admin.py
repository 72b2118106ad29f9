"""The Storeganise simulator's own HTTP door."""

from __future__ import annotations

from typing import Any

from storeganise.simulator.world import World


async def operate(world: World, operation: str, **arguments: Any) -> Any:
    url = f"{world.url}/_simulator/accounts/acme/{operation}"
    async with world.http.post(url, json=arguments) as response:
        return (await response.json()).get("result", response.status)


async def test_a_tenancy_can_be_played_over_http(served: World) -> None:
    """Booking, overdue, payment and move-out work by name, with dates as text."""
    rental = await operate(served, "book", user=served.tenant, unit=served.unit, start_date="2026-03-01")
    await operate(served, "complete_move_in", rental=rental)
    await operate(served, "mark_overdue", args=[rental])
    overdue = await operate(served, "rental", args=[rental])
    await operate(served, "pay", rental=rental)
    await operate(served, "schedule_move_out", rental=rental, day="2026-03-31")
    await operate(served, "complete_move_out", rental=rental, end_date="2026-03-30")

    assert ("overdue" in overdue, served.acme.rental(rental)["endDate"]) == (True, "2026-03-30")


async def test_webhooks_can_be_sent_over_http(served: World) -> None:
    """The address of the webhook can be set, and what is queued be delivered."""
    await operate(served, "set_webhook", url=f"{served.url}/nowhere", secret="other")
    await operate(served, "edit_user", args=[served.tenant], phone="1")
    results = await operate(served, "deliver")

    assert [(delivery["type"], status) for delivery, status in results] == [("user.updated", 404)]


async def test_nonsense_is_refused(served: World) -> None:
    """Unknown accounts, operations and refused steps are 400."""
    statuses = [
        await operate(served, "fly"),
        await operate(served, "pay", rental="nope"),
        await operate(served, "add_unit", site=served.site, name="A1"),
    ]

    assert statuses == [400, 400, 400]


async def test_the_page_names_the_accounts(served: World) -> None:
    """The front page tells which accounts there are."""
    async with served.http.get(served.url) as response:
        text = await response.text()

    assert "Accounts: acme" in text
