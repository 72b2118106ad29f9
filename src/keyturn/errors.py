"""Everything that can go wrong, as one family.

    KeyturnError
    ├── SettingsError              the settings file cannot be used
    ├── StartError                 the machine does not let us start (port, folder, database)
    │   ├── DatabaseUnavailable    the database cannot be reached, or is locked
    │   │   ├── DatabaseFull       there is no room left for it
    │   │   ├── DatabaseLocked     somebody else keeps it from being written
    │   │   └── DatabaseNotReady   its tables are missing or older; starting the service makes them
    │   ├── DatabaseTooNew         the database was written by a newer Keyturn
    │   ├── AccountKnown           the settings call an account by another name than the database does
    │   └── CodeTaken              the settings give an account's name to another account
    ├── WebhookRejected            a delivery is not accepted
    ├── LeaseLost                  another worker has taken the lane
    ├── Busy                       a command's turn with a business did not come in time
    ├── NotKept                    what a command asks for is not in the database
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


class DatabaseFull(DatabaseUnavailable):
    """There is no room left for the database; it goes on by itself once there is."""

    code = "database_full"


class DatabaseLocked(DatabaseUnavailable):
    """Somebody else keeps the database from being written for longer than we wait."""

    code = "database_locked"


class DatabaseNotReady(DatabaseUnavailable):
    """The database has no tables yet, or older ones; starting the service once mends that."""

    code = "database_not_ready"

    def __init__(self, sentence: str, *, made: bool) -> None:
        super().__init__(sentence)
        self.made = made
        """There are tables, of an older version. An older service may be at work on them."""


class DatabaseTooNew(StartError):
    """The database was written by a newer Keyturn; this one must not touch it."""

    code = "database_too_new"


class AccountKnown(StartError):
    """The settings call an account by another code than the database remembers it by."""

    code = "account_known"

    def __init__(self, wanted: str, known: str) -> None:
        super().__init__(
            f"businesses.{wanted}: this account is remembered as {known}, with everything known about it; "
            f"write [businesses.{known}] instead"
        )


class CodeTaken(StartError):
    """The settings give a code to another account than the one installations of the add-on know by it."""

    code = "code_taken"

    def __init__(self, wanted: str, address: str) -> None:
        super().__init__(
            f"businesses.{wanted}: installations of the add-on know the account at {address} by this code; "
            "choose another code, or forget them with `keyturn addons forget`"
        )


class WebhookRejected(KeyturnError):
    """A delivery is not accepted; `status` is the HTTP answer."""

    code = "webhook_rejected"

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class LeaseLost(KeyturnError):
    """Another worker has taken over this business; what was still under way here is recorded as unknown."""

    code = "lease_lost"


class NotKept(KeyturnError):
    """What a command asks for is not in the database, or not any more."""

    code = "not_kept"


class Busy(KeyturnError):
    """The service is working on a business and did not give way to a command in time; try again."""

    code = "busy"

    def __init__(self, business: str) -> None:
        super().__init__(f"the service is busy with {business}; try again")


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
        self,
        upstream: str,
        operation: str,
        reason: str,
        *,
        retry_after: timedelta | None = None,
        pauses: bool = False,
        uncertain: bool = False,
    ) -> None:
        super().__init__(upstream, operation, reason)
        self.retry_after = retry_after
        self.pauses = pauses
        """The answer itself (429, 503) asks for the whole upstream to be left alone for a while."""
        self.uncertain = uncertain
        """The request went out and may have had its effect: no answer says that it had none."""
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
