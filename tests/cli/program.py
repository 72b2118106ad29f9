"""How a test starts the program as a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import keyturn

COMMAND = (sys.executable, "-m", "keyturn")


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which the program finds this source tree."""
    return os.environ | {"PYTHONPATH": str(Path(next(iter(keyturn.__path__))).parent)} | more
