"""Which addresses a listed name may stand for, and that nothing is connected where it stands for another."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from keyturn.errors import HostNotAllowed, Unavailable
from keyturn.upstream.hosts import Listing, listing, may_stand_for
from keyturn.upstream.http import HttpClient, Operation
from keyturn.upstream.resolver import AddressForbidden, GuardedResolver
from upstream.raw_server import RawServer, answer, raw_server

READ = Operation("storeganise", "read a rental")
PUBLIC = [
    "8.8.8.8",
    "93.184.215.14",
    "2a00:1450:4001:81b::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]
PRIVATE = ["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.178.20", "fd12:3456:789a::1", "::ffff:192.168.0.1"]
NEVER = [
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::1",
    "::7f00:1",
    "::ffff:0:127.0.0.1",
    "64:ff9b:1::7f00:1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",  # noqa: S104  # an address to be refused
    "0.1.2.3",
    "::",
    "224.0.0.1",
    "239.255.255.250",
    "ff02::1",
    "ff0e::1",
    "240.0.0.1",
    "255.255.255.255",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.9",
    "2001:db8::1",
    "4000::1",
    "localhost",
    "acme.storeganise.com",
    "127.1",
    "",
]


class TableResolver(AbstractResolver):
    """Answers names from a table, one list of addresses after the other; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append(host)
        return [_result(host, port, address, family) for address in found]

    async def close(self) -> None:
        """Nothing is open."""


def _result(host: str, port: int, address: str, family: socket.AddressFamily) -> ResolveResult:
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family or kind, proto=0, flags=flags)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    """Any listed name may stand for a public address, but not `localhost`."""
    assert [may_stand_for(listed, address) for listed in Listing] == [True, True, False]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address: str) -> None:
    """Only a name that the operator wrote out may stand for an address in a private network."""
    assert [may_stand_for(listed, address) for listed in Listing] == [True, False, False]


@pytest.mark.parametrize("address", NEVER)
def test_addresses_of_this_machine_of_clouds_and_of_nobody(address: str) -> None:
    """No name but `localhost` may stand for loopback, link-local, metadata, multicast or reserved addresses."""
    assert [may_stand_for(listed, address) for listed in (Listing.EXACT, Listing.BELOW)] == [False, False]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"])
def test_localhost(address: str) -> None:
    """`localhost` stands for loopback addresses."""
    assert may_stand_for(Listing.LOCAL, address)


@pytest.mark.parametrize(
    ("host", "listed"),
    [
        ("door.example", Listing.EXACT),
        ("localhost", Listing.LOCAL),
        ("127.0.0.1", Listing.EXACT),
        ("[::1]", Listing.EXACT),
        ("acme.storeganise.com", Listing.BELOW),
        ("own.storeganise.com", Listing.EXACT),
        ("other.example", None),
        ("10.0.0.1", None),
    ],
)
def test_how_a_host_is_listed(host: str, listed: Listing | None) -> None:
    """A name that is written out counts as such, also beside a pattern; a number is below no domain."""
    allowed = (
        "*.storeganise.com",
        "own.storeganise.com",
        "door.example:443",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "*.0.0.1",
    )

    assert listing(host, 443, allowed) is listed


async def test_what_may_not_be_called_is_dropped() -> None:
    """Of several addresses the forbidden ones are left out, and the port decides how a name is listed."""
    resolver = TableResolver(["127.0.0.1", "8.8.8.8", "10.0.0.1", "::1"])
    guarded = GuardedResolver(["*.example", "door.example:8443"], resolver)

    assert [found["host"] for found in await guarded.resolve("door.example", 443)] == ["8.8.8.8"]
    assert [found["host"] for found in await guarded.resolve("door.example", 8443)] == ["8.8.8.8", "10.0.0.1"]


async def test_nothing_left() -> None:
    """Only forbidden addresses are an error of its own; no address at all is the usual one."""
    with pytest.raises(AddressForbidden):
        await GuardedResolver(["*.example"], TableResolver(["10.0.0.1"])).resolve("door.example", 443)
    with pytest.raises(AddressForbidden):
        await GuardedResolver(["*.example"], TableResolver(["8.8.8.8"])).resolve("not-listed.test", 443)
    with pytest.raises(OSError, match="no address"):
        await GuardedResolver(["*.example"], TableResolver([])).resolve("door.example", 443)


async def _get(server: RawServer, name: str, http: HttpClient, scheme: str = "https") -> int:
    port = server.url.rpartition(":")[2]
    headers = {"Authorization": "canary-of-the-key"}
    return (await http.request("GET", f"{scheme}://{name}:{port}/", operation=READ, headers=headers)).status


@pytest.mark.parametrize("allowed", ["*.storeganise.com", "evil.storeganise.com"])
@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["127.0.0.1", "::1"], ["::ffff:127.0.0.1"]])
async def test_a_listed_name_that_leads_to_this_machine_opens_no_socket(allowed: str, addresses: list[str]) -> None:
    """Whoever answers for a listed name cannot make us call ourselves: nothing is connected, and it is no outage."""
    resolver = TableResolver(addresses)
    async with raw_server(lambda _: answer(b"{}")) as server, HttpClient([allowed], resolver=resolver) as http:
        for _ in range(2):
            with pytest.raises(HostNotAllowed, match="leads to an address") as caught:
                await _get(server, "evil.storeganise.com", http)
            assert "127.0.0.1" not in str(caught.value)
        assert (server.connections, resolver.asked) == (0, ["evil.storeganise.com"] * 2)


async def test_the_answer_that_was_judged_is_the_one_that_is_connected() -> None:
    """A name is asked for once: a second, other answer cannot slip in between."""
    resolver = TableResolver(["10.255.255.1", "127.0.0.1"], ["8.8.8.8"])
    async with raw_server(lambda _: answer(b"{}")) as server, HttpClient(["localhost"], resolver=resolver) as http:
        assert await _get(server, "localhost", http, "http") == 200
        assert (server.connections, resolver.asked) == (1, ["localhost"])


async def test_the_systems_own_answers_are_judged_too() -> None:
    """Without a resolver of ours the system is asked, and `localhost` leads here."""
    async with raw_server(lambda _: answer(b"{}")) as server, HttpClient(["localhost"]) as http:
        assert await _get(server, "localhost", http, "http") == 200


async def test_an_ip_address_is_not_resolved() -> None:
    """An address in a URL is allowed by being listed, and no name is asked for."""
    resolver = TableResolver(["8.8.8.8"])
    async with raw_server(lambda _: answer(b"{}")) as server, HttpClient(["127.0.0.1"], resolver=resolver) as http:
        assert await _get(server, "127.0.0.1", http, "http") == 200
        with pytest.raises(HostNotAllowed):
            await _get(server, "127.0.0.2", http, "http")
        assert (server.connections, resolver.asked) == (1, [])


async def test_a_name_without_an_address() -> None:
    """A name that does not resolve may do so later."""
    async with (
        raw_server(lambda _: answer(b"{}")) as server,
        HttpClient(["*.example"], resolver=TableResolver([])) as http,
    ):
        with pytest.raises(Unavailable, match="cannot be resolved"):
            await _get(server, "door.example", http)
