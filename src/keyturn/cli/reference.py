"""Writes docs/cli.md from the program's own help: `python -m keyturn.cli.reference > docs/cli.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_command

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

With 2 and 3, and with 1 for an error, standard error says in sentences what is wrong and what to do.

A row of a table is one line, and nothing in it is shortened. Colours appear on a terminal only, and not where
`NO_COLOR` is set.

`keyturn --install-completion` lets the Tab key complete commands, options and business codes in your shell: bash, zsh,
fish or PowerShell. To set it up yourself, write the script for a shell to a file that your shell reads:

```sh
_KEYTURN_COMPLETE=source_bash keyturn > keyturn-completion.sh   # or source_zsh, source_fish
```
"""


def reference() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_pages("keyturn", get_command(build()))])


def _pages(name: str, command: Any) -> Iterator[str]:
    """Yield the help of a command and of all below it."""
    yield from _help(name, command)
    for below, sub_command in getattr(command, "commands", {}).items():
        yield from _pages(f"{name} {below}", sub_command)


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
