"""One Storeganise account, reached with its own key, with the keys of add-on installations, or both.

    a site whose field names our system      the account's own key and rules, where there is one
    a site an installation serves            that installation's key, credentials and rules
    any other site                           nobody's: out of scope

Each call goes out with the credential of the site it is about, once an answer has told which site that is.
Before, the account's own key is asked, which sees the whole account; where there is none, the installation
whose delivery named the subject. An installation may see its own site only (whether it does is not
documented), so what one key does not show is asked of the others before it counts as not there.
Neighbours: `client` makes the calls, the engine asks through `engine.source`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from keyturn.clock import Clock
from keyturn.core.ids import AddonId, JobId, OwnerId, RentalId, SiteId, UnitId
from keyturn.core.installation import AddonRecord
from keyturn.core.problem import Target, TargetKind
from keyturn.core.rental import Job, Missing, Owner, Pin, Rental, Site, Tenancy, Unit
from keyturn.errors import CredentialsRejected, NotFound, Refused, UpstreamError
from keyturn.storeganise.client import UPSTREAM, StoreganiseClient

Facts = TypeVar("Facts")

REREAD_AFTER = timedelta(minutes=1)
"""How soon a site that is nobody's, or lacks credentials, is read again: who enters something must not wait long."""
_MOST_ROUTES = 50_000
_NOT_SHOWN = frozenset({403, 404})

Subject = tuple[str, str]
"""A kind of record and its id."""
Hint = Callable[[str, Sequence[str]], Awaitable[Mapping[str, AddonId]]]
"""Given a kind of subject and ids, returns the installations whose deliveries named them last."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One credential of the account."""

    client: StoreganiseClient
    addon_id: AddonId | None = None
    """The installation it belongs to; `None`: the account's own key."""
    sites: frozenset[SiteId] | None = None
    """The sites the settings confirm for the installation, where its record names none."""
    unseen_since: datetime | None = None
    """Since when its changes were not listed; `None`: they were."""


class Gaps(Protocol):
    """Remembers since when the changes of an installation were not listed, because its key was refused."""

    async def opened(self, addon_id: AddonId, since: datetime) -> None:
        """Note that changes from `since` on were not listed, unless an earlier instant is noted."""
        ...

    async def closed(self, addon_id: AddonId, since: datetime) -> None:
        """Note that they were, if `since` is what is noted."""
        ...


