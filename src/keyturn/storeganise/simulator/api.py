"""The admin API of the accounts: routes, credentials, errors.

Sources: Storeganise help articles 297, 299 and 343, the add-on starter template, requests of
integrations that run in production.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keyturn.simulation.exchange import Call, Reply, Routes, json_reply
from keyturn.storeganise.simulator.account import Account
from keyturn.storeganise.simulator.ids import is_id
from keyturn.storeganise.simulator.listing import included, page, view
from keyturn.storeganise.simulator.records import Collection, RefusedError
from keyturn.storeganise.simulator.shapes import Resource
from keyturn.storeganise.simulator.staff import UnknownFieldError

ApiHandler = Callable[[Account, Call], Reply]
Failure = Callable[[Account, int], Reply]

_READ_ONLY = frozenset({"id", "state", "created", "updated", "siteId", "unitId", "ownerId", "rentalId", "overdue"})
_PREFIX = "{business}/api/v1/admin"


class ApiError(Exception):
    """The request cannot be answered with a success."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class AdminApi:
    """The operations of `/api/v1/admin`, over all accounts of the simulator."""

    def __init__(self, account: Callable[[str], Account | None], failure: Failure) -> None:
        self._account = account
        self._failure = failure

    def add_routes(self, routes: Routes) -> None:
        """Add every operation to the table."""
        collections: tuple[tuple[str, Collection, bool], ...] = (
            ("sites", "sites", False),
            ("units", "units", True),
            ("users", "users", True),
            ("unit-rentals", "rentals", True),
            ("jobs", "jobs", False),
        )
        for path, collection, writable in collections:
            self._route(routes, "GET", path, f"{path}.list", _list(collection), "list")
            self._route(routes, "GET", f"{path}/{{id}}", f"{path}.get", _get(collection))
            if writable:
                self._route(routes, "PUT", f"{path}/{{id}}", f"{path}.put", _put(collection))
        self._route(routes, "POST", "jobs", "jobs.post", _post_task)
        self._route(routes, "PUT", "jobs/{id}/steps/{step}", "jobs.step", _put_step)
        self._route(routes, "GET", "addons/{id}", "addons.get", _get_addon)
        self._route(routes, "GET", "settings", "settings.get", _get_settings)

    def _route(
        self, routes: Routes, method: str, path: str, name: str, handler: ApiHandler, kind: Any = "single"
    ) -> None:
        def run(call: Call) -> Reply:
            account = self._account(call.params["business"])
            if account is None:
                return Reply(status=404)
            try:
                return handler(account, call)
            except ApiError as error:
                return self._failure(account, error.status)
            except (UnknownFieldError, RefusedError):
                return self._failure(account, 400)

        routes.add(method, f"{_PREFIX}/{path}", name, run, kind)


def _list(collection: Collection) -> ApiHandler:
    def run(account: Account, call: Call) -> Reply:
        equal = _filters(collection, account)
        visible = [r for r in account.table[collection].values() if _visible(account, collection, r, call)]
        try:
            found = page(visible, call.query, account.knobs, equal)
        except ValueError:
            raise ApiError(400) from None
        include = included(call.query)
        if collection == "rentals" and account.knobs.include_default_on_list == "embed":
            include |= {"unit", "owner", "customFields"}
        return json_reply([_shown(account, collection, record, include) for record in found])

    return run


def _filters(collection: Collection, account: Account) -> dict[str, str]:
    if collection == "rentals":
        unit = {"unitId": "unitId"} if account.knobs.unit_id_filter == "supported" else {}
        return {"ownerId": "ownerId", "siteId": "siteId", **unit}
    if collection == "units":
        return {"siteId": "siteId"}
    if collection == "jobs":
        return {"type": "type", "ownerId": "ownerId"}
    return {}


def _get(collection: Collection) -> ApiHandler:
    def run(account: Account, call: Call) -> Reply:
        record = _find(account, collection, call)
        return json_reply(_shown(account, collection, record, included(call.query)))

    return run


