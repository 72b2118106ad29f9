"""Everything that can go wrong, as one family.

    KeyturnError
    ├── SettingsError              the settings file cannot be used
    ├── StartError                 the machine does not let us start (port, folder, database)
    │   ├── DatabaseUnavailable    the database cannot be reached, or is locked
    │   └── DatabaseTooNew         the database was written by a newer Keyturn
    ├── WebhookRejected            a delivery is not accepted
    ├── LeaseLost                  another worker has taken the lane
    └── UpstreamError              Storeganise or the access provider did not do what we asked
        ├── Unavailable            repeating may help
        ├── CredentialsRejected    nothing helps until the credentials are mended
        ├── Refused                repeating the same request cannot help
        │   └── NotFound           what we asked about is not there
        └── HostNotAllowed         the address is outside `network.allowed_hosts`

Each class' docstring is the sentence an operator reads; `code` is stable. A message never
carries an upstream's body, a PIN, a token, a name or an e-mail address.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar


class KeyturnError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"


class SettingsError(KeyturnError):
    """The settings cannot be used; every problem is listed."""

    code = "settings"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StartError(KeyturnError):
    """The machine does not let Keyturn start."""

    code = "start"


class DatabaseUnavailable(StartError):
    """The database cannot be reached or does not let us write."""

    code = "database_unavailable"


class DatabaseTooNew(StartError):
    """The database was written by a newer Keyturn; this one must not touch it."""

    code = "database_too_new"


class WebhookRejected(KeyturnError):
    """A delivery is not accepted; `status` is the HTTP answer."""

    code = "webhook_rejected"

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class LeaseLost(KeyturnError):
    """Another worker has taken over this business; what was still under way here is recorded as unknown."""

    code = "lease_lost"


class UpstreamError(KeyturnError):
    """A request to an upstream failed."""

    code = "upstream"

    def __init__(self, upstream: str, operation: str, reason: str) -> None:
        super().__init__(f"{upstream}: {operation}: {reason}")
        self.upstream = upstream
        self.operation = operation
        self.reason = reason


class Unavailable(UpstreamError):
    """The upstream did not answer usefully; the request is repeated later, without limit."""

    code = "upstream_unavailable"

    def __init__(
        self, upstream: str, operation: str, reason: str, *, retry_after: timedelta | None = None, pauses: bool = False
    ) -> None:
        super().__init__(upstream, operation, reason)
        self.retry_after = retry_after
        self.pauses = pauses
        """The answer itself (429, 503) asks for the whole upstream to be left alone for a while."""
        self.paused_for: timedelta | None = None
        """The upstream is left alone for so long; nothing is sent to it before."""


class CredentialsRejected(UpstreamError):
    """The upstream refuses our credentials; nothing is lost, enter valid ones and work goes on by itself."""

    code = "credentials_rejected"


class Refused(UpstreamError):
    """The upstream refuses this very request; repeating it cannot help until the facts change."""

    code = "refused"

    def __init__(
        self, upstream: str, operation: str, reason: str, *, status: int, about: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(upstream, operation, reason)
        self.status = status
        self.about = about
        """The attributes the upstream complains about, as far as it names them (never their values)."""


class NotFound(Refused):
    """The upstream does not know what we asked about."""

    code = "not_found"


class HostNotAllowed(UpstreamError):
    """The address is outside `network.allowed_hosts`; nothing was sent."""

    code = "host_not_allowed"
