"""Both services in one fast stub, so that a benchmark measures Keyturn and not what stands around it.

It answers in the shapes of the simulators and keeps only what these answers show. It checks nothing, has no faults
and no history: whether Keyturn is *right* is shown by the tests, never here. A request takes effect when it is
answered, `latency_s` after it came.

    /<business>/api/v1/admin/...   Storeganise, any number of accounts
    /api/backend-sdk/v1/...        Sensorberg
    /oauth/token                   its tokens
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

import httptools
from bench.sender import Sender

from keyturn.storeganise.simulator.shapes import Resource, new_job, new_rental, new_site, new_unit, new_user

Webhook = Callable[[str, str, Mapping[str, Any]], object]
"""Told of an event: business, type, data."""
Answer = tuple[int, bytes]

_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_REASONS = {200: b"OK", 201: b"Created", 204: b"No Content", 404: b"Not Found", 422: b"Unprocessable Entity"}
_NOT_FOUND = 404, b'{"error":{"code":"not_found"},"errors":[{"status":"404","title":"Record not found"}]}'
_TAKEN = 422, b'{"errors":[{"status":"422","title":"has already been taken"}]}'
_TOKEN = 200, b'{"access_token":"token-of-the-stub","token_type":"Bearer","expires_in":7200,"scope":"app"}'
_LISTED = 100
"""How long a list is where nobody says; the simulator's default."""


def now_text() -> str:
    """Return the present instant as Storeganise writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(kw_only=True, slots=True)
class Stay:
    """One rental, and when what its last event asked for came true. Times are of `time.perf_counter`."""

    business: str
    rental: Resource
    owner: Resource
    unit: Resource
    job: str
    wish: str = ""
    """What the event asks for: `open`, `locked` or `gone`."""
    member: bool = False
    ends: str | None = None
    code: str | None = None
    sent_at: float = 0.0
    answered_at: float = 0.0
    door_at: float = 0.0
    """When the door first did what it should."""
    settled_at: float = 0.0
    """When that was shown in Storeganise too."""
    on_settled: Callable[[], None] | None = None

    def ask(self, wish: str, on_settled: Callable[[], None] | None = None) -> None:
        """Start the clock of a new event."""
        self.wish, self.on_settled = wish, on_settled
        self.answered_at = self.door_at = self.settled_at = 0.0
        self.sent_at = time.perf_counter()

    def send(self, sender: Sender, kind: str) -> None:
        """Tell of an event about it, as Storeganise does: the rental, and the job that names it."""
        sender.event(self.business, kind, {"jobId": self.job, "unitRentalId": self.rental["id"]}, self._answered)

    def _answered(self, _status: int, seconds: float) -> None:
        self.answered_at = self.sent_at + seconds

    def look(self) -> None:
        """Take note of what has come true."""
        if self.wish and not self.door_at and self._door_is_right():
            self.door_at = time.perf_counter()
        if self.door_at and not self.settled_at and self._is_shown():
            self.settled_at = time.perf_counter()
            if self.on_settled is not None:
                self.on_settled()

    def _door_is_right(self) -> bool:
        if self.wish == "gone":
            return not self.member
        opens = self.ends is None or self.ends > "2099"
        return self.member and self.code is not None and opens == (self.wish == "open")

    def _is_shown(self) -> bool:
        fields = self.rental["customFields"]
        if self.wish == "gone":
            return True
        shown = fields.get("sensorberg_pin") == self.owner["customFields"].get("sensorberg_pin") == self.code
        return shown and bool(fields.get("sensorberg_overlocked")) == (self.wish == "locked")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request that was answered, for counting round trips."""

    name: str
    began: float
    ended: float