class StoreganiseAccount:
    """The engine's `Source` for one business."""

    def __init__(self, *, clock: Clock, system: str, has_credentials: bool, hint: Hint, gaps: Gaps) -> None:
        """`system`: the value of a site's field that makes it the own key's. `has_credentials`: the settings
        have some for sites that carry none.
        """
        self._clock = clock
        self._system = system
        self._has_credentials = has_credentials
        self._hint = hint
        self._gaps = gaps
        self._own: Key | None = None
        self._installed: dict[AddonId, Key] = {}
        self._routes: dict[Subject, AddonId | None] = {}
        self._sites: dict[Subject, Subject] = {}
        self._caught_up: dict[AddonId, datetime] = {}
        """Installations whose changes were listed again, and since when they had not been."""

    def hold(self, own: Key | None, installed: Sequence[Key]) -> None:
        """Use these credentials from now on."""
        self._own = own
        self._installed = {key.addon_id: key for key in installed if key.addon_id is not None}
        gone = {addon for addon in self._routes.values() if addon is not None} - self._installed.keys()
        self._routes = {subject: addon for subject, addon in self._routes.items() if addon not in gone}

    # What is known of one record

    async def rental(self, rental_id: RentalId) -> Tenancy:
        """See `Source.rental`."""
        return await self._tenancy("rental", rental_id, lambda client: client.rental(rental_id))

    async def unit(self, unit_id: UnitId) -> Unit:
        """See `Source.unit`."""
        return await self._ask("unit", unit_id, lambda client: client.unit(unit_id))

    async def job(self, job_id: JobId) -> Job:
        """See `Source.job`."""
        return await self._ask("job", job_id, lambda client: client.job(job_id))

    async def write_owner_pin(self, owner_id: OwnerId, pin: Pin) -> Owner | None:
        """See `Source.write_owner_pin`."""
        return await self._ask("owner", owner_id, lambda client: client.write_owner_pin(owner_id, pin))

    async def write_rental(
        self, rental_id: RentalId, *, pin: Pin | Missing | None = None, overlocked: bool | None = None
    ) -> Rental | None:
        """See `Source.write_rental`."""
        return await self._ask(
            "rental", rental_id, lambda client: client.write_rental(rental_id, pin=pin, overlocked=overlocked)
        )

    async def post_task(self, target: Target, title: str, text: str) -> None:
        """See `Source.post_task`. An installation is told of with its own key."""
        if target.kind is TargetKind.ADDON and target.id in self._installed:
            await self._installed[AddonId(target.id)].client.post_task(target, title, text)
            return
        kind = "owner" if target.kind is TargetKind.USER else target.kind.value
        await self._ask(kind, target.id, lambda client: client.post_task(target, title, text))

    # Lists

    async def rentals(self, rental_ids: Sequence[RentalId]) -> list[Tenancy]:
        """See `Source.rentals`. One list per credential that is asked."""
        found: list[Tenancy] = []
        for key, ids in (await self._shared_out("rental", rental_ids)).items():
            found += await self._keys()[key].client.rentals([RentalId(id_) for id_ in ids])
            self._learn(found, key)
        return found

    async def rentals_of(self, owner_id: OwnerId) -> list[Tenancy]:
        """See `Source.rentals_of`."""
        found = await self._everywhere(
            lambda key: key.client.rentals_of(owner_id), lambda one: one.rental.id, "list an owner's rentals"
        )
        for key, rows in found.items():
            self._learn(rows, key)
        return [row for rows in found.values() for row in rows]

    async def changed_since(self, instant: datetime) -> list[RentalId]:
        """See `Source.changed_since`. An installation whose key was refused is asked from then on when it is back.

        That it caught up is noted at the next call: until then, what was found may not have been acted upon.
        """
        for addon_id, since in self._caught_up.items():
            await self._gaps.closed(addon_id, since)
        self._caught_up.clear()

        async def ask(key: Key) -> list[RentalId]:
            since = min(instant, key.unseen_since or instant)
            try:
                return await key.client.changed_since(since)
            except UpstreamError as error:
                if key.addon_id is not None and _refused(key, error):
                    await self._gaps.opened(key.addon_id, since)
                raise

        found = await self._everywhere(ask, lambda one: one, "list changed rentals")
        for key, rentals in found.items():
            unseen = self._installed[key].unseen_since if key is not None else None
            if key is not None and unseen is not None:
                self._caught_up[key] = unseen
            self._remember({("rental", rental): key for rental in rentals})
        return [rental for rentals in found.values() for rental in rentals]

    async def units(self) -> list[Unit]:
        """See `Source.units`."""
        found = await self._everywhere(lambda key: key.client.units(), lambda one: one.id, "list units")
        return [unit for units in found.values() for unit in units]

    # Sites, and who serves them

    async def sites(self) -> list[Site]:
        """See `Source.sites`."""
        found = await self._everywhere(lambda key: key.client.sites(), lambda one: one.id, "list sites")
        sites = [site for rows in found.values() for site in rows]
        return [await self._claimed(site) for site in sites]

    @property
    def installations(self) -> tuple[AddonId, ...]:
        """See `Source.installations`."""
        return tuple(sorted(self._installed))

    async def addon(self, addon_id: AddonId) -> AddonRecord:
        """See `Source.addon`."""
        return await self._installed[addon_id].client.addon(addon_id, within=timedelta())

    @property
    def ahead(self) -> timedelta | None:
        """See `Source.ahead`."""
        seen = (key.client.ahead for key in self._keys().values())
        return next((ahead for ahead in seen if ahead is not None), None)

    async def site(self, site_id: SiteId, *, fresh: bool = False) -> Site:
        """See `Source.site`. Says which installation serves it, and carries that one's credentials."""
        site = await self._served(site_id, within=timedelta() if fresh else None)
        ours = site.addon is not None or (self._own is not None and site.system == self._system)
        if ours and (self._has_credentials or complete(site.credentials)):
            return site
        return await self._served(site_id, within=REREAD_AFTER)

    def forget(self) -> None:
        """See `Source.forget`."""
        for key in self._keys().values():
            key.client.forget()

    async def _served(self, site_id: SiteId, *, within: timedelta | None) -> Site:
        """Read a site and who serves it, not kept for longer than `within`."""
        if self._own is None:
            record = await self._serving(site_id, within=within)
            if record is not None:
                site = await self._installed[record.id].client.site(site_id, within=within)
                return self._marked(site, record)
        site = await self._ask("site", site_id, lambda client: client.site(site_id, within=within))
        return await self._claimed(site, within=within)

    async def _claimed(self, site: Site, *, within: timedelta | None = None) -> Site:
        """Say whose a site is. The account's own comes first, whatever installations say, or cannot say."""
        if self._own is not None and site.system == self._system:
            return self._marked(site, None)
        return self._marked(site, await self._serving(site.id, within=within))

    def _marked(self, site: Site, record: AddonRecord | None) -> Site:
        """Write on a site which installation serves it, and remember whom to ask about it."""
        self._remember({("site", site.id): record.id if record is not None else None})
        if record is None:
            return site
        credentials = record.credentials if complete(record.credentials) else site.credentials
        return replace(site, addon=record.id, credentials=credentials or record.credentials)

    async def _serving(self, site_id: SiteId, *, within: timedelta | None) -> AddonRecord | None:
        """Return the record of the installation that serves a site: one for this site before one for all sites.

        Raises what kept us from reading a record, if no other installation serves the site: a key that is refused
        for the moment is no evidence that nobody does.
        """
        broad: AddonRecord | None = None
        failure: UpstreamError | None = None
        for addon_id, key in sorted(self._installed.items()):
            try:
                record = await key.client.addon(addon_id, within=within)
            except NotFound:
                continue  # it was removed at Storeganise
            except UpstreamError as error:
                failure = failure or error
                continue
            sites = record.sites or key.sites
            if sites and site_id in sites:
                return record
            broad = broad or (None if sites else record)
        if broad is None and failure is not None:
            raise failure
        return broad

    # Which credential is asked

    def _keys(self) -> dict[AddonId | None, Key]:
        own = [] if self._own is None else [self._own]
        return {key.addon_id: key for key in (*own, *self._installed.values())}

    async def _tenancy(
        self, kind: str, subject: str, call: Callable[[StoreganiseClient], Awaitable[Tenancy]]
    ) -> Tenancy:
        tenancy = await self._ask(kind, subject, call)
        self._learn([tenancy], self._routes.get((kind, subject)))
        return tenancy

    async def _ask(self, kind: str, subject: str, call: Callable[[StoreganiseClient], Awaitable[Facts]]) -> Facts:
        """Ask the key that should know; one that does not show the record leaves it to the others.

        A record counts as not there when no key shows it. Where the key that might is refused, nobody can know.
        """
        keys = self._keys()
        first = (await self._shared_out(kind, [subject])).popitem()[0]
        certain = self._known((kind, subject)) in self._routes
        absent: UpstreamError | None = None
        refused: UpstreamError | None = None
        for key in sorted(keys, key=lambda one: (one != first, one is not None, one or "")):
            try:
                found = await call(keys[key].client)
            except UpstreamError as error:
                if _not_shown(error):
                    absent = absent or error
                elif _refused(keys[key], error) and key is not None and not (certain and key == first):
                    refused = refused or error
                else:
                    raise
                continue
            self._remember({(kind, subject): key})
            return found
        unknowable = refused if self._own is None else None
        raise unknowable or absent or refused or no_key(f"read a {kind}")

    async def _shared_out(self, kind: str, subjects: Sequence[str]) -> dict[AddonId | None, list[str]]:
        """Group subjects by the credential to ask first."""
        keys = self._keys()
        if not keys:
            raise no_key(f"read a {kind}")
        default = next(iter(keys))
        if len(keys) == 1:
            return {default: list(subjects)}
        unknown = [subject for subject in subjects if self._known((kind, subject)) not in self._routes]
        hints = await self._hint(kind, unknown) if unknown and self._own is None else {}
        shared: dict[AddonId | None, list[str]] = {}
        for subject in subjects:
            chosen = self._routes.get(self._known((kind, subject)), hints.get(subject, default))
            shared.setdefault(chosen if chosen in keys else default, []).append(subject)
        return shared

    def _known(self, subject: Subject) -> Subject:
        """Return by what the credential for a subject is known: by its site, else by itself."""
        site = self._sites.get(subject, subject)
        return site if site in self._routes else subject

    async def _everywhere(
        self, call: Callable[[Key], Awaitable[list[Facts]]], identity: Callable[[Facts], str], what: str
    ) -> dict[AddonId | None, list[Facts]]:
        """Ask the own key, which sees the whole account, else every installation; each record is returned once.

        An installation whose key is refused was disabled at Storeganise and serves nothing.
        """
        keys = {None: self._own} if self._own is not None else dict(self._installed)
        found: dict[AddonId | None, list[Facts]] = {}
        seen: set[str] = set()
        failure: UpstreamError = no_key(what)
        for key, one in keys.items():
            try:
                rows = await call(one)
            except UpstreamError as error:
                if key is None or not _refused(one, error):
                    raise
                failure = error
                continue
            found[key] = [row for row in rows if identity(row) not in seen]
            seen |= {identity(row) for row in rows}
        if not found:
            raise failure
        return found

    def _learn(self, tenancies: Sequence[Tenancy], shown_to: AddonId | None) -> None:
        """Remember where rentals, their units and owners are, and who showed them: whom to ask about them next."""
        if len(self._keys()) == 1:
            return
        for tenancy in tenancies:
            rental = tenancy.rental
            ids = (("rental", rental.id), ("unit", rental.unit_id), ("owner", rental.owner_id))
            subjects: list[Subject] = [(kind, id_) for kind, id_ in ids if id_ is not None]
            self._remember(dict.fromkeys(subjects, shown_to))
            if rental.site_id is not None:
                self._sites.update(dict.fromkeys(subjects, ("site", str(rental.site_id))))

    def _remember(self, routes: Mapping[Subject, AddonId | None]) -> None:
        if len(self._routes) > _MOST_ROUTES:
            self._routes.clear()
            self._sites.clear()
        self._routes.update(routes)


def complete(credentials: Mapping[str, str]) -> bool:
    """Say whether a record carries all of its provider's credentials."""
    return all(credentials.get(name) for name in ("url", "client_id", "client_secret"))


def _refused(key: Key, error: UpstreamError) -> bool:
    """Say whether the failure is about the key and tells nothing about the record."""
    return isinstance(error, CredentialsRejected) or key.client.key_refused


def _not_shown(error: UpstreamError) -> bool:
    """Say whether the key may just not see the record."""
    return isinstance(error, Refused) and error.status in _NOT_SHOWN


def no_key(operation: str) -> CredentialsRejected:
    """Say that nothing may be asked of the account at all."""
    return CredentialsRejected(UPSTREAM, operation, "no key is known for this account")
