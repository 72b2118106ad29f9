"""One story told in several places at once, in each of which another kind of call goes wrong.

A place is a site with one tenant, to whom things happen in which calls of its kind are made: see `LIVES`. Before
each of them trouble is planned for the next two such calls about this place. Hours pass after it, so that whatever
has to be tried again is; then every door is tried, and every field is looked at.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

from histories.database import ServerConnection
from histories.host import Host
from histories.loop import LoopClock
from histories.world import Plan, World, play
from keyturn.core.ids import BusinessCode
from keyturn.core.work import DELTA_SWEEP, Kind, Subject
from keyturn.simulation.exchange import Call
from keyturn.simulation.faults import Fault, Planned
from keyturn.simulation.journal import Entry
from keyturn.store.work import Work

HOURS: Final = 5
JOBS, READS, TOKEN = "jobs.post", "reads", "oauth.token"
FIRST, SECOND = "A1", "A2"
PIN, LOCKED = "sensorberg_pin", "sensorberg_overlocked"


class Place:
    """A site and its tenant, and the kind of call that goes wrong when it is about them."""

    def __init__(self, world: World, number: int, route: str) -> None:
        self.route, self.number = route, number
        self.wrong: list[str] = []
        self.met = 0
        """How many calls went wrong."""
        self._world, self._account = world, world.accounts[0]
        self._site = self._account.add_site(f"Place {number}", {"securitySystem": "sensorberg"})
        groups = {unit: world.sensorberg.add_group(self._group(unit)) for unit in (FIRST, SECOND)}
        self._units = {
            unit: self._account.add_unit(self._site, unit, {"sensorberg_id": group}) for unit, group in groups.items()
        }
        self._tenant = self._account.add_user("Anna", "Müller", f"anna{number}@example.com")
        self._ids = {self._site, self._tenant, *self._units.values()}
        self._rentals: list[str] = []
        self._pins: list[str] = []
        self._pins_due = 1
        self._open: str | None = None

    def _group(self, unit: str) -> str:
        return f"{unit} of {self.number}"

    # What goes wrong

    def plan(self, fault: Fault) -> list[Planned]:
        """Let the next two calls of the place's kind go wrong."""
        route = "*" if self.route == READS else self.route
        when = None if self.route == TOKEN else self._is_meant
        services = (self._world.storeganise, self._world.sensorberg)
        return [service.faults.add(route=route, fault=fault, times=2, when=when) for service in services]

    def _is_meant(self, call: Call) -> bool:
        if (call.method == "GET") != (self.route == READS):
            return False
        said = call.path + str(call.query) + call.body.decode()
        return any(ident in said for ident in self._ids)

    # What happens

    def move_in(self) -> None:
        """A tenant moves in."""
        self._adopt(self._account.move_in(self._tenant, self._units[FIRST], self._account.today()))
        self._open = FIRST

    def move_in_where_no_group_is(self) -> None:
        """A tenant moves into a unit that nobody has given a group: staff are told."""
        self._account.edit_unit(self._units[FIRST], {"sensorberg_id": ""})
        self.move_in()
        self._open, self._pins_due = None, 0

    def enter_group(self) -> None:
        """Staff enter the group."""
        self._account.edit_unit(self._units[FIRST], {"sensorberg_id": self._group(FIRST)})
        self._open, self._pins_due = FIRST, 1

    def fall_behind(self) -> None:
        """The tenant has not paid."""
        self._account.mark_overdue(self._rentals[-1])
        self._open = None

    def pay(self) -> None:
        """The tenant pays."""
        self._account.pay(self._rentals[-1])
        self._open = FIRST

    def edit_pin(self) -> None:
        """Staff give the tenant another PIN, on the rental."""
        self._account.edit_rental(self._rentals[-1], {PIN: f"7392{self.number:02}"})
        self._pins_due += 1

    def transfer(self) -> None:
        """The tenant moves to the other unit."""
        self._adopt(self._account.transfer(self._rentals[-1], self._units[SECOND]))
        self._open = SECOND

    def move_out(self) -> None:
        """The tenant moves out."""
        self._account.move_out(self._rentals[-1])
        self._open = None

    def _adopt(self, rental: str) -> None:
        self._rentals.append(rental)
        self._ids.add(rental)

    # What must be true

    def said(self, what: str) -> None:
        """Note that something is wrong."""
        if what not in self.wrong:
            self.wrong.append(what)

    def watch_pins(self) -> None:
        """Note which PINs people see."""
        for record in self._records():
            pin = record["customFields"].get(PIN)
            if pin and pin not in self._pins:
                self._pins.append(pin)

    def look(self, when: str) -> None:
        """Try the doors and compare what is shown with what is in force."""
        opened = [unit for unit in (FIRST, SECOND) for _ in self._who_opens(unit)]
        if opened != [self._open] * (self._open is not None):
            self.said(f"after {when}: {opened or 'nothing'} opens, {self._open or 'nothing'} should")
        if len(self._pins) != self._pins_due:
            self.said(f"after {when}: the tenant was shown {len(self._pins)} PINs, not {self._pins_due}")
        for record in self._records():
            self._compare(record, when)

    @property
    def tasks(self) -> int:
        """How many tasks tell of a unit without a group."""
        jobs = [job["data"] for job in self._account.table["jobs"].values() if job["type"] == "task"]
        mine = [task for task in jobs if task["targetId"] == self._units[FIRST]]
        return sum("has no access group" in task["title"] for task in mine)

    def _who_opens(self, unit: str) -> list[str]:
        sensorberg, group = self._world.sensorberg, self._group(unit)
        return [who for who, pin in sensorberg.codes.items() if sensorberg.try_door(group, pin=pin).opened]

    def _compare(self, record: dict[str, Any], when: str) -> None:
        """An owner and each live rental show the PIN that is in force, a rental that is over none; so with the lock."""
        fields, over = record["customFields"], record.get("state") == "ended"
        if (fields.get(PIN) or None) != (None if over else self._world.sensorberg.codes.get(self._tenant)):
            self.said(f"after {when}: a field shows a PIN that it should not")
        if record.get("state") == "occupied" and bool(fields.get(LOCKED)) != ("overdue" in record):
            self.said(f"after {when}: a rental's flag does not say whether it is locked")

    def _records(self) -> list[dict[str, Any]]:
        table = self._account.table
        return [table["users"][self._tenant], *(table["rentals"][rental] for rental in self._rentals)]


