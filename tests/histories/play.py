"""Lets a history happen, from its first step to the last invariant."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from histories.database import ServerConnection
from histories.deeds import Deeds
from histories.history import DEEDS, TROUBLE, History, Step
from histories.host import Host
from histories.invariants import AtEachChange, Budget, several_memberships, wrong_doors, wrong_fields, wrong_starts
from histories.loop import LoopClock
from histories.mishaps import Mishaps
from histories.town import Town
from histories.world import World, play
from keyturn.core.ids import BusinessCode
from keyturn.core.work import DELTA_SWEEP, Kind, Load, Subject
from keyturn.store.work import Work

QUIET_S = 2.25 * 3600
"""How long faults are over before all must be right: longer than the slowest sweep, a hold and a pause together."""
TASK = "jobs.post"
"""Telling staff of a problem: the one write that depends on the time of day."""
PATIENCE = 14
"""How often the world is looked at until it counts as not calm."""


@dataclass(kw_only=True)
class Result:
    """What a history came to."""

    history: History
    wrong: list[str]
    done: dict[str, int] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    """Every request to either service, for comparing two runs."""


class Play:
    """Lets a history happen."""

    def __init__(self, world: World, history: History) -> None:
        self.world = world
        self.history = history
        self.town = Town(world)
        self.deeds = Deeds(self.town, history.plan.seed + 4)
        self.mishaps = Mishaps(self.town)
        self._work = Work(ServerConnection(world.database, Host("observer"), LoopClock(history.plan.start)))
        AtEachChange(self.town)
        Budget(self.town)
        self.lines: list[tuple[datetime, str]] = []
        """What happened, and every request to either service."""

    async def run(self) -> None:
        """From the first step to the last invariant."""
        self.town.story = asyncio.current_task()
        self._build()
        self.town.watch()
        midnight = asyncio.create_task(self._midnights())
        for step in self.history.steps:
            await self._happen(step)
        await self._quiet()
        midnight.cancel()
        for look in (wrong_doors, wrong_starts, wrong_fields, several_memberships):
            self.town.wrong += look(self.town)
        self.town.wrong += [
            *self._by_hand(),
            *self._unheard(),
            *self._impolite(),
            *await self._unread(),
            *await self._busy(),
        ]

    def _build(self) -> None:
        """Set up sites and units."""
        for account in self.world.accounts:
            sites = [account.add_site(f"Site {n}", {"securitySystem": "sensorberg"}) for n in range(self.history.sites)]
            for number in range(self.history.units):
                group = self.world.sensorberg.add_group(f"{account.code} {number}")
                account.add_unit(sites[number % len(sites)], f"U{number}", {"sensorberg_id": group})

    async def _happen(self, step: Step) -> None:
        if step.calm:
            await self._settle()
        elif step.after_s:
            self.town.calm = False
            await asyncio.sleep(step.after_s)
        room = self.deeds if step.what in DEEDS else self.mishaps
        if step.what in TROUBLE:
            self.town.trouble()
        with self.town.people_act():
            happened = getattr(room, step.what)(step.draws)
        self.lines.append((self.world.clock.now(), f"* {step.what}{'' if happened else ' (nobody)'}"))
        self.town.done[step.what] += happened
        self.town.note_entitled()
        if happened:
            self.town.calm = False

    async def _settle(self) -> None:
        """Wait until Keyturn has seen everything, as far as it can."""
        self.town.calm = False
        blind = self.mishaps.blind
        if blind:
            await asyncio.sleep(self.world.settings.timing.delta_every.total_seconds() + 60)
        for round_ in range(PATIENCE):
            await asyncio.sleep(min(3 * 1.7**round_, 300))
            load = await self._load()
            if load is not None:
                self.mishaps.blind = False
                held = {row.subject.id for row in await self._work.held()} if load.held else set()
                self.town.settled(trouble_is_over=self.mishaps.harmless, held=held)
                if not (blind or load.held or self.mishaps.may_come_late):
                    found = [*wrong_doors(self.town), *wrong_fields(self.town)]
                    self.town.said_at("although Keyturn is content", found)
                return

    async def _load(self) -> Load | None:
        """Return what there is to do, or `None` where some of it is due or under way.

        A look that fails again and again is looked for before and after: it may be under way at either moment.
        """
        accounts = self.world.accounts
        if self.world.database.away or any(one.outbox or one.mailbox.on_the_way or one.hidden for one in accounts):
            return None
        failing = await self._work.failing()
        load = await self._work.load(self.world.clock.now())
        return None if failing or load.due or load.running or load.unread or await self._work.failing() else load

    async def _quiet(self) -> None:
        """Let everything be repaired: sweeps, retries, pauses and hourly holds included."""
        self.mishaps.end()
        await asyncio.sleep(QUIET_S)
        await self._settle()
        if not self.town.calm:
            self.town.said("there is still something to do after hours of quiet")

    async def _midnights(self) -> None:
        """At midnight the platform completes the move-ins of the day."""
        while True:
            account = self.world.accounts[0]
            tomorrow = account.midnight(account.today() + timedelta(days=1)).astimezone(UTC)
            await asyncio.sleep((tomorrow - self.world.clock.now()).total_seconds() + 1)
            for account in self.world.accounts:
                account.run_midnight()

    def _by_hand(self) -> list[str]:
        rows = {row.id for row in self.world.sensorberg.rows}
        return [f"I6: a membership made by hand is gone: {one}" for one in self.town.by_hand if one not in rows]

    def _unheard(self) -> list[str]:
        """I1: what was answered 200 is in the database."""
        with self.world.database.engine.connect() as connection:
            kept = {row[0] for row in connection.exec_driver_sql("select event_id from deliveries")}
        answered = {d.id for account in self.world.accounts for d, status in account.sent if status == 200}
        return [f"I1: {len(answered - kept)} deliveries were answered 200 and not kept"] if answered - kept else []

    def _impolite(self) -> list[str]:
        """I7 and the limits: each account is asked with its own key, and no more at once than it wants."""
        journal, found = self.world.storeganise.journal, []
        strays = [e.path for e in journal.entries if e.credential != f"key:{e.account}"]
        found += [f"I7: {path} was asked for with another account's key" for path in strays]
        if not any(self.town.done[what] for what in TROUBLE):  # an abandoned call stays in flight for the other side
            for account in self.world.accounts:
                most = (journal.peak("list", account.code), journal.peak("single", account.code))
                allowed = (1, self.world.settings.policy.storeganise_in_flight)
                found += [f"{most} requests at once" for one, other in zip(most, allowed, strict=True) if one > other]
        return found

    async def _unread(self) -> list[str]:
        load = await self._work.load(self.world.clock.now())
        return [f"I24: {load.unread} deliveries were not dealt with"] if load.unread else []

    async def _busy(self) -> list[str]:
        """I20: look at everything again; nothing may be written."""
        self.write_down()
        for journal in (self.world.storeganise.journal, self.world.sensorberg.journal):
            journal.clear()
        for account in self.world.accounts:
            rentals = [Subject.of(Kind.RENTAL, rental) for rental in account.table["rentals"]]
            await self._work.wake(BusinessCode(account.code), [*rentals, DELTA_SWEEP], "look again")
        await asyncio.sleep(300)
        both = (self.world.storeganise.journal, self.world.sensorberg.journal)
        writes = [entry.route for journal in both for entry in journal.writes() if entry.route != TASK]
        return [f"I20: {route} wrote although all was right" for route in writes]

    def write_down(self) -> None:
        """Put what happened and every request in order."""
        for journal in (self.world.storeganise.journal, self.world.sensorberg.journal):
            told = [(e.instant, f"{e.method:<6} {e.path} {_summary(e.body)} -> {e.status}") for e in journal.entries]
            self.lines += told
        self.lines.sort(key=lambda line: line[0])


def tell(history: History) -> Result:
    """Let a history happen and say what was wrong."""
    plays: list[Play] = []

    async def story(world: World) -> None:
        plays.append(Play(world, history))
        try:
            await plays[0].run()
        except asyncio.CancelledError:
            if not plays[0].town.wrong:
                raise
            plays[0].write_down()

    play(history.plan, story)
    town, lines = plays[0].town, plays[0].lines
    log = [f"{instant:%d %H:%M:%S.%f} {what}" for instant, what in lines]
    return Result(history=history, wrong=town.wrong, done=dict(town.done), log=log)


def _summary(body: object) -> str:
    """Shorten a request's body to what matters for a reader."""
    if not isinstance(body, dict):
        return ""
    inner = body.get("data", {})
    attributes = inner.get("attributes", inner) if isinstance(inner, dict) else {}
    return str({**body.get("customFields", {}), **attributes} or "")
