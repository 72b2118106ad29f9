"""One owner at the provider: their user, and the PIN in force there.

A PIN is reserved before it is sent, so that no two tenants can share one; the one before it
stays reserved until its replacement is confirmed, and rests for a while after that. A new PIN
is shown to nobody before every backend took it. The database holds hashes only.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from keyturn.clock import Clock
from keyturn.core.ids import OwnerId, PinHash, TenantUrl
from keyturn.core.memory import CodeMemory, FieldMemory, OwnerMemory, RentalMemory
from keyturn.core.pin import PinDecision
from keyturn.core.rental import Owner, Pin
from keyturn.core.work import Lane
from keyturn.engine.business import Business, Rules
from keyturn.errors import LeaseLost, NotFound, Refused, UpstreamError
from keyturn.providers.protocol import Provider
from keyturn.store.ledger import Ledger
from keyturn.store.pins import Pins

DRAWS = 5
"""How often a generated PIN that is refused is drawn again."""

ABOUT_THE_CODE = {422}
"""The answer that says something about the code itself; every other refusal is about something else."""
MOST_TRIES = 200
"""How many PINs are tried at all, those that belong to other tenants included."""
TAKEN = "it belongs to somebody else"

Redecide = Callable[[Mapping[PinHash, str]], PinDecision]
"""Decides again, knowing which PINs were refused in this look and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PinOutcome:
    """What became of the owner's PIN: `pin` is in force everywhere; `None` when none could be brought into force."""

    pin: Pin | None
    decision: PinDecision
    refused: str | None = None
    """Why generated PINs were given up."""


