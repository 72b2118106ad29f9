"""Every secret can be replaced while tenants come and go. The add-on's own is told of in `test_addon`.

Replacing a secret is a new settings file and a restart; with several processes, one after the other.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from keyturn.core.work import Kind, Subject
from keyturn.processes import plan_sweeps
from keyturn.providers.sensorberg.simulator import Knobs
from scenarios.world import API_KEY, SECRET, World

HOUR = timedelta(hours=1)
NEW = "the new secret, long enough"


def changed(model: Any, path: str, value: Any) -> Any:
    """Return settings with the value at a dotted path replaced."""
    name, _, rest = path.partition(".")
    inner = model[name] if isinstance(model, dict) else getattr(model, name)
    new = changed(inner, rest, value) if rest else value
    return {**model, name: new} if isinstance(model, dict) else copied(model, name, new)


def copied(model: BaseModel, name: str, value: Any) -> BaseModel:
    """Return a table with one value replaced."""
    return model.model_copy(update={name: value})


async def restarted(world: World, path: str, value: Any) -> None:
    """Restart the service with one setting changed, as its command does."""
    world.settings = changed(world.settings, path, value)
    await world.restart()
    await plan_sweeps(world.service)
    await world.settle()


async def test_a_webhook_secret(acme: World) -> None:
    """Both are valid while Storeganise changes over; then the old one is refused, and no event is lost on the way."""
    first = acme.move_in("A1")
    await restarted(acme, "businesses.acme.webhook_secrets", (SecretStr(NEW), SecretStr(SECRET)))
    acme.account.webhook_secret = NEW
    second = acme.move_in("A2")
    await acme.settle()
    await restarted(acme, "businesses.acme.webhook_secrets", (SecretStr(NEW),))
    third = acme.move_in("A3")
    await acme.settle()

    doors = {"A1": first, "A2": second, "A3": third}
    assert [acme.door(unit, acme.pin_of(rental)) for unit, rental in doors.items()] == ["approved"] * 3
    assert (acme.account.failed, acme.account.lost) == ([], [])

    stale = acme.account.forge("unitRental.updated", {"unitRentalId": first}, secret=SECRET)
    assert await acme.account.send(stale) == 401


async def test_a_storeganise_key(acme: World) -> None:
    """The new key is made, then used, and the old one deleted."""
    acme.account.api_keys = [API_KEY, NEW]
    await restarted(acme, "businesses.acme.api_key", SecretStr(NEW))
    acme.account.api_keys = [NEW]
    rental = acme.move_in("A1")
    await acme.settle()

    assert acme.door("A1", acme.pin_of(rental)) == "approved"


async def test_a_storeganise_key_deleted_too_early(acme: World) -> None:
    """Events are kept until the new key is in the settings, and then they are done."""
    acme.account.api_keys = [NEW]
    rental = acme.move_in("A1")
    await acme.settle()

    assert acme.sensorberg.memberships == {}

    await restarted(acme, "businesses.acme.api_key", SecretStr(NEW))
    await acme.later(HOUR)

    assert acme.door("A1", acme.pin_of(rental)) == "approved"


@pytest.mark.parametrize("revoked", [False, True])
async def test_a_sensorberg_secret(acme: World, *, revoked: bool) -> None:
    """The old token serves until it is refused or the new secret is known; then one new token is fetched."""
    first = acme.move_in("A1")
    await acme.settle()
    acme.sensorberg.change_secret("client", NEW)
    if revoked:
        acme.sensorberg.revoke_tokens()
    acme.account.mark_overdue(first)
    await acme.settle()

    assert acme.door("A1", acme.pin_of(first)) == ("approved" if revoked else "denied")

    before = acme.sensorberg.journal.count(route="oauth.token")
    await restarted(acme, "businesses.acme.sensorberg.client_secret", SecretStr(NEW))
    await acme.later(HOUR)
    second = acme.move_in("A2")
    await acme.settle()

    assert (acme.door("A1", acme.pin_of(first)), acme.door("A2", acme.pin_of(second))) == ("denied", "approved")
    assert acme.sensorberg.journal.count(route="oauth.token") - before == 1


async def test_the_secret_key(acme: World) -> None:
    """No PIN changes and no door opens or shuts; tokens are fetched anew, and PINs are kept apart again at once."""
    acme.sensorberg.knobs = Knobs(code_unique="off")
    stays, late = acme.move_in("A1"), acme.move_in("A2")
    await acme.settle()
    acme.account.mark_overdue(late)
    await acme.settle()
    before, codes = acme.final_state(), acme.sensorberg.codes
    tokens = acme.sensorberg.journal.count(route="oauth.token")
    await restarted(acme, "server.secret_key", SecretStr(NEW))
    for code in await acme.service.directory.codes():
        known = await acme.service.ledger.not_over(code)
        await acme.service.work.wake(code, [Subject.of(Kind.RENTAL, rental) for rental in known], "woken by hand")
    await acme.settle()

    assert (acme.final_state(), acme.sensorberg.codes) == (before, codes)
    assert acme.sensorberg.journal.count(route="oauth.token") == tokens + 1

    taken, own = acme.pin_of(stays), acme.pin_of(late)
    acme.account.edit_rental(late, {"sensorberg_pin": taken})
    await acme.settle()

    assert (acme.pin_of(late), acme.pin_of(stays)) == (own, taken)

    acme.account.pay(late)
    await acme.settle()

    assert (acme.door("A1", taken), acme.door("A2", own)) == ("approved", "approved")
