"""Log lines: one per outcome, on standard error, for people on a terminal and as JSON otherwise.

A line is an `action`, one constant word, and fields. Nothing reaches a line by accident:

- a field whose name is not in `FIELDS` loses its value; its name is listed under `dropped`;
- a value that is not a plain one (text, number, truth value, time, enum) is replaced by its type;
- an exception is logged as its type and, for one of ours, its code. For a foreign one the
  frames are added, without messages and without local variables: a database driver's message
  carries the values of the row, ours never do;
- of a library's own line only the first line of its template is kept, never what is filled in.

So no PIN, key, name or address can appear, as long as `FIELDS` names only ids, codes, counts
and times. `configure` is called once, by the program's entry; `logger` may be called anywhere.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import Enum
from typing import TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from keyturn.errors import KeyturnError

FIELDS = frozenset(
    """
    addon_id address again_at attempts business changes code count database delivery due ending event fence held holder
    event_type host job kind library oldest_due_s operation owner port reason rental running seconds site state status
    subject subject_id subject_kind tenant transfer unit unread until upstream version wanted worker
    """.split()  # noqa: SIM905  # read and compared as words
)
"""The names a field may have. Ids, codes, counts and times only; `reason` is a sentence of our own about a rental
or an upstream, `address` and `host` are network addresses."""

_ADDED = frozenset({"action", "level", "timestamp", "error", "error_code", "frames", "dropped"})
_ACTION = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_LONGEST = 300
_MOST_FRAMES = 30


def logger() -> FilteringBoundLogger:
    """Return the log. Lines look like `log.info("delivery_accepted", business=..., delivery=...)`."""
    if not structlog.is_configured():
        _use(None, pretty=None)  # structlog's own default prints local variables with an exception
    log: FilteringBoundLogger = structlog.get_logger()
    return log


def configure(*, stream: TextIO | None = None, pretty: bool | None = None) -> None:
    """Send our lines and the libraries' warnings to `stream` (standard error).

    `pretty` chooses lines for people over JSON; left out, a terminal decides.
    """
    _use(stream, pretty=pretty)
    logging.basicConfig(level=logging.WARNING, handlers=[_Foreign()], force=True)


def _use(stream: TextIO | None, *, pretty: bool | None) -> None:
    terminal = (sys.stderr if stream is None else stream).isatty()
    structlog.configure(
        processors=[*_ours(), _renderer(pretty=terminal if pretty is None else pretty)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr if stream is None else stream),
        cache_logger_on_first_use=False,
    )


def _ours() -> list[Processor]:
    return [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.add_log_level,
        structlog.processors.EventRenamer("action"),
        _describe_error,
        _only_known,
        _only_plain,
    ]


def _renderer(*, pretty: bool) -> Processor:
    if pretty:
        return structlog.dev.ConsoleRenderer(event_key="action", colors=True)
    return structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False)


def _describe_error(_log: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    given = line.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        line["error"] = type(error).__name__
        if isinstance(error, KeyturnError):
            line["error_code"] = error.code
        else:
            line["frames"] = " < ".join(_frames(error))
    return line


def _frames(error: BaseException) -> Iterator[str]:
    """Name the places an exception came through, the innermost first, along its chain of causes."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield type(link).__qualname__
        for frame in reversed(traceback.extract_tb(link.__traceback__, limit=-_MOST_FRAMES)):
            yield f"{_short(frame.filename)}:{frame.lineno} {frame.name}"
        link = link.__cause__ or link.__context__


def _short(path: str) -> str:
    """Return a source file's path from its package on."""
    return re.sub(r".*/(site-packages|src|lib/python[0-9.]+)/", "", path)


def _only_known(_log: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    kept = {name: line[name] for name in ("timestamp", "level", "action") if name in line}
    kept |= {name: value for name, value in line.items() if name in FIELDS or name in _ADDED}
    dropped = sorted(name for name in line if name not in kept)
    if dropped:
        kept["dropped"] = " ".join(dropped)
    action = kept.get("action")
    if not isinstance(action, str) or not _ACTION.fullmatch(action):
        kept["action"] = "unworded"
    return kept


def _only_plain(_log: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    return {name: _plain(name, value) for name, value in line.items()}


def _plain(name: str, value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return str(value.value)
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case str():
            return value if name == "frames" else value[:_LONGEST]
        case _:
            return type(value).__name__


class _Foreign(logging.Handler):
    """Takes the libraries' own log records through our processors."""

    def emit(self, record: logging.LogRecord) -> None:
        template = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        error = record.exc_info[1] if record.exc_info else None
        first_line = template.strip().partition("\n")[0]
        say = logger().error if record.levelno >= logging.ERROR else logger().warning
        say("library_message", library=record.name, reason=first_line, exc_info=error)
