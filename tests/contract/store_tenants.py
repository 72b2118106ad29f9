"""What claims, PINs and tokens promise, on every database."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from contract.store_work import ACME, BOXES, rental
from databases import START, Place
from keyturn.core.ids import OwnerId, PinHash, TenantUrl
from keyturn.store.claims import Claims
from keyturn.store.database import Database
from keyturn.store.pins import Pins
from keyturn.store.tokens import SealedToken, Tokens
from keyturn.store.work import Work

DOOR, OTHER_DOOR = TenantUrl("https://door.example"), TenantUrl("https://other.example")
ANN, BOB = OwnerId("ann"), OwnerId("bob")
PIN, OTHER_PIN = PinHash("k1:aa"), PinHash("k1:bb")
REST = START + timedelta(days=90)


class ClaimsContract:
    """An id at a tenant belongs to one business."""

    async def test_the_first_business_has_it(self, database: Database) -> None:
        """What is free is claimed; what another business has is returned with its code."""
        claims = Claims(database)

        assert await claims.claim(ACME, DOOR, [("user", "ann"), ("group", "g1")]) == []
        assert await claims.claim(ACME, DOOR, [("user", "ann"), ("user", "ann")]) == []
        assert await claims.claim(BOXES, DOOR, [("group", "g2"), ("user", "ann"), ("group", "g1")]) == [
            ("group", "g1", ACME),
            ("user", "ann", ACME),
        ]
        assert await claims.claim(ACME, DOOR, [("group", "g2")]) == [("group", "g2", BOXES)]
        assert await claims.claim(BOXES, OTHER_DOOR, [("user", "ann")]) == []
        assert await claims.claim(ACME, DOOR, []) == []

    async def test_a_race(self, database_place: Place) -> None:
        """Of two machines that claim at once exactly one gets it."""
        machines = [Claims(await database_place.open()), Claims(await database_place.another())]
        refused = await asyncio.gather(
            *(claims.claim(code, DOOR, [("user", "ann")]) for claims, code in zip(machines, (ACME, BOXES), strict=True))
        )

        assert sorted(len(one) for one in refused) == [0, 1]

    async def test_ids_of_odd_text(self, database: Database) -> None:
        """What an operator may type is claimed as it is stored."""
        claims = Claims(database)
        assert await claims.claim(ACME, DOOR, [("group", "a\0b\ud800")]) == []
        assert await claims.claim(BOXES, DOOR, [("group", "a\0b\ud800")]) == [("group", "a\ufffdb?", ACME)]


class PinsContract:
    """A PIN at a tenant belongs to one owner."""

    async def test_a_pin_belongs_to_one_owner(self, database: Database) -> None:
        """Its owner may reserve it again; nobody else may, of whatever business; another tenant is another matter."""
        pins = Pins(database)

        assert await pins.reserve(DOOR, PIN, ACME, ANN, START) is True
        assert await pins.reserve(DOOR, PIN, ACME, ANN, START) is True
        assert await pins.reserve(DOOR, PIN, ACME, BOB, START) is False
        assert await pins.reserve(DOOR, PIN, BOXES, ANN, START) is False
        assert await pins.reserve(OTHER_DOOR, PIN, BOXES, ANN, START) is True

    async def test_a_race(self, database_place: Place) -> None:
        """Of many owners who want one PIN at once, on two machines, exactly one gets it."""
        machines = [Pins(await database_place.open()), Pins(await database_place.another())]
        got = await asyncio.gather(
            *(machines[n % 2].reserve(DOOR, PIN, ACME, OwnerId(f"o{n}"), START) for n in range(12))
        )

        assert sorted(got) == [False] * 11 + [True]

    async def test_taken(self, database: Database) -> None:
        """PINs of others are taken, one's own and free ones are not."""
        pins = Pins(database)
        await pins.reserve(DOOR, PIN, ACME, ANN, START)
        asked = [PIN, OTHER_PIN]

        assert await pins.taken(DOOR, asked, (ACME, ANN), START) == set()
        assert await pins.taken(DOOR, asked, (ACME, BOB), START) == {PIN}
        assert await pins.taken(DOOR, asked, (BOXES, ANN), START) == {PIN}
        assert await pins.taken(OTHER_DOOR, asked, (ACME, BOB), START) == set()

    async def test_a_replaced_pin_rests(self, database: Database) -> None:
        """Others may have it when its rest is over, to the microsecond; then it is theirs alone."""
        pins = Pins(database)
        await pins.reserve(DOOR, PIN, ACME, ANN, START)
        await pins.rest(DOOR, PIN, ACME, ANN, REST)
        almost = REST - timedelta(microseconds=1)

        assert await pins.taken(DOOR, [PIN], (ACME, BOB), almost) == {PIN}
        assert await pins.reserve(DOOR, PIN, ACME, BOB, almost) is False
        assert await pins.taken(DOOR, [PIN], (ACME, BOB), REST) == set()
        assert await pins.reserve(DOOR, PIN, ACME, BOB, REST) is True
        assert await pins.reserve(DOOR, PIN, ACME, ANN, REST) is False

    async def test_only_its_owner_lets_it_rest(self, database: Database) -> None:
        """A late word about a PIN that has gone to another owner changes nothing."""
        pins = Pins(database)
        await pins.reserve(DOOR, PIN, ACME, ANN, START)
        await pins.rest(DOOR, PIN, ACME, BOB, START)
        await pins.release(DOOR, PIN, BOXES, ANN)

        assert await pins.reserve(DOOR, PIN, ACME, BOB, START) is False

    async def test_an_owner_returns_to_a_resting_pin(self, database: Database) -> None:
        """It is theirs again without end."""
        pins = Pins(database)
        await pins.reserve(DOOR, PIN, ACME, ANN, START)
        await pins.rest(DOOR, PIN, ACME, ANN, REST)

        assert await pins.reserve(DOOR, PIN, ACME, ANN, START) is True
        assert await pins.reserve(DOOR, PIN, ACME, BOB, REST) is False

    async def test_releasing(self, database: Database) -> None:
        """A reservation that was never sent leaves no trace."""
        pins = Pins(database)
        await pins.reserve(DOOR, PIN, ACME, ANN, START)
        await pins.release(DOOR, PIN, ACME, ANN)

        assert await pins.reserve(DOOR, PIN, ACME, BOB, START) is True

    async def test_releasing_goes_back_to_the_rest(self, database: Database) -> None:
        """A rest that the reservation cut short goes on: doors may still know that PIN."""
        pins = Pins(database)
        await pins.reserve(DOOR, PIN, ACME, ANN, START)
        await pins.rest(DOOR, PIN, ACME, ANN, REST)
        for _ in range(2):
            await pins.reserve(DOOR, PIN, ACME, ANN, START)
        await pins.release(DOOR, PIN, ACME, ANN)

        assert await pins.reserve(DOOR, PIN, ACME, BOB, START) is False
        assert await pins.reserve(DOOR, PIN, ACME, BOB, REST) is True

        await pins.release(DOOR, PIN, ACME, BOB)

        assert await pins.reserve(DOOR, PIN, ACME, ANN, REST) is True


