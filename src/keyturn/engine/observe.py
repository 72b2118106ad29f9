"""Read what is needed to decide, and not a request more.

Up to 50 rentals of a business are read in one list, with their units and owners; a single one
is read by itself. What the list does not show is asked for by name before it counts as gone.
An owner's other rentals are read only where the decision depends on them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from keyturn.core.entitlement import is_ours
from keyturn.core.fields import under_key
from keyturn.core.ids import OwnerId, PinHash, RentalId
from keyturn.core.late import doubted, doubted_code
from keyturn.core.memory import CodeMemory, OwnerMemory, RecordState, RentalMemory
from keyturn.core.rental import Pin, Site, Tenancy, Unit
from keyturn.core.vanished import LATELY, Disappearance, judge
from keyturn.engine.business import Business, Rules
from keyturn.engine.case import Observation, OwnerCase, RentalCase, decide_case, needs_all_rentals
from keyturn.engine.steps import together
from keyturn.errors import NotFound, Refused, UpstreamError
from keyturn.providers.protocol import Provider
from keyturn.store.ledger import Ledger, Remembered
from keyturn.store.pins import Pins
from keyturn.store.units import UnitNames


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """What a batch of rentals came to: cases to apply, and rentals that could not be read."""

    cases: tuple[OwnerCase, ...]
    unread: Mapping[RentalId, UpstreamError] = field(default_factory=dict)


class Observer:
    """Reads facts and memory and turns them into decided cases. It writes nothing."""

    def __init__(self, *, ledger: Ledger, pins: Pins, names: UnitNames, rules: Rules) -> None:
        self._ledger = ledger
        self._pins = pins
        self._names = names
        self._rules = rules

    async def observe(self, business: Business, rentals: Sequence[RentalId], now: datetime) -> Observed:
        """Read and decide these rentals, grouped by owner.

        Raises an `UpstreamError` where nothing could be read at all.
        """
        found, missing, unread = await self._read(business, rentals)
        remembered = await self._remembered(business, rentals, found, now)
        cases = [await self._vanished(business, rental, remembered, now) for rental in missing]
        owners = _by_owner(found)
        decided = await together(
            _or_failure(self._owner_case(business, owner, tenancies, remembered, now))
            for owner, tenancies in owners.items()
        )
        for tenancies, case in zip(owners.values(), decided, strict=True):
            if isinstance(case, UpstreamError):
                unread |= {tenancy.rental.id: case for tenancy in tenancies}
            else:
                cases.append(case)
        return Observed(cases=tuple(cases), unread=unread)

    async def _read(
        self, business: Business, rentals: Sequence[RentalId]
    ) -> tuple[list[Tenancy], list[RentalId], dict[RentalId, UpstreamError]]:
        found = await self._listed(business, rentals) if len(rentals) > 1 else []
        shown = {tenancy.rental.id for tenancy in found}
        missing: list[RentalId] = []
        unread: dict[RentalId, UpstreamError] = {}
        for rental in rentals:
            if rental in shown:
                continue
            try:
                found.append(await business.source.rental(rental))
            except NotFound:
                missing.append(rental)
            except UpstreamError as error:
                if len(rentals) == 1:
                    raise
                unread[rental] = error
        return found, missing, unread

    async def _listed(self, business: Business, rentals: Sequence[RentalId]) -> list[Tenancy]:
        """Read them in one list. Where that is refused one of the ids may be the matter, so each is read by itself."""
        try:
            return await business.source.rentals(rentals)
        except Refused:
            return []

    async def _remembered(
        self, business: Business, rentals: Iterable[RentalId], found: Sequence[Tenancy], now: datetime
    ) -> Remembered:
        owners = {tenancy.rental.owner_id for tenancy in found if tenancy.rental.owner_id is not None}
        remembered = await self._ledger.load(business.code, rentals=list(rentals), owners=list(owners))
        key = self._rules.key_id
        return replace(
            remembered,
            rentals={
                id_: replace(memory, pin=under_key(memory.pin, key)) for id_, memory in remembered.rentals.items()
            },
            owners={id_: _owner_under_key(memory, key, now) for id_, memory in remembered.owners.items()},
            records={id_: tuple(doubted(one, now) for one in records) for id_, records in remembered.records.items()},
        )

    async def _owner_case(
        self,
        business: Business,
        owner: OwnerId | None,
        tenancies: Sequence[Tenancy],
        remembered: Remembered,
        now: datetime,
    ) -> OwnerCase:
        seen = await self._observation(business, owner, tenancies, remembered, now=now, complete=False)
        case = decide_case(seen, business, self._rules)
        if owner is None or not needs_all_rentals(case, seen, business):
            return case
        everything = await business.source.rentals_of(owner)
        read = {tenancy.rental.id for tenancy in everything}
        strays = [tenancy for tenancy in tenancies if tenancy.rental.id not in read]
        remembered = await self._remembered(business, [*read, *remembered.rentals], everything, now)
        seen = await self._observation(business, owner, [*everything, *strays], remembered, now=now, complete=True)
        return decide_case(seen, business, self._rules)

    async def _observation(
        self,
        business: Business,
        owner: OwnerId | None,
        tenancies: Sequence[Tenancy],
        remembered: Remembered,
        *,
        now: datetime,
        complete: bool,
    ) -> Observation:
        asked = {tenancy.rental.id for tenancy in tenancies}
        mine = {id_: memory for id_, memory in remembered.rentals.items() if id_ in asked or memory.owner_id == owner}
        sites = await self._sites(business, tenancies, remembered)
        seen = Observation(
            now=now,
            owner_id=owner,
            tenancies=tuple(tenancies),
            sites=sites,
            rentals={**{id_: RentalMemory(id=id_) for id_ in asked}, **mine},
            records={id_: remembered.records.get(id_, ()) for id_ in {*asked, *mine}},
            owner_memory=remembered.owners.get(owner) if owner else None,
            pairs=tuple(pair for pair in remembered.transfers if pair.new in asked),
            site_rentals=await self._site_rentals(business, sites),
            unique_names=await self._unique_names(business, tenancies, sites),
            complete=complete,
        )
        return replace(seen, taken=await self._taken(business, seen))

    async def _sites(self, business: Business, tenancies: Sequence[Tenancy], remembered: Remembered) -> dict[str, Site]:
        """Read the rentals' sites; uncached where a rental with access would lose it by leaving the scope.

        A site that may not be read is left out: nothing is widened there, and what narrows still happens.
        """
        sites: dict[str, Site] = {}
        for tenancy in tenancies:
            site_id = tenancy.rental.site_id
            if site_id is None:
                continue
            try:
                site = sites.get(site_id) or await business.source.site(site_id)
            except Refused:
                continue
            records = remembered.records.get(tenancy.rental.id, ())
            if not is_ours(site, business.policy) and any(r.state is not RecordState.GONE for r in records):
                site = await business.source.site(site_id, fresh=True)
            sites[site_id] = site
        return sites

    async def _site_rentals(self, business: Business, sites: Mapping[str, Site]) -> dict[str, int]:
        left = [site.id for site in sites.values() if not is_ours(site, business.policy)]
        return {site: await self._ledger.live_at_site(business.code, site) for site in left}

    async def _unique_names(
        self, business: Business, tenancies: Sequence[Tenancy], sites: Mapping[str, Site]
    ) -> dict[str, bool | None]:
        """Ask whether a unit's name may stand in for its group, where policy allows that at all."""
        if not business.policy.group_from_unit_name:
            return {}
        unique: dict[str, bool | None] = {}
        for tenancy in tenancies:
            unit, site = tenancy.unit, sites.get(tenancy.rental.site_id or "")
            provider = business.provider_for(site) if site else None
            if unit is not None and unit.name and provider is not None and not isinstance(unit.group, str):
                unique[unit.id] = await self._names.unique(provider.tenant, business.code, unit.id, unit.name)
        return unique

    async def _taken(self, business: Business, seen: Observation) -> frozenset[PinHash]:
        """Return those of the PINs read that belong to somebody else at any backend of this owner."""
        owner = seen.owner_id
        in_force = {code.in_force for code in seen.owner_memory.codes} if seen.owner_memory else set()
        unknown = {digest for pin in _pins(seen) if (digest := self._rules.digest(pin)) not in in_force}
        if owner is None or not unknown:
            return frozenset()
        providers = [business.provider_for(site) for site in seen.sites.values()]
        taken: set[PinHash] = set()
        for provider in providers:
            if provider is not None:
                taken |= await self._pins.taken(provider.tenant, list(unknown), (business.code, owner), seen.now)
        return frozenset(taken)

    async def _vanished(self, business: Business, rental: RentalId, remembered: Remembered, now: datetime) -> OwnerCase:
        memory = remembered.rentals.get(rental, RentalMemory(id=rental))
        control = await self._control(business, memory)
        lately = 0
        if memory.site_id is not None:
            since = (memory.vanished_at or now) - LATELY
            lately = await self._ledger.vanished_at_site(business.code, memory.site_id, since)
            lately -= memory.vanished_at is not None
        desired = judge(Disappearance(memory=memory, control=control, lately=lately, policy=business.policy, now=now))
        provider = await self._last_provider(business, memory)
        case = RentalCase(
            id=rental,
            tenancy=None,
            site=None,
            provider=provider,
            before=memory,
            desired=desired,
            records=remembered.records.get(rental, ()),
            look_first=True,
            now=now,
        )
        return OwnerCase(owner_id=None, owner=None, memory=None, rentals=(case,), pin=None)

    async def _last_provider(self, business: Business, memory: RentalMemory) -> Provider | None:
        """Return the provider that the rental's last site uses, at the backend where its membership was made."""
        if memory.tenant is None:
            return None
        try:
            site = await business.source.site(memory.site_id) if memory.site_id else None
        except UpstreamError:
            site = None
        provider = business.provider_for(site) if site else None
        at_home = provider is not None and provider.tenant == memory.tenant
        return provider if at_home else business.provider_at(memory.tenant)

    async def _control(self, business: Business, memory: RentalMemory) -> Unit | None:
        """Read the rental's last unit with the same key, to tell a vanished rental from a blind key."""
        if memory.unit_id is None:
            return None
        try:
            return await business.source.unit(memory.unit_id)
        except UpstreamError:
            return None


