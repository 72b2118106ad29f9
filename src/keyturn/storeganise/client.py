"""One business' Storeganise account over HTTP: the engine's `Source`.

Storeganise asks integrators to be gentle (help, article 297, "API best practices"): requests in
series, above all lists; `include` for single records and short lists; `updatedAfter` instead
of full listings; static records cached. So lists run one at a time, few single requests at once
(`storeganise.turns`), and sites are kept for an hour.

It must never call an address made from what a webhook says, take a short list for a complete
one, repeat a write, or put a value into an error. Neighbours: `storeganise.wire` reads the
JSON, `upstream.http` judges the answers, `upstream.circuit` says when to keep quiet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

from keyturn.clock import Clock
from keyturn.core.ids import AddonId, JobId, OwnerId, RentalId, SiteId, UnitId, is_id
from keyturn.core.installation import AddonRecord
from keyturn.core.problem import Target
from keyturn.core.rental import Job, Missing, Owner, Pin, Rental, Site, Tenancy, Unit
from keyturn.errors import Refused, Unavailable
from keyturn.storeganise import wire
from keyturn.storeganise.kept import Kept
from keyturn.storeganise.turns import Turns
from keyturn.upstream.circuit import Circuit
from keyturn.upstream.dates import http_date
from keyturn.upstream.http import HttpClient, Operation, Response, failure, read_json

UPSTREAM = "storeganise"
LONGEST_ID_LIST = 50
_FIELDS = "customFields"
_NESTED = "unit,owner,customFields"
_OVERLAP = 10
"""Each next page starts this share (one in ten) of the last page early, so that a moved row shows."""
_SUSPICIOUS = 10
"""A server that caps pages in silence caps them at a round number, so such a short page may not be the last."""

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class _Paging:
    """How long a page is, and how many there may be before a list counts as endless."""

    limit: int
    most: int


# Article 297: lists with `include` stay at about 50 records.
_OF_AN_OWNER = _Paging(50, 100)
_UNITS = _Paging(50, 1000)
_CHANGES = _Paging(1000, 1000)


class Authorization(Protocol):
    """What goes into the `Authorization` header."""

    def header(self) -> str:
        """Return the header's value."""
        ...


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The key of one account (help, article 299)."""

    key: str = field(repr=False)

    def header(self) -> str:
        """Return `ApiKey <key>`."""
        return f"ApiKey {self.key}"


@dataclass(frozen=True, slots=True)
class AddonKey:
    """The vendor's key for one add-on installation (help, article 475)."""

    addon_id: str
    key: str = field(repr=False)

    def header(self) -> str:
        """Return `Addon <addonId>|<key>`."""
        return f"Addon {self.addon_id}|{self.key}"


