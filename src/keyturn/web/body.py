"""Reads a request's body within a size and a time.

The web server has no limit of its own for either. A body that is too large is read on for a
while and thrown away: a sender whose connection is cut in the middle of sending sees a reset
instead of the answer.
"""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from keyturn.errors import WebhookRejected

LARGEST = 256 * 1024
"""Bytes of a body. Events are some hundred bytes."""
_DISCARDED = 16 * LARGEST


async def read_body(request: Request, *, seconds: float) -> bytes:
    """Return the whole body.

    Raises `WebhookRejected`: 413 over `LARGEST`, 408 when it has not arrived within `seconds`,
    400 when the sender hangs up.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _collect(request)
    except TimeoutError:
        raise WebhookRejected(408, "the body did not arrive in time") from None
    except ClientDisconnect:
        raise WebhookRejected(400, "the sender hung up") from None


async def _collect(request: Request) -> bytes:
    body = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= LARGEST:
            body += chunk
        elif size > _DISCARDED:
            break
    if size > LARGEST:
        raise WebhookRejected(413, "the body is larger than 256 KiB")
    return bytes(body)
