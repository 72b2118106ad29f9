"""Names to addresses, without the addresses that a name must not stand for.

The connection is made to exactly the addresses that were judged here: the library asks once, and
connects to the answer. An IP address in a URL is not resolved; `http.check_address` judges it.
Neighbour: `upstream.hosts` holds the rules.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from aiohttp.abc import AbstractResolver, ResolveResult

from keyturn.upstream.hosts import listing, may_stand_for


class AddressForbidden(Exception):
    """A name has only addresses that it must not stand for. Nothing was connected."""


class GuardedResolver(AbstractResolver):
    """Asks another resolver, and drops what may not be called."""

    def __init__(self, allowed_hosts: Sequence[str], resolver: AbstractResolver) -> None:
        self._allowed = tuple(allowed_hosts)
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host` that may be called.

        Raises `AddressForbidden` where there are others only, and `OSError` where there is none.
        """
        found = await self._resolver.resolve(host, port, family)
        listed = listing(host, port, self._allowed)
        usable = [answer for answer in found if listed is not None and may_stand_for(listed, answer["host"])]
        if found and not usable:
            raise AddressForbidden
        if not usable:
            raise OSError(None, "the name has no address")
        return usable

    async def close(self) -> None:
        """Close the other resolver."""
        await self._resolver.close()
