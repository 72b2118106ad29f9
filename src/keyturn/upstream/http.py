"""The one way out: every request to a foreign service leaves here, and every answer is judged here.

It must never call a host the settings do not allow, nor an address such a host must not stand for
(`upstream.resolver`), follow a redirect, keep a cookie, use a proxy from the environment, read
without limit, or put a URL, a header or a body into an error.
Patience is not its business: it repeats a read once when the connection was lost, nothing else.
Neighbours: `upstream.circuit` decides whether to call at all; clients turn answers into facts.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from keyturn import telemetry
from keyturn.errors import CredentialsRejected, HostNotAllowed, NotFound, Refused, Unavailable, UpstreamError
from keyturn.upstream.dates import retry_after
from keyturn.upstream.hosts import is_loopback, listing
from keyturn.upstream.jsonapi import read_document
from keyturn.upstream.resolver import AddressForbidden, GuardedResolver

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?:[/?][!-\"$-\[\]-~]*)?"
)
"""A whole address in printable ASCII without user info, fragment, backslash, space or control character."""
_LEADS_ASTRAY = (
    "its name leads to an address that may not be called; a host in a private network must be listed by its full name"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_AT_ONCE = 64 * 1024
_TRANSIENT = frozenset({408, 425, 429})
_PAUSING = frozenset({429, 503})
_GATEWAY_TIMEOUT = 504
_BEFORE_SENDING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
"""There was no connection yet, so nothing can have happened."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Who is asked for what, in words; every error carries both."""

    upstream: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """An answer, whatever its status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Watch(Protocol):
    """Is told of each request as it goes out and as it ends."""

    def upstream_asked(self, upstream: str) -> None:
        """A request goes out."""
        ...

    def upstream_request(self, upstream: str, operation: str, outcome: str, seconds: float) -> None:
        """It ended: "2xx" to "5xx", "no answer", or "not sent" where its address may not be called."""
        ...

    def upstream_paused(self, upstream: str, reason: str) -> None:
        """A call was kept back, because the upstream is left alone."""
        ...


class _ConnectionLost(aiohttp.ClientError):
    """The connection ended before the answer was complete."""


class HttpClient:
    """One session for all upstreams. Make it anywhere, use it within one event loop, close it at the end."""

    def __init__(
        self,
        allowed_hosts: Sequence[str],
        *,
        connect_timeout_s: float = 3.0,
        read_timeout_s: float = 10.0,
        total_timeout_s: float = 15.0,
        body_limit: int = 2 * 1024 * 1024,
        watch: Watch | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Keep the rules.

        `allowed_hosts`: exact names or `*.suffix`, each for any port or for the one it carries.
        Times in seconds, `body_limit` in bytes after decompression. `resolver` finds the addresses of names,
        the system's where it is left out; which of them may be called is decided here.
        """
        self._allowed = tuple(allowed_hosts)
        self._timeout = aiohttp.ClientTimeout(
            total=total_timeout_s, connect=connect_timeout_s, sock_connect=connect_timeout_s, sock_read=read_timeout_s
        )
        self._body_limit = body_limit
        self._watch = watch
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def paused(self, name: str, reason: str) -> None:
        """Take note of a call that a circuit kept back. `name` may say of which account: "storeganise of acme"."""
        if self._watch is not None:
            self._watch.upstream_paused(name.partition(" of ")[0], reason)

    async def request(
        self, method: str, url: str, *, operation: Operation, headers: Mapping[str, str], body: bytes | None = None
    ) -> Response:
        """Send one request and return the answer, whatever its status.

        Raises `HostNotAllowed` before anything is sent, and `Unavailable` where no answer came.
        """
        try:
            try:
                return await self._counted(method, url, operation, headers, body)
            except _ConnectionLost:
                if method != "GET":
                    raise
                return await self._counted(method, url, operation, headers, body)
        except AddressForbidden:
            raise _forbidden(operation, _LEADS_ASTRAY) from None
        except TimeoutError as error:
            raise _silent(operation, "no answer in time", sent=not isinstance(error, _BEFORE_SENDING)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _silent(operation, _why(error), sent=not isinstance(error, _BEFORE_SENDING)) from None

    async def _counted(
        self, method: str, url: str, operation: Operation, headers: Mapping[str, str], body: bytes | None
    ) -> Response:
        outcome, begun = "no answer", asyncio.get_running_loop().time()
        name = f"{operation.upstream}: {operation.name}"
        with telemetry.calling(name, upstream=operation.upstream, operation=operation.name) as span:
            self._asked(operation)
            try:
                check_address(url, self._allowed, operation)
                response = await self._send(method, url, operation, headers, body)
                outcome = f"{response.status // 100}xx"
            except (HostNotAllowed, AddressForbidden):
                outcome = "not sent"
                raise
            finally:
                span.note(outcome=outcome)
                self._ended(operation, outcome, asyncio.get_running_loop().time() - begun)
        return response

    def _asked(self, operation: Operation) -> None:
        if self._watch is not None:
            self._watch.upstream_asked(operation.upstream)

    def _ended(self, operation: Operation, outcome: str, seconds: float) -> None:
        if self._watch is not None:
            self._watch.upstream_request(operation.upstream, operation.name, outcome, seconds)

    async def _send(
        self, method: str, url: str, operation: Operation, headers: Mapping[str, str], body: bytes | None
    ) -> Response:
        request = self._open().request(
            method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False, timeout=self._timeout
        )
        async with request as answer:
            content = await self._read(answer, operation)
            named = {name.lower(): value for name, value in answer.headers.items()}
            return Response(status=answer.status, headers=named, body=content)

    async def _read(self, answer: aiohttp.ClientResponse, operation: Operation) -> bytes:
        parts, size = [], 0
        try:
            async for part in answer.content.iter_chunked(_AT_ONCE):
                parts.append(part)
                size += len(part)
                if size > self._body_limit:
                    answer.close()
                    raise _silent(operation, "the answer is too large")
        except (aiohttp.ClientPayloadError, aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise _ConnectionLost from error
        return b"".join(parts)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                skip_auto_headers=("Content-Type",),
                headers={"User-Agent": "keyturn"},
                middlewares=(_once,),
            )
        return self._session

    def _connector(self) -> aiohttp.BaseConnector:
        """Return what opens connections. How many requests are under way is each client's own rule."""
        resolver = GuardedResolver(self._allowed, self._resolver or aiohttp.ThreadedResolver())
        return aiohttp.TCPConnector(limit=0, use_dns_cache=True, resolver=resolver)


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep the library from repeating a PUT or DELETE by itself on a connection that was lost."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _ConnectionLost from error


def check_address(url: str, allowed_hosts: Sequence[str], operation: Operation) -> None:
    """Return if `url` may be called, else raise `HostNotAllowed`. Nothing is resolved or sent.

    https only, and http for loopback addresses that are listed; no user info, no fragment,
    nothing that two URL parsers could read differently.
    """
    match = _ADDRESS.fullmatch(url)
    if match is None:
        raise _forbidden(operation, "the address is not a plain http(s) address")
    host, port = match["host"].lower(), int(match["port"] or _DEFAULT_PORTS[match["scheme"]])
    if listing(host, port, allowed_hosts) is None:
        raise _forbidden(operation, "the host is not in network.allowed_hosts")
    if match["scheme"] == "http" and not is_loopback(host):
        raise _forbidden(operation, "http is for loopback addresses only")
    if _as_sent(url) != (host.strip("[]"), port):
        raise _forbidden(operation, "the address can be read in two ways")


def _as_sent(url: str) -> tuple[str | None, int | None]:
    """Return host and port as the sending library reads them."""
    try:
        read = URL(url, encoded=True)
        host, port = (read.raw_host or "").lower(), read.port
    except ValueError:
        return None, None
    return host, port


def failure(
    response: Response, operation: Operation, *, now: datetime, about: frozenset[str] = frozenset()
) -> UpstreamError | None:
    """Turn a status into exactly one error, or `None` for any 2xx. The one place where this is decided.

    408, 425, 429 and 5xx may get better; 401 is about our credentials; 404 is an answer; a
    redirect and any other 4xx cannot be mended by repeating. `now` is for a `Retry-After` date.
    """
    status, upstream, name = response.status, operation.upstream, operation.name
    reason = f"answered {status}"
    match status:
        case _ if 200 <= status < 300:  # noqa: PLR2004  the range is the meaning
            return None
        case _ if status in _TRANSIENT or status >= 500:  # noqa: PLR2004  the range is the meaning
            wait = retry_after(response.headers.get("retry-after"), now)
            pauses, uncertain = status in _PAUSING, status == _GATEWAY_TIMEOUT
            return Unavailable(upstream, name, reason, retry_after=wait, pauses=pauses, uncertain=uncertain)
        case 401:
            return CredentialsRejected(upstream, name, "answered 401: the credentials are not accepted")
        case 404:
            return NotFound(upstream, name, reason, status=status, about=about)
        case _:
            return Refused(upstream, name, reason, status=status, about=about)


def read_json(response: Response, operation: Operation, *, due: bool) -> Any:
    """Return the JSON of a 2xx answer, or `None` for an empty one where none is `due`. Else `Unavailable`."""
    if not response.body.strip():
        if due:
            raise _silent(operation, "the answer is empty")
        return None
    try:
        return read_document(response.body)
    except ValueError:
        # The decoder's message can quote the body.
        raise _silent(operation, "unreadable answer") from None


def _silent(operation: Operation, reason: str, *, sent: bool = True) -> Unavailable:
    return Unavailable(operation.upstream, operation.name, reason, uncertain=sent)


def _forbidden(operation: Operation, reason: str) -> HostNotAllowed:
    return HostNotAllowed(operation.upstream, operation.name, reason)


def _why(error: Exception) -> str:
    """Say what happened without the URL that the library's own message contains."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "its certificate is not accepted"
        case aiohttp.ClientConnectorDNSError():
            return "its name cannot be resolved"
        case aiohttp.ClientConnectorError():
            return "no connection"
        case _ConnectionLost():
            return "the connection was lost"
        case _:
            return "the answer is not proper HTTP"
