"""The settings file: what is accepted, and that everything wrong is said at once, in words."""

from __future__ import annotations

import contextlib
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.ids import BusinessCode, SiteId
from keyturn.errors import HostNotAllowed, SettingsError
from keyturn.settings import Settings, load_settings, parse_settings, values
from keyturn.upstream.http import Operation, check_address

KEY = "k" * 32
ENVIRONMENT = {"KEYTURN_SECRET_KEY": KEY, "API_KEY_acme": "canary-api-key", "WEBHOOK_SECRET_acme": "canary-webhook"}
HEAD = f'[server]\nsecret_key = "{KEY}"\n'
ACME = '[businesses.acme]\napi_key = "a"\nwebhook_secret = "w"\n'

WHOLE = """
[server]
host = "127.0.0.1"
port = 8080
secret_key = { env = "KEYTURN_SECRET_KEY" }
[database]
data_dir = "./keyturn-data"
[network]
allowed_hosts = ["*.storeganise.com", "*.sensorberg.io", "*.sensorberg.com"]
[policy]
pin_length = 6
group_from_unit_name = false
prepare_reserved = false
timezone = "Europe/Berlin"
storeganise_in_flight = 4
sensorberg_in_flight = 32
[timing]
confirm_vanished = "10m"
retry_cap = "15m"
retry_refused = "1h"
site_cache = "1h"
delta_every = "15m"
pin_rest = "90d"
lease = "15s"
[businesses.acme]
api_url = "https://acme.storeganise.com/api"
api_key = { env = "API_KEY_acme" }
webhook_secret = { env = "WEBHOOK_SECRET_acme" }
timezone = "Europe/Berlin"
[businesses.acme.sensorberg]
base_url = "https://storeganise.sensorberg.io"
client_id = "canary-client"
client_secret = { file = "client-secret" }
[businesses.acme.sites.SITE_ID]
timezone = "Europe/Zurich"
[addon]
api_key = "canary-addon-key"
signature_secret = "canary-addon-secret"
"""


def read(text: str, folder: Path) -> Settings:
    """Write a settings file and load it."""
    path = folder / "keyturn.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, ENVIRONMENT)


def problems(text: str, folder: Path) -> list[str]:
    """Return the problems of a file, without the file's name."""
    with pytest.raises(SettingsError) as caught:
        read(text, folder)
    return [problem.removeprefix(f"{folder}/keyturn.toml: ") for problem in caught.value.problems]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "client-secret").write_text("canary-client-secret\n", encoding="utf-8")
    return tmp_path


def test_a_whole_file_is_read(folder: Path) -> None:
    """Every setting arrives with its type."""
    settings = read(WHOLE, folder)

    business = settings.businesses["acme"]
    assert business.sensorberg is not None
    assert settings.addon is not None
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.database.data_dir == folder / "keyturn-data"
    assert settings.timing.lease == timedelta(seconds=15)
    assert settings.timing.pin_rest == timedelta(days=90)
    assert business.api_key is not None
    assert business.api_key.get_secret_value() == "canary-api-key"
    assert business.sensorberg.client_secret.get_secret_value() == "canary-client-secret"
    assert settings.addon.api_key.get_secret_value() == "canary-addon-key"


def test_what_is_left_out_has_the_documented_default(folder: Path) -> None:
    """A file with only what is required equals one that spells out every default."""
    short = read(HEAD + ACME, folder)
    business = """[businesses.acme]
api_url = "https://acme.storeganise.com/api"
api_key = "a"
webhook_secret = ["w"]
allow_unsigned = false
"""
    whole = read(
        WHOLE[: WHOLE.index("[businesses.acme]")].replace('{ env = "KEYTURN_SECRET_KEY" }', f'"{KEY}"') + business,
        folder,
    )

    assert short == whole


def test_no_secret_is_ever_shown(folder: Path) -> None:
    """Neither `repr` nor `str` of the settings shows a secret."""
    settings = read(WHOLE, folder)

    shown = repr(settings) + str(settings)
    assert "canary" not in shown
    assert KEY not in shown


def test_several_webhook_secrets_may_be_valid(folder: Path) -> None:
    """A list of secrets lets one be replaced without a gap."""
    settings = read(HEAD + ACME.replace('"w"', '["new", { env = "WEBHOOK_SECRET_acme" }]'), folder)

    secrets = [secret.get_secret_value() for secret in settings.businesses["acme"].webhook_secrets]
    assert secrets == ["new", "canary-webhook"]


def test_unsigned_needs_no_secret(folder: Path) -> None:
    """Where unsigned webhooks are allowed a secret may be left out."""
    settings = read(HEAD + '[businesses.acme]\napi_key = "a"\nallow_unsigned = true\n', folder)

    assert settings.businesses["acme"].webhook_secrets == ()


