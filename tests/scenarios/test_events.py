"""Every main event, in every form it is sent in, in any order and number: the end is the same."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from keyturn.storeganise.simulator import Knobs
from keyturn.storeganise.simulator.envelope import Delivery, encode, make
from scenarios.moving_day import EDITED_PIN, Story
from scenarios.world import World


async def in_order(world: World) -> None:
    """Deliver each event once, as it happened."""
    await world.settle()


async def twice(world: World) -> None:
    """Deliver each event, and then all of them once more."""
    world.account.outbox.extend(list(world.account.outbox))
    await world.settle()


async def twice_with_other_ids(world: World) -> None:
    """Deliver each event twice in a row, the second time under another id."""
    for delivery in list(world.account.outbox):
        world.account.duplicate(delivery, new_id=True)
    await world.settle()


async def backwards(world: World) -> None:
    """Deliver the newest event first."""
    world.account.reverse_outbox()
    await world.settle()


async def shuffled(world: World) -> None:
    """Deliver in no order, working after each one."""
    world.account.shuffle_outbox(7)
    await one_by_one(world)


async def one_by_one(world: World) -> None:
    """Work after each single event."""
    for delivery in _taken(world):
        await world.account.send(delivery)
        await world.service.worker.settle()
    await world.settle()


async def with_a_restart_before_work(world: World) -> None:
    """Stop between the answer 200 and the work; another process finds everything."""
    await world.account.deliver()
    await world.restart()
    await world.settle()


async def with_restarts_between_events(world: World) -> None:
    """Restart halfway through the events, with work done and work left."""
    deliveries = _taken(world)
    half = len(deliveries) // 2
    for delivery in deliveries[:half]:
        await world.account.send(delivery)
    await world.service.worker.settle()
    for delivery in deliveries[half:]:
        await world.account.send(delivery)
    await world.restart()
    await world.settle()


def _taken(world: World) -> list[Delivery]:
    taken, world.account.outbox[:] = list(world.account.outbox), []
    return taken


@pytest.mark.parametrize(
    "deliver",
    [
        in_order,
        twice,
        twice_with_other_ids,
        backwards,
        shuffled,
        with_a_restart_before_work,
        with_restarts_between_events,
    ],
)
async def test_the_order_and_number_of_deliveries_does_not_change_the_end(
    acme: World, deliver: Callable[[World], Awaitable[None]]
) -> None:
    """However the events of the story arrive, doors, PINs and flags end as written by hand."""
    story = Story(world=acme)
    await story.tell(deliver)
    assert story.expected() == acme.final_state()
    assert acme.pin_of(story.rentals["David"]) == EDITED_PIN


async def test_old_events_sent_again_at_the_end_change_nothing(acme: World) -> None:
    """All deliveries of the story, replayed newest first when it is over, lead to no write."""
    story = Story(world=acme)
    await story.tell(in_order)
    for delivery, _ in reversed(list(acme.account.sent)):
        acme.account.replay(delivery)
    acme.forget_requests()
    await acme.settle()
    assert acme.writes == []
    assert story.expected() == acme.final_state()


FORMS: dict[str, Knobs] = {
    "only the job": Knobs(data_form="job_only", changed_keys=False),
    "only the job, which names its rentals in steps": Knobs(
        data_form="job_only", job_fields="steps", job_owner_is_api_user=True
    ),
    "only the job, which has no result": Knobs(data_form="job_only", job_fields="data"),
    "rental ids, objects, a list": Knobs(
        data_form="ids_only", transfer_ids="object", overdue_form="unitRentalIds", changed_keys=False
    ),
    "everything, and more events": Knobs(transfer_extra_events=True),
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("form", FORMS)
async def test_every_form_of_the_data_leads_to_the_same_end(acme: World, form: str) -> None:
    """Job id or rental ids, text or objects, one or a list: the story ends the same."""
    acme.account.knobs = FORMS[form]
    story = Story(world=acme)
    await story.tell(in_order)
    assert story.expected() == acme.final_state()


async def test_events_without_id_on_the_old_address_lead_to_the_same_end(acme: World) -> None:
    """No event id, rentals in a comma-separated text, and the address with `businessCode`: the story ends the same."""
    acme.account.webhook_url = f"{acme.url}/webhooks/storeganise?businessCode=acme"
    acme.account.knobs = Knobs(data_form="ids_only", overdue_form="unitRentalIds")

    async def rewritten(world: World) -> None:
        world.account.outbox[:] = [_rewritten(delivery) for delivery in world.account.outbox]
        await world.settle()

    story = Story(world=acme)
    await story.tell(rewritten)
    assert story.expected() == acme.final_state()
    assert {200} == {status for _, status in acme.account.sent}


def _rewritten(delivery: Delivery) -> Delivery:
    """Take the id away and write lists of rentals as one text."""
    envelope: dict[str, Any] = json.loads(delivery.body)
    envelope.pop("id")
    if isinstance(rentals := envelope["data"].get("unitRentalIds"), list):
        envelope["data"]["unitRentalIds"] = ",".join(rentals)
    fresh = make(ident=delivery.id, kind=delivery.type, body=encode(envelope), listener=delivery.listener)
    return replace(delivery, body=fresh.body, headers=fresh.headers)


async def test_a_delivery_sent_again_after_a_restart_is_known(acme: World) -> None:
    """The same event, sent again to a new process, is answered 200 and leaves one row in the inbox."""
    rental = acme.move_in("A1")
    delivery = acme.account.outbox[-1]
    await acme.settle()
    before = len(await acme.service.inbox.recent(100))
    await acme.restart()
    assert await acme.account.send(delivery) == 200
    await acme.settle()
    assert before == len(await acme.service.inbox.recent(100))
    assert acme.door("A1", acme.pin_of(rental)) == "approved"