@dataclass(kw_only=True, slots=True)
class Account:
    """One Storeganise account."""

    code: str
    number: int
    site: Resource = field(default_factory=dict)
    records: dict[str, dict[str, Resource]] = field(default_factory=lambda: defaultdict(dict))
    by_owner: dict[str, list[Resource]] = field(default_factory=lambda: defaultdict(list))
    counter: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        fields = {"securitySystem": "sensorberg"}
        self.site = new_site(ident=self.ident(), now=now_text(), title="Site", code="site", custom_fields=fields)
        self.records["sites"][self.site["id"]] = self.site

    def ident(self) -> str:
        """Return an id like Storeganise's, 24 hexadecimal digits."""
        return f"{self.number:04x}{next(self.counter):020x}"


@dataclass(kw_only=True)
class Traffic:
    """What came in since the last `Stub.reset`."""

    requests: Counter[str] = field(default_factory=Counter)
    peaks: Counter[str] = field(default_factory=Counter)
    """The most at once: by `<business> list`, `<business> single`, `sensorberg`."""
    log: list[Asked] = field(default_factory=list)
    last_at: float = field(default_factory=time.perf_counter)


class Stub:
    """The two services. `on_event` hears of what Keyturn's own writes changed, unless `echoes` is off."""

    def __init__(self, *, latency_s: float = 0.0, echoes: bool = True) -> None:
        self.latency_s = latency_s
        self.echoes = echoes
        self.logging = False
        self.on_event: Webhook = _nobody
        self.accounts: dict[str, Account] = {}
        self.stays: dict[str, Stay] = {}
        self.traffic = Traffic()
        self.in_flight: Counter[str] = Counter()
        self.url = ""
        self._heads: dict[str, str] = {}
        """Each record as JSON, but for what changes most: `updated` and the custom fields at its end."""
        self._users: dict[str, dict[str, Any]] = {}
        self._tenants: dict[str, list[Stay]] = defaultdict(list)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Stub]:
        """Serve on a free port while the block runs."""
        server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=2048)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    @property
    def silent_s(self) -> float:
        """How long nothing has been asked."""
        return time.perf_counter() - self.traffic.last_at

    def reset(self) -> None:
        """Count anew."""
        self.traffic = Traffic()

    def add_account(self, code: str) -> Account:
        """Open an account with one site."""
        account = self.accounts[code] = Account(code=code, number=len(self.accounts) + 1)
        return account

    def edit(self, record: Resource, **changes: Any) -> None:
        """Change a record as somebody in the office would; `None` takes a field away."""
        record.update(changes, updated=now_text())
        for name in [name for name, value in changes.items() if value is None]:
            del record[name]
        self._heads.pop(record["id"], None)

    def occupy(self, account: Account) -> Stay:
        """Let somebody new rent a new unit from today on; nobody is told."""
        now, site = now_text(), account.site["id"]
        records = account.records
        number = len(records["units"]) + 1
        group = f"{account.code}-group-{number}"
        unit = new_unit(
            ident=account.ident(), now=now, site=site, name=f"A{number}", state="occupied",
            custom_fields={"sensorberg_id": group},
        )  # fmt: skip
        owner = new_user(
            ident=account.ident(), now=now, first_name="Ada", last_name=f"Tenant {number}",
            email=f"tenant{number}@{account.code}.example.com", language="en", custom_fields={},
        )  # fmt: skip
        rental = new_rental(
            ident=account.ident(),
            now=now,
            unit=unit,
            owner=owner["id"],
            start=date.fromisoformat(now[:10]),
            job=account.ident(),
        )
        rental["state"] = "occupied"
        unit |= {"rentalId": rental["id"], "ownerId": owner["id"]}
        result = {"siteId": site, "unitId": unit["id"], "unitRentalId": rental["id"], "ownerId": owner["id"]}
        job = new_job(
            ident=rental["moveInJobId"], now=now, kind="unit_moveIn", state="completed", owner=owner["id"], given={},
            result=result, steps=[],
        )  # fmt: skip
        for collection, record in (("units", unit), ("users", owner), ("unit-rentals", rental), ("jobs", job)):
            records[collection][record["id"]] = record
        account.by_owner[owner["id"]].append(rental)
        stay = Stay(business=account.code, rental=rental, owner=owner, unit=unit, job=job["id"])
        self.stays[rental["id"]] = stay
        self._tenants[owner["id"]].append(stay)
        return stay

    def know(self, stay: Stay) -> None:
        """Let Sensorberg know a tenant without having been told."""
        self._users[stay.owner["id"]] = {"external-identifier": stay.owner["id"]}

    def take(self, method: bytes, target: bytes, body: bytes, answer: Callable[[Answer], None]) -> None:
        """Answer a request, now or after the latency."""
        path, _, query = target.decode().partition("?")
        parts = path.split("/")
        lane = _lane(parts)
        self.in_flight[lane] += 1
        self.traffic.peaks[lane] = max(self.traffic.peaks[lane], self.in_flight[lane])
        began = time.perf_counter()

        def finish() -> None:
            verb = method.decode()
            self._note(verb, parts, began)
            found = self._answer(verb, parts, query, body)
            self.in_flight[lane] -= 1
            answer(found)

        if self.latency_s:
            asyncio.get_running_loop().call_later(self.latency_s, finish)
        else:
            finish()

    def _note(self, verb: str, parts: list[str], began: float) -> None:
        ended = self.traffic.last_at = time.perf_counter()
        name = _name(verb, parts)
        self.traffic.requests[name] += 1
        if self.logging:
            self.traffic.log.append(Asked(name=name, began=began, ended=ended))

    def _answer(self, verb: str, parts: list[str], query: str, body: bytes) -> Answer:
        if parts[1] == "oauth":
            return _TOKEN
        if parts[1] == "api":
            return self._sensorberg(verb, parts[4:], body)
        account = self.accounts.get(parts[1])
        return _NOT_FOUND if account is None else self._storeganise(account, verb, parts[5:], query, body)

    def _storeganise(self, account: Account, verb: str, parts: list[str], query: str, body: bytes) -> Answer:
        if verb == "POST":
            return 201, _encoded({"id": account.ident()})
        if verb == "PUT":
            return self._write(account, parts[0], parts[1], json.loads(body)["customFields"])
        asked = dict(part.split("=") for part in unquote(query).split("&")) if query else {}
        include = asked.get("include", "")
        if len(parts) == 1:
            shown = ",".join([self._shown(account, row, include) for row in _page(account, parts[0], asked)])
            return 200, f"[{shown}]".encode()
        found = account.records[parts[0]].get(parts[1])
        return _NOT_FOUND if found is None else (200, self._shown(account, found, include).encode())

    def _shown(self, account: Account, record: Resource, include: str) -> str:
        """Write a record; `customFields` and what is nested only where it is asked for."""
        head = self._heads.get(record["id"])
        if head is None:
            fixed = {name: value for name, value in record.items() if name not in {"updated", "customFields"}}
            head = self._heads[record["id"]] = _JSON(fixed)[:-1]
        parts = [head, ',"updated":"', record["updated"], '"']
        if "customFields" in include and "customFields" in record:
            parts += [',"customFields":', _JSON(record["customFields"])]
        if "unit" in include and "startDate" in record:
            parts += [',"unit":', self._shown(account, account.records["units"][record["unitId"]], "customFields")]
        if "owner" in include and "startDate" in record:
            parts += [',"owner":', self._shown(account, account.records["users"][record["ownerId"]], "customFields")]
        return "".join([*parts, "}"])

    def _write(self, account: Account, collection: str, ident: str, fields: Mapping[str, Any]) -> Answer:
        record = account.records[collection].get(ident)
        if record is None:
            return _NOT_FOUND
        changed = [
            f"customFields.{name}" for name, value in fields.items() if record["customFields"].get(name) != value
        ]
        record["customFields"].update(fields)
        record["updated"] = now_text()
        if changed and self.echoes:
            kind, key = ("user", "userId") if collection == "users" else ("unitRental", "unitRentalId")
            self.on_event(account.code, f"{kind}.updated", {key: ident, "changedKeys": changed})
        for stay in self._tenants[ident] if collection == "users" else (self.stays[ident],):
            stay.look()
        return 200, self._shown(account, record, "").encode()

    def _sensorberg(self, verb: str, parts: list[str], body: bytes) -> Answer:
        given = json.loads(body)["data"]["attributes"] if body else {}
        if parts[0] == "users":
            return self._user(verb, parts, given)
        return self._membership(verb, parts, given)

    def _user(self, verb: str, parts: list[str], given: Mapping[str, Any]) -> Answer:
        ident = given["external-identifier"] if verb == "POST" else parts[1]
        known = self._users.get(ident)
        if verb == "POST":
            if known is not None:
                return _TAKEN
            self._users[ident] = dict(given)
            return 201, _document("users", given)
        if known is None:
            return _NOT_FOUND
        if verb == "PUT":
            for stay in self._tenants[ident]:
                stay.code = given["identification-code"]
                stay.look()
        return 200, _document("users", known)

    def _membership(self, verb: str, parts: list[str], given: Mapping[str, Any]) -> Answer:
        stay = self.stays.get(given["external-identifier"] if verb == "POST" else parts[1])
        if stay is None or (verb != "POST" and not stay.member):
            return _NOT_FOUND
        if verb == "POST" and stay.member:
            return _TAKEN
        stay.member, stay.ends = verb != "DELETE", given.get("ends-at")
        stay.look()
        if verb == "DELETE":
            return 204, b""
        shown = {
            "external-identifier": stay.rental["id"],
            "external-user-identifier": stay.owner["id"],
            "external-user-group-identifier": stay.unit["customFields"]["sensorberg_id"],
            **given,
        }
        return 201 if verb == "POST" else 200, _document("user-group-memberships", shown)


