"""When an upstream is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keyturn.clock import MovableClock
from keyturn.errors import CredentialsRejected, HostNotAllowed, NotFound, Refused, Unavailable
from keyturn.upstream.circuit import Circuit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAP = timedelta(minutes=15)


class _World:
    def __init__(self) -> None:
        self.clock = MovableClock(NOW)
        self.circuit = Circuit("sensorberg", self.clock, CAP)

    def fails(self, *, times: int = 1, same: bool = False) -> None:
        for number in range(times):
            self.circuit.failed(Unavailable("sensorberg", "x", "answered 502"), "same" if same else str(number))

    def busy(self, retry_after: timedelta | None = None) -> None:
        error = Unavailable("sensorberg", "x", "answered 429", retry_after=retry_after, pauses=True)
        self.circuit.failed(error, "a")

    def pause(self) -> timedelta:
        until = self.circuit.paused_until
        return timedelta() if until is None else until - self.clock.now()

    def passes(self, by: timedelta) -> None:
        self.clock.advance(by)


@pytest.fixture
def world() -> _World:
    return _World()


def test_open_at_first(world: _World) -> None:
    """A new circuit lets calls through."""
    world.circuit.check("create a user")
    assert (world.circuit.paused_until, world.circuit.reason) == (None, None)


def test_busy_with_retry_after(world: _World) -> None:
    """429 and 503 pause for as long as they ask."""
    world.busy(timedelta(seconds=7))
    assert (world.pause(), world.circuit.reason) == (timedelta(seconds=7), "busy")


def test_check_tells_the_rest_of_the_pause(world: _World) -> None:
    """A call during a pause is not made, and is told when to come back."""
    world.busy(timedelta(seconds=7))
    world.passes(timedelta(seconds=3))
    with pytest.raises(Unavailable) as caught:
        world.circuit.check("create a user")
    assert caught.value.retry_after == timedelta(seconds=4)
    world.passes(timedelta(seconds=4))
    world.circuit.check("create a user")


def test_retry_after_is_capped(world: _World) -> None:
    """Nobody can send us away for a day."""
    world.busy(timedelta(days=1))
    assert world.pause() == CAP


def test_busy_without_retry_after_grows(world: _World) -> None:
    """Without `Retry-After` each pause is twice the one before, up to the cap."""
    seen = []
    for _ in range(12):
        world.busy()
        seen.append(world.pause().total_seconds())
        world.passes(world.pause())
    assert seen == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_success_forgets(world: _World) -> None:
    """After a success the pauses start small again."""
    for _ in range(5):
        world.busy()
        world.passes(world.pause())
    world.circuit.succeeded()
    world.busy()
    assert world.pause() == timedelta(seconds=1)


def test_answers_to_calls_under_way_do_not_grow_the_pause(world: _World) -> None:
    """Thirty calls refused at the same moment are one reason to pause."""
    for _ in range(30):
        world.busy()
    assert world.pause() == timedelta(seconds=1)
    world.passes(world.pause())
    world.busy()
    assert world.pause() == timedelta(seconds=2)


def test_late_success_does_not_end_a_pause(world: _World) -> None:
    """A call that left before the pause says nothing about it."""
    world.busy(timedelta(seconds=60))
    world.circuit.succeeded()
    assert world.pause() == timedelta(seconds=60)


def test_shorter_wish_does_not_shorten(world: _World) -> None:
    """The longest wish counts."""
    world.busy(timedelta(seconds=60))
    world.busy(timedelta(seconds=2))
    assert world.pause() == timedelta(seconds=60)


def test_five_different_failures(world: _World) -> None:
    """Five failures in a row on different subjects are an outage."""
    world.fails(times=4)
    assert world.pause() == timedelta()
    world.fails(times=5)
    assert (world.pause(), world.circuit.reason) == (timedelta(seconds=1), "failing")


def test_one_broken_record_is_no_outage(world: _World) -> None:
    """The same subject may fail for ever without stopping the others."""
    world.fails(times=50, same=True)
    assert world.pause() == timedelta()


@pytest.mark.parametrize("status", [404, 409, 422])
def test_refusal_is_an_answer(world: _World, status: int) -> None:
    """A refusal shows that the upstream works, so it ends a row of failures."""
    world.fails(times=4)
    kind = NotFound if status == 404 else Refused
    world.circuit.failed(kind("sensorberg", "x", "answered", status=status), "a")
    world.fails(times=4)
    assert world.pause() == timedelta()


def test_trial_after_an_outage(world: _World) -> None:
    """After the pause one failure is enough for the next, longer one."""
    world.fails(times=5)
    world.passes(timedelta(seconds=1))
    world.circuit.check("x")
    world.fails()
    assert world.pause() == timedelta(seconds=2)


def test_refused_credentials(world: _World) -> None:
    """Refused credentials are tried again every 15 minutes."""
    world.circuit.failed(CredentialsRejected("sensorberg", "x", "answered 401"), "a")
    assert (world.pause(), world.circuit.reason) == (timedelta(minutes=15), "credentials")
    world.passes(timedelta(minutes=15))
    world.circuit.check("x")
    world.circuit.failed(CredentialsRejected("sensorberg", "x", "answered 401"), "a")
    assert world.pause() == timedelta(minutes=15)


def test_forbidden_everywhere(world: _World) -> None:
    """403 on five different subjects in a row means the credentials, on one subject it does not."""
    for _ in range(9):
        world.circuit.failed(Refused("sensorberg", "x", "answered 403", status=403), "same")
    assert world.pause() == timedelta()
    for number in range(4):
        world.circuit.failed(Refused("sensorberg", "x", "answered 403", status=403), str(number))
    assert (world.pause(), world.circuit.reason) == (timedelta(minutes=15), "credentials")


def test_forbidden_may_mean_nothing() -> None:
    """For an installation's key, which does not see other sites, 403 is no refusal of the key."""
    clock = MovableClock(datetime(2026, 3, 1, tzinfo=UTC))
    circuit = Circuit("storeganise", clock, timedelta(minutes=15), forbidden_pauses=False)
    for number in range(9):
        circuit.failed(Refused("storeganise", "x", "answered 403", status=403), str(number))
    assert circuit.reason is None


def test_forbidden_here_and_there(world: _World) -> None:
    """A success in between says that the credentials are fine."""
    for number in range(20):
        world.circuit.failed(Refused("sensorberg", "x", "answered 403", status=403), str(number))
        if number % 4 == 3:
            world.circuit.succeeded()
    assert world.pause() == timedelta()


def test_address_that_is_not_allowed(world: _World) -> None:
    """What was never sent says nothing about the upstream."""
    for number in range(9):
        world.circuit.failed(HostNotAllowed("sensorberg", "x", "no"), str(number))
    assert world.pause() == timedelta()


def test_guard(world: _World) -> None:
    """The guard learns from how a call ends, passes its error on, and lets nothing through during a pause."""
    for number in range(5):
        with pytest.raises(Unavailable, match="502"), world.circuit.guard("x", str(number)):
            raise Unavailable("sensorberg", "x", "answered 502")
    with pytest.raises(Unavailable, match="paused"), world.circuit.guard("x", "a"):
        pytest.fail("the call was made")
    world.passes(timedelta(seconds=1))
    with world.circuit.guard("x", "a"):
        pass
    world.fails(times=4)
    assert world.pause() == timedelta()
