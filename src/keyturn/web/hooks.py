"""Takes webhooks: read the bytes, verify them, parse them, have them stored, answer.

    200  the delivery is on disk
    400  the bytes are signed but are not an event
    401  the signature is wrong or missing, or there is no such business: one answer for both
    408  the body did not arrive in time
    413  the body is too large
    503  we could not store it; the sender shall try again

The signature is checked over the bytes as received, before anything reads them. An unknown
business costs the same work as a wrong signature, so that neither the answer nor its time says
which accounts exist. Whatever goes wrong on our side is a 503, never a 4xx: a sender gives up
on a 4xx. The body is never logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keyturn.core.ids import BusinessCode
from keyturn.engine.intake import Intake, Notice
from keyturn.errors import WebhookRejected
from keyturn.logs import logger
from keyturn.settings import Settings
from keyturn.store.inbox import DeliveryState
from keyturn.storeganise import webhook
from keyturn.web.body import read_body
from keyturn.web.metrics import Metrics

SIGNATURE = "sg-signature"
"""The header with the base64 HMAC-SHA256 of the body (Storeganise help, "Webhooks")."""
NOBODY: Final = "-"
"""What a counter says instead of a business that does not exist; no business can have this code."""
_RETRY_AFTER_S = 5
_STATES = {
    webhook.Reading.WAKES: DeliveryState.ACCEPTED,
    webhook.Reading.IGNORED: DeliveryState.IGNORED,
    webhook.Reading.UNRESOLVED: DeliveryState.UNRESOLVED,
}


class Ending(Enum):
    """How a delivery was answered, as the counters name it."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    UNSIGNED = "rejected"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    NOT_STORED = "not_stored"


_REJECTED = {400: Ending.MALFORMED, 401: Ending.UNSIGNED, 408: Ending.TOO_SLOW, 413: Ending.TOO_LARGE}


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """Who may deliver for a business: anybody who signs with one of the secrets."""

    secrets: tuple[bytes, ...] = field(repr=False)
    allow_unsigned: bool = False


_NO_DOOR: Final = Door(secrets=())


def doors(settings: Settings) -> dict[BusinessCode, Door]:
    """Return the door of each business of the settings."""
    return {
        BusinessCode(code): Door(
            secrets=tuple(secret.get_secret_value().encode() for secret in business.webhook_secrets),
            allow_unsigned=business.allow_unsigned,
        )
        for code, business in settings.businesses.items()
    }


class Hooks:
    """The webhook addresses."""

    def __init__(
        self, intake: Intake, doors: Mapping[BusinessCode, Door], *, metrics: Metrics, body_seconds: float
    ) -> None:
        self._intake = intake
        self._doors = doors
        self._metrics = metrics
        self._body_seconds = body_seconds
        self._log = logger()

    def routes(self) -> list[Route]:
        """Return the two spellings of the address: the business in the path, or in the query."""
        return [
            Route("/webhooks/storeganise/{business}", self._receive, methods=["POST"]),
            Route("/webhooks/storeganise", self._receive, methods=["POST"]),
        ]

    async def _receive(self, request: Request) -> Response:
        business = BusinessCode(request.path_params.get("business") or request.query_params.get("businessCode", ""))
        label = business if business in self._doors else NOBODY
        try:
            notice = await self._read(request, business)
        except WebhookRejected as rejection:
            self._metrics.delivery(label, _REJECTED[rejection.status].value)
            return _refusal(rejection)
        return await self._store(notice, label)

    async def _read(self, request: Request, business: BusinessCode) -> Notice:
        body = await read_body(request, seconds=self._body_seconds)
        door = self._doors.get(business, _NO_DOOR)
        if not _may_enter(door, body, request.headers.get(SIGNATURE)):
            raise WebhookRejected(401, "the signature is missing or wrong")
        parsed = webhook.parse(body, business)
        asked = webhook.subjects(parsed.event)
        return Notice(
            event=parsed.event,
            state=_STATES[asked.reading],
            subjects=asked.wakes,
            document=parsed.document,
            body=body,
        )

    async def _store(self, notice: Notice, label: str) -> Response:
        try:
            new = await self._intake.accept(notice)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is ours: the sender shall try again
            self._metrics.delivery(label, Ending.NOT_STORED.value)
            self._log.error("delivery_not_stored", business=label, exc_info=error)
            return JSONResponse({"status": "unavailable"}, 503, {"retry-after": str(_RETRY_AFTER_S)})
        self._metrics.delivery(label, (Ending.ACCEPTED if new else Ending.REPEATED).value)
        return JSONResponse({"status": "accepted"})


def _may_enter(door: Door, body: bytes, signature: str | None) -> bool:
    """Say whether the delivery is signed, or may be unsigned.

    A signature that is there must be right, also where none is needed, if there is a secret to check it with.
    """
    verified = webhook.verify(body, signature, door.secrets)
    unsigned = signature is None or not door.secrets
    return verified or (door.allow_unsigned and unsigned)


def _refusal(rejection: WebhookRejected) -> Response:
    """Say no. After an unread body the connection cannot be used again."""
    headers = {"connection": "close"} if rejection.status in {408, 413} else None
    return JSONResponse({"status": "rejected", "reason": str(rejection)}, rejection.status, headers)
