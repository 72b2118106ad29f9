"""Small line charts as SVG, readable on light and dark paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

_WIDTH, _HEIGHT = 720, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 40, 70
_COLOURS = ("#2f6fde", "#12936f", "#d2691e", "#8a4fbf")
_STYLE = "font-family:sans-serif;font-size:12px;fill:#808080"
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """A named line through points."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Axis:
    """How values lie between two places of the picture."""

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies."""
        low, high, at = (log10(x) if self.logarithmic else x for x in (self.low, self.high, value))
        return self.begin + (at - low) / ((high - low) or 1) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Return values to write beside the axis."""
        if self.logarithmic:
            return [10.0**power for power in range(ceil(log10(self.low)), floor(log10(self.high)) + 1)]
        step = _step((self.high - self.low) / _TICKS)
        return [step * number for number in range(ceil(self.low / step), floor(self.high / step) + 1)]


def chart(title: str, across: str, up: str, lines: Sequence[Line], *, logarithmic: bool = False) -> str:
    """Draw lines over one axis. `logarithmic` is about the axis across; the one up begins at nought."""
    xs, ys = zip(*(point for line in lines for point in line.points), strict=True)
    x = _Axis(min(xs) if logarithmic else 0, max(xs), _LEFT, _WIDTH - _RIGHT, logarithmic)
    y = _Axis(0, max(ys) * 1.1, _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" style="{_STYLE}">',
        f"<title>{escape(title)}</title>",
        f'<text x="{_LEFT}" y="22" style="font-size:14px;font-weight:bold">{escape(title)}</text>',
        *_grid(x, y, across, up),
    ]
    for number, line in enumerate(lines):
        parts += _drawn(line, x, y, number)
    return "\n".join([*parts, "</svg>", ""])


def _grid(x: _Axis, y: _Axis, across: str, up: str) -> list[str]:
    rule = 'stroke="#808080" stroke-opacity="0.3"'
    parts = []
    for value in y.ticks():
        at = y.place(value)
        parts.append(f'<line x1="{x.begin:.0f}" x2="{x.end:.0f}" y1="{at:.1f}" y2="{at:.1f}" {rule}/>')
        parts.append(f'<text x="{x.begin - 8:.0f}" y="{at + 4:.1f}" text-anchor="end">{value:,.6g}</text>')
    for value in x.ticks():
        at = x.place(value)
        parts.append(f'<text x="{at:.1f}" y="{y.begin + 18:.0f}" text-anchor="middle">{value:,.10g}</text>')
    parts.append(f'<text x="{x.end:.0f}" y="{y.begin + 36:.0f}" text-anchor="end">{escape(across)}</text>')
    parts.append(f'<text x="{x.begin - 8:.0f}" y="{_TOP - 8}" text-anchor="end">{escape(up)}</text>')
    return parts


def _drawn(line: Line, x: _Axis, y: _Axis, number: int) -> list[str]:
    colour, left = _COLOURS[number % len(_COLOURS)], _LEFT + number * 170
    points = " ".join(f"{x.place(one):.1f},{y.place(two):.1f}" for one, two in line.points)
    return [
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>',
        f'<rect x="{left}" y="{_HEIGHT - 20}" width="12" height="12" fill="{colour}"/>',
        f'<text x="{left + 18}" y="{_HEIGHT - 10}">{escape(line.name)}</text>',
    ]


def _step(size: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** floor(log10(size))
    return next(power * times for times in (1, 2, 5, 10) if power * times >= size)
