"""The one way out, against answers of every kind."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from keyturn.errors import Unavailable
from keyturn.upstream.http import HttpClient, Operation, Response
from upstream.raw_server import SILENCE, RawServer, Respond, answer, raw_server

READ = Operation("storeganise", "read a rental")
CANARY = "canary-of-the-key"


def _client(**limits: float) -> HttpClient:
    return HttpClient(["127.0.0.1"], **({"total_timeout_s": 5.0} | limits))  # type: ignore[arg-type]  # all but one are seconds


async def _ask(server: RawServer, http: HttpClient, method: str = "GET", body: bytes | None = None) -> Response:
    url = f"{server.url}/api?ids=a,b&at=2026-01-01T00%3A00Z"
    return await http.request(method, url, operation=READ, headers={"Authorization": CANARY}, body=body)


async def _error(respond: Respond, method: str = "GET", http: HttpClient | None = None) -> tuple[Unavailable, int]:
    """Return the error and how many requests there were."""
    async with raw_server(respond) as server, http or _client() as client:
        with pytest.raises(Unavailable) as caught:
            await _ask(server, client, method)
        assert CANARY not in str(caught.value)
        assert "127.0.0.1" not in str(caught.value)
        return caught.value, len(server.requests)


async def test_plain_answer() -> None:
    """The answer comes back as it is, with its header names in lower case."""
    async with raw_server(lambda _: answer(b'{"a":1}', status=404)) as server, _client() as http:
        got = await _ask(server, http)
    assert (got.status, got.body, got.headers["content-type"]) == (404, b'{"a":1}', "application/json")


async def test_what_is_sent() -> None:
    """The path goes out as it was written, with our headers and no others that matter."""
    async with raw_server(lambda _: answer(b"{}")) as server, _client() as http:
        await _ask(server, http)
        head = server.requests[0].decode().lower()
    assert head.startswith("get /api?ids=a,b&at=2026-01-01t00%3a00z http/1.1\r\n")
    assert "cookie" not in head
    assert "content-type" not in head


async def test_body_keeps_its_content_type() -> None:
    """The content type is exactly the one given, without parameters."""
    async with raw_server(lambda _: answer(b"{}")) as server, _client() as http:
        headers = {"Content-Type": "application/vnd.api+json"}
        await http.request("POST", server.url, operation=READ, headers=headers, body=b'{"a":1}')
        sent = server.requests[0].decode()
    assert "content-type: application/vnd.api+json\r\n" in sent.lower()
    assert sent.endswith('\r\n\r\n{"a":1}')


async def test_redirects_are_not_followed() -> None:
    """A redirect is an answer like any other; nobody goes where it points."""
    redirect = answer(b"", status=302, headers=("Location: http://127.0.0.1:1/",))
    async with raw_server(lambda _: redirect) as server, _client() as http:
        assert (await _ask(server, http)).status == 302
        assert len(server.requests) == 1


async def test_cookies_are_not_kept() -> None:
    """A cookie that was set is not sent back."""
    cookie = answer(b"{}", headers=("Set-Cookie: a=b; Path=/",))
    async with raw_server(lambda _: cookie) as server, _client() as http:
        await _ask(server, http)
        await _ask(server, http)
        assert b"cookie" not in server.requests[1].lower()


async def test_no_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy named in the environment does not get to see anything."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with raw_server(lambda _: answer(b"{}")) as server, _client() as http:
        assert (await _ask(server, http)).status == 200


async def test_no_server() -> None:
    """Nobody there is a reason to come back later."""
    async with raw_server(lambda _: b"") as server:
        pass
    async with _client() as http:
        with pytest.raises(Unavailable, match="no connection"):
            await _ask(server, http)


@pytest.mark.parametrize("limit", ["read_timeout_s", "total_timeout_s"])
async def test_silence(limit: str) -> None:
    """A server that says nothing is given up, and the request is not repeated."""
    error, requests = await _error(lambda _: SILENCE, http=_client(**{limit: 0.1}))
    assert (error.reason, requests) == ("no answer in time", 1)


async def test_half_a_body() -> None:
    """A body that was cut off is no answer."""
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
    error, _ = await _error(lambda _: half, "PUT")
    assert error.reason == "the connection was lost"


async def test_reset_read_is_repeated_once() -> None:
    """A read whose connection was lost is sent once more."""
    async with raw_server(lambda n: None if n == 1 else answer(b"{}")) as server, _client() as http:
        assert (await _ask(server, http)).status == 200
        assert len(server.requests) == 2


async def test_reset_read_is_not_repeated_twice() -> None:
    """Two losses are enough."""
    error, requests = await _error(lambda _: None)
    assert (error.reason, requests) == ("the connection was lost", 2)


async def test_truncated_read_is_repeated_once() -> None:
    """So is a read whose body was cut off."""
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{"
    async with raw_server(lambda n: cut if n == 1 else answer(b"{}")) as server, _client() as http:
        assert (await _ask(server, http)).body == b"{}"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_writes_are_never_repeated(method: str) -> None:
    """A write whose connection was lost may have happened; it is not sent again here."""
    _, requests = await _error(lambda _: None, method)
    assert requests == 1


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_writes_are_not_repeated_on_a_used_connection(method: str) -> None:
    """Nor on a connection that was kept open from an earlier call, where the library would."""
    kept = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    requests: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                requests.append(await reader.readuntil(b"\r\n\r\n"))
                if len(requests) > 1:
                    writer.transport.abort()
                    return
                writer.write(kept)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    here = RawServer(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server, _client() as http:
        await _ask(here, http)
        with pytest.raises(Unavailable):
            await _ask(here, http, method)
    assert [line.split(b" ")[0].decode() for line in requests] == ["GET", method]


async def test_answer_that_is_too_large() -> None:
    """An answer is not read beyond the limit."""
    error, _ = await _error(lambda _: answer(b"x" * 2000), http=HttpClient(["127.0.0.1"], body_limit=1000))
    assert error.reason == "the answer is too large"


async def test_answer_that_unpacks_too_large() -> None:
    """The limit counts what a compressed answer unpacks to."""
    packed = answer(gzip.compress(b"x" * 3_000_000), headers=("Content-Encoding: gzip",))
    error, _ = await _error(lambda _: packed)
    assert error.reason == "the answer is too large"


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        answer(b"not gzip", headers=("Content-Encoding: gzip",)),
        b"HTTP/1.1 99999 OK\r\n\r\n",
    ],
    ids=["status", "ssh", "binary", "length", "chunk", "negative", "long header", "not gzip", "huge status"],
)
async def test_answers_that_are_not_http(reply: bytes) -> None:
    """Whatever comes back, it is one of our errors."""
    error, _ = await _error(lambda _: reply)
    assert error.reason in {"the answer is not proper HTTP", "the connection was lost"}
