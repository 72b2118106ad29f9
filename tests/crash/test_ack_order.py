"""A 200 leaves only after what it acknowledges is on the disk: seen from outside, in the order of system calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from crash.promises import Sender
from crash.strace import calls, needs_strace, tracing
from nursery import Nursery
from scale.fleet import fleet

NOTED = "trace=pwrite64,fdatasync,write,writev,sendto,sendmsg"
PAGE = "8192"
"""How much of what is written is noted: more than a page of the database."""
SYNCHRONISED = re.compile(r"fdatasync\(\d+<[^>]*keyturn\.db-wal>\) += 0|<\.\.\. fdatasync resumed>\) += 0")
EVENTS = 20


async def test_the_disk_comes_first(nursery: Nursery, tmp_path: Path) -> None:
    """Each delivery is written to the log, the log is synchronised, then 200 is said: no power cut takes it away."""
    needs_strace()
    trace = tmp_path / "trace"
    options = ("-y", "-e", NOTED, "-e", "signal=none", "-s", PAGE, "-o", str(trace))
    async with fleet(tmp_path, None, nursery, businesses=1) as run:
        service = await run.start("serve")
        run.send_to(service)
        sender = Sender(run, "nobody")
        async with tracing(service.process.pid, *options):
            answers = await sender.send(EVENTS)

        assert answers == [200] * EVENTS
        assert steps(calls(trace), sender.answered) == [["written", "synchronised", "answered"]] * EVENTS


def steps(noted: Iterable[str], deliveries: Iterable[str]) -> list[list[str]]:
    """Say what happened to each delivery, in order. They were sent one after the other."""
    lines = iter(noted)
    return [_steps(lines, delivery) for delivery in deliveries]


def _steps(lines: Iterator[str], delivery: str) -> list[str]:
    """Read on until a 200 was said."""
    done: list[str] = []
    for line in lines:
        if "HTTP/1.1 200" in line:
            return [*done, "answered"]
        if not done and "keyturn.db-wal>" in line and "pwrite64" in line and delivery in line:
            done.append("written")
        elif done == ["written"] and SYNCHRONISED.search(line):
            done.append("synchronised")
    return done