class Mint:
    """Fetches tokens, and counts how often and how many at once."""

    def __init__(self) -> None:
        self.calls = 0
        self.seen: list[SealedToken | None] = []
        self.started = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, held: SealedToken | None) -> SealedToken:
        self.seen.append(held)
        if held is not None:
            return held
        self.calls += 1
        self.started.set()
        await self.open.wait()
        return SealedToken(sealed=f"secret {self.calls}", expires_at=None, minted_at=START)


class TokensContract:
    """One token per client for all who need it."""

    async def test_one_fetch_for_all_who_wait(self, database_place: Place) -> None:
        """Whoever waited, commands included, gets what the first one fetched; meanwhile other work goes on."""
        databases = [await database_place.open(), await database_place.another()]
        mint = Mint()
        waiting = [
            asyncio.create_task(Tokens(databases[n % len(databases)]).under_lock(DOOR, "client", mint))
            for n in range(8)
        ]
        await mint.started.wait()
        await Work(databases[0]).wake(ACME, [rental(1)], "meanwhile")
        mint.open.set()
        tokens = await asyncio.gather(*waiting)

        assert {token.sealed for token in tokens} == {"secret 1"}
        assert mint.calls == 1
        assert await Tokens(databases[-1]).read(DOOR, "client") == tokens[0]

    async def test_clients_do_not_wait_for_each_other(self, database: Database) -> None:
        """A slow fetch for one client holds up no other."""
        slow, quick = Mint(), Mint()
        quick.open.set()
        waiting = asyncio.create_task(Tokens(database).under_lock(DOOR, "slow", slow))
        await slow.started.wait()
        await Tokens(database).under_lock(DOOR, "quick", quick)
        slow.open.set()
        await waiting

        assert (slow.calls, quick.calls) == (1, 1)

    async def test_a_failed_fetch(self, database: Database) -> None:
        """It stores nothing, raises as it is, and lets the next one try."""

        async def failing(_held: SealedToken | None) -> SealedToken:
            raise ZeroDivisionError

        tokens = Tokens(database)
        with pytest.raises(ZeroDivisionError):
            await tokens.under_lock(DOOR, "client", failing)

        assert await tokens.read(DOOR, "client") is None

        mint = Mint()
        mint.open.set()

        assert (await tokens.under_lock(DOOR, "client", mint)).sealed == "secret 1"

    async def test_a_newer_token_replaces_the_old(self, database: Database) -> None:
        """The next caller is shown the newest token."""
        tokens = Tokens(database)
        for number in range(2):
            token = SealedToken(sealed=f"s{number}", expires_at=START, minted_at=START)

            async def mint(_held: SealedToken | None, token: SealedToken = token) -> SealedToken:
                return token

            await tokens.under_lock(DOOR, "client", mint)
        seen = Mint()
        await tokens.under_lock(DOOR, "client", seen)

        assert seen.seen == [SealedToken(sealed="s1", expires_at=START, minted_at=START)]

    def test_a_token_is_not_shown(self) -> None:
        """Its `repr` keeps it."""
        assert "secret" not in repr(SealedToken(sealed="secret", expires_at=None, minted_at=START))
