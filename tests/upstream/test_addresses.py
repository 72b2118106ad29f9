"""Which addresses may be called at all."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.errors import HostNotAllowed
from keyturn.upstream.http import HttpClient, Operation, check_address
from upstream.raw_server import answer, raw_server

READ = Operation("storeganise", "read a rental")
ALLOWED = ("*.storeganise.com", "*.sensorberg.io", "127.0.0.1:9001", "[::1]:9001", "exact.example:8443", "localhost")

GOOD = [
    "https://acme.storeganise.com/api/v1/admin/sites",
    "https://ACME.Storeganise.com/",
    "https://acme.storeganise.com",
    "https://acme.storeganise.com:8443/api",
    "https://a.b.storeganise.com/?ids=a,b&x=%2F",
    "https://exact.example:8443/",
    "http://127.0.0.1:9001/api",
    "https://127.0.0.1:9001/api",
    "http://[::1]:9001/",
    "http://localhost:1234/",
]
BAD = [
    "https://evilstoreganise.com/",
    "https://storeganise.com/",
    "https://.storeganise.com/",
    "https://a..storeganise.com/",
    "https://-.storeganise.com/",
    "http://acme.storeganise.com/",
    "http://acme.storeganise.com:8443/",
    "https://acme.storeganise.com.evil.tld/",
    "https://acme.storeganise.com@evil.tld/",
    "https://user:pass@acme.storeganise.com/",
    "https://evil.tld/storeganise.com",
    "https://evil.tld/?.storeganise.com",
    "https://evil.tld#@acme.storeganise.com/",
    "https://acme.storeganise.com#@evil.tld/",
    "https://acme.storeganise.com/#x",
    "https://acme。storeganise。com/",
    "https://acme．storeganise．com/",
    "https://acme.storeganise.com\t.evil.tld/",
    "https://acme.storeganise.com/\r\nHost: evil.tld",
    "https://acme.storeganise.com/ HTTP/1.1",
    "https://acme.storeganise.com/\x00",
    "https://acme.storeganise.com/\n",
    "https://evil.tld\\@acme.storeganise.com/",
    "https://acme.storeganise.com\\.evil.tld/",
    "https://acme.storeganise.com./",
    "https://acme%2estoreganise.com/",
    "https://evil.tld%2f.storeganise.com/",
    "https://äcme.storeganise.com/",
    "https://xn--cme-pla.evil.tld/",
    "https://2852039166/",
    "https://0xA9FEA9FE/",
    "https://0251.0376.0251.0376/",
    "https://169.254.169.254/latest/meta-data",
    "http://169.254.169.254/latest/meta-data",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://[fd00:ec2::254]/",
    "https://[::1%25lo]:9001/",
    "http://127.0.0.1:9002/",
    "http://127.0.0.1/",
    "http://127.0.0.2:9001/",
    "http://127.1:9001/",
    "http://2130706433:9001/",
    "http://0.0.0.0:9001/",
    "http://[::]:9001/",
    "https://exact.example/",
    "https://exact.example:443/",
    "https://sub.exact.example:8443/",
    "https://acme.storeganise.com:99999/",
    "https://acme.storeganise.com:/",
    "https://acme.storeganise.com:-1/",
    "https://acme.storeganise.com:80a/",
    "//acme.storeganise.com/",
    "https:///acme.storeganise.com/",
    "https:/acme.storeganise.com/",
    "https:acme.storeganise.com/",
    "HTTPS//acme.storeganise.com/",
    "file:///etc/passwd",
    "ftp://acme.storeganise.com/",
    "gopher://acme.storeganise.com/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "ws://acme.storeganise.com/",
    "unix:///var/run/docker.sock",
    " https://acme.storeganise.com/",
    "acme.storeganise.com",
    "",
]


@pytest.mark.parametrize("url", GOOD)
def test_allowed(url: str) -> None:
    """Listed hosts may be called, in any letter case, and loopback addresses over http."""
    check_address(url, ALLOWED, READ)


@pytest.mark.parametrize("url", BAD)
def test_refused(url: str) -> None:
    """Everything that is not plainly a listed host is refused."""
    with pytest.raises(HostNotAllowed):
        check_address(url, ALLOWED, READ)


def test_no_entries() -> None:
    """Without entries nothing may be called."""
    with pytest.raises(HostNotAllowed):
        check_address("https://acme.storeganise.com/", (), READ)


def test_port_of_an_entry_may_be_the_usual_one() -> None:
    """An entry with port 443 fits an https address without a port."""
    check_address("https://a.example/", ("a.example:443",), READ)


async def test_nothing_is_sent_to_a_refused_address() -> None:
    """A refused address costs no connection, however close to the listed one it is."""
    async with raw_server(lambda _: answer(b"{}")) as server, HttpClient(["127.0.0.1:1", "*.example"]) as http:
        for url in (server.url, server.url.replace("127.0.0.1", "localhost"), server.url.replace("//", "//a@")):
            with pytest.raises(HostNotAllowed):
                await http.request("GET", url, operation=READ, headers={"Authorization": "canary"})
        assert server.connections == 0


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    """Any text is either allowed or refused with the one error."""
    for url in (text, f"https://{text}", f"https://acme.storeganise.com{text}", f"https://{text}.storeganise.com/"):
        with suppress(HostNotAllowed):
            check_address(url, ("*.storeganise.com",), READ)
