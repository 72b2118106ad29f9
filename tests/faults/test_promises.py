"""What is promised of single faults, beyond that everything is right afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from histories.dice import dice
from histories.host import Host
from histories.loop import run
from histories.network import Listener, MemoryHttpClient, Network
from histories.world import SENSORBERG, STOREGANISE, Plan, World, play
from keyturn.errors import Unavailable
from keyturn.simulation.exchange import Call
from keyturn.simulation.faults import Fault
from keyturn.storeganise.simulator import Account
from keyturn.upstream.http import Operation

MINUTE = 60.0


def _told(story: Callable[[World], Awaitable[None]], *, businesses: int = 1, at_once: int = 2) -> World:
    return play(Plan(seed=3, businesses=businesses, pump=at_once, timing={"delta_every": "12h"}), story)


def _move_in(world: World, unit: str, *, account: Account | None = None, site: str | None = None) -> str:
    """Let a new tenant move into a new unit; return the rental."""
    account = account or world.accounts[0]
    site = site or account.add_site(f"Site of {unit}", {"securitySystem": "sensorberg"})
    group = world.sensorberg.add_group(unit)
    tenant = account.add_user("Jo", "Kay", f"{unit}@example.com")
    return account.move_in(tenant, account.add_unit(site, unit, {"sensorberg_id": group}), account.today())


def _opens(world: World, rental: str, unit: str, account: Account | None = None) -> bool:
    pin = (account or world.accounts[0]).table["rentals"][rental]["customFields"].get("sensorberg_pin")
    return bool(pin) and world.sensorberg.try_door(unit, pin=pin).opened


async def _rest() -> None:
    await asyncio.sleep(MINUTE)


def test_a_busy_account_holds_up_no_other_business() -> None:
    """F1: one account asks to be left alone for ten minutes; another business is served at once, it afterwards."""

    async def story(world: World) -> None:
        one, two = world.accounts
        busy = Fault.status(429, retry_after="600")
        world.storeganise.faults.add(route="*", fault=busy, account=one.code, times=1)
        waits, goes_on = _move_in(world, "one", account=one), _move_in(world, "two", account=two)
        await _rest()

        assert [_opens(world, waits, "one", one), _opens(world, goes_on, "two", two)] == [False, True]

        await asyncio.sleep(10 * MINUTE)

        assert _opens(world, waits, "one", one)

    _told(story, businesses=2)


def test_after_a_pause_whoever_left_is_out_first_of_all() -> None:
    """F1: Sensorberg asks to be left alone while a tenant leaves and others come: two seconds after it he is out."""

    async def story(world: World) -> None:
        leaver = _move_in(world, "old")
        await _rest()
        pin = world.accounts[0].table["rentals"][leaver]["customFields"]["sensorberg_pin"]
        world.sensorberg.faults.add(route="*", fault=Fault.status(429, retry_after="60"), times=1)
        _move_in(world, "first")
        await world.sensorberg.journal.until(lambda: any(one.status == 429 for one in world.sensorberg.journal.entries))
        for number in range(20):
            _move_in(world, f"new {number}")
        world.accounts[0].move_out(leaver)
        await asyncio.sleep(59)

        assert world.sensorberg.try_door("old", pin=pin).opened

        await asyncio.sleep(3)

        assert not world.sensorberg.try_door("old", pin=pin).opened

    _told(story)


@pytest.mark.parametrize("name", [STOREGANISE, SENSORBERG])
def test_a_refused_connection_loses_nothing(name: str) -> None:
    """F4: nobody listens at a service for its next connections; a minute later all is done."""

    async def story(world: World) -> None:
        world.network.refuse(name, 3)
        rental = _move_in(world, "A1")
        await _rest()

        assert (world.network.refused, _opens(world, rental, "A1")) == (3, True)

    _told(story)


class _Dripping(asyncio.Protocol):
    """Answers one byte a second for ever."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, _: bytes) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n[")
        self._drip()

    def _drip(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b" ")
            asyncio.get_running_loop().call_later(1, self._drip)


def test_an_answer_byte_by_byte_is_given_up() -> None:
    """F6: the limit for the whole counts, however lively the answer is."""

    async def story() -> float:
        network = Network(dice(3), latency_s=0.02, late_s=0)
        network.listen("slow.example", Listener(factory=_Dripping))
        async with MemoryHttpClient(network, Host("one"), ("slow.example",)) as http:
            with pytest.raises(Unavailable, match="no answer in time"):
                await http.request(
                    "GET", "https://slow.example/", operation=Operation("the slow one", "read"), headers={}
                )
        return asyncio.get_running_loop().time()

    assert 14 <= run(story()) <= 16


def test_a_token_that_ends_is_fetched_once_for_all() -> None:
    """F16: all tokens end while twenty tenants move in; one new one serves them all."""

    async def story(world: World) -> None:
        _move_in(world, "before")
        await _rest()
        world.sensorberg.revoke_tokens()
        rentals = {f"A{number}": _move_in(world, f"A{number}") for number in range(20)}
        await _rest()

        assert [unit for unit, rental in rentals.items() if not _opens(world, rental, unit)] == []
        assert world.sensorberg.tokens_issued == 2

    _told(story)


