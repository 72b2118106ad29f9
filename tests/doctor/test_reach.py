"""Every way in which an upstream fails is a finding with advice of its own, seen over real connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from keyturn.core.ids import BusinessCode
from keyturn.doctor import asked
from keyturn.doctor.finding import Code, Finding
from keyturn.doctor.reach import of_failure
from keyturn.errors import UpstreamError
from keyturn.upstream.http import HttpClient, Operation
from upstream.raw_server import SILENCE, raw_server

LIST = Operation("storeganise", "list sites")
STOREGANISE = asked.own_account(BusinessCode("acme"), "https://acme.example/api")


class NoNames(AbstractResolver):
    """A name server that knows nobody."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        """Know nobody."""
        raise OSError(None, f"{host}:{port}:{family} is not known")

    async def close(self) -> None:
        """Do nothing."""


async def failure(url: str, **http: Any) -> Finding:
    """Call an address, and return what is found wrong with it."""
    hosts = ["127.0.0.1", "localhost", "*.example.net"]
    async with HttpClient(hosts, **http) as client:
        try:
            await client.request("GET", url, operation=LIST, headers={})
        except UpstreamError as error:
            return of_failure(error, STOREGANISE)
    raise AssertionError("somebody answered")


async def test_no_connection(unused_tcp_port: int) -> None:
    """Nobody listens there."""
    finding = await failure(f"http://127.0.0.1:{unused_tcp_port}/")
    assert (finding.code, "firewall" in finding.advice) == (Code.UNREACHABLE, True)


async def test_a_name_nobody_knows() -> None:
    """The name server is the matter, or the spelling."""
    finding = await failure("https://acme.example.net/", resolver=NoNames())
    assert (finding.code, "spelling" in finding.advice) == (Code.UNREACHABLE, True)


async def test_a_certificate_nobody_trusts(tmp_path: Path) -> None:
    """Somebody else answers, or this machine's certificates are old."""
    async with untrusted_server(tmp_path) as url:
        finding = await failure(url)
    assert (finding.code, "CA certificates" in finding.advice) == (Code.UNREACHABLE, True)


async def test_no_answer() -> None:
    """A service that says nothing."""
    async with raw_server(lambda _: SILENCE) as server:
        finding = await failure(server.url, read_timeout_s=0.05)
    assert (finding.code, "status page" in finding.advice) == (Code.UNREACHABLE, True)


@pytest.mark.parametrize("url", ["https://acme.example.com/", "http://acme.example.net/"])
async def test_an_address_that_may_not_be_called(url: str) -> None:
    """Not listed, or not encrypted."""
    finding = await failure(url)
    assert (finding.code, "network.allowed_hosts" in finding.advice) == (Code.HOST_NOT_ALLOWED, True)


@asynccontextmanager
async def untrusted_server(folder: Path) -> AsyncIterator[str]:
    """Serve TLS with a certificate of our own making."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        await server.wait_closed()


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path
