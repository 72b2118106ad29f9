"""The custom fields, and the script that creates them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from keyturn.core.problem import CREDENTIAL_FIELDS
from keyturn.core.rental import Missing, Pin
from keyturn.storeganise import wire
from keyturn.storeganise.fields import CREDENTIALS, FIELDS, CustomField, On, made_by_hand, made_by_webtask
from keyturn.storeganise.simulator.staff import Staff
from keyturn.storeganise.webtask import script

ROOT = Path(__file__).parent.parent.parent
NODE = shutil.which("node")
DRIVER = """\
import task from './addon-installed.mjs';
const [refused] = process.argv.slice(2);
const made = [];
const api = { ensureCustomField: async (record, field) => {
  if (field.code === refused) throw new Error('refused');
  made.push([record, field]);
} };
let error = null;
try { await task({ api, context: {} }); } catch (thrown) { error = thrown.message; }
console.log(JSON.stringify({ made, error }));
"""


def test_codes_are_what_the_wire_reads() -> None:
    """What a record carries under these codes is what Keyturn sees."""
    values = {field.code: f"value of {field.code}" for field in FIELDS} | {"sensorberg_overlocked": True}
    row = {"id": "r1", "customFields": values}

    rental = wire.rental(row)
    assert (rental.pin, rental.overlocked) == (Pin("value of sensorberg_pin"), True)
    assert wire.unit(row).group == "value of sensorberg_id"
    assert wire.owner_record(row).pin == Pin("value of sensorberg_pin")
    assert wire.site(row).system == "value of securitySystem"
    credentials = {
        "url": "value of sensorberg_url",
        "client_id": "value of sensorberg_clientId",
        "client_secret": "value of sensorberg_clientSecret",
    }
    assert wire.site(row).credentials == credentials
    assert wire.rental({"id": "r1", "customFields": {}}).overlocked is Missing.EMPTY


def test_codes_are_those_of_the_simulated_account() -> None:
    """A simulated account defines exactly the fields Keyturn uses."""
    assert {field.code for field in FIELDS} == Staff.custom_field_codes


def test_only_the_rentals_pin_is_shown_to_the_tenant() -> None:
    """Nothing else is for the tenant's eyes, and only the client secret is secret."""
    assert [(f.on, f.code) for f in FIELDS if f.tenant_reads] == [(On.RENTAL, "sensorberg_pin")]
    assert {f.code for f in FIELDS if f.secret} == {"sensorberg_clientSecret"}


def test_by_hand_and_by_script_cover_everything() -> None:
    """Whoever has no script makes them all by hand, but for those of the add-on itself."""
    assert set(made_by_webtask()) <= set(made_by_hand())
    assert {field.on for field in set(FIELDS) - set(made_by_hand())} == {On.ADDON}


def test_the_script_is_current() -> None:
    """deploy/storeganise/addon-installed.js is what `make docs` writes."""
    assert (ROOT / "deploy/storeganise/addon-installed.js").read_text(encoding="utf-8") == script()


def run_script(folder: Path, refused: str = "") -> dict[str, Any]:
    """Run the script against a stub that takes down every call and refuses one code."""
    if NODE is None:
        pytest.skip("there is no Node.js on this machine, so the install script was not run")
    (folder / "addon-installed.mjs").write_text(script(), encoding="utf-8")
    (folder / "driver.mjs").write_text(DRIVER, encoding="utf-8")
    run = subprocess.run(  # noqa: S603 - Node and a file written above
        [NODE, "driver.mjs", refused], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


def as_called(field: CustomField) -> list[Any]:
    """Return the call that creates a field."""
    read = {"ownerAcl": "read"} if field.tenant_reads else {}
    title = {"en": field.title.en, "de": field.title.de}
    return [field.on.value, {"type": field.type, "code": field.code, "title": title, **read}]


def test_the_script_creates_the_fields(tmp_path: Path) -> None:
    """Run as Storeganise would, the script asks for each field once."""
    assert run_script(tmp_path) == {"made": [as_called(field) for field in made_by_webtask()], "error": None}


def test_a_refused_field_does_not_stop_the_others(tmp_path: Path) -> None:
    """The script makes what it can and ends by naming what is to be made by hand."""
    answer = run_script(tmp_path, refused="sensorberg_id")

    assert answer["made"] == [as_called(field) for field in made_by_webtask() if field.code != "sensorberg_id"]
    assert answer["error"] == "Create these custom fields by hand: sensorberg_id of unit"


def test_problems_name_the_same_fields() -> None:
    """What a task tells staff to fill in is what is read."""
    assert CREDENTIAL_FIELDS == CREDENTIALS
