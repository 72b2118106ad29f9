"""`keyturn demo`: one day of an invented operator, played on simulated services.

- `world` starts both simulators and Keyturn, as real servers on this machine;
- `stage` lets the day go on: it carries the webhooks, moves the clock, waits until all is quiet;
- `doors` tries doors with PINs and takes the time until they are right;
- `morning` and `afternoon` are the steps of the day; `scene` plays one of them;
- `inspection` tries every door with every PIN at the end;
- `show` and `table` print; `playground` keeps everything running afterwards.

It uses the product as an operator does: settings, webhooks, and what the two services show
afterwards. Nothing here may help Keyturn to be right, or know what only Keyturn knows.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from keyturn import logs
from keyturn.demo.afternoon import AFTERNOON
from keyturn.demo.day import play_day
from keyturn.demo.morning import MORNING
from keyturn.demo.scene import Step
from keyturn.demo.show import Show
from keyturn.errors import StartError

STEPS: tuple[Step, ...] = (*MORNING, *AFTERNOON)
"""The whole day, in order."""
LOG = "keyturn.log"


def run(*, serve: bool, steps: Sequence[Step] = STEPS) -> int:
    """Play the day and print it; with `serve`, keep everything running until Ctrl-C.

    Returns the exit code: 0 when every door is right, else 1. Raises `KeyturnError` where the
    machine does not let the demo start.
    """
    _survive_narrow_encodings()
    show = Show()
    try:
        folder = Path(tempfile.mkdtemp(prefix="keyturn-demo-"))
        right = _in_folder(folder, show, steps, serve=serve)
    except OSError as error:
        raise StartError(f"the demo cannot run on this machine: {error.strerror or type(error).__name__}") from error
    if not right:
        show.report(folder / LOG)
    elif not serve:
        show.what_next()
    return 0 if right else 1


def _in_folder(folder: Path, show: Show, steps: Sequence[Step], *, serve: bool) -> bool:
    """Play in a folder of its own, which stays only when the day went wrong."""
    right = True  # so that nothing stays of a day that is interrupted or cannot begin
    try:
        right = _logged(folder, show, steps, serve=serve)
    finally:
        if right:
            shutil.rmtree(folder, ignore_errors=True)
    return right


def _logged(folder: Path, show: Show, steps: Sequence[Step], *, serve: bool) -> bool:
    """Play with Keyturn's log lines in a file, so that they do not drown the story."""
    with (folder / LOG).open("w", encoding="utf-8") as stream:
        logs.configure(stream=stream, pretty=False)
        try:
            return asyncio.run(play_day(folder, show, steps, serve=serve))
        finally:
            logs.configure()


def _survive_narrow_encodings() -> None:
    """Print a question mark where the terminal cannot show a letter, rather than fail."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
