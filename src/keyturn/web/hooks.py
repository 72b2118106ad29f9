"""Takes webhooks: read the bytes, verify them, parse them, have them stored, answer.

    200  the delivery is on disk
    400  the bytes are signed but are not an event, or name an address of an account that is not believed
    401  the signature is wrong or missing, or there is no such business: one answer for both
    408  the body did not arrive in time
    413  the body is too large
    503  we could not store it in time; the sender shall try again

The signature is checked over the bytes as received, before anything reads them. An unknown
business costs the same work as a wrong signature, so that neither the answer nor its time says
which accounts exist. Whatever goes wrong on our side is a 503, never a 4xx: a sender gives up
on a 4xx. The body is never logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keyturn.core.ids import AddonId, BusinessCode
from keyturn.core.installation import Installation
from keyturn.core.rental import Event
from keyturn.engine.intake import Intake, Notice
from keyturn.errors import DatabaseUnavailable, WebhookRejected
from keyturn.settings import Secret, Settings
from keyturn.store.inbox import DeliveryState
from keyturn.storeganise import webhook
from keyturn.web.body import read_body
from keyturn.web.metrics import Metrics
from keyturn.web.visit import Ending, Visit, visiting

SIGNATURE = "sg-signature"
"""The header with the base64 HMAC-SHA256 of the body (Storeganise help, "Webhooks")."""
NOBODY: Final = "-"
"""What a counter says instead of a business that does not exist; no business can have this code."""
ADDON: Final = "addon"
"""What a counter says for deliveries of installations; no business of the settings can have this code."""
_RETRY_AFTER_S = 5
_STORE_WITHIN_S = 1.5
"""Storeganise hangs up after two seconds."""
_STATES = {
    webhook.Reading.WAKES: DeliveryState.ACCEPTED,
    webhook.Reading.IGNORED: DeliveryState.IGNORED,
    webhook.Reading.UNRESOLVED: DeliveryState.UNRESOLVED,
}


_REJECTED = {400: Ending.MALFORMED, 401: Ending.UNSIGNED, 408: Ending.TOO_SLOW, 413: Ending.TOO_LARGE}


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """Who may deliver for a business: anybody who signs with one of the secrets."""

    secrets: tuple[bytes, ...] = field(repr=False)
    allow_unsigned: bool = False


_NO_DOOR: Final = Door(secrets=())


@dataclass(frozen=True, kw_only=True, slots=True)
class AddonDoor:
    """Who may deliver for add-on installations."""

    door: Door
    admit: Callable[[str | None, str | None], Awaitable[Installation]]
    """Given the installation and the address an event names, returns the installation with its account.

    Raises `WebhookRejected`.
    """


def doors(settings: Settings) -> dict[BusinessCode, Door]:
    """Return the door of each business of the settings."""
    return {
        BusinessCode(code): door(business.webhook_secrets, allow_unsigned=business.allow_unsigned)
        for code, business in settings.businesses.items()
    }


def door(secrets: Iterable[Secret], *, allow_unsigned: bool = False) -> Door:
    """Return a door for whoever signs with one of these secrets."""
    return Door(secrets=tuple(secret.get_secret_value().encode() for secret in secrets), allow_unsigned=allow_unsigned)


class Hooks:
    """The webhook addresses."""

    def __init__(
        self,
        intake: Intake,
        doors: Mapping[BusinessCode, Door],
        addon: AddonDoor | None,
        *,
        metrics: Metrics,
        body_seconds: float,
    ) -> None:
        self._intake = intake
        self._doors = doors
        self._addon = addon
        self._metrics = metrics
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """Return the add-on's address, and the two spellings for a business: in the path, or in the query."""
        return [
            Route("/webhooks/storeganise/addon", self._receive_addon, methods=["POST"]),
            Route("/webhooks/storeganise/{business}", self._receive, methods=["POST"]),
            Route("/webhooks/storeganise", self._receive, methods=["POST"]),
        ]

    async def _receive(self, request: Request) -> Response:
        business = BusinessCode(request.path_params.get("business") or request.query_params.get("businessCode", ""))
        with visiting(self._metrics, business if business in self._doors else NOBODY) as visit:
            try:
                parsed = await self._read(request, self._doors.get(business, _NO_DOOR), business)
            except WebhookRejected as rejection:
                return _refusal(rejection, visit)
            return await self._store(partial(self._accept, parsed, visit), visit)

    async def _receive_addon(self, request: Request) -> Response:
        """Take a delivery of an installation: its account is known only once the body is verified and read."""
        with visiting(self._metrics, NOBODY) as visit:
            try:
                parsed = await self._read(request, self._addon.door if self._addon else _NO_DOOR, BusinessCode(NOBODY))
            except WebhookRejected as rejection:
                return _refusal(rejection, visit)
            visit.label = ADDON
            return await self._store(partial(self._accept_addon, parsed, visit), visit)

    async def _read(self, request: Request, door: Door, business: BusinessCode) -> webhook.ParsedWebhook:
        body = await read_body(request, seconds=self._body_seconds)
        if not _may_enter(door, body, request.headers.get(SIGNATURE)):
            raise WebhookRejected(401, "the signature is missing or wrong")
        return webhook.parse(body, business)

    async def _accept(self, parsed: webhook.ParsedWebhook, visit: Visit) -> bool:
        visit.read(parsed.event, None)
        return await self._intake.accept(_notice(parsed, parsed.event, None))

    async def _accept_addon(self, parsed: webhook.ParsedWebhook, visit: Visit) -> bool:
        if self._addon is None:
            raise WebhookRejected(401, "the signature is missing or wrong")
        installation = await self._addon.admit(parsed.addon, parsed.api_url)
        if installation.business is None:
            raise WebhookRejected(400, "the installation has no account")
        event = replace(parsed.event, business=installation.business)
        visit.read(event, installation.addon_id)
        return await self._intake.accept(_notice(parsed, event, installation.addon_id))

    async def _store(self, accept: Callable[[], Awaitable[bool]], visit: Visit) -> Response:
        try:
            new = await _in_time(accept)
        except WebhookRejected as rejection:
            return _refusal(rejection, visit)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is ours: the sender shall try again
            visit.not_stored(error)
            return JSONResponse({"status": "unavailable"}, 503, {"retry-after": str(_RETRY_AFTER_S)})
        visit.ending = Ending.ACCEPTED if new else Ending.REPEATED
        return JSONResponse({"status": "accepted"})


