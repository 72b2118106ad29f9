"""The processes Keyturn runs as: everything in one, or webs and workers, any number of each.

    serve     takes webhooks and works; with the embedded database the only one there is
    web       takes webhooks and makes them durable
    worker    works on what is due

All of them run until SIGTERM or Ctrl-C, and what they were doing is finished or given back.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import Coroutine
from contextlib import closing, nullcontext, suppress
from datetime import timedelta

from keyturn.bootstrap import Service, assemble
from keyturn.errors import DatabaseUnavailable, SettingsError
from keyturn.logs import logger
from keyturn.settings import Settings
from keyturn.store.news import SHARES
from keyturn.web.server import listen, stop_on_signals
from keyturn.web.server import serve as serve_web

SWITCH_S = 0.0005
"""How soon the database thread gets a turn beside a busy event loop; with 5 ms the wait for a 200 doubles."""


KEPT = timedelta(days=30)
"""How long deliveries are kept: for so long a repeat is recognised as one."""


async def serve(settings: Settings) -> None:
    """Run web and worker in one process until told to stop. Raises `StartError`."""
    host, port, stop = settings.server.host, settings.server.port, asyncio.Event()
    with closing(listen(host, port)) as listener:
        sys.setswitchinterval(SWITCH_S)
        async with assemble(settings) as service:
            await plan_sweeps(service)
            spare_the_collector()
            with stop_on_signals(stop):
                logger().info("started", host=host, port=port)
                await run(service, listener, stop)
    logger().info("stopped")


async def web(settings: Settings) -> None:
    """Take webhooks until told to stop. Raises `StartError`, or `SettingsError` without PostgreSQL."""
    _check_shared(settings, "web")
    host, port, stop = settings.server.host, settings.server.port, asyncio.Event()
    with closing(listen(host, port)) as listener:
        async with assemble(settings, works=False) as service:
            spare_the_collector()
            with stop_on_signals(stop):
                logger().info("web_started", host=host, port=port)
                await _together(stop, serve_web(service.app, listener, stop), _follow_clock(service, stop))
    logger().info("stopped")


async def worker(settings: Settings, port: int | None) -> None:
    """Work until told to stop; on `port`, answer whoever watches over it.

    Raises `StartError`, or `SettingsError` without PostgreSQL.
    """
    _check_shared(settings, "worker")
    stop = asyncio.Event()
    with closing(listen(settings.server.host, port)) if port is not None else nullcontext() as listener:
        async with assemble(settings) as service:
            await plan_sweeps(service)
            spare_the_collector()
            with stop_on_signals(stop):
                logger().info("worker_started", worker=service.worker.name, port=port)
                watched = [] if listener is None else [serve_web(service.probes, listener, stop)]
                await _together(stop, *_working(service, stop), *watched)
    logger().info("stopped")


async def run(service: Service, listener: socket.socket, stop: asyncio.Event) -> None:
    """Take webhooks and work until `stop` is set."""
    await _together(stop, serve_web(service.app, listener, stop), *_working(service, stop))


def spare_the_collector() -> None:
    """Let the garbage collector pass over what is there at the start, and come by less often.

    A look makes thousands of values that end by themselves; searching them for cycles took a tenth of the CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def plan_sweeps(service: Service) -> None:
    """Make up for what was missed while nobody listened, and keep doing so."""
    for code in await service.directory.codes():
        await service.work.wake(code, service.directory.sweeps, "the service started")


def _check_shared(settings: Settings, command: str) -> None:
    if settings.database.url is None:
        reason = f"keyturn {command} shares its database with other processes, and the embedded one is for one process"
        raise SettingsError([f"{reason}; use keyturn serve, or set database.url to a PostgreSQL database"])


def _working(service: Service, stop: asyncio.Event) -> list[Coroutine[None, None, None]]:
    """Return the parts of a process that works."""

    def heard(news: str) -> None:
        if news == SHARES:
            service.sharing.heard()
        else:
            service.worker.notify(news)

    return [
        _work(service, stop),
        service.database.listen(heard, stop),
        _follow_clock(service, stop),
        _forget(service, stop),
    ]


async def _work(service: Service, stop: asyncio.Event) -> None:
    async with nullcontext() if service.database.alone else service.sharing.joined():
        await service.worker.run(stop)


async def _together(stop: asyncio.Event, *parts: Coroutine[None, None, None]) -> None:
    """Run all parts until `stop` is set; when one ends by itself, the others end too."""
    running = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        await asyncio.wait(running)
    await asyncio.gather(*running)


async def _follow_clock(service: Service, stop: asyncio.Event) -> None:
    """Once a minute, measure the database's clock, which rules between machines."""
    while not stop.is_set():
        await service.clock.wait(stop, seconds=60)
        with suppress(DatabaseUnavailable):
            await service.database.refresh()


async def _forget(service: Service, stop: asyncio.Event) -> None:
    """Once a minute, forget old deliveries."""
    while not stop.is_set():
        await service.clock.wait(stop, seconds=60)
        with suppress(DatabaseUnavailable):
            await service.inbox.forget(service.clock.now() - KEPT)
