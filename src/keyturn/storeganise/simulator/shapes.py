"""New resources in the shapes captured from Storeganise's API.

Plain dicts on purpose: the simulator must not share a parser or a model with the product.
Sources: samples published with the Pipedream components for Storeganise, Storeganise help
articles 189 and 299, Storeganise's add-on starter template.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

Resource = dict[str, Any]


def new_site(*, ident: str, now: str, title: str, code: str, custom_fields: Mapping[str, Any]) -> Resource:
    """Return a site. It has no name; `title` is a map from language to text."""
    return {
        "id": ident,
        "title": {"en": title, "de": title},
        "subtitle": {"en": ""},
        "code": code,
        "address": {"en": ""},
        "phone": "",
        "email": f"{code}@example.com",
        "measure": "m",
        "labels": [],
        "created": now,
        "updated": now,
        "customFields": dict(custom_fields),
    }


def new_unit(*, ident: str, now: str, site: str, name: str, state: str, custom_fields: Mapping[str, Any]) -> Resource:
    """Return a unit; `ownerId` and `rentalId` are null while it is free."""
    return {
        "id": ident,
        "siteId": site,
        "typeId": site,
        "name": name,
        "state": state,
        "length": 3,
        "width": 2,
        "height": 2.5,
        "measure": "m",
        "floor": "1",
        "defaultDeposit": 100,
        "defaultPrice": 89,
        "featureIds": [],
        "ownerId": None,
        "rentalId": None,
        "blockedReason": None,
        "labels": [],
        "created": now,
        "updated": now,
        "customFields": dict(custom_fields),
    }


def new_user(
    *,
    ident: str,
    now: str,
    first_name: str | None,
    last_name: str | None,
    email: str | None,
    language: str | None,
    custom_fields: Mapping[str, Any],
) -> Resource:
    """Return a user; a part that is None is left out, as in accounts entered by hand."""
    given = {"email": email, "firstName": first_name, "lastName": last_name, "language": language}
    user: Resource = {
        "id": ident,
        "billingTrigger": "default",
        "charges": [],
        "created": now,
        "deposits": [],
        "files": [],
        "isActive": True,
        "roles": [],
        "permissions": [],
        "labels": [],
        "updated": now,
        "billingMethod": "default",
        "customFields": dict(custom_fields),
    }
    user.update({key: value for key, value in given.items() if value is not None})
    user["name"] = full_name(user)
    return user


def full_name(user: Mapping[str, Any]) -> str:
    """Return `name` as the API makes it: first and last name with a blank."""
    return " ".join(part for part in (user.get("firstName"), user.get("lastName")) if part)


def new_rental(*, ident: str, now: str, unit: Resource, owner: str, start: date, job: str | None) -> Resource:
    """Return a reserved rental. `overdue`, `endDate` and `moveOutJobId` appear only when they have a value."""
    rental: Resource = {
        "id": ident,
        "unitId": unit["id"],
        "siteId": unit["siteId"],
        "ownerId": owner,
        "deposit": unit["defaultDeposit"],
        "price": unit["defaultPrice"],
        "startDate": start.isoformat(),
        "depositBalance": 0,
        "charges": [],
        "prepaymentBalance": 0,
        "revenueBalance": 0,
        "state": "reserved",
        "invoiceDate": 1,
        "systemCharges": {"unitDeposit": {}, "unitRent": {}},
        "created": now,
        "updated": now,
        "customFields": {},
    }
    if job is not None:
        rental["moveInJobId"] = job
    return rental


def new_job(
    *,
    ident: str,
    now: str,
    kind: str,
    state: str,
    owner: str | None,
    given: Resource,
    result: Resource,
    steps: list[Any],
) -> Resource:
    """Return a job of type `kind`."""
    return {
        "id": ident,
        "type": kind,
        "state": state,
        "ownerId": owner,
        "data": given,
        "result": result,
        "steps": steps,
        "created": now,
        "updated": now,
    }
