"""What the handlers of the API work with: the tenant, the knobs, ids, and answers as this tenant gives them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from keyturn.clock import Clock
from keyturn.providers.sensorberg.simulator.documents import RefusalError, document_reply
from keyturn.providers.sensorberg.simulator.doors import Doors
from keyturn.providers.sensorberg.simulator.knobs import Knobs
from keyturn.providers.sensorberg.simulator.tenant import Membership, Tenant, User
from keyturn.simulation.changes import Changes
from keyturn.simulation.exchange import Reply


class State:
    """One tenant and how it behaves."""

    def __init__(self, clock: Clock, knobs: Knobs) -> None:
        self.clock = clock
        self.knobs = knobs
        self.changes = Changes()
        self.tenant = Tenant(self._changed)
        self.doors = Doors(self.tenant, lambda: self.knobs, self.now)
        self.mails: list[str] = []
        self._ids = 0

    def now(self) -> datetime:
        """Return the time by Sensorberg's own clock."""
        return self.clock.now() + timedelta(seconds=self.knobs.clock_skew_s)

    def new_id(self) -> str:
        """Return the next internal id, the same in every run."""
        self._ids += 1
        if self.knobs.internal_ids == "uuid":
            return str(uuid.uuid5(uuid.NAMESPACE_OID, str(self._ids)))
        return str(1000 + self._ids)

    def find_user(self, ident: str) -> User | None:
        """Return the user a path means."""
        found = self.tenant.user_by_external(ident)
        if found is None and self.knobs.path_id == "external_or_internal":
            return self.tenant.users.get(ident)
        return found

    def find_row(self, ident: str) -> Membership | None:
        """Return the membership a path means."""
        found = self.tenant.row_by_external(ident)
        if found is None and self.knobs.path_id == "external_or_internal":
            return self.tenant.rows.get(ident)
        return found

    def created(self, document: dict[str, Any], headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        """Return the answer to a POST that worked."""
        return document_reply(document, self.knobs.post_status, headers)

    def updated(self, document: dict[str, Any]) -> Reply:
        """Return the answer to a PUT that worked."""
        if self.knobs.put_status == 200:  # noqa: PLR2004  # the knob's own words
            return document_reply(document, 200)
        return Reply(status=self.knobs.put_status)

    def deleted(self, document: dict[str, Any]) -> Reply:
        """Return the answer to a DELETE that worked."""
        match self.knobs.delete_status:
            case "204":
                return Reply(status=204)
            case "200_meta":
                return document_reply({"meta": {}}, 200)
            case "200_data":
                return document_reply(document, 200)
            case "202":
                return Reply(status=202)

    def missing(self) -> Reply:
        """Return the answer to a DELETE of something that is not there."""
        if self.knobs.delete_missing == 204:  # noqa: PLR2004  # the knob's own words
            return Reply(status=204)
        raise RefusalError(404)

    def _changed(self) -> None:
        self.doors.remember()
        self.changes.notify()
