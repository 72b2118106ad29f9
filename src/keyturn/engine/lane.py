"""The lanes of all businesses: how to work on one, and what it remembers between two claims."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from keyturn.clock import Clock
from keyturn.core.ids import BusinessCode, OwnerId
from keyturn.core.rental import Pin
from keyturn.core.work import Lane
from keyturn.engine.batch import Books, Parts
from keyturn.engine.business import Business, Rules
from keyturn.engine.observe import Observer
from keyturn.engine.resolve import Resolver
from keyturn.engine.shift import Shift
from keyturn.engine.worker import StartShift, Tell
from keyturn.store.businesses import Businesses
from keyturn.store.units import UnitNames

OpenBusiness = Callable[[BusinessCode], Awaitable[Business | None]]
"""Finds a business by its code, with the keys it has now; `None` where nobody serves it."""


class Lanes:
    """Starts work in lanes. PINs that were drawn and that nobody has seen are kept between two claims."""

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
        self._clock = clock
        self._books = books
        self._businesses = businesses
        self._names = names
        self._observer = observer
        self._rules = rules
        self._drawn: dict[tuple[str, OwnerId], Pin] = {}

    async def open(self, code: BusinessCode) -> StartShift | None:
        """Say how to work on a business; `None` where nobody serves it."""
        business = await self._open_business(code)
        return None if business is None else partial(self._shift, business)

    def _shift(self, business: Business, lane: Lane, news: asyncio.Event, tell: Tell) -> Shift:
        parts = Parts(
            business=business,
            lane=lane,
            clock=self._clock,
            books=self._books,
            observer=self._observer,
            rules=self._rules,
            drawn=self._drawn,
            news=news,
        )
        resolver = Resolver(
            business=business,
            lane=lane,
            clock=self._clock,
            work=self._books.work,
            ledger=self._books.ledger,
            businesses=self._businesses,
            names=self._names,
            problems=self._books.problems,
            rules=self._rules,
        )
        return Shift(parts=parts, resolver=resolver, tell=tell)
