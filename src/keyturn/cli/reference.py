"""Writes docs/cli.md from the program's own help: `python -m keyturn.cli.reference > docs/cli.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_group

from keyturn.cli.app import build

_WIDTH = 100
_HEAD = """\
# Command line

<!-- Written by `make docs` from the program's own help. Change that, not this page. -->

`--config` and `--json` may stand before or after the command's name.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | something is wrong or held, and is said on the screen |
| 2 | the command or the settings cannot be used; every problem is listed |
| 3 | an upstream or the database cannot be reached |

With 2 and 3, and with 1 for an error, each line on standard error is one sentence.
"""


def reference() -> str:
    """Return the page."""
    group: Any = get_group(build())
    parts = [_HEAD, *_help("keyturn", group)]
    for name in group.commands:
        parts += _help(f"keyturn {name}", group.commands[name])
    return "\n".join(parts)


def _help(name: str, command: Any) -> Iterator[str]:
    context = typer.Context(command, info_name=name, terminal_width=_WIDTH, max_content_width=_WIDTH)
    yield f"## {name}"
    yield ""
    yield "```text"
    yield from (line.rstrip() for line in command.get_help(context).strip().splitlines())
    yield "```"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(reference())
