"""The business that demo and benchmarks start from."""

from __future__ import annotations

from datetime import UTC, datetime

from keyturn.clock import MovableClock
from keyturn.providers.sensorberg.simulator import SensorbergSimulator
from keyturn.simulation.operator import Operator, believable_operator
from keyturn.storeganise.simulator import StoreganiseSimulator

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def seeded() -> tuple[Operator, StoreganiseSimulator, SensorbergSimulator]:
    clock = MovableClock(NOW)
    storeganise, sensorberg = StoreganiseSimulator(clock), SensorbergSimulator(clock)
    operator = believable_operator(storeganise, sensorberg, webhook_url="http://127.0.0.1:1/", webhook_secret="s")
    return operator, storeganise, sensorberg


def test_the_business_is_the_same_in_every_run() -> None:
    """The same clock gives the same ids, people and PINs."""
    _, one, other_one = seeded()
    _, two, other_two = seeded()

    assert (one.snapshot(), other_one.snapshot()) == (two.snapshot(), other_two.snapshot())


def test_the_business_has_a_believable_size() -> None:
    """Two sites, forty units with a group each, twenty-five tenants, fifteen of them renting."""
    operator, _, sensorberg = seeded()
    mapped = {operator.account.unit(unit)["customFields"]["sensorberg_id"] for unit in operator.units}

    assert (len(operator.sites), len(operator.units), len(operator.tenants)) == (2, 40, 25)
    assert (len(operator.occupied), len(operator.free_units), len(operator.prospects)) == (15, 25, 10)
    assert mapped == set(sensorberg.groups)


def test_whoever_rents_can_open_and_nobody_else() -> None:
    """PIN fields, codes and memberships agree, so each tenant opens exactly their own door."""
    operator, _, sensorberg = seeded()
    account = operator.account
    for rental in operator.occupied:
        record = account.rental(rental)
        group = account.unit(record["unitId"])["customFields"]["sensorberg_id"]
        pin = record["customFields"]["sensorberg_pin"]

        assert pin == account.user(record["ownerId"])["customFields"]["sensorberg_pin"]
        assert sensorberg.try_door(group, pin=pin).user == record["ownerId"]

    assert len(set(operator.pins.values())) == len(operator.occupied) == len(sensorberg.memberships)


def test_the_past_sends_no_webhooks() -> None:
    """Nothing is queued for what happened before the integration was set up; from then on it is."""
    operator, _, _ = seeded()
    before = len(operator.account.outbox)
    operator.account.mark_overdue(operator.occupied[0])

    assert (before, [d.type for d in operator.account.outbox]) == (0, ["unitRental.markOverdue"])


def test_rentals_were_made_before_they_started() -> None:
    """A rental of last month was not created today."""
    operator, _, _ = seeded()
    records = [operator.account.rental(rental) for rental in operator.occupied]

    assert all(record["created"][:10] < record["startDate"] < "2026-02-01" for record in records)
