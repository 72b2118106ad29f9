"""What people do in Sensorberg's dashboard, and what a test may look at.

Nothing here goes through the API or its rules: staff can make a membership without an external
identifier, type a code, delete a user.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from keyturn.providers.sensorberg.simulator.doors import DoorAnswer
from keyturn.providers.sensorberg.simulator.state import State
from keyturn.providers.sensorberg.simulator.tenant import Membership, User, snapshot
from keyturn.providers.sensorberg.simulator.tokens import Client, Tokens


class Office:
    """A tenant as its staff and a test see it."""

    def __init__(self, state: State, tokens: Tokens) -> None:
        self.state = state
        self.tokens = tokens

    # Clients and tokens

    def add_client(
        self,
        client_id: str,
        client_secret: str,
        scopes: Iterable[str] = ("app",),
        grants: Iterable[str] = ("client_credentials",),
    ) -> None:
        """Register a client, or replace one."""
        self.tokens.clients[client_id] = Client(
            client_id=client_id, secret=client_secret, scopes=frozenset(scopes), grants=frozenset(grants)
        )

    def remove_client(self, client_id: str) -> None:
        """Remove a client; its tokens die with it."""
        del self.tokens.clients[client_id]

    def change_secret(self, client_id: str, client_secret: str) -> None:
        """Give a client another secret; tokens already given stay good."""
        client = self.tokens.clients[client_id]
        self.tokens.clients[client_id] = replace(client, secret=client_secret)

    def revoke_tokens(self) -> None:
        """End all tokens."""
        self.tokens.revoke_all()

    def expire_tokens(self) -> None:
        """Let all tokens run out."""
        self.tokens.expire_all()

    @property
    def tokens_issued(self) -> int:
        """How many token requests were answered with a token."""
        return self.tokens.issued

    # Groups, users, memberships

    def add_group(self, external_id: str, name: str | None = None) -> str:
        """Add a group and return its external id."""
        self.state.tenant.save_group(external_id, name or external_id)
        return external_id

    def remove_group(self, external_id: str) -> None:
        """Remove a group and every membership in it."""
        del self.state.tenant.groups[external_id]
        for row in self.rows:
            if row.group == external_id:
                self.state.tenant.remove_row(row)

    def add_user(
        self,
        external_id: str | None,
        full_name: str,
        email: str,
        code: str | None = None,
        locale: str | None = None,
    ) -> User:
        """Add a user; without an external id they are nobody the API can name."""
        return self.state.tenant.save_user(
            User(
                id=self.state.new_id(),
                external_id=external_id,
                full_name=full_name,
                email=email,
                code=code,
                locale=locale,
            )
        )

    def set_code(self, external_id: str, code: str | None) -> None:
        """Type a code for a user, or clear it."""
        self.state.tenant.save_user(replace(self._user(external_id), code=code))

    def delete_user(self, external_id: str) -> None:
        """Delete a user and their memberships."""
        self.state.tenant.remove_user(self._user(external_id))

    def add_membership(
        self, external_id: str, user: str, group: str, starts_at: datetime, ends_at: datetime | None = None
    ) -> Membership:
        """Add a membership as the API would have made it."""
        return self._add_row(external_id, user, group, starts_at, ends_at)

    def add_manual_membership(
        self, user: str, group: str, starts_at: datetime | None = None, ends_at: datetime | None = None
    ) -> str:
        """Add a membership without external id and return its internal id; it starts now by default."""
        return self._add_row(None, user, group, starts_at or self.state.now(), ends_at).id

    def delete_membership(self, ident: str) -> None:
        """Delete a membership by its external or internal id, all rows of it."""
        rows = self.state.tenant.rows_by_external(ident) or [self.state.tenant.rows[ident]]
        for row in rows:
            self.state.tenant.remove_row(row)

    # Looking

    @property
    def users(self) -> dict[str, User]:
        """Users by external id."""
        return {user.external_id: user for user in self.state.tenant.users.values() if user.external_id}

    @property
    def codes(self) -> dict[str, str]:
        """Codes by the user's external id, of users who have one."""
        return {external: user.code for external, user in self.users.items() if user.code is not None}

    @property
    def groups(self) -> dict[str, str]:
        """Names of the groups by external id."""
        return dict(self.state.tenant.groups)

    @property
    def memberships(self) -> dict[str, Membership]:
        """Memberships by external id; of several rows the first, which is the one the API reaches."""
        found: dict[str, Membership] = {}
        for row in self.rows:
            if row.external_id is not None:
                found.setdefault(row.external_id, row)
        return found

    @property
    def rows(self) -> list[Membership]:
        """All memberships, hand-made ones and duplicates included."""
        return list(self.state.tenant.rows.values())

    def snapshot(self) -> dict[str, Any]:
        """Return users with codes and memberships with windows, for comparing two runs."""
        return snapshot(self.state.tenant.users.values(), self.rows)

    # Doors

    def try_door(self, group: str, *, pin: str, at: datetime | None = None) -> DoorAnswer:
        """Type a code at the doors of a group, now or at another instant."""
        return self.state.doors.try_code(group, pin, at)

    def take_offline(self, group: str) -> None:
        """Cut the doors of a group off: they keep what they know."""
        self.state.doors.take_offline(group)

    def contact(self, group: str) -> None:
        """Let the doors of a group learn what is true now."""
        self.state.doors.contact(group)

    def _user(self, external_id: str) -> User:
        user = self.state.tenant.user_by_external(external_id)
        if user is None:
            raise KeyError(external_id)
        return user

    def _add_row(
        self, external_id: str | None, user: str, group: str, starts_at: datetime, ends_at: datetime | None
    ) -> Membership:
        if group not in self.state.tenant.groups:
            raise KeyError(group)
        member = self._user(user)
        return self.state.tenant.save_row(
            Membership(
                id=self.state.new_id(),
                external_id=external_id,
                user=member.external_id,
                user_id=member.id,
                group=group,
                starts_at=starts_at,
                ends_at=ends_at,
                created_at=self.state.now(),
            )
        )
