"""A Sensorberg tenant as a local server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from keyturn.clock import Clock
from keyturn.providers.sensorberg.simulator import listing_api, memberships_api, users_api
from keyturn.providers.sensorberg.simulator.admin import add_admin
from keyturn.providers.sensorberg.simulator.documents import RefusalError, error_reply
from keyturn.providers.sensorberg.simulator.inputs import check_accept
from keyturn.providers.sensorberg.simulator.knobs import Knobs
from keyturn.providers.sensorberg.simulator.office import Office
from keyturn.providers.sensorberg.simulator.state import State
from keyturn.providers.sensorberg.simulator.tokens import Tokens
from keyturn.simulation.app import SimulatedApp
from keyturn.simulation.exchange import Call, Match, Reply, Routes
from keyturn.simulation.faults import Faults
from keyturn.simulation.journal import Journal
from keyturn.simulation.rate import RateLimit

_API = "api/backend-sdk/v1"
_UNAUTHENTICATED = frozenset({401, 403})
ApiHandler = Callable[[State, Call], Reply]


class SensorbergSimulator(Office):
    """One tenant: OAuth, the backend SDK's calls, doors to try."""

    def __init__(
        self,
        clock: Clock,
        knobs: Knobs | None = None,
        *,
        client_id: str = "client",
        client_secret: str = "secret",  # noqa: S107  # nothing here is secret
    ) -> None:
        self.clock = clock
        self.state = State(clock, knobs or Knobs())
        super().__init__(self.state, Tokens(self.state))
        self.journal = Journal()
        self.faults = Faults()
        self.latency_s = 0.0
        self.routes = Routes()
        self._rate = RateLimit(clock)
        self._requests = 0
        self.add_client(client_id, client_secret)
        self._add_routes()
        add_admin(self.routes, self, self.journal, self.faults)
        self.app = SimulatedApp(self)

    @property
    def knobs(self) -> Knobs:
        """How the tenant behaves; may be replaced at any time."""
        return self.state.knobs

    @knobs.setter
    def knobs(self, knobs: Knobs) -> None:
        self.state.knobs = knobs

    @property
    def on_change(self) -> Callable[[], None] | None:
        """Called after each change of users, codes, groups or memberships."""
        return self.state.changes.listener

    @on_change.setter
    def on_change(self, listener: Callable[[], None] | None) -> None:
        self.state.changes.listener = listener

    @property
    def mails(self) -> list[str]:
        """Addresses that were sent an invitation."""
        return self.state.mails

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Return once `predicate()` is true; it is looked at after each change."""
        await self.state.changes.until(predicate)

    def now(self) -> datetime:
        """Return the time by Sensorberg's own clock."""
        return self.state.now()

    # What the app asks of a service

    def who(self, call: Call) -> tuple[str, str]:
        """Return a label of the credential: the client whose token it is, never the token."""
        holder = self.tokens.holder(call)
        given = "authorization" in call.headers
        return "tenant", f"client:{holder}" if holder else "unknown" if given else "none"

    def guard(self, call: Call, match: Match) -> Reply | None:
        """Refuse what is over the limit, without a good token, or asks for another format."""
        if self._rate.refuses(self.knobs.rate_limit):
            wait = self.knobs.rate_limit_retry_after
            return self._with(self.error(429), (("retry-after", wait),) if wait is not None else ())
        if match.route.kind == "token":
            return None
        refusal = self.tokens.refusal(call)
        if refusal is not None:
            return self._unauthenticated(*refusal)
        try:
            check_accept(call, self.knobs)
        except RefusalError as error:
            return self.error(error.status)
        return None

    def unknown(self, call: Call, methods: list[str]) -> Reply:
        """Answer a path or method that does not exist; only the credential is looked at before."""
        refusal = self.tokens.refusal(call)
        if refusal is not None and call.path.startswith(f"/{_API}"):
            return self._unauthenticated(*refusal)
        return self.error(405 if methods else 404)

    def error(self, status: int) -> Reply:
        """Return an error as this tenant shows it."""
        return error_reply(status, (), self.knobs)

    def dress(self, reply: Reply) -> Reply:
        """Return the answer with `Date` and a request id."""
        self._requests += 1
        headers: tuple[tuple[str, str], ...] = (("x-request-id", f"sim-{self._requests}"),)
        if self.knobs.date_header:
            headers += (("date", format_datetime(self.now(), usegmt=True)),)
        return self._with(reply, headers)

    def _add_routes(self) -> None:
        add = self.routes.add
        add("POST", "oauth/token", "oauth.token", self.tokens.grant, "token")
        add("POST", "oauth/revoke", "oauth.revoke", self.tokens.revoke, "token")
        add("POST", "oauth/introspect", "oauth.introspect", self.tokens.introspect, "token")
        add("GET", "oauth/token/info", "oauth.info", self.tokens.info, "token")
        self._known_calls()
        self._optional_calls()

    def _known_calls(self) -> None:
        rows = "user_group_memberships"
        self._route("GET", "users/{id}", "users.get", users_api.get_user)
        self._route("POST", "users", "users.post", users_api.post_user)
        self._update("users/{id}/identification_code", "users.code", users_api.put_code)
        self._route("POST", rows, "memberships.post", memberships_api.post_membership)
        self._update(f"{rows}/{{id}}", "memberships.put", memberships_api.put_membership)
        self._route("DELETE", f"{rows}/{{id}}", "memberships.delete", memberships_api.delete_membership)

    def _optional_calls(self) -> None:
        rows = "user_group_memberships"
        self._route("GET", "users", "users.list", listing_api.list_users, optional=True, kind="list")
        self._route("GET", rows, "memberships.list", listing_api.list_memberships, optional=True, kind="list")
        self._route("GET", "user_groups", "groups.list", listing_api.list_groups, optional=True, kind="list")
        self._route("GET", "user_groups/{id}", "groups.get", listing_api.get_group, optional=True)
        self._route("GET", f"{rows}/{{id}}", "memberships.get", memberships_api.get_membership, optional=True)
        self._route("PUT", "users/{id}", "users.put", users_api.put_user, optional=True)
        self._route("DELETE", "users/{id}", "users.delete", users_api.delete_user, optional=True)

    def _update(self, path: str, name: str, handler: ApiHandler) -> None:
        def patch(state: State, call: Call) -> Reply:
            if not state.knobs.patch_supported:
                raise RefusalError(404)
            return handler(state, call)

        self._route("PUT", path, name, handler)
        self._route("PATCH", path, name, patch)

    def _route(
        self, method: str, path: str, name: str, handler: ApiHandler, *, optional: bool = False, kind: Any = "single"
    ) -> None:
        def run(call: Call) -> Reply:
            if optional and not self.knobs.optional_endpoints:
                return self.error(404)
            try:
                return handler(self.state, call)
            except RefusalError as error:
                return error_reply(error.status, error.problems, self.knobs)

        self.routes.add(method, f"{_API}/{path}", name, run, kind)

    def _unauthenticated(self, status: int, error: str, description: str) -> Reply:
        bodiless = self.knobs.api_401_body == "empty" and status in _UNAUTHENTICATED
        refused = Reply(status=status) if bodiless else self.error(status)
        challenge = f'Bearer realm="Doorkeeper", error="{error}", error_description="{description}"'
        return self._with(refused, (("www-authenticate", challenge),))

    @staticmethod
    def _with(reply: Reply, headers: tuple[tuple[str, str], ...]) -> Reply:
        return replace(reply, headers=reply.headers + headers)