def _nobody(_business: str, _kind: str, _data: Mapping[str, Any]) -> None:
    """Hear of an event and do nothing."""


def _lane(parts: list[str]) -> str:
    if parts[1] in ("api", "oauth"):
        return "sensorberg"
    return f"{parts[1]} {'list' if len(parts) == 6 else 'single'}"  # noqa: PLR2004  # no id: a list


def _name(verb: str, parts: list[str]) -> str:
    """Name an operation: the method and the kind of record."""
    if parts[1] == "oauth":
        return "POST token"
    if parts[1] == "api":
        return f"{verb} {parts[-1] if parts[-1] == 'identification_code' else parts[4]}"
    return f"{verb} {parts[5]}{'' if len(parts) > 6 else ' (list)'}"  # noqa: PLR2004  # no id: a list


def _page(account: Account, collection: str, asked: Mapping[str, str]) -> list[Resource]:
    rows = account.records[collection]
    limit, offset = int(asked.get("limit", _LISTED)), int(asked.get("offset", 0))
    if "ids" in asked:
        found = [rows[ident] for ident in asked["ids"].split(",") if ident in rows]
    elif "ownerId" in asked:
        found = account.by_owner[asked["ownerId"]]
    elif "updatedAfter" in asked:
        found = [row for row in rows.values() if row["updated"] > asked["updatedAfter"]]
    else:
        found = list(rows.values())
    return found[offset : offset + limit]


def _document(kind: str, attributes: Mapping[str, Any]) -> bytes:
    return _encoded({"data": {"id": "1", "type": kind, "attributes": dict(attributes)}})


def _encoded(value: Any) -> bytes:
    return _JSON(value).encode()


class _Connection(asyncio.Protocol):
    """One connection; a client that sends its next request before the answer is not foreseen."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        target, body = self._target, self._body
        self._target = self._body = b""
        self._stub.take(self._parser.get_method(), target, body, self._send)

    def _send(self, answer: Answer) -> None:
        status, body = answer
        head = (
            b"HTTP/1.1 %d %b\r\nDate: %b\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n"
        )
        self._transport.write(head % (status, _REASONS[status], _date(int(time.time())), len(body)) + body)


_DATES: dict[int, bytes] = {}


def _date(second: int) -> bytes:
    if second not in _DATES:
        _DATES.clear()
        _DATES[second] = formatdate(second, usegmt=True).encode()
    return _DATES[second]
