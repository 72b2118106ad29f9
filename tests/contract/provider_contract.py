"""What every provider must do, whatever stands behind it.

A provider's test subclasses `ProviderContract` and gives the fixture `backend`: an empty backend
with the groups `gate-1` and `gate-2`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from keyturn.core.ids import ExternalId, GroupId, OwnerId
from keyturn.core.rental import Missing, Owner, Pin
from keyturn.errors import NotFound, Refused
from keyturn.providers.protocol import Answer, Membership, Provider, Shown

START = datetime(2026, 2, 28, 23, 0, tzinfo=UTC)
LOCK = START + timedelta(days=3)
GATE = GroupId("gate-1")
OTHER_GATE = GroupId("gate-2")
ERIKA = Owner(
    id=OwnerId("owner-1"),
    name="Erika Größe",
    email="erika@example.com",
    locale="de",
    created=None,
    updated=None,
    pin=Missing.EMPTY,
)
MAX = replace(ERIKA, id=OwnerId("owner-2"), name="Max Muster", email="max@example.com")
RENTAL = Membership(external_id=ExternalId("rental-1"), user=ERIKA.id, group=GATE, starts_at=START, ends_at=None)


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a backend really holds, in one form for all."""

    memberships: Mapping[str, tuple[str, str, datetime, bool]]
    """External id to user, group, start, and whether it is open-ended."""
    codes: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A provider and a look behind it."""

    provider: Provider
    held: Callable[[], Held]


class ProviderContract:
    """The protocol's promises, one test each."""

    async def test_user_is_created_once(self, backend: Backend) -> None:
        """The first time the user is created, after that they are found."""
        assert await backend.provider.ensure_user(ERIKA) is True
        assert await backend.provider.ensure_user(ERIKA) is False
        assert await backend.provider.ensure_user(replace(ERIKA, name="Erika Neu")) is False

    async def test_email_of_another_user(self, backend: Backend) -> None:
        """Nobody is taken for another because of an e-mail address."""
        await backend.provider.ensure_user(ERIKA)
        with pytest.raises(Refused) as caught:
            await backend.provider.ensure_user(replace(MAX, email=ERIKA.email))
        assert caught.value.about == {"email"}
        assert "erika" not in str(caught.value).lower()

    async def test_code(self, backend: Backend) -> None:
        """A user's code is set and may be set again; leading zeros survive."""
        await backend.provider.ensure_user(ERIKA)
        for digits in ("004271", "004271", "482913"):
            await backend.provider.set_code(ERIKA.id, Pin(digits))
            assert backend.held().codes == {ERIKA.id: digits}

    async def test_code_of_nobody(self, backend: Backend) -> None:
        """A code for a user who is not there is `NotFound`."""
        with pytest.raises(NotFound):
            await backend.provider.set_code(ERIKA.id, Pin("004271"))

    async def test_code_in_use(self, backend: Backend) -> None:
        """A code that another user has is refused, and shown to nobody."""
        await backend.provider.ensure_user(ERIKA)
        await backend.provider.ensure_user(MAX)
        await backend.provider.set_code(ERIKA.id, Pin("482913"))
        with pytest.raises(Refused) as caught:
            await backend.provider.set_code(MAX.id, Pin("482913"))
        assert caught.value.status == 422
        assert "482913" not in str(caught.value)

    async def test_code_of_the_wrong_shape(self, backend: Backend) -> None:
        """A code that is no code is refused."""
        await backend.provider.ensure_user(ERIKA)
        for odd in ("123", "123456789", "12a456"):
            with pytest.raises(Refused):
                await backend.provider.set_code(ERIKA.id, Pin(odd))
        assert backend.held().codes.get(ERIKA.id) is None

    async def test_membership(self, backend: Backend) -> None:
        """A membership is created as asked, open-ended."""
        await backend.provider.ensure_user(ERIKA)
        shown = await backend.provider.create_membership(RENTAL)
        assert shown in (Shown(user=ERIKA.id, group=GATE, starts_at=START), Shown())
        assert backend.held().memberships == {"rental-1": (ERIKA.id, GATE, START, True)}

    async def test_membership_with_an_end(self, backend: Backend) -> None:
        """One that is born with an end has it."""
        await backend.provider.ensure_user(ERIKA)
        await backend.provider.create_membership(replace(RENTAL, ends_at=LOCK))
        assert backend.held().memberships == {"rental-1": (ERIKA.id, GATE, START, False)}

    async def test_repeated_create(self, backend: Backend) -> None:
        """A second create under the same id changes nothing."""
        await backend.provider.ensure_user(ERIKA)
        await backend.provider.create_membership(RENTAL)
        assert await backend.provider.create_membership(replace(RENTAL, group=OTHER_GATE)) is Answer.TAKEN
        assert backend.held().memberships == {"rental-1": (ERIKA.id, GATE, START, True)}

    async def test_membership_of_nobody(self, backend: Backend) -> None:
        """A membership of an unknown user, or in an unknown group, is not made."""
        assert isinstance(await backend.provider.create_membership(RENTAL), Answer)
        await backend.provider.ensure_user(ERIKA)
        assert isinstance(await backend.provider.create_membership(replace(RENTAL, group=GroupId("nowhere"))), Answer)
        assert backend.held().memberships == {}

    async def test_two_memberships_of_one_user(self, backend: Backend) -> None:
        """A user may have several memberships."""
        await backend.provider.ensure_user(ERIKA)
        second = replace(RENTAL, external_id=ExternalId("rental-2"), group=OTHER_GATE)
        for membership in (RENTAL, second):
            assert isinstance(await backend.provider.create_membership(membership), Shown)
        assert backend.held().memberships.keys() == {"rental-1", "rental-2"}

    async def test_lock_and_release(self, backend: Backend) -> None:
        """Amending moves the end and nothing else, as often as it is asked."""
        await backend.provider.ensure_user(ERIKA)
        await backend.provider.create_membership(RENTAL)
        for ends_at, open_ended in ((LOCK, False), (LOCK, False), (None, True), (None, True), (START, False)):
            shown = await backend.provider.amend_membership(RENTAL.external_id, ends_at)
            assert shown in (Shown(user=ERIKA.id, group=GATE, starts_at=START), Shown())
            assert backend.held().memberships == {"rental-1": (ERIKA.id, GATE, START, open_ended)}

    async def test_amend_nothing(self, backend: Backend) -> None:
        """Amending what is not there says so."""
        assert await backend.provider.amend_membership(RENTAL.external_id, LOCK) is Answer.MISSING
        assert await backend.provider.amend_membership(RENTAL.external_id, None) is Answer.MISSING

    async def test_end_before_the_start(self, backend: Backend) -> None:
        """An end before the start is refused."""
        await backend.provider.ensure_user(ERIKA)
        await backend.provider.create_membership(RENTAL)
        with pytest.raises(Refused):
            await backend.provider.amend_membership(RENTAL.external_id, START - timedelta(days=1))

    async def test_remove(self, backend: Backend) -> None:
        """Removing works once, and again, and makes room for a new one."""
        await backend.provider.ensure_user(ERIKA)
        await backend.provider.create_membership(RENTAL)
        for _ in range(2):
            await backend.provider.remove_membership(RENTAL.external_id)
            assert backend.held().memberships == {}
        assert isinstance(await backend.provider.create_membership(RENTAL), Shown)

    async def test_greeting(self, backend: Backend) -> None:
        """A backend that works is greeted without a change, also when somebody is there."""
        await backend.provider.greet()
        await backend.provider.ensure_user(ERIKA)
        before = backend.held()
        await backend.provider.greet()
        assert backend.held() == before

    async def test_time(self, backend: Backend) -> None:
        """A provider always knows a time."""
        assert backend.provider.time().tzinfo is UTC
