"""No PIN, key, secret, token, name or e-mail leaves its place: not in logs, answers, counters, problems or files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import aiohttp
import psycopg
import pytest
from psycopg import sql

from keyturn.bootstrap import explain
from keyturn.core.ids import BusinessCode, RentalId
from keyturn.simulation.exchange import Call
from keyturn.simulation.faults import Fault
from keyturn.store.problems import Problem
from scenarios.world import API_KEY, CLIENT_SECRET, SECRET, World, WorldMaker
from telemetry.collector import collector

HOUR = timedelta(hours=1)
FIRST_NAME, LAST_NAME, EMAIL = "Kanarina", "Gelbfeder", "kanarina.gelbfeder@canary.example"
TYPED = ("739204", "584017", "123456", "58401", "aaaaaa")
"""PINs that staff type: good ones, a weak one, a short one, and no number at all."""


class Canaries:
    """Everything that must be seen nowhere."""

    def __init__(self, told: World) -> None:
        self._world = told
        self._pins: set[str] = set(TYPED)
        self._tokens: set[str] = set()
        self.problems: list[Problem] = []
        told.sensorberg.faults.add(route="*", fault=Fault.empty(), times=None, when=self._overhear)

    def _overhear(self, call: Call) -> bool:
        """Take down the token of a request to the access system, and plan no fault."""
        self._tokens.add(call.headers.get("authorization", "").removeprefix("Bearer ") or API_KEY)
        return False

    async def watch(self) -> None:
        """Take down the PINs and the problems that exist now."""
        self.problems += await self._world.service.problems.open()
        self._pins |= set(self._world.sensorberg.codes.values())
        records = [*self._world.account.users.values(), *self._world.account.rentals.values()]
        self._pins |= {pin for record in records if (pin := record["customFields"].get("sensorberg_pin"))}

    @property
    def all(self) -> set[str]:
        """Return every canary there was."""
        words = {FIRST_NAME, LAST_NAME, EMAIL, API_KEY, CLIENT_SECRET, SECRET, "a secret key for tests only"}
        return words | self._pins | self._tokens

    def found_in(self, places: Mapping[str, bytes]) -> list[tuple[str, str]]:
        """Return where a canary was found; PINs are looked for between characters that are no digits."""
        return sorted(
            (place, canary) for place, content in places.items() for canary in self.all if _contains(content, canary)
        )


def _contains(content: bytes, canary: str) -> bool:
    raw = canary.encode()
    at = content.find(raw)
    while at >= 0:
        around = content[max(at - 1, 0) : at] + content[at + len(raw) : at + len(raw) + 1]
        if not (canary.isdigit() and _is_part_of_a_word(around)):
            return True
        at = content.find(raw, at + 1)
    return False


def _is_part_of_a_word(around: bytes) -> bool:
    """Say whether six digits are a piece of a longer hash, id or time."""
    return any(chr(byte) in "0123456789abcdef." for byte in around)


async def test_a_story_with_faults_leaves_no_secret_anywhere(
    make_world: WorldMaker, log: io.StringIO, tmp_path: Path, database_url: str | None
) -> None:
    """Everything goes wrong at least once, and afterwards no canary is found in anything Keyturn wrote or said."""
    async with collector() as traces, make_world(telemetry={"endpoint": traces.url}) as acme:
        canaries = Canaries(acme)
        answers = await _eventful_story(acme, canaries)
        said = [row.reason + str(row.result) + str(row.last_error) for row in await acme.service.work.held()]
        explained = [await _explanation(acme, rental) for rental in acme.account.rentals]
        places = {
            "log": log.getvalue().encode(),
            "answers": b"\n".join(answers),
            "problems": repr(canaries.problems).encode(),
            "tasks": repr(acme.account.tasks).encode(),
            "held work": "\n".join(said).encode(),
            "explanations": "\n".join(explained).encode(),
            "representations": repr((acme.settings, acme.service)).encode(),
            **_stored(tmp_path, database_url),
        }
        await acme.stop()
        places["traces"] = b"\n".join(traces.bodies)
        places["heads of traces"] = repr(traces.heads).encode()
        assert {"webhook", "look", "sensorberg: set a code"} <= {span.name for span in traces.spans}
        assert any(span.failed for span in traces.spans)
    assert min(len(places[name]) for name in ("log", "answers", "database", "tasks", "traces")) > 1000
    assert {"pin_refused", "email_taken", "confirm_staff_lock"} <= {problem.code for problem in canaries.problems}
    assert canaries.found_in(places) == []


@pytest.mark.parametrize("canary", ["739204", "Kanarina"])
def test_a_canary_would_be_found(canary: str) -> None:
    """The search is no blind one: it finds a canary in a line, and not in the middle of a hash."""
    assert [
        _contains(f'{{"reason": "it was {canary}"}}'.encode(), canary),
        _contains(canary.encode(), canary),
        _contains(b"0c9e739204ff", canary),
    ] == [True, True, False]


async def _eventful_story(told: World, canaries: Canaries) -> list[bytes]:
    """Let people with telling names rent while the services fail; return everything the web answered."""
    account, answers = told.account, []
    tenant = account.add_user(FIRST_NAME, LAST_NAME, EMAIL)
    told.sensorberg.add_user("somebody", "Somebody Else", f"taken.{EMAIL}")
    refused = account.add_user(f"{FIRST_NAME} B", LAST_NAME, f"taken.{EMAIL}")
    _plan_faults(told)
    rental = told.move_in("A1", tenant)
    account.edit_rental(told.move_in("A2", tenant), {"sensorberg_overlocked": True})
    told.move_in("A3", refused)
    for typed in TYPED:
        answers += await _hours(told, canaries)
        account.edit_rental(rental, {"sensorberg_pin": typed})
    account.edit_user(tenant, {"sensorberg_pin": ""})
    account.mark_overdue(rental)
    told.sensorberg.revoke_tokens()
    answers += await _hours(told, canaries)
    answers += await _hostile_requests(told)
    account.api_keys.clear()
    account.move_out(rental)
    answers += await _hours(told, canaries)
    account.api_keys.append(API_KEY)
    answers += await _hours(told, canaries)
    return answers


def _plan_faults(told: World) -> None:
    body = f"<html>{EMAIL} {TYPED[0]} {API_KEY}</html>"
    detail = {"errors": [{"title": "invalid", "detail": f"{EMAIL} {TYPED[0]} is taken", "source": {"pointer": EMAIL}}]}
    for simulator in (told.storeganise, told.sensorberg):
        for route in ("users.*", "memberships.*", "unit-rentals.*"):
            for fault in (
                Fault.status(503, body=body),
                Fault.status(422, body=detail),
                Fault.truncated(),
                Fault.reset_after(),
            ):
                simulator.faults.add(route=route, fault=fault, after=2)
    told.sensorberg.faults.add(route="oauth.token", fault=Fault.status(401, body=detail))


async def _hours(told: World, canaries: Canaries) -> list[bytes]:
    """Let three hours pass; return what the watching addresses show after each."""
    answers = []
    for _ in range(3):
        await told.later(HOUR)
        await canaries.watch()
        answers += [await _answer(told, path) for path in ("/metrics", "/readyz", "/healthz")]
    return answers


async def _hostile_requests(told: World) -> list[bytes]:
    """Send what a web server sees, with canaries in it."""
    body = f'{{"type": "user.updated", "data": "{EMAIL}", "key": "{API_KEY}", "pin": "{TYPED[0]}"'.encode()
    path = "/webhooks/storeganise/acme"
    signed = told.account.forge("user.updated", {}, secret=SECRET, body=body)
    return [
        await _answer(told, path, body=body),
        await _answer(told, path, body=signed.body, headers=signed.headers),
        await _answer(told, f"/webhooks/storeganise/{FIRST_NAME}", body=body),
        await _answer(told, f"/{FIRST_NAME}/{TYPED[0]}"),
        await _answer(told, path, body=b" " * 300_000),
    ]


async def _answer(
    told: World, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    method = "GET" if body is None else "POST"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, told.url + path, data=body, headers=headers) as response,
    ):
        return repr(sorted(response.headers.items())).encode() + await response.read()


async def _explanation(told: World, rental: str) -> str:
    """Return what `keyturn explain` shows, or the error it ends with."""
    try:
        return repr(await explain(told.settings, RentalId(rental), BusinessCode("acme")))
    except Exception as error:  # noqa: BLE001 - whatever it is, its text is what is looked at
        return repr(error)


def _stored(folder: Path, database_url: str | None) -> dict[str, bytes]:
    """Return every byte that was kept: the embedded database's files, or all rows of all tables as text."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if database_url is None:
        return {**files, "database": b"".join(files.values())}
    return {**files, "database": "\n".join(_rows(database_url)).encode()}


def _rows(database_url: str) -> Iterator[str]:
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in found:
            query = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(table))
            yield from (row[0] for row in connection.execute(query).fetchall())
