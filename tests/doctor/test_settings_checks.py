"""What the doctor says about settings: each finding provoked, its advice followed, gone."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from keyturn.doctor.finding import Code, Finding, Severity
from keyturn.doctor.settings_checks import of_settings
from keyturn.settings import parse_settings

SECRETS = """
[server]
secret_key = "0123456789abcdef"
[database]
url = "postgresql://keyturn:canary@localhost/keyturn"
[businesses.acme]
api_key = { file = "key" }
webhook_secret = ["old", "new"]
[addon]
api_key = "k"
signature_secret = { env = "SIGNATURE" }
"""
NO_SECRETS = """
[server]
secret_key = { env = "SECRET_KEY" }
[businesses.acme]
api_key = { env = "API_KEY" }
webhook_secret = { env = "SECRET" }
"""
ENVIRONMENT = {"SECRET_KEY": "0123456789abcdef", "API_KEY": "k", "SECRET": "s", "SIGNATURE": "s"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a settings file that every user may read, and a secret beside it that nobody else may."""
    (tmp_path / "key").write_text("canary", encoding="utf-8")
    (tmp_path / "key").chmod(0o600)
    path = tmp_path / "keyturn.toml"
    path.write_text(SECRETS, encoding="utf-8")
    path.chmod(0o644)
    path.parent.chmod(0o755)
    return path


def looked_at(path: Path) -> list[Finding]:
    """Load a settings file and look at it."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    settings = parse_settings(document, name="test", folder=path.parent, environ=ENVIRONMENT)
    return list(of_settings(settings, path))


def test_secrets_that_everybody_can_read(file: Path) -> None:
    """The settings that hold them are named, not the secrets; closing the file is enough."""
    [finding] = looked_at(file)
    assert (finding.code, finding.about) == (Code.READABLE_SECRETS, str(file))
    named = ("server.secret_key", "database.url", "businesses.acme.webhook_secret", "addon.api_key")
    assert f"It holds {', '.join(named)} in plain text" in finding.text
    assert not any("canary" in text or "0123456789" in text for text in (finding.text, finding.advice))

    file.parent.chmod(0o700)  # a closed folder is as good
    assert looked_at(file) == []
    file.parent.chmod(0o755)
    file.chmod(0o640)
    assert looked_at(file) == []


def test_a_secrets_own_file_that_everybody_can_read(file: Path) -> None:
    """A file that a setting names is looked at as well."""
    file.chmod(0o600)
    (file.parent / "key").chmod(0o644)
    [finding] = looked_at(file)
    assert (finding.about, "chmod o-rwx" in finding.advice) == (str(file.parent / "key"), True)

    (file.parent / "key").chmod(0o600)
    assert looked_at(file) == []


def test_a_readable_file_without_secrets(file: Path) -> None:
    """Names of environment variables are no secrets."""
    file.write_text(NO_SECRETS, encoding="utf-8")

    assert looked_at(file) == []


def test_unsigned_webhooks(file: Path) -> None:
    """They are pointed out until they are switched off."""
    file.write_text(NO_SECRETS + "allow_unsigned = true\n", encoding="utf-8")
    [finding] = looked_at(file)
    assert (finding.code, finding.severity, finding.business) == (Code.ALLOW_UNSIGNED, Severity.WARNING, "acme")

    file.write_text(NO_SECRETS, encoding="utf-8")
    assert looked_at(file) == []


@pytest.mark.parametrize(("host", "noted"), [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("::", True)])  # noqa: S104 - the subject
def test_an_open_host_is_a_note(file: Path, host: str, noted: bool) -> None:  # noqa: FBT001  # a table's column
    """A container listens on all its addresses, so this is only worth knowing."""
    file.write_text(NO_SECRETS.replace("[server]", f'[server]\nhost = "{host}"'), encoding="utf-8")

    assert [(one.code, one.severity) for one in looked_at(file)] == ([(Code.OPEN_HOST, Severity.NOTE)] if noted else [])


def test_a_file_that_is_gone_is_no_finding(file: Path) -> None:
    """Settings that were loaded from elsewhere are looked at all the same."""
    settings = parse_settings(tomllib.loads(NO_SECRETS), name="test", folder=file.parent, environ=ENVIRONMENT)

    assert list(of_settings(settings, file.parent / "nowhere.toml")) == []
