"""The machinery of the histories: virtual time, wires, crashes, and that a seed is a history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from histories.database import DatabaseServer, ServerConnection
from histories.dice import dice
from histories.history import history_of
from histories.host import Host
from histories.loop import LoopClock, NothingHappensError, run
from histories.network import Listener, Network
from histories.play import tell
from histories.world import SENSORBERG, START, Plan, World, play
from keyturn.core.ids import BusinessCode
from keyturn.core.work import DELTA_SWEEP
from keyturn.errors import DatabaseUnavailable
from keyturn.store.businesses import Businesses
from keyturn.store.work import Work

SOON = 30


def _unit(world: World) -> str:
    account = world.accounts[0]
    site = account.add_site("Site", {"securitySystem": "sensorberg"})
    return account.add_unit(site, "A1", {"sensorberg_id": world.sensorberg.add_group("A1")})


def _move_in(world: World) -> str:
    account = world.accounts[0]
    return account.move_in(account.add_user("Jo", "Kay", "jo@example.com"), _unit(world), account.today())


def _opens(world: World, rental: str) -> bool:
    pin = world.accounts[0].rental(rental)["customFields"].get("sensorberg_pin")
    return bool(pin) and world.sensorberg.try_door("A1", pin=pin).opened


def _later(happens: Callable[[], object]) -> None:
    asyncio.get_running_loop().call_later(1, happens)


def test_time_jumps() -> None:
    async def story() -> timedelta:
        clock = LoopClock(START)
        before = clock.now()
        await asyncio.sleep(30 * 86400)
        return clock.now() - before

    assert run(story()) == timedelta(days=30)


def test_nobody_waits_for_ever() -> None:
    async def story() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingHappensError):
        run(story())


def test_a_tenant_gets_a_door() -> None:
    async def story(world: World) -> None:
        rental = _move_in(world)
        await asyncio.sleep(SOON)
        assert _opens(world, rental)

    play(Plan(seed=1), story)


def test_a_seed_is_a_history() -> None:
    first, second = tell(history_of(3)), tell(history_of(3))

    assert first.log == second.log
    assert first.log
    assert history_of(3).steps != history_of(4).steps


def test_a_crashed_machine_does_nothing_more() -> None:
    async def story(world: World) -> None:
        await asyncio.sleep(SOON)
        world.machines[0].host.crash()
        rental = _move_in(world)
        await asyncio.sleep(SOON)
        assert not _opens(world, rental)
        assert not world.sensorberg.journal.entries
        world.start_machine()
        await asyncio.sleep(SOON)
        assert _opens(world, rental)

    play(Plan(seed=1), story)


@pytest.mark.parametrize("steps", range(20, 90, 7))
def test_a_crash_between_any_two_steps_heals(steps: int) -> None:
    async def story(world: World) -> None:
        host = world.machines[0].host
        await asyncio.sleep(SOON)
        host.crash_in = steps
        host.on_crash.append(lambda: _later(world.start_machine))
        rental = _move_in(world)
        await asyncio.sleep(10 * SOON)
        assert _opens(world, rental)
        assert len(world.sensorberg.rows) == 1

    play(Plan(seed=steps), story)


class _Listening(asyncio.Protocol):
    """Notes what it hears, and when."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str]] = []

    def data_received(self, data: bytes) -> None:
        self.heard.append((asyncio.get_running_loop().time(), data.decode()))

    def connection_lost(self, exc: Exception | None) -> None:
        self.heard.append((asyncio.get_running_loop().time(), type(exc).__name__))


def test_the_last_words_of_a_crashed_machine_come_late() -> None:
    async def story() -> list[tuple[float, str]]:
        network, machine, service = Network(dice(1), latency_s=0.1, late_s=30), Host("one"), _Listening()
        network.listen("service", Listener(factory=lambda: service))
        client = asyncio.Protocol()
        end = await network.connect("service", client, machine)
        end.write(b"first")
        await asyncio.sleep(1)
        end.write(b"last")
        machine.crash()
        with pytest.raises(asyncio.CancelledError):
            machine.step()
        end.write(b"never")
        await asyncio.sleep(60)
        return service.heard

    heard = run(story())
    assert [what for _, what in heard] == ["first", "last", "ConnectionResetError"]
    assert heard[0][0] < 1
    assert 3 < heard[1][0] <= heard[2][0] < 33


def test_connections_are_refused_on_demand() -> None:
    async def story(world: World) -> None:
        await asyncio.sleep(SOON)
        world.network.refuse(SENSORBERG, 2)
        rental = _move_in(world)
        await asyncio.sleep(4 * SOON)
        assert world.network.refused == 2
        assert _opens(world, rental)

    play(Plan(seed=1), story)


def test_a_database_that_is_away_answers_nobody() -> None:
    async def story() -> None:
        server = DatabaseServer(dice(1))
        connection = ServerConnection(server, Host("one"), LoopClock(START))
        server.go_away()
        with pytest.raises(DatabaseUnavailable):
            await connection.read(lambda c: c.execute(text("select 1")).scalar())
        server.come_back()
        assert await connection.read(lambda c: c.execute(text("select 1")).scalar()) == 1

    run(story())


def test_a_commit_is_told_to_the_others() -> None:
    async def story() -> None:
        server = DatabaseServer(dice(1))
        clock = LoopClock(START)
        heard: list[str] = []
        one, two = Host("one"), Host("two")
        server.hear(two, heard.append)
        server.hear(one, lambda _: heard.append("by the teller"))
        connection = ServerConnection(server, one, clock)
        await Businesses(connection).remember(BusinessCode("acme"), "https://acme.example/api", clock.now())
        await Work(connection).wake(BusinessCode("acme"), [DELTA_SWEEP], "a test")
        assert heard == ["acme"]

    run(story())