@pytest.mark.parametrize(
    ("business", "site", "zone"),
    [
        ("acme", "s1", "Europe/Zurich"),
        ("acme", "s2", "Europe/Vienna"),
        ("acme", None, "Europe/Vienna"),
        ("beta", "s1", "Europe/Lisbon"),
        ("none", "s1", "Europe/Lisbon"),
    ],
)
def test_a_site_has_its_own_zone_else_the_business_else_the_policys(
    folder: Path, business: str, site: str | None, zone: str
) -> None:
    """The nearest setting counts."""
    text = f"""{HEAD}
[policy]
timezone = "Europe/Lisbon"
{ACME}
timezone = "Europe/Vienna"
[businesses.acme.sites.s1]
timezone = "Europe/Zurich"
[businesses.acme.sites.s2]
{ACME.replace("acme", "beta")}
"""
    found = read(text, folder).zone(BusinessCode(business), None if site is None else SiteId(site))

    assert found.key == zone


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "[server]\n" + ACME,
            'server.secret_key: is missing; write secret_key = { env = "KEYTURN_SECRET_KEY" }',
            id="no key",
        ),
        pytest.param(
            '[server]\nsecret_key = "0123456789abcde"\n' + ACME,
            "server.secret_key: is too short; write at least 16 characters, for example from: openssl rand -hex 32",
            id="short key",
        ),
        pytest.param(HEAD + "port = 0\n" + ACME, "server.port: is too small; write 1 or more", id="port 0"),
        pytest.param(HEAD + "port = 65536\n" + ACME, "server.port: is too large; write 65535 or less", id="large port"),
        pytest.param(
            HEAD + 'port = "8080"\n' + ACME, "server.port: is not a whole number; write port = 8080", id="text as port"
        ),
        pytest.param(HEAD + "prot = 1\n" + ACME, "server.prot: is not a setting; did you mean port?", id="misspelt"),
        pytest.param(
            "verbose = true\n" + HEAD + ACME,
            "verbose: is not a setting; remove it, or write one of: "
            "server, database, network, policy, timing, businesses, addon, telemetry",
            id="unknown table",
        ),
        pytest.param(
            HEAD + "[policy]\npin_length = 3\n" + ACME,
            "policy.pin_length: is too small; write 4 or more",
            id="short PIN",
        ),
        pytest.param(
            HEAD + "[policy]\npin_length = 9\n" + ACME,
            "policy.pin_length: is too large; write 8 or less",
            id="long PIN",
        ),
        pytest.param(
            HEAD + "[policy]\nsensorberg_in_flight = 0\n" + ACME,
            "policy.sensorberg_in_flight: is too small; write 2 or more",
            id="nothing in flight",
        ),
        pytest.param(
            HEAD + '[policy]\nprepare_reserved = "no"\n' + ACME,
            "policy.prepare_reserved: is neither true nor false; write prepare_reserved = false",
            id="text as a switch",
        ),
        pytest.param(
            HEAD + '[policy]\ntimezone = "Europe/Berln"\n' + ACME,
            'policy.timezone: is not a time zone; did you mean "Europe/Berlin"?',
            id="misspelt zone",
        ),
        pytest.param(
            HEAD + '[policy]\ntimezone = "../../etc/passwd"\n' + ACME,
            'policy.timezone: is not a time zone; write a name such as "Europe/Berlin"',
            id="a path as zone",
        ),
        pytest.param(
            HEAD + '[timing]\nlease = "15"\n' + ACME,
            'timing.lease: is not a duration; write a number and one of s, m, h, d in quotes, such as "10m"',
            id="no unit",
        ),
        pytest.param(
            HEAD + '[timing]\nlease = "0s"\n' + ACME,
            'timing.lease: is out of range; write a duration from "1s" to "3650d"',
            id="no time",
        ),
        pytest.param(
            HEAD + ACME.replace('"a"', '{ env = "NOT_SET" }'),
            "businesses.acme.api_key: the environment variable NOT_SET is not set; set it before starting Keyturn",
            id="unset variable",
        ),
        pytest.param(
            HEAD + ACME.replace('"a"', '{ enf = "X" }'),
            'businesses.acme.api_key: is not a secret; write a string, { env = "NAME" } or { file = "PATH" }',
            id="misspelt secret",
        ),
        pytest.param(
            HEAD + ACME.replace('"a"', '""'),
            "businesses.acme.api_key: is empty; put the secret there",
            id="empty secret",
        ),
        pytest.param(
            HEAD + ACME.replace('"a"', r'"a\r\nX-Evil: 1"'),
            "businesses.acme.api_key: holds a line break or another control character; remove it",
            id="line break in a key",
        ),
        pytest.param(
            HEAD + ACME.replace('"w"', "[]"),
            'businesses.acme.webhook_secret: is empty; write webhook_secret = { env = "WEBHOOK_SECRET_acme" }',
            id="no secret in the list",
        ),
        pytest.param(
            HEAD + '[businesses.acme]\napi_key = "a"\n',
            'businesses.acme.webhook_secret: is missing; write webhook_secret = { env = "WEBHOOK_SECRET_acme" }, '
            "or allow_unsigned = true",
            id="no secret",
        ),
        pytest.param(
            HEAD + ACME.replace("acme", "addon"),
            "businesses.addon: `addon` is kept for add-on installations; write another code for this business",
            id="addon as a business",
        ),
        pytest.param(
            HEAD + ACME.replace("acme", "Acme"),
            "businesses.Acme: is not a business code; "
            "write 1 to 63 lower-case letters, digits and hyphens, no hyphen first",
            id="upper case",
        ),
        pytest.param(
            HEAD + ACME + '[businesses.acme.sites."a/b"]\n',
            "businesses.acme.sites.a/b: is not a site id; write the id Storeganise shows in the site's address",
            id="site id",
        ),
        pytest.param(
            HEAD + ACME + 'api_url = "http://acme.storeganise.com/api"\n',
            "businesses.acme.api_url: begins with http://; "
            "write https:// (http is for loopback addresses in network.allowed_hosts)",
            id="plain http",
        ),
        pytest.param(
            HEAD + ACME + 'api_url = "http://127.0.0.1:9001/acme/api"\n',
            'businesses.acme.api_url: its host is not allowed; write "127.0.0.1:9001" into network.allowed_hosts, '
            "if Keyturn shall call it",
            id="loopback that is not listed",
        ),
        pytest.param(
            HEAD + ACME + 'api_url = "https://acme.evil.tld/api"\n',
            'businesses.acme.api_url: its host is not allowed; write "acme.evil.tld" into network.allowed_hosts, '
            "if Keyturn shall call it",
            id="another host",
        ),
        pytest.param(
            HEAD + ACME + 'api_url = "https://acme.storeganise.com@evil.tld/api"\n',
            'businesses.acme.api_url: is not an address Keyturn can call; write it as "https://host/path"',
            id="user info",
        ),
        pytest.param(
            HEAD + ACME + ACME.replace("acme", "beta") + 'api_url = "https://ACME.storeganise.com:443/api/"\n',
            "businesses.beta.api_url: is the account of businesses.acme already; "
            "write one table for one Storeganise account",
            id="one account twice",
        ),
        pytest.param(
            HEAD + '[network]\nallowed_hosts = ["https://x"]\n' + ACME,
            'network.allowed_hosts.0: is not a host; write it as "host", "host:port" or "*.domain.com"',
            id="an address as host",
        ),
        pytest.param(
            HEAD + '[database]\nurl = "mysql://canary@x/y"\n' + ACME,
            "database.url: is not a PostgreSQL address; write postgresql://user:password@host/name, or leave it out",
            id="another database",
        ),
        pytest.param(
            HEAD,
            "businesses: no business is set up; write a table [businesses.CODE] with its api_key and webhook_secret",
            id="no business",
        ),
        pytest.param(
            HEAD + ACME + "sensorberg = 4\n",
            "businesses.acme.sensorberg: is not a table; write it as [businesses.acme.sensorberg]",
            id="a number as table",
        ),
        pytest.param(
            HEAD + ACME + "[addon]\n" + 'api_key = "a"\n',
            'addon.signature_secret: is missing; write signature_secret = { env = "SG_SIGNATURE_SECRET" }',
            id="half an add-on",
        ),
    ],
)
def test_a_problem_says_where_and_what_to_write(folder: Path, text: str, expected: str) -> None:
    """Each problem is one line: the file, the key, what is wrong, what to write instead."""
    assert problems(text, folder) == [expected]