async def _or_failure(case: Awaitable[OwnerCase]) -> OwnerCase | UpstreamError:
    """Return the error of an owner whose rentals cannot be read: the others go on."""
    try:
        return await case
    except UpstreamError as error:
        return error


def _by_owner(found: Sequence[Tenancy]) -> dict[OwnerId | None, list[Tenancy]]:
    owners: dict[OwnerId | None, list[Tenancy]] = {}
    for tenancy in found:
        owners.setdefault(tenancy.rental.owner_id, []).append(tenancy)
    return owners


def _owner_under_key(memory: OwnerMemory, key_id: str, now: datetime) -> OwnerMemory:
    codes = tuple(
        doubted_code(code, now) if _known(code, key_id) else CodeMemory(tenant=code.tenant, user_known=code.user_known)
        for code in memory.codes
    )
    return replace(memory, pin=under_key(memory.pin, key_id), codes=codes)


def _known(code: CodeMemory, key_id: str) -> bool:
    return all(value.startswith(f"{key_id}:") for value in (code.in_force, code.sent) if value)


def _pins(seen: Observation) -> set[Pin]:
    fields = [tenancy.rental.pin for tenancy in seen.tenancies]
    fields += [tenancy.owner.pin for tenancy in seen.tenancies if tenancy.owner is not None]
    return {value for value in fields if isinstance(value, Pin)}