async def _in_time(accept: Callable[[], Awaitable[bool]]) -> bool:
    """Store a delivery, or give up while the sender still listens; it may be stored all the same, and come again."""
    try:
        async with asyncio.timeout(_STORE_WITHIN_S):
            return await accept()
    except TimeoutError as error:
        raise DatabaseUnavailable(f"The database took longer than {_STORE_WITHIN_S} s.") from error


def _refusal(rejection: WebhookRejected, visit: Visit) -> Response:
    """Say no. After an unread body the connection cannot be used again."""
    visit.ending = _REJECTED[rejection.status]
    headers = {"connection": "close"} if rejection.status in {408, 413} else None
    return JSONResponse({"status": "rejected", "reason": str(rejection)}, rejection.status, headers)


def _notice(parsed: webhook.ParsedWebhook, event: Event, addon_id: AddonId | None) -> Notice:
    asked = webhook.subjects(event)
    return Notice(
        event=event,
        state=_STATES[asked.reading],
        subjects=asked.wakes,
        document=parsed.document,
        body=parsed.body,
        addon_id=addon_id,
    )


def _may_enter(door: Door, body: bytes, signature: str | None) -> bool:
    """Say whether the delivery is signed, or may be unsigned.

    A signature that is there must be right, also where none is needed, if there is a secret to check it with.
    """
    verified = webhook.verify(body, signature, door.secrets)
    unsigned = signature is None or not door.secrets
    return verified or (door.allow_unsigned and unsigned)