def test_all_problems_are_said_at_once(folder: Path) -> None:
    """Values, missing keys, unknown keys and conflicts are found in one reading, in a fixed order."""
    text = """
[server]
port = 0
[policy]
pin_length = 99
[businesses.acme]
api_key = { env = "NOT_SET" }
api_url = "https://evil.tld/api"
colour = "red"
"""
    keys = [problem.split(": ")[0] for problem in problems(text, folder)]

    assert keys == [
        "businesses.acme.api_key",
        "businesses.acme.api_url",
        "businesses.acme.colour",
        "businesses.acme.webhook_secret",
        "policy.pin_length",
        "server.port",
        "server.secret_key",
    ]


def test_a_problem_never_shows_a_secret(folder: Path) -> None:
    """A value in the wrong place is not repeated."""
    text = (
        HEAD
        + '[businesses.acme]\napi_key = ["canary"]\nwebhook_secret = { value = "canary" }\ncanary_key = "canary-2"\n'
    )

    shown = "\n".join(problems(text, folder))
    assert "canary" not in shown.replace("canary_key", "")


def test_a_file_that_is_not_toml_names_the_line(folder: Path) -> None:
    """A slip of the pen is found by its line."""
    [problem] = problems("[server]\nport = = 1\n", folder)

    assert problem == "this is not TOML: Invalid value (at line 2, column 8)"