Deed = Callable[[Place], None]
LIVES: Final[dict[str, tuple[Deed, ...]]] = {
    "users.post": (Place.move_in,),
    "memberships.post": (Place.move_in, Place.transfer),
    "memberships.put": (Place.move_in, Place.fall_behind, Place.pay),
    "memberships.delete": (Place.move_in, Place.transfer, Place.move_out),
    "users.code": (Place.move_in, Place.edit_pin),
    "users.put": (Place.move_in,),
    "unit-rentals.put": (Place.move_in, Place.fall_behind, Place.move_out),
    JOBS: (Place.move_in_where_no_group_is, Place.enter_group),
    READS: (Place.move_in, Place.transfer),
    TOKEN: (Place.move_in, Place.move_out),
}
"""What happens in a place, by the kind of call that goes wrong there."""


@dataclass(kw_only=True)
class Told:
    """What a story came to."""

    wrong: dict[str, list[str]] = field(default_factory=dict)
    """What is wrong, by the kind of call that met trouble."""
    met: dict[str, int] = field(default_factory=dict)
    """How many calls met trouble, by kind."""
    tasks: int = 0
    """How many tasks tell of the units without a group, of which there is one where `jobs.post` is tried."""
    requests: dict[str, list[Entry]] = field(default_factory=dict, repr=False)
    """All requests, by service."""


class Story:
    """Tells it."""

    def __init__(self, world: World, routes: Sequence[str], trouble: Fault) -> None:
        self._world, self._trouble = world, trouble
        self._places = [Place(world, number, route) for number, route in enumerate(routes, 10)]
        self._journals = {"Storeganise": world.storeganise.journal, "Sensorberg": world.sensorberg.journal}
        world.sensorberg.on_change = self._at_each_change
        world.storeganise.on_change = self._watch_pins

    async def tell(self) -> Told:
        """From the first move-in to the last look."""
        for deeds in zip_longest(*(LIVES[place.route] for place in self._places)):
            await self._happen([(place, deed) for place, deed in zip(self._places, deeds, strict=True) if deed])
        requests = {name: list(journal.entries) for name, journal in self._journals.items()}
        await self._look_again()
        return Told(
            wrong={place.route: place.wrong for place in self._places},
            met={place.route: place.met for place in self._places},
            tasks=sum(place.tasks for place in self._places),
            requests=requests,
        )

    async def _happen(self, deeds: Sequence[tuple[Place, Deed]]) -> None:
        planned = []
        for place, deed in deeds:
            planned += [(place, one) for one in place.plan(self._trouble)]
            deed(place)
        await asyncio.sleep(HOURS * 3600)
        for place, one in planned:
            place.met += one.fired
            one.remove()
        for place, deed in deeds:
            place.look(deed.__name__.replace("_", " "))

    def _watch_pins(self) -> None:
        for place in self._places:
            place.watch_pins()

    def _at_each_change(self) -> None:
        """Of each rental there is one membership at most, and no two tenants have one PIN."""
        named = Counter(row.external_id for row in self._world.sensorberg.rows)
        if max(named.values(), default=0) > 1:
            self._said("a rental has two memberships")
        codes = list(self._world.sensorberg.codes.values())
        if len(set(codes)) < len(codes):
            self._said("two tenants have one PIN")

    async def _look_again(self) -> None:
        """All is right: a look at everything writes nothing, and nothing waits to be tried again."""
        world = self._world
        work = Work(ServerConnection(world.database, Host("observer"), LoopClock(world.plan.start)))
        marks = {name: journal.mark() for name, journal in self._journals.items()}
        for account in world.accounts:
            rentals = [Subject.of(Kind.RENTAL, rental) for rental in account.table["rentals"]]
            await work.wake(BusinessCode(account.code), [*rentals, DELTA_SWEEP], "look again")
        await asyncio.sleep(300)
        for name, journal in self._journals.items():
            for entry in journal.since(marks[name]):
                if entry.method != "GET" and entry.kind != "token":
                    self._said(f"{entry.route} wrote although all was right")
        load = await work.load(world.clock.now())
        if load.unread or load.due or await work.failing():
            self._said("something is still to be done")

    def _said(self, what: str) -> None:
        for place in self._places:
            place.said(what)


def tell(routes: Sequence[str], trouble: Fault) -> Told:
    """Tell the story in a place for each of `routes`, while calls of this kind meet `trouble` there."""
    told: list[Told] = []

    async def story(world: World) -> None:
        told.append(await Story(world, routes, trouble).tell())

    play(Plan(seed=7, timing={"delta_every": "12h", "site_cache": "12h"}), story)
    return told[0]
