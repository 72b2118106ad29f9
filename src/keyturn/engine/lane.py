"""What is due in one business, batch by batch.

First the rows that only find rentals, then up to fifty rentals. Each batch ends with one
transaction that records every outcome under the lane's fence.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from keyturn import telemetry
from keyturn.clock import Clock
from keyturn.core.ids import BusinessCode, OwnerId
from keyturn.core.rental import Pin
from keyturn.core.work import Kind, Lane, Outcome
from keyturn.engine.batch import MOST, Batch, Books
from keyturn.engine.business import Business, Rules
from keyturn.engine.observe import Observer
from keyturn.engine.resolve import Resolver
from keyturn.engine.steps import together
from keyturn.engine.worker import Drain
from keyturn.store.businesses import Businesses
from keyturn.store.units import UnitNames

OpenBusiness = Callable[[BusinessCode], Awaitable[Business | None]]
"""Finds a business by its code, with the keys it has now; `None` where nobody serves it."""
FINDERS = (Kind.JOB, Kind.OWNER, Kind.UNIT, Kind.SWEEP)


class LaneWork:
    """The work of one business, whoever holds its lane."""

    def __init__(
        self,
        *,
        business: Business,
        clock: Clock,
        books: Books,
        businesses: Businesses,
        names: UnitNames,
        observer: Observer,
        rules: Rules,
    ) -> None:
        self._business = business
        self._clock = clock
        self._books = books
        self._businesses = businesses
        self._names = names
        self._observer = observer
        self._rules = rules
        self._drawn: dict[tuple[str, OwnerId], Pin] = {}

    async def drain(self, lane: Lane) -> list[Outcome]:
        """Work on one batch and record it; an empty answer means that nothing is due. Raises `LeaseLost`."""
        found = await self._find(lane)
        return found or await self._look(lane)

    async def _find(self, lane: Lane) -> list[Outcome]:
        items = await self._books.work.take(lane, kinds=FINDERS, limit=MOST)
        resolver = Resolver(
            business=self._business,
            lane=lane,
            clock=self._clock,
            work=self._books.work,
            ledger=self._books.ledger,
            businesses=self._businesses,
            names=self._names,
            problems=self._books.problems,
            rules=self._rules,
        )
        outcomes = await together(resolver.resolve(item) for item in items)
        if outcomes:
            await self._books.work.finish(lane, outcomes)
        return outcomes

    async def _look(self, lane: Lane) -> list[Outcome]:
        items = await self._books.work.take(lane, kinds=(Kind.RENTAL,), limit=MOST)
        if not items:
            return []
        batch = Batch(
            business=self._business,
            lane=lane,
            clock=self._clock,
            books=self._books,
            observer=self._observer,
            rules=self._rules,
            drawn=self._drawn,
        )
        only = items[0].subject.id if len(items) == 1 else None
        traces, code = [item.trace for item in items], self._business.code
        with telemetry.woken("look", traces, business=code, count=len(items), subject_id=only) as span:
            outcomes = await batch.look(items)
            span.note(ending=outcomes[0].ending if only is not None else None)
            await self._books.work.finish(lane, outcomes)
        return outcomes


class Lanes:
    """The lanes of all businesses. What a lane remembers between two claims is kept."""

    def __init__(
        self,
        *,
        open_business: OpenBusiness,
        clock: Clock,
        books: Books,
        businesses: Businesses,
        names: UnitNames,
        observer: Observer,
        rules: Rules,
    ) -> None:
        self._open_business = open_business
        self._build = partial(
            LaneWork, clock=clock, books=books, businesses=businesses, names=names, observer=observer, rules=rules
        )
        self._lanes: dict[BusinessCode, LaneWork] = {}

    async def open(self, code: BusinessCode) -> Drain | None:
        """Say how to work on a business; `None` where nobody serves it."""
        business = await self._open_business(code)
        if business is None:
            return None
        if code not in self._lanes:
            self._lanes[code] = self._build(business=business)
        return self._lanes[code].drain
