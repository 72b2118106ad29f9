"""An upstream's failure in words: what is wrong between us and it, and what to do.

The one place where an `UpstreamError` becomes a finding. What it was about and where its credentials come
from is said by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

from keyturn.core.ids import BusinessCode
from keyturn.doctor.finding import Code, Finding, Severity
from keyturn.errors import CredentialsRejected, HostNotAllowed, NotFound, Refused, Unavailable, UpstreamError

_FORBIDDEN = 403
_UNREACHABLE = {
    "no connection": "Check the address, and that this machine may reach it: firewall, routing, port.",
    "its name cannot be resolved": "Check the spelling of the host, and the name server of this machine.",
    "its certificate is not accepted": (
        "Check that the address is the service's own, that this machine's clock is right and its CA certificates are "
        "current. Keyturn never skips this check."
    ),
    "no answer in time": "Check that the service is up; look at its status page. Keyturn goes on trying by itself.",
}
"""What to do, by the reason that `upstream.http` gives."""
_OTHERWISE = "Check the address, and whether the service is up. Keyturn goes on trying by itself."


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Who was asked, and where what is needed for that stands."""

    business: BusinessCode
    service: str
    """"Storeganise" or "Sensorberg"."""
    address: str
    address_from: str
    """Where the address is written, in words."""
    credentials_from: str
    """Where the credentials are written, in words."""
    refused: Code
    """The kind of finding that refused credentials are."""
    new_credentials: str
    """How to come by valid credentials, in a sentence."""


def of_failure(error: UpstreamError, asked: Asked) -> Finding:
    """Turn a failed request into a finding."""
    code, text, advice = _reason(error, asked)
    return Finding(
        code=code,
        severity=Severity.ERROR,
        business=asked.business,
        about=f"{asked.service} at {asked.address}",
        text=text,
        advice=advice,
    )


def _reason(error: UpstreamError, asked: Asked) -> tuple[Code, str, str]:
    match error:
        case HostNotAllowed():
            text = f"It was not called: {error.reason}."
            advice = f"If {asked.address_from} is right, write its host into network.allowed_hosts and restart Keyturn."
            return Code.HOST_NOT_ALLOWED, text, advice
        case Unavailable():
            advice = _UNREACHABLE.get(error.reason, _OTHERWISE)
            return Code.UNREACHABLE, f"It cannot be used: {error.reason} ({error.operation}).", advice
        case CredentialsRejected():
            text = f"It refuses the credentials from {asked.credentials_from}: {error.reason}."
            return asked.refused, text, asked.new_credentials
        case NotFound():
            text = f"There is no such API at this address ({error.operation}: answered 404)."
            return Code.WRONG_ADDRESS, text, f"Correct {asked.address_from}."
        case Refused(status=status) if status == _FORBIDDEN:
            text = f"The credentials from {asked.credentials_from} may not do this: {error.operation}."
            return Code.NOT_PERMITTED, text, f"Give them the right to. {asked.new_credentials}"
        case _:
            text = f"It answers with something unexpected ({error.operation}: {error.reason})."
            return Code.UNEXPECTED, text, f"Check that {asked.address_from} is the service's API."
