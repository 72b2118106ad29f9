"""The custom fields as a list for whoever creates them by hand (`keyturn doctor --fix-fields`)."""

from __future__ import annotations

from keyturn.storeganise.fields import FIELDS, CustomField, Mode, On

WHERE = "In Storeganise: Main settings > Custom fields, then the record. The codes must be exact."
ADDON_WHERE = "Those of the add-on belong to the add-on itself: Storeganise enters them where it registers it."
RECORDS = {On.UNIT: "unit", On.USER: "user", On.RENTAL: "rental", On.SITE: "site", On.ADDON: "add-on"}
_TYPES = {"string": "text", "boolean": "checkbox"}
_NEEDED = {Mode.BOTH: "always", Mode.PLAIN: "plain webhook", Mode.ADDON: "add-on"}


def rows() -> list[dict[str, str]]:
    """Return every field as words for people."""
    return [_row(field) for field in FIELDS]


def _row(field: CustomField) -> dict[str, str]:
    return {
        "record": RECORDS[field.on],
        "code": field.code,
        "type": _TYPES[field.type],
        "title (en)": field.title.en,
        "title (de)": field.title.de,
        "customer": "view only" if field.tenant_reads else "not visible",
        "secret": "yes" if field.secret else "no",
        "needed for": _NEEDED[field.mode] + (", optional" if field.optional else ""),
        "filled in by": field.filled_by,
    }
