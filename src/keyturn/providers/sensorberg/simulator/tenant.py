"""Who and what a Sensorberg tenant knows: users with codes, groups, memberships.

User → (membership, with a window) → group → doors. Values are frozen; a change puts a new one in
place of the old, so what a test holds never changes under its hands. Refusals live elsewhere:
this room only keeps and finds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person. `code` opens every group they are a member of; `id` is Sensorberg's own."""

    id: str
    external_id: str | None
    full_name: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    locale: str | None = None
    code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A user in a group from `starts_at` until `ends_at` (None: open-ended).

    `user` and `group` are external ids; `user_id` is the internal one. Made by hand: no external id.
    """

    id: str
    external_id: str | None
    user: str | None
    user_id: str
    group: str | None
    starts_at: datetime
    ends_at: datetime | None
    created_at: datetime


class Tenant:
    """The tables, indexed by everything that is asked for."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.users: dict[str, User] = {}
        self.rows: dict[str, Membership] = {}
        self.groups: dict[str, str] = {}
        self.gone: set[str] = set()
        """External ids of memberships that were deleted."""
        self._users_by_external: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._users_by_email: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._users_by_code: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._rows_by_external: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._rows_by_user: defaultdict[str, dict[str, None]] = defaultdict(dict)

    def save_user(self, user: User) -> User:
        """Add a user or put them in place of what was kept under their id."""
        self._forget_user(user.id)
        self.users[user.id] = user
        _index(self._users_by_external, user.external_id, user.id)
        _index(self._users_by_email, user.email and user.email.lower(), user.id)
        _index(self._users_by_code, user.code, user.id)
        self._changed()
        return user

    def remove_user(self, user: User) -> None:
        """Remove a user and all their memberships."""
        for row in self.rows_of(user.id):
            self.remove_row(row)
        self._forget_user(user.id)
        del self.users[user.id]
        self._changed()

    def save_row(self, row: Membership) -> Membership:
        """Add a membership or put it in place of what was kept under its id, which may have been another user's."""
        before = self.rows.get(row.id)
        if before is not None:
            _unindex(self._rows_by_external, before.external_id, row.id)
            _unindex(self._rows_by_user, before.user_id, row.id)
        self.rows[row.id] = row
        _index(self._rows_by_external, row.external_id, row.id)
        _index(self._rows_by_user, row.user_id, row.id)
        self._changed()
        return row

    def remove_row(self, row: Membership) -> None:
        """Remove a membership."""
        del self.rows[row.id]
        if row.external_id is not None:
            self._rows_by_external[row.external_id].pop(row.id, None)
            self.gone.add(row.external_id)
        self._rows_by_user[row.user_id].pop(row.id, None)
        self._changed()

    def save_group(self, external_id: str, name: str) -> None:
        """Add a group."""
        self.groups[external_id] = name
        self._changed()

    def user_by_external(self, external_id: str) -> User | None:
        """Return the first user with an external id."""
        return next((self.users[i] for i in self._users_by_external.get(external_id, ())), None)

    def users_by_email(self, email: str) -> list[User]:
        """Return the users with an e-mail, in any spelling."""
        return [self.users[i] for i in self._users_by_email.get(email.lower(), ())]

    def users_by_code(self, code: str) -> list[User]:
        """Return the users who carry a code."""
        return [self.users[i] for i in self._users_by_code.get(code, ())]

    def row_by_external(self, external_id: str) -> Membership | None:
        """Return the first membership with an external id; a duplicate stays out of reach."""
        return next((self.rows[i] for i in self._rows_by_external.get(external_id, ())), None)

    def rows_by_external(self, external_id: str) -> list[Membership]:
        """Return all memberships with an external id."""
        return [self.rows[i] for i in self._rows_by_external.get(external_id, ())]

    def rows_of(self, user_id: str) -> list[Membership]:
        """Return the memberships of a user."""
        return [self.rows[i] for i in self._rows_by_user.get(user_id, ())]

    def _forget_user(self, ident: str) -> None:
        before = self.users.get(ident)
        if before is None:
            return
        _unindex(self._users_by_external, before.external_id, ident)
        _unindex(self._users_by_email, before.email and before.email.lower(), ident)
        _unindex(self._users_by_code, before.code, ident)


def snapshot(users: Iterable[User], rows: Iterable[Membership]) -> dict[str, dict[str, dict[str, str | None]]]:
    """Return users and memberships as plain values; second rows get `#2`, hand-made ones a number."""
    memberships: dict[str, dict[str, str | None]] = {}
    for row in rows:
        base = row.external_id if row.external_id is not None else "manual"
        key, n = base, 1
        while key in memberships:
            n += 1
            key = f"{base}#{n}"
        memberships[key] = {
            "user": row.user,
            "group": row.group,
            "starts_at": row.starts_at.isoformat(),
            "ends_at": row.ends_at.isoformat() if row.ends_at else None,
        }
    people = {user.external_id or user.id: {"code": user.code} for user in users}
    return {"users": dict(sorted(people.items())), "memberships": dict(sorted(memberships.items()))}


def _index(index: defaultdict[str, dict[str, None]], key: str | None, ident: str) -> None:
    if key:
        index[key][ident] = None


def _unindex(index: defaultdict[str, dict[str, None]], key: str | None, ident: str) -> None:
    if key:
        index[key].pop(ident, None)
