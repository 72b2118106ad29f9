"""Writes the script that Storeganise runs when the add-on is installed.

`python -m keyturn.storeganise.webtask > deploy/storeganise/addon-installed.js`, which `make docs` does.

What is documented (Storeganise's add-on starter template) is one default export and one call in it:
`api.ensureCustomField('unitRental', {type: 'string', code, title, ownerAcl: 'read'})`. The names of the other
records and the type `boolean` follow that pattern and are stated nowhere; so a field that is refused does not
keep the others from being made, and the script ends by naming it.
"""

from __future__ import annotations

import json
import sys

from keyturn.storeganise.fields import CustomField, made_by_webtask

_HEAD = """\
// Written by `make docs` from src/keyturn/storeganise/fields.py. Change that, not this file.
//
// Storeganise runs this once, when the add-on is installed in an account. It makes the custom fields Keyturn
// uses, and leaves alone those that are there.
//
// Documented is one form of one call: ensureCustomField('unitRental', { type: 'string', ... }). The other records
// and the type 'boolean' follow its pattern. A field that is refused is named at the end; the others are made.

export default async ({ api }) => {
  const fields = [
"""
_TAIL = """\
  ];
  const refused = [];
  for (const [record, field] of fields) {
    try {
      await api.ensureCustomField(record, field);
    } catch (error) {
      refused.push(`${field.code} of ${record}`);
    }
  }
  if (refused.length > 0) {
    throw new Error(`Create these custom fields by hand: ${refused.join(', ')}`);
  }
};
"""


def script() -> str:
    """Return the script."""
    return _HEAD + "".join(_entry(field) for field in made_by_webtask()) + _TAIL


def _entry(field: CustomField) -> str:
    parts = [
        f"type: {_text(field.type)}",
        f"code: {_text(field.code)}",
        f"title: {{ en: {_text(field.title.en)}, de: {_text(field.title.de)} }}",
    ]
    parts += ["ownerAcl: 'read'"] if field.tenant_reads else []
    lines = "".join(f"        {part},\n" for part in parts)
    return f"    [\n      {_text(field.on.value)},\n      {{\n{lines}      }},\n    ],\n"


def _text(text: str) -> str:
    """Write a text as JavaScript does; JSON's spelling is one of its own."""
    return "'" + json.dumps(text, ensure_ascii=False)[1:-1].replace("'", "\\'") + "'"


if __name__ == "__main__":
    sys.stdout.write(script())