def test_a_missing_file_is_one_sentence(folder: Path) -> None:
    """Without a file there is nothing to start."""
    with pytest.raises(SettingsError) as caught:
        load_settings(folder / "none.toml", {})

    expected = f"{folder}/none.toml: there is no such file; write one, or name another with --config FILE"
    assert caught.value.problems == [expected]


def test_an_unreadable_secret_file_names_the_path(folder: Path) -> None:
    """The path is said, so that it can be mended."""
    [problem] = problems(HEAD + ACME.replace('"a"', '{ file = "none/secret" }'), folder)

    expected = (
        f"the file {folder}/none/secret cannot be read (No such file or directory); write the path of a readable file"
    )
    assert problem == f"businesses.acme.api_key: {expected}"


@pytest.mark.parametrize(
    "text", ["", "server = 1", "businesses = 3\n" + HEAD, "network = []\n" + HEAD + ACME, "[[businesses]]\n" + HEAD]
)
def test_a_file_of_the_wrong_shape_is_described(folder: Path, text: str) -> None:
    """No shape of a file ends in a traceback."""
    assert problems(text, folder) != []


KEYS = ["server", "secret_key", "businesses", "acme", "network", "allowed_hosts", "sensorberg", "api_url", "sites"]
json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*KEYS, "env"]), inner, max_size=3),
    max_leaves=12,
)


@given(
    document=st.dictionaries(st.sampled_from(["server", "businesses", "network", "database", "timing", "x"]), json_like)
)
def test_every_document_is_settings_or_problems(document: dict[str, object]) -> None:
    """Whatever stands in the file, the answer is settings or words."""
    with contextlib.suppress(SettingsError):
        parse_settings(document, name="x", folder=Path("/"), environ={})


def test_the_page_of_the_settings_has_a_file_that_works(folder: Path) -> None:
    """The minimal file of docs/settings.md is valid."""
    page = (Path(__file__).parent.parent / "docs/settings.md").read_text(encoding="utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    environment = ENVIRONMENT | {"CLIENT_ID": "c", "CLIENT_SECRET": "s"}

    settings = parse_settings(tomllib.loads(example), name="x", folder=folder, environ=environment)
    assert list(settings.businesses) == ["acme"]


ADDRESSES = [
    "https://acme.storeganise.com/api",
    "https://ACME.storeganise.com/api",
    "https://a.b.storeganise.com",
    "https://storeganise.com/api",
    "https://evilstoreganise.com/",
    "https://acme.storeganise.com:8443/",
    "https://acme.storeganise.com.evil.tld/",
    "https://acme.storeganise.com@evil.tld/",
    "https://evil.tld/storeganise.com",
    "https://acme\u3002storeganise\u3002com/",
    "https://acme.storeganise.com\t.evil.tld/",
    "https://evil.tld\\@acme.storeganise.com/",
    "https://acme.storeganise.com./",
    "https://acme%2estoreganise.com/",
    "https://acme.storeganise.com/#@evil.tld",
    "https://acme.storeganise.com/api\r\nx: y",
    "http://acme.storeganise.com/api",
    "http://127.0.0.1:9001/api",
    "http://127.0.0.1:9002/api",
    "http://127.0.0.2:9001/api",
    "https://127.0.0.1:9001/api",
    "http://2130706433:9001/",
    "http://[::1]:9001/",
    "http://[::ffff:127.0.0.1]:9001/",
    "https://169.254.169.254/",
    "https://2852039166/",
    "https:///host",
    "//acme.storeganise.com/",
    "file:///etc/passwd",
    "ftp://acme.storeganise.com/",
    "",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_the_settings_allow_is_what_can_be_called(address: str) -> None:
    """An address passes the settings if, and only if, the HTTP client would call it."""
    hosts = ["*.storeganise.com", "127.0.0.1:9001", "[::1]"]

    assert by_settings(address, hosts) == by_client(address, hosts)


def by_settings(address: str, hosts: list[str]) -> bool:
    try:
        return values.allowed(values.address(address), [values.host_rule(host) for host in hosts])
    except ValueError:
        return False


def by_client(address: str, hosts: list[str]) -> bool:
    try:
        check_address(address, hosts, Operation("test", "test"))
    except HostNotAllowed:
        return False
    return True
