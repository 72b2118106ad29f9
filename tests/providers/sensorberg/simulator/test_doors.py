"""What doors do with a code."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyturn.clock import MovableClock
from keyturn.providers.sensorberg.simulator import DoorAnswer, Knobs, SensorbergSimulator
from providers.sensorberg.simulator.tenant_client import NOW

HOUR = timedelta(hours=1)


def tenant(knobs: Knobs | None = None) -> SensorbergSimulator:
    sim = SensorbergSimulator(MovableClock(NOW), knobs)
    sim.add_group("g1")
    sim.add_group("g2")
    sim.add_user("u1", "Ada", "ada@example.com", "123456")
    sim.add_membership("r1", "u1", "g1", NOW, NOW + HOUR)
    return sim


def test_three_answers() -> None:
    """A code opens its holder's groups, is denied at others, and an unknown code is nobody's."""
    sim = tenant()

    assert sim.try_door("g1", pin="123456") == DoorAnswer(state="approved", user="u1")
    assert sim.try_door("g2", pin="123456") == DoorAnswer(state="denied", user="u1")
    assert sim.try_door("g1", pin="000000") == DoorAnswer(state="unauthorized", user=None)


@pytest.mark.parametrize(
    ("rule", "seconds", "opened"),
    [
        ("half_open", -1, False),
        ("half_open", 0, True),
        ("half_open", 3599, True),
        ("half_open", 3600, False),
        ("closed", 3600, True),
        ("closed", 3601, False),
    ],
)
def test_a_window_opens_at_its_start(rule: str, seconds: int, opened: bool) -> None:  # noqa: FBT001  # a table's column
    """The first instant opens, the end no longer, unless the tenant counts it in."""
    sim = tenant(Knobs(window_rule="closed" if rule == "closed" else "half_open"))

    assert sim.try_door("g1", pin="123456", at=NOW + timedelta(seconds=seconds)).opened is opened


def test_any_window_of_any_holder_opens() -> None:
    """With equal codes or several memberships, one that fits is enough."""
    sim = tenant()
    sim.add_user("u2", "Bob", "bob@example.com", "123456")
    sim.add_membership("r2", "u2", "g2", NOW)

    assert sim.try_door("g2", pin="123456") == DoorAnswer(state="approved", user="u2")


def test_doors_may_learn_late() -> None:
    """With a propagation delay a door goes on with what it knew, for opening and for closing."""
    clock = MovableClock(NOW)
    sim = SensorbergSimulator(clock, Knobs(propagation_delay_s=60))
    sim.add_group("g1")
    sim.add_user("u1", "Ada", "ada@example.com", "123456")
    sim.add_membership("r1", "u1", "g1", NOW)
    at_once = sim.try_door("g1", pin="123456").state
    clock.advance(timedelta(seconds=60))
    later = sim.try_door("g1", pin="123456").state
    sim.delete_membership("r1")
    still = sim.try_door("g1", pin="123456").state
    clock.advance(timedelta(seconds=60))

    assert (at_once, later, still, sim.try_door("g1", pin="123456").state) == (
        "unauthorized",
        "approved",
        "approved",
        "denied",
    )


def test_an_offline_lock_keeps_what_it_knew() -> None:
    """An offline door knows nothing new until its next contact."""
    sim = tenant()
    sim.take_offline("g1")
    sim.delete_membership("r1")
    offline = sim.try_door("g1", pin="123456").opened
    sim.contact("g1")

    assert (offline, sim.try_door("g1", pin="123456").opened) == (True, False)


def test_doors_follow_sensorbergs_clock() -> None:
    """A skewed clock moves the window."""
    sim = tenant(Knobs(clock_skew_s=7200))

    assert (sim.now(), sim.try_door("g1", pin="123456").opened) == (NOW + 2 * HOUR, False)


def test_a_removed_group_closes_its_doors() -> None:
    """Without the group there is no membership in it; a cleared code is nobody's."""
    sim = tenant()
    sim.remove_group("g1")
    closed = sim.try_door("g1", pin="123456").state
    sim.set_code("u1", None)

    assert (closed, sim.try_door("g1", pin="123456").state, sim.rows) == ("denied", "unauthorized", [])


async def test_changes_can_be_waited_for() -> None:
    """Every change is announced, so nobody has to poll for a door to open."""
    sim = tenant()
    heard: list[bool] = []
    sim.on_change = lambda: heard.append(sim.try_door("g2", pin="123456").opened)
    sim.add_membership("r2", "u1", "g2", NOW)
    await sim.until(lambda: sim.try_door("g2", pin="123456").opened)

    assert heard == [True]


def test_the_snapshot_compares_two_runs() -> None:
    """Users with codes and memberships with windows, and nothing else."""
    assert (
        tenant().snapshot()
        == tenant().snapshot()
        == {
            "users": {"u1": {"code": "123456"}},
            "memberships": {
                "r1": {
                    "user": "u1",
                    "group": "g1",
                    "starts_at": "2026-03-01T09:00:00+00:00",
                    "ends_at": "2026-03-01T10:00:00+00:00",
                }
            },
        }
    )


def test_codes_do_not_show_in_a_repr() -> None:
    """A user's code, name and e-mail are hidden."""
    assert not {"123456", "Ada", "ada@example.com"} & set(repr(tenant().users["u1"]).replace("'", " ").split())
