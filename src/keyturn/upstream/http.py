"""The one way out: every request to a foreign service leaves here, and every answer is judged here.

It must never call a host the settings do not allow, follow a redirect, keep a cookie, use a
proxy from the environment, read without limit, or put a URL, a header or a body into an error.
Patience is not its business: it repeats a read once when the connection was lost, nothing else.
Neighbours: `upstream.circuit` decides whether to call at all; clients turn answers into facts.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

from keyturn.errors import CredentialsRejected, HostNotAllowed, NotFound, Refused, Unavailable, UpstreamError
from keyturn.upstream.jsonapi import read_document

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?:[/?][!-\"$-\[\]-~]*)?"
)
"""A whole address in printable ASCII without user info, fragment, backslash, space or control character."""
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_AT_ONCE = 64 * 1024
_TRANSIENT = frozenset({408, 425, 429})
_PAUSING = frozenset({429, 503})


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


OnAnswer = Callable[[str, str, str], None]
"""Told of each request: upstream, operation, and "2xx" to "5xx" or "no answer"."""


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
        on_answer: OnAnswer | None = None,
    ) -> None:
        """Keep the rules.

        `allowed_hosts`: exact names or `*.suffix`, each for any port or for the one it carries.
        Times in seconds, `body_limit` in bytes after decompression. `on_answer` is told how each request ended.
        """
        self._allowed = tuple(allowed_hosts)
        self._timeout = aiohttp.ClientTimeout(
            total=total_timeout_s, connect=connect_timeout_s, sock_connect=connect_timeout_s, sock_read=read_timeout_s
        )
        self._body_limit = body_limit
        self._on_answer = on_answer
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

    async def request(
        self, method: str, url: str, *, operation: Operation, headers: Mapping[str, str], body: bytes | None = None
    ) -> Response:
        """Send one request and return the answer, whatever its status.

        Raises `HostNotAllowed` before anything is sent, and `Unavailable` where no answer came.
        """
        check_address(url, self._allowed, operation)
        try:
            try:
                return await self._counted(method, url, operation, headers, body)
            except _ConnectionLost:
                if method != "GET":
                    raise
                return await self._counted(method, url, operation, headers, body)
        except TimeoutError as error:
            raise _silent(operation, "no answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _silent(operation, _why(error)) from None

    async def _counted(
        self, method: str, url: str, operation: Operation, headers: Mapping[str, str], body: bytes | None
    ) -> Response:
        outcome = "no answer"
        try:
            response = await self._send(method, url, operation, headers, body)
            outcome = f"{response.status // 100}xx"
            return response
        finally:
            if self._on_answer is not None:
                self._on_answer(operation.upstream, operation.name, outcome)

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
                # How many requests are under way is each client's own rule.
                connector=aiohttp.TCPConnector(limit=0, use_dns_cache=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                skip_auto_headers=("Content-Type",),
                headers={"User-Agent": "keyturn"},
                middlewares=(_once,),
            )
        return self._session


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
    if not any(_allows(entry.lower(), host, port) for entry in allowed_hosts):
        raise _forbidden(operation, "the host is not in network.allowed_hosts")
    if match["scheme"] == "http" and not _is_loopback(host):
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


def _allows(entry: str, host: str, port: int) -> bool:
    name, listed_port = _split(entry)
    if listed_port is not None and listed_port != port:
        return False
    if not name.startswith("*."):
        return host.strip("[]") == name.strip("[]")
    labels = host.removesuffix(name[1:])
    return labels != host and all(_LABEL.fullmatch(label) for label in labels.split("."))


def _split(entry: str) -> tuple[str, int | None]:
    """Split an entry into name and port. A bare IPv6 address has several colons and no port."""
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and (":" not in name or name.endswith("]")):
        return name, int(port)
    return entry, None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


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
            return Unavailable(upstream, name, reason, retry_after=wait, pauses=status in _PAUSING)
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


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Read a `Retry-After` header: seconds or an HTTP date (RFC 9110, 10.2.3). Nonsense is `None`."""
    if text is None:
        return None
    stripped = text.strip()
    if re.fullmatch(r"[0-9]{1,9}", stripped, re.ASCII):
        return timedelta(seconds=int(stripped))
    moment = http_date(stripped)
    return None if moment is None else max(moment - now, timedelta())


def http_date(text: str | None) -> datetime | None:
    """Read an HTTP date such as `Date` carries; `None` for anything else."""
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _silent(operation: Operation, reason: str) -> Unavailable:
    return Unavailable(operation.upstream, operation.name, reason)


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