def _put(collection: Collection) -> ApiHandler:
    def run(account: Account, call: Call) -> Reply:
        record = _find(account, collection, call)
        fields = dict(_document(call))
        custom_fields = fields.pop("customFields", {})
        if not isinstance(custom_fields, dict) or _READ_ONLY & fields.keys():
            raise ApiError(400)
        account.edit(collection, record["id"], custom_fields, fields, by_api=True)
        return json_reply(_shown(account, collection, record, included(call.query)))

    return run


def _post_task(account: Account, call: Call) -> Reply:
    body = _document(call)
    given = body.get("data")
    if body.get("type") != "task" or not isinstance(given, dict):
        raise ApiError(400)
    if given.get("targetType") not in account.knobs.task_targets or not given.get("title"):
        raise ApiError(400)
    if not _target_exists(account, given):
        raise ApiError(400)
    owner = body.get("ownerId")
    job = account.add_job("task", state="ready", owner=owner, given=given, result={}, step=None)
    return json_reply(account.job(job), account.knobs.create_status)


def _target_exists(account: Account, given: Mapping[str, Any]) -> bool:
    places: dict[str, Mapping[str, Any]] = {
        "unit": account.table["units"],
        "user": account.table["users"],
        "site": account.table["sites"],
        "unitRental": account.table["rentals"],
        "addon": account.installations,
    }
    return given.get("targetId") in places[given["targetType"]]


def _put_step(account: Account, call: Call) -> Reply:
    job = _find(account, "jobs", call)
    body = _document(call)
    steps = {step["id"]: step for step in job["steps"]}
    if call.params["step"] not in steps:
        raise ApiError(404)
    if body.get("state") != "completed" or job["type"] != "unit_moveOut" or job["state"] != "ready":
        raise ApiError(400)
    rental = next(r["id"] for r in account.table["rentals"].values() if r.get("moveOutJobId") == job["id"])
    account.complete_move_out(rental, next_unit_state=body.get("nextUnitState", "available"))
    return json_reply(account.job(job["id"]))


def _get_addon(account: Account, call: Call) -> Reply:
    if call.params["id"] not in account.installations:
        raise ApiError(404)
    return json_reply(account.installation(call.params["id"]))


def _get_settings(account: Account, _call: Call) -> Reply:
    return json_reply({"businessCode": account.code, "timezone": account.timezone.key, "sites": list(account.sites)})


def _document(call: Call) -> dict[str, Any]:
    try:
        body = call.json()
    except ValueError:
        raise ApiError(400) from None
    if not isinstance(body, dict):
        raise ApiError(400)
    return body


def _find(account: Account, collection: Collection, call: Call) -> Resource:
    ident = call.params["id"]
    record = account.table[collection].get(ident) or _by_other_name(account, collection, ident)
    if record is None and not is_id(ident):
        raise ApiError(account.knobs.malformed_id_status)
    if record is None or not _visible(account, collection, record, call):
        raise ApiError(404)
    return record


def _by_other_name(account: Account, collection: Collection, name: str) -> Resource | None:
    """Return a site by its code or a user by their e-mail."""
    key = {"sites": "code", "users": "email"}.get(collection)
    if key is None:
        return None
    return next((record for record in account.table[collection].values() if record.get(key) == name), None)


def _visible(account: Account, collection: Collection, record: Resource, call: Call) -> bool:
    if record["id"] in account.hidden:
        return False
    if not account.knobs.addon_limited_to_site:
        return True
    installed = account.installations.get(addon_of(call) or "")
    if installed is None or installed.site is None or collection in ("users", "jobs"):
        return True
    return bool(record.get("siteId", record["id"]) == installed.site)


def addon_of(call: Call) -> str | None:
    """Return the add-on a request names in `Authorization: Addon <id>|<key>`, unchecked."""
    scheme, _, rest = call.headers.get("authorization", "").partition(" ")
    return rest.partition("|")[0] if scheme == "Addon" else None


def _shown(account: Account, collection: Collection, record: Resource, include: frozenset[str]) -> Resource:
    if collection == "jobs":
        return record
    nested: dict[str, Resource | None] = {}
    if collection == "rentals":
        table = account.table
        nested = {"unit": table["units"].get(record["unitId"]), "owner": table["users"].get(record["ownerId"])}
    return view(record, include, nested)
