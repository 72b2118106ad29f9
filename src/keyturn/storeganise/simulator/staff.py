"""What staff set up and edit by hand, and the same edits made over the API.

`customFields` are merged per key, everything else is replaced per field; the event names the
keys that really changed. Source: Storeganise help article 299, add-on starter template.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keyturn.storeganise.simulator.records import Collection
from keyturn.storeganise.simulator.shapes import Resource, full_name, new_site, new_unit, new_user
from keyturn.storeganise.simulator.webhooks import Webhooks

_ABSENT = object()
_UPDATED: dict[Collection, tuple[str, str]] = {
    "units": ("unit.updated", "unitId"),
    "users": ("user.updated", "userId"),
    "rentals": ("unitRental.updated", "unitRentalId"),
}


class UnknownFieldError(ValueError):
    """A custom field the account does not define, where the knobs refuse it."""


class Staff(Webhooks):
    """An account that people work in."""

    custom_field_codes: frozenset[str] = frozenset(
        {
            "securitySystem",
            "sensorberg_clientId",
            "sensorberg_clientSecret",
            "sensorberg_id",
            "sensorberg_overlocked",
            "sensorberg_pin",
            "sensorberg_url",
        }
    )
    """Custom fields defined in the account; only the knob `unknown_custom_field` looks at them."""

    def add_site(self, title: str, custom_fields: Mapping[str, Any] | None = None, code: str | None = None) -> str:
        """Add a site and return its id; `code` is made from the title when left out."""
        code = code or "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")
        return self.put(
            "sites",
            new_site(ident=self.ids.new(), now=self.now(), title=title, code=code, custom_fields=custom_fields or {}),
        )

    def add_unit(
        self, site: str, name: str, custom_fields: Mapping[str, Any] | None = None, state: str = "available"
    ) -> str:
        """Add a unit and return its id; a name is unique within its site."""
        taken = any(u["siteId"] == site and u["name"] == name for u in self.table["units"].values())
        self.require(not taken, f"unit {name} exists in this site")
        self.require(site in self.table["sites"], "no such site")
        unit = new_unit(
            ident=self.ids.new(), now=self.now(), site=site, name=name, state=state, custom_fields=custom_fields or {}
        )
        return self.put("units", unit)

    def add_user(
        self,
        first_name: str | None,
        last_name: str | None,
        email: str | None,
        language: str | None = "de",
        custom_fields: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> str:
        """Add a customer and return their id; None leaves a field out."""
        user = new_user(
            ident=self.ids.new(),
            now=self.now(),
            first_name=first_name,
            last_name=last_name,
            email=email,
            language=language,
            custom_fields=custom_fields or {},
        )
        user.update(fields)
        self.put("users", user)
        self.emit("user.created", {"userId": user["id"]})
        return str(user["id"])

    def edit_site(self, site: str, custom_fields: Mapping[str, Any] | None = None, **fields: Any) -> list[str]:
        """Change a site and return the changed keys; sites send no event that carries ids."""
        return self.edit("sites", site, custom_fields or {}, fields)

    def edit_unit(self, unit: str, custom_fields: Mapping[str, Any] | None = None, **fields: Any) -> list[str]:
        """Change a unit and return the changed keys."""
        return self.edit("units", unit, custom_fields or {}, fields)

    def edit_user(self, user: str, custom_fields: Mapping[str, Any] | None = None, **fields: Any) -> list[str]:
        """Change a user and return the changed keys; `name` follows the first and last name."""
        return self.edit("users", user, custom_fields or {}, fields)

    def edit_rental(self, rental: str, custom_fields: Mapping[str, Any] | None = None, **fields: Any) -> list[str]:
        """Change a rental and return the changed keys."""
        return self.edit("rentals", rental, custom_fields or {}, fields)

    def edit(
        self,
        collection: Collection,
        ident: str,
        custom_fields: Mapping[str, Any],
        fields: Mapping[str, Any],
        *,
        by_api: bool = False,
    ) -> list[str]:
        """Change a resource, send its event, and return the keys that changed."""
        changed = self.apply_edit(collection, ident, custom_fields, fields)
        record = self.table[collection][ident]
        if "firstName" in changed or "lastName" in changed:
            record["name"] = full_name(record)
        if collection in _UPDATED:
            kind, key = _UPDATED[collection]
            self.emit_updated(kind, {key: ident}, changed, site=record.get("siteId"), by_api=by_api)
        return changed

    def apply_edit(
        self, collection: Collection, ident: str, custom_fields: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> list[str]:
        """Change a resource and return the keys that changed, as `changedKeys` names them."""
        resource = self.table[collection][ident]
        accepted = {key: value for key, value in custom_fields.items() if self._accepts(key)}
        changed = [key for key, value in fields.items() if resource.get(key, _ABSENT) != value]
        resource.update({key: fields[key] for key in changed})
        changed += [f"customFields.{key}" for key, value in accepted.items() if self._set_field(resource, key, value)]
        if changed:
            self.touch(resource, {})
        return changed

    def _accepts(self, code: str) -> bool:
        if code in self.custom_field_codes or self.knobs.unknown_custom_field == "stored":
            return True
        if self.knobs.unknown_custom_field == "400":
            raise UnknownFieldError(code)
        return False

    def _set_field(self, resource: Resource, code: str, value: Any) -> bool:
        kept = resource["customFields"]
        before = kept.get(code)
        if value is None and self.knobs.put_null == "removes_key":
            kept.pop(code, None)
            return before is not None
        kept[code] = value
        return bool(before != value or type(before) is not type(value))
