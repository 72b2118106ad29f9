"""The figures as tables of docs/performance.md, between marks that stay; the words around them are written by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.doors import percentile
from bench.plot import Line, chart

PAGE = Path("docs/performance.md")
_NAMES = {"keyturn": "Keyturn", "handler": "the handler"}


def write(found: Mapping[str, Any]) -> None:
    """Fill in what was measured, and draw the plots; a part that is not there keeps what the page says."""
    text = PAGE.read_text(encoding="utf-8")
    for part, value in found.items():
        if part in TABLES:
            mark = re.compile(rf"(<!-- {part} -->\n).*?(<!-- end -->)", re.DOTALL)
            text = mark.sub(partial(_filled, table(part, value)), text)
    PAGE.write_text(text, encoding="utf-8")
    for part, draw in PLOTS.items():
        if part in found:
            for name, picture in draw(found[part]).items():
                PAGE.with_name(f"performance-{name}.svg").write_text(picture, encoding="utf-8")


def _filled(new: str, match: re.Match[str]) -> str:
    return f"{match[1]}{new}\n{match[2]}"


def table(part: str, value: Any) -> str:
    """Return one part as a table."""
    return TABLES[part](value)


def _rows(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _machine(found: Mapping[str, str]) -> str:
    return _rows(("machine", ""), list(found.items()))


def _requests(found: Mapping[str, list[dict[str, Any]]]) -> str:
    head = ("event", "by", "requests", "with echoes", "round trips to the door", "door after", "webhook answered after")
    rows = [
        (
            one["event"],
            _NAMES[name],
            one["requests"],
            one["with_echoes"],
            one["round_trips"],
            _ms(one["door_ms"]),
            _ms(one["answered_ms"]),
        )
        for several in zip(*found.values(), strict=True)
        for name, one in zip(found, several, strict=True)
    ]
    return _rows(head, rows)


def _throughput(found: Mapping[str, dict[str, Any]]) -> str:
    peer = found.get("handler")
    head = ["", "move-ins a second", "CPU per move-in", "of PostgreSQL", "requests each", "the stub's share of a core"]
    head += ["pace of the handler's", "CPU of the handler's"] if peer else []
    rows = []
    for name, one in found.items():
        server, each = one["server_cpu_s"] / one["move_ins"] * 1000, one["requests"] / one["move_ins"]
        row = [_NAMES.get(name, name), f"{one['per_second']:.0f}", f"{one['cpu_ms']:.1f} ms"]
        row += [f"{server:.1f} ms" if server else "-", f"{each:.1f}", f"{one['stub_share']:.0%}"]
        if peer:
            row += [f"{one['per_second'] / peer['per_second']:.1f} x", f"{one['cpu_ms'] / peer['cpu_ms']:.2f} x"]
        rows.append(row)
    return _rows(head, rows)


def _workers(found: Mapping[str, dict[str, Any]]) -> str:
    head = ("workers", "move-ins a second", "CPU per move-in", "of PostgreSQL")
    return _rows(
        head,
        [
            (
                number,
                f"{one['per_second']:.0f}",
                f"{one['cpu_ms']:.1f} ms",
                f"{one['server_cpu_s'] / one['move_ins'] * 1000:.1f} ms",
            )
            for number, one in found.items()
        ],
    )


def _waits(found: Mapping[str, dict[str, dict[str, Any]]]) -> str:
    head = ("move-ins", "by", "door p50", "p95", "p99", "webhook answered p50", "p99", "the last after")
    rows = [
        (
            how,
            _NAMES.get(name, name),
            *(_ms(percentile(runs[how]["door"], share)) for share in (0.5, 0.95, 0.99)),
            *(_ms(percentile(runs[how]["answered"], share)) for share in (0.5, 0.99)),
            f"{runs[how]['seconds']:.1f} s",
        )
        for how in next(iter(found.values()))
        for name, runs in found.items()
    ]
    return _rows(head, rows)


def _acks(found: Mapping[str, dict[str, dict[str, Any]]]) -> str:
    head = ("", "webhooks", "p50", "p99", "p99.9", "longest", "not answered 200", "answered and lost", "all within")
    rows = []
    for name, runs in found.items():
        for one in runs.values():
            pace = f"{one['per_second']:.0f} a second" if one["per_second"] else "all at once"
            took = [_ms(percentile(one["took"], share)) for share in (0.5, 0.99, 0.999, 1)]
            rows.append(
                (name, f"{len(one['took']):,}, {pace}", *took, one["refused"], one["lost"], f"{one['seconds']:.1f} s")
            )
    return _rows(head, rows)


def _growth(found: Sequence[dict[str, Any]]) -> str:
    head = ("rentals", "memory", "CPU per event", "database")
    return _rows(
        head,
        [
            (
                f"{one['rentals']:,}",
                f"{one['rss_mb']:.0f} MB",
                f"{one['cpu_ms']:.2f} ms",
                f"{one['database_mb']:.0f} MB",
            )
            for one in found
        ],
    )


def _soak(found: Sequence[dict[str, Any]]) -> str:
    """Compare the end with the moment when a twentieth was done: caches have their size by then."""
    early, last = found[len(found) // 20], found[-1]
    head = ("events", "memory", "webhooks a second")
    rows = [
        (f"{one['events']:,}", f"{one['rss_mb']:.1f} MB", f"{one['events'] / one['seconds']:.0f}")
        for one in (early, last)
    ]
    return _rows(head, [*rows, ("growth", f"{last['rss_mb'] / early['rss_mb'] - 1:+.1%}", "")])


TABLES: dict[str, Callable[[Any], str]] = {
    "machine": _machine,
    "requests": _requests,
    "throughput": _throughput,
    "waits": _waits,
    "acks": _acks,
    "workers": _workers,
    "growth": _growth,
    "soak": _soak,
}


def _draw_waits(found: Mapping[str, dict[str, dict[str, Any]]]) -> dict[str, str]:
    lines = []
    for name, runs in found.items():
        door = runs["20 a second"]["door"]
        points = [(percentile(door, share / 100) / 1000, float(share)) for share in range(1, 100)]
        lines.append(Line(_NAMES.get(name, name), points))
    title = "Doors that work, of 20 move-ins a second, 50 ms per request"
    return {"doors": chart(title, "seconds after the webhook", "%", lines)}


def _draw_growth(found: Sequence[dict[str, Any]]) -> dict[str, str]:
    memory = [(one["rentals"], one["rss_mb"]) for one in found]
    cpu = [(one["rentals"], one["cpu_ms"]) for one in found]
    return {
        "memory": chart("Memory", "rentals", "MB", [Line("keyturn serve", memory)], logarithmic=True),
        "cost": chart("CPU per event", "rentals", "ms", [Line("keyturn serve", cpu)], logarithmic=True),
    }


def _draw_soak(found: Sequence[dict[str, Any]]) -> dict[str, str]:
    points = [(one["events"], one["rss_mb"]) for one in found]
    return {"soak": chart("Memory over events", "events", "MB", [Line("keyturn serve", points)])}


PLOTS: dict[str, Callable[[Any], dict[str, str]]] = {
    "waits": _draw_waits,
    "growth": _draw_growth,
    "soak": _draw_soak,
}


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"  # noqa: PLR2004  # two digits say enough