class StoreganiseClient:
    """Reads and writes one account. One per business and credential; safe for concurrent use."""

    def __init__(
        self,
        *,
        http: HttpClient,
        clock: Clock,
        api_url: str,
        authorization: Authorization,
        circuit: Circuit,
        turns: Turns | None = None,
        site_cache: timedelta = timedelta(hours=1),
    ) -> None:
        """Keep the parts.

        `api_url` is what the operator configured, or the pinned address of an installation, e.g.
        `https://acme.storeganise.com/api`; `turns` are shared by all clients of the account.
        """
        self._http = http
        self._clock = clock
        self._base = f"{api_url.rstrip('/')}/v1/admin"
        self._authorization = authorization
        self._circuit = circuit
        self._turns = turns or Turns(in_flight=4)
        self._sites: Kept[SiteId, Site] = Kept(clock, site_cache)
        self._addons: Kept[AddonId, AddonRecord] = Kept(clock, site_cache)
        self.ahead: timedelta | None = None
        """How far Storeganise's clock is ahead of ours, by its last `Date` header; `None`: it sent none yet."""

    async def rental(self, rental_id: RentalId) -> Tenancy:
        """`GET unit-rentals/{id}` (help, article 343). Raises `NotFound`."""
        call = _one("read a rental", "unit-rentals", rental_id)
        return await self._single(call, {"include": _NESTED}, lambda value: wire.tenancy(value, asked={rental_id}))

    async def rentals(self, rental_ids: Sequence[RentalId]) -> list[Tenancy]:
        """`GET unit-rentals?ids=` (help, article 299), at most 50 ids. Rows that were not asked for are an error.

        Without ids nothing is sent: an empty parameter could be answered with every rental there is.
        """
        asked = tuple(dict.fromkeys(rental_ids))
        if not asked:
            return []
        if len(asked) > LONGEST_ID_LIST:
            raise ValueError(f"at most {LONGEST_ID_LIST} rentals in one list")
        call = _several("list rentals by id", "unit-rentals", asked)
        query = {"ids": ",".join(asked), "include": _NESTED, "limit": str(LONGEST_ID_LIST)}
        rows = await self._page(call, query, lambda row: wire.tenancy(row, asked=asked))
        return list({row.rental.id: row for row in rows}.values())

    async def rentals_of(self, owner_id: OwnerId) -> list[Tenancy]:
        """`GET unit-rentals?ownerId=` (help, article 299), page by page. Complete, or an error."""
        call = _several("list an owner's rentals", "unit-rentals", (owner_id,))
        query = {"ownerId": owner_id, "include": _NESTED}
        return await self._listing(
            call, query, _OF_AN_OWNER, lambda row: wire.tenancy(row, owner=owner_id), lambda found: found.rental.id
        )

    async def changed_since(self, instant: datetime) -> list[RentalId]:
        """`GET unit-rentals?updatedAfter=` (help, article 297), page by page. Complete, or an error.

        Whether the bound itself is included is not documented, so it is asked for a millisecond early.
        """
        early = instant.astimezone(UTC) - timedelta(milliseconds=1)
        text = early.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
        call = _Call("list changed rentals", "unit-rentals", "changes")
        return await self._listing(call, {"updatedAfter": text}, _CHANGES, wire.rental_id, lambda found: found)

    async def units(self) -> list[Unit]:
        """`GET units` (help, article 297) with custom fields, page by page. Complete, or an error."""
        call = _Call("list units", "units", "units")
        return await self._listing(call, {"include": _FIELDS}, _UNITS, wire.unit, lambda found: found.id)

    async def unit(self, unit_id: UnitId) -> Unit:
        """`GET units/{id}` (help, article 299). Raises `NotFound`."""
        call = _one("read a unit", "units", unit_id)
        return await self._single(call, {"include": _FIELDS}, lambda value: wire.unit(value, asked=unit_id))

    async def site(self, site_id: SiteId, *, within: timedelta | None = None) -> Site:
        """`GET sites/{id}` (help, article 299), kept for the cache's time, or for `within`. Raises `NotFound`."""
        call = _one("read a site", "sites", site_id)
        read = partial(self._single, call, {"include": _FIELDS}, partial(wire.site, asked=site_id))
        return await self._sites.get(site_id, read, within=within)

    async def sites(self) -> list[Site]:
        """`GET sites` (help, article 297) with custom fields, page by page. Complete, or an error."""
        call = _Call("list sites", "sites", "sites")
        return await self._listing(call, {"include": _FIELDS}, _UNITS, wire.site, lambda found: found.id)

    async def addon(self, addon_id: AddonId, *, within: timedelta | None = None) -> AddonRecord:
        """`GET addons/{id}` (help, article 343), kept for the cache's time, or for `within`. Raises `NotFound`."""
        call = _one("read an installation", "addons", addon_id)
        read = partial(self._single, call, {}, partial(wire.addon, asked=addon_id))
        return await self._addons.get(addon_id, read, within=within)

    @property
    def key_refused(self) -> bool:
        """Whether the key was refused lately, so that nothing is asked with it for a while."""
        return self._circuit.reason == "credentials"

    def forget(self) -> None:
        """Drop what is kept, so that sites and installations are read anew."""
        self._sites.clear()
        self._addons.clear()

    async def job(self, job_id: JobId) -> Job:
        """`GET jobs/{id}` (help, article 299). Raises `NotFound`."""
        call = _one("read a job", "jobs", job_id)
        return await self._single(call, {}, lambda value: wire.job(value, asked=job_id))

    async def write_owner_pin(self, owner_id: OwnerId, pin: Pin) -> Owner | None:
        """`PUT users/{id}` (help, article 299): only the one custom field, the others stay. Never repeated here."""
        call = _one("write an owner's PIN", "users", owner_id)
        body = wire.owner_body(pin)
        return await self._write(call, body, lambda value: wire.owner_record(value, asked=owner_id))

    async def write_rental(
        self, rental_id: RentalId, *, pin: Pin | Missing | None = None, overlocked: bool | None = None
    ) -> Rental | None:
        """`PUT unit-rentals/{id}` (help, article 299): both fields in one request. Never repeated here."""
        body = wire.rental_body(pin=pin, overlocked=overlocked)
        if body is None:
            return None
        call = _one("write a rental's fields", "unit-rentals", rental_id)
        return await self._write(call, body, lambda value: wire.rental(value, asked=rental_id))

    async def post_task(self, target: Target, title: str, text: str) -> None:
        """`POST jobs` of type task (add-on starter template). Never repeated here; the answer's body is of no use.

        To the circuit all tasks are one subject: an account that takes none must not seem to be out of order.
        """
        _usable("post a task", (target.id,))
        call = _Call("post a task", "jobs", "tasks")
        async with self._turns.single():
            await self._send(call, "POST", {}, wire.task_body(target, title, text), lambda _: None)

    async def _single(self, call: _Call, query: Mapping[str, str], read: Callable[[Any], Facts]) -> Facts:
        async with self._turns.single():
            return await self._send(call, "GET", query, None, read)

    async def _write(self, call: _Call, body: bytes, read: Callable[[Any], Facts]) -> Facts | None:
        def shown(value: Any) -> Facts | None:
            return read(value) if wire.is_resource(value) else None

        async with self._turns.write():
            return await self._send(call, "PUT", {}, body, shown)

    async def _page(self, call: _Call, query: Mapping[str, str], read: Callable[[object], Facts]) -> list[Facts]:
        async with self._turns.list():
            return await self._send(call, "GET", query, None, lambda value: [read(row) for row in wire.rows(value)])

    async def _listing(
        self,
        call: _Call,
        query: Mapping[str, str],
        paging: _Paging,
        read: Callable[[object], Facts],
        identity: Callable[[Facts], str],
    ) -> list[Facts]:
        """Read all pages. Offsets shift when rows come and go, so each page overlaps the one before it.

        A page that does not begin with a row already seen means that a row may have slipped
        through; that, a list that repeats itself and one that does not end are errors.
        """
        seen: dict[str, Facts] = {}
        offset, size_before = 0, 0
        for _ in range(paging.most):
            page = await self._page(call, {**query, "limit": str(paging.limit), "offset": str(offset)}, read)
            new = {identity(row): row for row in page}
            if seen and (not page or identity(page[0]) not in seen):
                raise _incomplete(call, "the list moved while it was read")
            nothing_new = bool(seen) and new.keys() <= seen.keys()
            if nothing_new and len(page) >= size_before:
                raise _incomplete(call, "the list repeats itself")
            seen |= new
            if nothing_new or _is_last(len(page), paging.limit):
                return list(seen.values())
            offset, size_before = offset + len(page) - len(page) // _OVERLAP, len(page)
        raise _incomplete(call, "the list does not end")

    async def _send(
        self, call: _Call, method: str, query: Mapping[str, str], body: bytes | None, read: Callable[[Any], Facts]
    ) -> Facts:
        """Send one request and read its answer; the circuit learns how both went."""
        operation = Operation(UPSTREAM, call.name)
        with self._circuit.guard(call.name, call.subject):
            sent_at = self._clock.now()
            response = await self._http.request(
                method, self._url(call, query), operation=operation, headers=self._headers(body), body=body
            )
            self._learn_time(response, sent_at)
            error = failure(response, operation, now=self._clock.now())
            if error is not None:
                raise error
            try:
                return read(read_json(response, operation, due=method == "GET"))
            except wire.Mismatch as mismatch:
                raise Unavailable(UPSTREAM, call.name, str(mismatch)) from mismatch

    def _learn_time(self, response: Response, sent_at: datetime) -> None:
        """Compare `Date` with the middle of the round trip; the header itself is cut to the second."""
        theirs = http_date(response.headers.get("date"))
        if theirs is not None:
            self.ahead = theirs - (sent_at + (self._clock.now() - sent_at) / 2)

    def _url(self, call: _Call, query: Mapping[str, str]) -> str:
        tail = f"?{urlencode(query, safe=',')}" if query else ""
        return f"{self._base}/{call.path}{tail}"

    def _headers(self, body: bytes | None) -> dict[str, str]:
        headers = {"Authorization": self._authorization.header(), "Accept": "application/json"}
        return headers if body is None else {**headers, "Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class _Call:
    """What is asked, where, and about whom (for the circuit to tell one broken record from an outage)."""

    name: str
    path: str
    subject: str


def _one(name: str, resource: str, record_id: str) -> _Call:
    _usable(name, (record_id,))
    return _Call(name, f"{resource}/{record_id}", record_id)


def _several(name: str, resource: str, ids: Sequence[str]) -> _Call:
    _usable(name, ids)
    return _Call(name, resource, ids[0])


def _usable(name: str, ids: Sequence[str]) -> None:
    """Refuse, before anything is sent, an id that could be more than one path segment."""
    if not all(is_id(text) for text in ids):
        raise Refused(UPSTREAM, name, "not an id; nothing was sent", status=400)


def _is_last(size: int, limit: int) -> bool:
    return size < limit and (size == 0 or size % _SUSPICIOUS != 0)


def _incomplete(call: _Call, reason: str) -> Unavailable:
    return Unavailable(UPSTREAM, call.name, reason)
