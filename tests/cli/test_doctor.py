"""`keyturn doctor`: what it prints and how it ends."""

from __future__ import annotations

import json

from cli.desk import Desk, nothing
from keyturn.storeganise.fields import FIELDS
from keyturn.storeganise.webtask import script

NOWHERE = """
[server]
secret_key = "0123456789abcdef"
[network]
allowed_hosts = ["127.0.0.1:1"]
[businesses.acme]
api_url = "http://127.0.0.1:1/acme/api"
api_key = "0123456789abcdef"
webhook_secret = "0123456789abcdef"
"""
BROKEN = "[server]\nport = 0\n"


def write_safely(desk: Desk, settings: str) -> None:
    """Write settings that nobody else may read."""
    desk.config.write_text(settings, encoding="utf-8")
    desk.config.chmod(0o600)


class TestFixFields:
    """`--fix-fields`."""

    def test_it_lists_every_field_and_prints_the_script(self, desk: Desk) -> None:
        """It needs neither settings nor a database."""
        desk.config.unlink()
        said = desk.run("doctor", "--fix-fields")

        assert said.code == 0
        assert all(any(field.code in line and field.title.de in line for line in said.lines) for field in FIELDS)
        assert said.out.endswith(script())

    def test_machines_get_the_same(self, desk: Desk) -> None:
        """As JSON, the script is one text."""
        document = desk.json("doctor", "--fix-fields")

        assert [row["code"] for row in document["fields"]] == [field.code for field in FIELDS]
        assert document["script"] == script()


class TestEndings:
    """Exit codes, and what is printed with them."""

    def test_settings_that_cannot_be_used(self, desk: Desk) -> None:
        """They end with 2: sentences for people, findings for machines."""
        desk.config.write_text(BROKEN, encoding="utf-8")
        said, machine = desk.run("doctor"), desk.run("doctor", "--json")

        assert (said.code, said.out, machine.code) == (2, "", 2)
        assert all(line.startswith("keyturn: ") for line in said.err.splitlines())
        findings = json.loads(machine.out)["findings"]
        assert {one["code"] for one in findings} == {"settings"}
        assert [one["text"] for one in findings] == [line.removeprefix("keyturn: ") for line in said.err.splitlines()]

    def test_corrected_settings(self, desk: Desk) -> None:
        """Settings that were corrected as the sentences say are found no more."""
        write_safely(desk, NOWHERE)
        said = desk.run("doctor", "--json")

        assert (said.code, said.err) == (1, "")
        assert "settings" not in {one["code"] for one in json.loads(said.out)["findings"]}

    def test_findings_are_grouped_by_business(self, desk: Desk) -> None:
        """Something wrong ends with 1; each finding says what to do."""
        write_safely(desk, NOWHERE)
        desk.within(nothing)
        said = desk.run("doctor")

        assert said.code == 1
        at = said.lines.index("Business acme")
        assert said.lines[at + 1] == "error   Storeganise at http://127.0.0.1:1/acme/api  [unreachable]"
        assert said.lines[at + 3].strip().startswith("-> Check the address")
        assert said.lines[-1].startswith("Looked at the installation, acme: ")

    def test_a_database_that_cannot_be_reached(self, desk: Desk, unused_tcp_port: int) -> None:
        """It ends with 3, and says what else was found."""
        url = f'[database]\nurl = "postgresql://nobody@127.0.0.1:{unused_tcp_port}/none"\n'
        write_safely(desk, NOWHERE + "allow_unsigned = true\n" + url)
        said = desk.run("doctor", "--json")

        assert said.code == 3
        codes = [one["code"] for one in json.loads(said.out)["findings"]]
        assert codes == ["allow_unsigned", "database_unreachable", "not_checked"]

    def test_an_unknown_business(self, desk: Desk) -> None:
        """A code the settings do not have is a usage error that names those they have."""
        said = desk.run("doctor", "--business", "beta")

        assert (said.code, said.out, "acme" in said.err) == (2, "", True)