class Account:
    """One owner within one look."""

    def __init__(
        self,
        *,
        business: Business,
        lane: Lane,
        clock: Clock,
        ledger: Ledger,
        pins: Pins,
        rules: Rules,
        owner: Owner,
        memory: OwnerMemory,
        drawn: dict[tuple[str, OwnerId], Pin],
    ) -> None:
        self._business = business
        self._lane = lane
        self._clock = clock
        self._ledger = ledger
        self._pins = pins
        self._rules = rules
        self._owner = owner
        self._drawn = drawn
        self._locks: defaultdict[TenantUrl, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._asked: set[TenantUrl] = set()
        self._failed: dict[TenantUrl, UpstreamError] = {}
        self.memory = memory

    async def ensure_user(self, provider: Provider, *, anew: bool = False) -> bool:
        """Make sure the user exists; return whether it was created now. `anew`: although we believed it did."""
        async with self._locks[provider.tenant]:
            failed = self._failed.get(provider.tenant)
            if failed is not None:
                raise failed
            code = self._code(provider.tenant)
            if (code.user_known and not anew) or provider.tenant in self._asked:
                return False
            try:
                created = await provider.ensure_user(self._owner)
            except UpstreamError as error:
                self._failed[provider.tenant] = error
                raise
            self._asked.add(provider.tenant)
            known = CodeMemory(tenant=code.tenant, unsure_until=code.unsure_until) if created else code
            await self._remember(replace(known, user_known=True))
            return created

    async def settle_pin(
        self, decision: PinDecision, providers: Mapping[TenantUrl, Provider], *, redecide: Redecide
    ) -> PinOutcome:
        """Bring the decided PIN into force at every backend; where one refuses it, decide again.

        Raises `Unavailable`, `CredentialsRejected` or `LeaseLost`; what was sent stays recorded as sent.
        """
        rejected: dict[PinHash, str] = {}
        draws = 0
        if decision.target is not None:
            self.shown()
        while decision.hold is None and draws < DRAWS and len(rejected) < MOST_TRIES:
            pin = decision.target or self._draw(rejected)
            if self._rules.digest(pin) in rejected:
                break
            refusal = await self._put_in_force(pin, providers)
            if refusal is None:
                return PinOutcome(pin=pin, decision=decision)
            draws += decision.target is None and refusal != TAKEN
            rejected[self._rules.digest(pin)] = refusal
            decision = redecide(rejected)
        refused = None if decision.hold else "every PIN that could be used was refused"
        return PinOutcome(pin=None, decision=decision, refused=refused)

    async def remember_fields(self, field: FieldMemory, rentals: Collection[RentalMemory]) -> None:
        """Record what is known of the owner's PIN field and of these rentals' fields, in one transaction."""
        if field != self.memory.pin or rentals:
            self.memory = replace(self.memory, pin=field)
            await self._save(rentals)

    def shown(self) -> None:
        """The PIN stands in the owner's field; a drawn one need not be kept at hand any longer."""
        self._drawn.pop((self._business.code, self._owner.id), None)

    def _draw(self, rejected: Mapping[PinHash, str]) -> Pin:
        """Draw a PIN, or take the one an earlier try of this look already drew and nobody has seen."""
        key = (self._business.code, self._owner.id)
        pin = self._drawn.get(key)
        if pin is None or self._rules.digest(pin) in rejected:
            pin = self._drawn[key] = self._rules.draw(self._business.policy.pin_length)
        return pin

    async def _put_in_force(self, pin: Pin, providers: Mapping[TenantUrl, Provider]) -> str | None:
        """Reserve the PIN everywhere, then push it everywhere; return why it is refused, or `None`."""
        digest = self._rules.digest(pin)
        due = [provider for provider in providers.values() if not self._in_force(provider.tenant, digest)]
        if not await self._reserve(digest, due):
            return TAKEN
        for provider in due:
            if not await self._push(provider, pin, digest):
                await self._release(digest, due)
                return "the access system refuses it"
        return None

    def _in_force(self, tenant: TenantUrl, digest: PinHash) -> bool:
        code = self._code(tenant)
        return code.in_force == digest and code.sent is None

    async def _reserve(self, digest: PinHash, due: list[Provider]) -> bool:
        """Reserve at every backend, or at none."""
        now = self._clock.now()
        reserved: list[Provider] = []
        for provider in due:
            if not await self._pins.reserve(provider.tenant, digest, self._business.code, self._owner.id, now):
                await self._release(digest, reserved)
                return False
            reserved.append(provider)
        return True

    async def _release(self, digest: PinHash, due: list[Provider]) -> None:
        """Give up reservations of a refused PIN, but not where the backend may carry it."""
        for provider in due:
            code = self._code(provider.tenant)
            if digest not in {code.in_force, code.sent}:
                await self._pins.release(provider.tenant, digest, self._business.code, self._owner.id)

    async def _push(self, provider: Provider, pin: Pin, digest: PinHash) -> bool:
        """Give the user this code, recorded as sent before and as in force after; return whether it was taken."""
        before = self._code(provider.tenant)
        await self._remember(replace(before, sent=digest))
        if not await self._set_code(provider, pin):
            await self._remember(replace(self._code(provider.tenant), sent=before.sent))
            return False
        await self._remember(replace(before, user_known=True, in_force=digest, sent=None))
        rests_until = self._clock.now() + self._rules.pin_rest
        await self._pins.rest_others(provider.tenant, digest, self._business.code, self._owner.id, rests_until)
        return True

    async def _set_code(self, provider: Provider, pin: Pin) -> bool:
        """Return whether the code was taken. A user who is not there is made first."""
        if provider.tenant in self._failed:
            raise self._failed[provider.tenant]
        try:
            return await _takes(provider, self._owner.id, pin)
        except NotFound:
            await self.ensure_user(provider, anew=True)
            return await _takes(provider, self._owner.id, pin)

    def _code(self, tenant: TenantUrl) -> CodeMemory:
        return next((code for code in self.memory.codes if code.tenant == tenant), CodeMemory(tenant=tenant))

    async def _remember(self, code: CodeMemory) -> None:
        others = tuple(other for other in self.memory.codes if other.tenant != code.tenant)
        self.memory = replace(self.memory, codes=(*others, code))
        await self._save()

    async def _save(self, rentals: Collection[RentalMemory] = ()) -> None:
        try:
            await self._ledger.save(self._lane, owners=[self.memory], rentals=rentals)
        except LeaseLost:
            known = await self._ledger.rentals_of(self._business.code, self._owner.id)
            woken = [rental.id for rental in known]
            await self._ledger.mark_unknown(self._business.code, woken, "a call was made after the lease was lost")
            raise


async def _takes(provider: Provider, user: OwnerId, pin: Pin) -> bool:
    try:
        await provider.set_code(user, pin)
    except Refused as refusal:
        if refusal.status not in ABOUT_THE_CODE:
            raise
        return False
    return True