@pytest.mark.parametrize(
    ("service", "refused_calls"), [("Storeganise", "*"), ("Sensorberg", "*"), ("Sensorberg", "[mu]*")]
)
def test_refused_credentials_cause_no_storm(service: str, refused_calls: str) -> None:
    """F17: credentials or all tokens are refused for ten minutes: one call for each of those who were under way.

    Besides that, one fresh token and one more try. All is done afterwards.
    """

    async def story(world: World) -> None:
        simulator = world.storeganise if service == "Storeganise" else world.sensorberg
        await _rest()
        refused = simulator.faults.add(route=refused_calls, fault=Fault.status(401), times=None)
        mark = simulator.journal.mark()
        rentals = {f"A{number}": _move_in(world, f"A{number}") for number in range(5)}
        await asyncio.sleep(10 * MINUTE)

        assert 1 <= len(simulator.journal.since(mark)) <= len(rentals) + 2

        refused.remove()
        await asyncio.sleep(16 * MINUTE)

        assert [unit for unit, rental in rentals.items() if not _opens(world, rental, unit)] == []

    _told(story)


def test_refused_credentials_of_sensorberg_are_told_within_a_minute() -> None:
    """F17: staff find a task."""

    async def story(world: World) -> None:
        world.sensorberg.faults.add(route="*", fault=Fault.status(401), times=None)
        _move_in(world, "A1")
        await _rest()

        assert len(world.accounts[0].tasks) == 1

    _told(story)


def test_what_is_forbidden_at_one_site_holds_up_no_other() -> None:
    """F18: Sensorberg answers 403 to whatever is about one site; the other one is served, and this one afterwards."""

    async def story(world: World) -> None:
        mine: list[str] = []

        def is_about_it(call: Call) -> bool:
            return any(ident in call.path or ident.encode() in call.body for ident in mine)

        forbidden = world.sensorberg.faults.add(route="[mu]*", fault=Fault.status(403), times=None, when=is_about_it)
        parked, served = _move_in(world, "parked"), _move_in(world, "served")
        record = world.accounts[0].table["rentals"][parked]
        mine += [record["id"], record["ownerId"]]
        await _rest()

        assert [_opens(world, parked, "parked"), _opens(world, served, "served")] == [False, True]

        forbidden.remove()
        await asyncio.sleep(61 * MINUTE)

        assert _opens(world, parked, "parked")

    _told(story)


def test_a_thousand_copies_of_a_webhook_are_one_delivery() -> None:
    """F20: all at once; each is answered 200, and a handful of looks comes of them."""

    async def story(world: World) -> None:
        account = world.accounts[0]
        rental = _move_in(world, "A1")
        await _rest()
        account.edit_rental(rental, labels=["another"])
        copy = account.outbox[-1]
        for _ in range(999):
            account.duplicate(copy)
        mark, answered = world.storeganise.journal.mark(), len(account.sent)
        await _rest()

        answers = [status for delivery, status in account.sent[answered:] if delivery.id == copy.id]
        reads = world.storeganise.journal.since(mark)
        assert answers == [200] * 1000
        assert len(reads) <= 20
        with world.database.engine.connect() as connection:
            kept = connection.exec_driver_sql("select count(*) from deliveries where event_id = ?", (copy.id,))

            assert kept.scalar() == 1

    _told(story, at_once=1000)


def test_our_own_writes_come_back_once() -> None:
    """F34: an overlock sends two webhooks, the event and the echo of one write, and then nothing more."""

    async def story(world: World) -> None:
        account = world.accounts[0]
        rental = _move_in(world, "A1")
        await _rest()
        mark, before = world.storeganise.journal.mark(), len(account.sent)
        account.mark_overdue(rental)
        await asyncio.sleep(timedelta(hours=1).total_seconds())

        writes = [one.route for one in world.storeganise.journal.since(mark) if one.method != "GET"]
        assert (writes, len(account.sent) - before) == (["unit-rentals.put"], 2)

    _told(story)


def test_eight_hours_without_anybody_listening_lose_nothing() -> None:
    """F24: Storeganise gives up on its webhooks meanwhile; the sweep at the start finds what they were about."""

    async def story(world: World) -> None:
        account = world.accounts[0]
        stays, leaves = _move_in(world, "stays"), _move_in(world, "leaves")
        await _rest()
        pin = account.table["rentals"][leaves]["customFields"]["sensorberg_pin"]
        world.machines[0].host.crash()
        comes = _move_in(world, "comes")
        account.move_out(leaves)
        account.mark_overdue(stays)
        await asyncio.sleep(8 * 60 * MINUTE)

        assert account.failed

        world.start_machine()
        await asyncio.sleep(5 * MINUTE)

        assert [_opens(world, stays, "stays"), _opens(world, comes, "comes")] == [False, True]
        assert not world.sensorberg.try_door("leaves", pin=pin).opened

    _told(story)
