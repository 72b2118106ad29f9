"""`keyturn simulate`: a believable Storeganise and Sensorberg on this machine, to try settings against."""

from __future__ import annotations

import asyncio
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from keyturn.cli.options import run_async
from keyturn.errors import StartError

_HOST = "127.0.0.1"
_PORT = 8080
_FIRST_LINE = "# Settings for the services of `keyturn simulate`. The keys are made up and open nothing."


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """The simulated account and its credentials, made up for this run."""

    code: str
    storeganise_port: int
    sensorberg_port: int
    webhook_url: str
    api_key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    webhook_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    client_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def api_url(self) -> str:
        """The simulated account's API."""
        return f"http://{_HOST}:{self.storeganise_port}/{self.code}/api"


def command(
    business: Annotated[str, typer.Option("--business", metavar="CODE", help="The business to make up.")] = "acme",
    storeganise_port: Annotated[int, typer.Option(min=1, max=65535, help="Where Storeganise answers.")] = 9001,
    sensorberg_port: Annotated[int, typer.Option(min=1, max=65535, help="Where Sensorberg answers.")] = 9002,
    webhook_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help=f"Where webhooks go [default: http://{_HOST}:{_PORT}/webhooks/storeganise/CODE].",
            show_default=False,
        ),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the matching settings there instead of printing them."),
    ] = None,
) -> None:
    """Serve simulated upstreams and print the settings that fit.

    Runs until Ctrl-C, with a made-up operator. In another terminal: keyturn --config FILE serve. Under
    /_simulator/ each of the two has a door for moving tenants in and out by hand; that sends webhooks.

    Example: keyturn simulate --write keyturn.toml
    """
    world = World(
        code=business,
        storeganise_port=storeganise_port,
        sensorberg_port=sensorberg_port,
        webhook_url=webhook_url or f"http://{_HOST}:{_PORT}/webhooks/storeganise/{business}",
    )
    _check(world, write)
    run_async(_simulate(world, write))


def _check(world: World, write: Path | None) -> None:
    """Refuse what the printed settings could not be loaded with, and to overwrite anybody's real settings."""
    if write is not None and write.exists() and not write.read_text(encoding="utf-8").startswith(_FIRST_LINE):
        raise typer.BadParameter(f"{write} exists and was not written by this command; name another file")
    import tomllib

    from keyturn.errors import SettingsError
    from keyturn.settings import parse_settings

    try:
        parse_settings(tomllib.loads(settings_text(world)), name="simulate", folder=Path(), environ={})
    except (SettingsError, tomllib.TOMLDecodeError):
        raise typer.BadParameter("a business code has 1 to 63 lower-case letters, digits and hyphens") from None


def settings_text(world: World) -> str:
    """Return the settings file that fits the simulated services."""
    return f"""\
{_FIRST_LINE}
[server]
host = "{_HOST}"
port = {_port_of(world.webhook_url)}
secret_key = "{secrets.token_hex(32)}"

[database]
data_dir = "./keyturn-simulated-data"

[network]
allowed_hosts = ["{_HOST}:{world.storeganise_port}", "{_HOST}:{world.sensorberg_port}"]

[policy]
timezone = "Europe/Berlin"

[businesses.{world.code}]
api_url = "{world.api_url}"
api_key = "{world.api_key}"
webhook_secret = "{world.webhook_secret}"

[businesses.{world.code}.sensorberg]
base_url = "http://{_HOST}:{world.sensorberg_port}"
client_id = "client"
client_secret = "{world.client_secret}"
"""


def _port_of(webhook_url: str) -> int:
    """Return the port on which Keyturn shall take the webhooks: the address' own, where that is this machine's."""
    try:
        parts = urlsplit(webhook_url)
        port = parts.port if parts.hostname in {_HOST, "localhost"} else None
    except ValueError:
        port = None
    return port or _PORT


async def _simulate(world: World, write: Path | None) -> None:
    from keyturn.clock import SystemClock
    from keyturn.providers.sensorberg.simulator import SensorbergSimulator
    from keyturn.simulation.operator import believable_operator
    from keyturn.simulation.server import serving
    from keyturn.storeganise.simulator import StoreganiseSimulator
    from keyturn.web.server import stop_on_signals

    clock = SystemClock()
    storeganise = StoreganiseSimulator(clock)
    sensorberg = SensorbergSimulator(clock, client_id="client", client_secret=world.client_secret)
    operator = believable_operator(
        storeganise,
        sensorberg,
        code=world.code,
        api_key=world.api_key,
        webhook_url=world.webhook_url,
        webhook_secret=world.webhook_secret,
    )
    operator.account.api_url = world.api_url
    stop = asyncio.Event()
    try:
        async with serving(storeganise.app, world.storeganise_port), serving(sensorberg.app, world.sensorberg_port):
            _hand_over(settings_text(world), write)
            with stop_on_signals(stop):
                await storeganise.pump(stop)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        ports = f"{world.storeganise_port} and {world.sensorberg_port}"
        raise StartError(
            f"cannot serve the simulators on ports {ports}: {reason}; "
            "name others with --storeganise-port and --sensorberg-port"
        ) from error


def _hand_over(text: str, write: Path | None) -> None:
    if write is None:
        typer.echo(text, nl=False)
    else:
        write.touch(mode=0o600)  # it holds secrets, if only made-up ones
        write.write_text(text, encoding="utf-8")
        typer.echo(f"Settings written to {write}. Ctrl-C ends the simulation.")
