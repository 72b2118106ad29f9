"""What goes wrong in a history: webhooks, services, tokens, wires, machines, the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from histories.deeds import Draws, pick
from histories.town import Town
from histories.world import SENSORBERG, STOREGANISE
from keyturn.simulation.faults import Fault, Planned
from keyturn.storeganise.simulator.envelope import Delivery

ONLY_A_HINT = ("unitRental.", "job.")
"""Events that may be lost: the rental itself says that it was changed, so a sweep finds it."""

FAULTS: dict[str, Callable[[], Fault]] = {
    "401": lambda: Fault.status(401),
    "403": lambda: Fault.status(403),
    "408": lambda: Fault.status(408),
    "429": lambda: Fault.status(429),
    "429 wait": lambda: Fault.status(429, retry_after="40"),
    "500": lambda: Fault.status(500),
    "500 after": lambda: Fault.status(500, applied=True),
    "502 html": lambda: Fault.html(502),
    "503": lambda: Fault.status(503, retry_after="5"),
    "504 after": lambda: Fault.status(504, applied=True),
    "html 200": lambda: Fault.html(200),
    "empty 200": lambda: Fault.empty(200),
    "truncated": Fault.truncated,
    "timeout before": Fault.timeout_before,
    "timeout after": Fault.timeout_after,
    "reset before": Fault.reset_before,
    "reset after": Fault.reset_after,
    "slow": lambda: Fault.delay(6),
}
"""What may happen to any call."""
REFUSALS: dict[str, Callable[[], Fault]] = {
    "409": lambda: Fault.status(409),
    "422": lambda: Fault.status(422),
}
"""Answers about the request itself: Sensorberg may give them to a membership call for reasons of its own."""
ROUTES_A = ("rentals.*", "users.*", "units.*", "sites.*", "jobs.*", "*")
ROUTES_B = ("memberships.post", "memberships.put", "memberships.delete", "users.post", "users.code", "users.*", "*")


class Mishaps:
    """Lets things go wrong in a town."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self._planned: list[tuple[str, Planned]] = []
        self._blind = False
        self._late_until = 0.0

    @property
    def blind(self) -> bool:
        """Whether an event was lost, so that only a sweep can find what it was about."""
        return self._blind or any(account.failed for account in self.town.world.accounts)

    @blind.setter
    def blind(self, value: bool) -> None:
        self._blind = value
        for account in self.town.world.accounts:
            account.failed[:] = [d for d in account.failed if not d.type.startswith(ONLY_A_HINT)]

    @property
    def may_come_late(self) -> bool:
        """Whether a call that nobody waits for any more may still take effect, or has just done so."""
        return asyncio.get_running_loop().time() < self._late_until

    def _lately(self, seconds: float) -> None:
        self._late_until = max(self._late_until, asyncio.get_running_loop().time() + seconds)

    # Webhooks

    def lose(self, draws: Draws) -> bool:
        """The newest waiting webhook is never delivered."""
        found = self._waiting(ONLY_A_HINT, draws)
        if found is None:
            return False
        self.town.world.accounts[found[0]].outbox.remove(found[1])
        self._blind = True
        return True

    def repeat(self, draws: Draws) -> bool:
        """A webhook is delivered twice, with the same id or another one."""
        found = self._waiting((), draws)
        if found is None:
            return False
        self.town.world.accounts[found[0]].duplicate(found[1], new_id=draws[1] < 0.3)
        return True

    def reorder(self, draws: Draws) -> bool:
        """Waiting webhooks overtake each other."""
        account = pick(self.town.world.accounts, draws[0])
        if account is None or len(account.outbox) < 2:
            return False
        account.shuffle_outbox(int(draws[1] * 1000))
        return True

    def hold_back(self, draws: Draws) -> bool:
        """A webhook comes an hour late."""
        found = self._waiting((), draws)
        if found is None:
            return False
        account = self.town.world.accounts[found[0]]
        account.outbox.remove(found[1])
        late = timedelta(seconds=60 + draws[2] * 3600)
        account.outbox.append(replace(found[1], due_at=self.town.world.clock.now() + late))
        return True

    def replay(self, draws: Draws) -> bool:
        """Somebody who has kept old webhooks sends some again."""
        account = pick(self.town.world.accounts, draws[0])
        if account is None or not account.sent:
            return False
        for draw in draws[1:]:
            account.replay(account.sent[int(draw * len(account.sent))][0])
        return True

    # Services

    def fail(self, draws: Draws) -> bool:
        """The next few calls of some kind end in some way."""
        at_sensorberg = draws[0] < 0.6
        service = self.town.world.sensorberg if at_sensorberg else self.town.world.storeganise
        route = pick(ROUTES_B if at_sensorberg else ROUTES_A, draws[1]) or "*"
        kinds = dict(FAULTS)
        if at_sensorberg and route.startswith("memberships"):
            kinds |= REFUSALS
        name = pick(sorted(kinds), draws[2]) or "500"
        times = 1 + int(draws[3] * 4)
        planned = service.faults.add(route=route, fault=kinds[name](), times=times)
        self._planned.append((name, planned))
        return True

    def hang(self, draws: Draws) -> bool:
        """The next change of a membership or a PIN is stuck for longer than anybody waits, and then happens."""
        route = pick(("memberships.post", "memberships.put", "memberships.delete", "users.code"), draws[0]) or "*"
        planned = self.town.world.sensorberg.faults.add(route=route, fault=Fault.delay(16 + draws[1] * 25), times=1)
        self._planned.append(("stuck", planned))
        self._lately(24 * 3600)
        return True

    def outage(self, draws: Draws) -> bool:
        """A service does not answer for some minutes."""
        service = self.town.world.sensorberg if draws[0] < 0.5 else self.town.world.storeganise
        planned = service.faults.add(route="*", fault=Fault.status(503), times=None)
        self._planned.append(("outage", planned))
        asyncio.get_running_loop().call_later(30 + 600 * draws[1], planned.remove)
        return True

    def forbid(self, draws: Draws) -> bool:
        """Sensorberg refuses the credentials for some minutes."""
        planned = self.town.world.sensorberg.faults.add(route="[mu]*", fault=Fault.status(401), times=None)
        self._planned.append(("forbidden", planned))
        asyncio.get_running_loop().call_later(60 + 900 * draws[0], planned.remove)
        return True

    def end_tokens(self, draws: Draws) -> bool:
        """All tokens of Sensorberg end at once."""
        (self.town.world.sensorberg.revoke_tokens if draws[0] < 0.5 else self.town.world.sensorberg.expire_tokens)()
        return True

    def refuse(self, draws: Draws) -> bool:
        """The next connections are refused."""
        self.town.world.network.refuse(SENSORBERG if draws[0] < 0.5 else STOREGANISE, 1 + int(draws[1] * 3))
        return True

    def hide(self, draws: Draws) -> bool:
        """The key may not see a rental for a while, though its unit still names it."""
        found = pick(self.town.rentals("occupied"), draws[0])
        if found is None:
            return False
        account, rental = found
        account.hidden.add(rental["id"])
        self.town.was_hidden.add(rental["id"])
        asyncio.get_running_loop().call_later(60 + 1800 * draws[1], account.hidden.discard, rental["id"])
        account.edit_rental(rental["id"], labels=[str(draws[2])])
        return True

    # Machines

    def crash(self, draws: Draws) -> bool:
        """A machine crashes within the next few things it does; another one starts a while after."""
        machine = pick(self.town.world.running, draws[0])
        if machine is None:
            return False
        loop = asyncio.get_running_loop()
        machine.host.crash_in = 1 + int(draws[1] * 60)
        machine.host.on_crash.append(lambda: self._crashed(loop, draws[2]))
        return True

    def stand_still(self, draws: Draws) -> bool:
        """The machine at work next stands still for longer than its lease, and goes on as if no time had passed."""
        if len(self.town.world.running) == 1:
            self.town.world.start_machine()
        self._lately(250)
        self._watch_for_work(draws, tries=100)
        return True

    def _watch_for_work(self, draws: Draws, tries: int) -> None:
        loop, busy = asyncio.get_running_loop(), self.town.world.at_work
        if busy:
            loop.call_later(draws[2] * 0.1, busy[0].host.sleep, 16 + draws[1] * 50)
        elif tries:
            loop.call_later(0.02, self._watch_for_work, draws, tries - 1)

    def second_machine(self, _draws: Draws) -> bool:
        """One more machine starts."""
        if len(self.town.world.running) > 1:
            return False
        self.town.world.start_machine()
        return True

    def lose_database(self, draws: Draws) -> bool:
        """The database answers nobody for a while."""
        self.town.world.database.go_away()
        asyncio.get_running_loop().call_later(0.5 + 60 * draws[0] ** 3, self.town.world.database.come_back)
        return True

    # The end of it

    def end(self) -> None:
        """From now on everything works; what happened is counted."""
        world = self.town.world
        world.storeganise.faults.clear()
        world.sensorberg.faults.clear()
        world.network.allow_all()
        if world.database.away:
            world.database.come_back()
        for account in world.accounts:
            account.hidden.clear()
        for machine in world.running:
            machine.host.crash_in = None
        if not world.running:
            world.start_machine()
        for name, planned in self._planned:
            self.town.done[f"fault {name}"] += planned.fired
        self._planned.clear()
        self._send_again()

    @property
    def harmless(self) -> bool:
        """Whether nothing that was planned can still happen."""
        world = self.town.world
        planned = world.storeganise.faults.planned or world.sensorberg.faults.planned
        hidden = any(account.hidden for account in world.accounts)
        return not (planned or hidden or world.database.away)

    def _send_again(self) -> None:
        """What Storeganise gave up on and no sweep can find is sent again, as the alert mail asks for."""
        for account in self.town.world.accounts:
            given_up = [d for d in account.failed if not d.type.startswith(ONLY_A_HINT)]
            account.failed.clear()
            for delivery in given_up:
                account.replay(delivery)

    def _crashed(self, loop: asyncio.AbstractEventLoop, draw: float) -> None:
        self._lately(200)
        self.town.done["crashed"] += 1
        self.town.done["crashed beside another"] += bool(self.town.world.running)
        loop.call_later(0.5 + draw * 60, self._replace)

    def _replace(self) -> None:
        if not self.town.world.running:
            self.town.world.start_machine()

    def _waiting(self, kinds: tuple[str, ...], draws: Draws) -> tuple[int, Delivery] | None:
        waiting = [
            (number, delivery)
            for number, account in enumerate(self.town.world.accounts)
            for delivery in account.outbox
            if not kinds or delivery.type.startswith(kinds)
        ]
        return pick(waiting, draws[0])
