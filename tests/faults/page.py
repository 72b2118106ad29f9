"""Tells the whole matrix cell by cell (`make faults`), or writes its part of docs/safety.md (`make docs`).

python -m faults.page          tell, and end with 1 where something was wrong
python -m faults.page --write  write the part of the page
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from faults.catalogue import CATALOGUE, Fault
from faults.kinds import TROUBLES, Trouble, judged
from faults.story import LIVES

PAGE: Final = Path(__file__).parents[2] / "docs" / "safety.md"
BEGIN, END = "<!-- faults: written by make docs -->", "<!-- end of faults -->"
TRIED, LONG, WRONG, LEFT_OUT = "x", "o", "WRONG", "–"


def reference() -> str:
    """Return what the page says of the matrix and the catalogue."""
    return "\n".join([*_matrix(), "", *_reasons(), "", *_catalogue()])


def _matrix() -> list[str]:
    head = ["fault", "", *(f"`{route}`" for route in LIVES)]
    lines = [_line(head), _line(["---"] * len(head))]
    for trouble in TROUBLES:
        cells = [_cell(trouble, route) for route in LIVES]
        lines.append(_line([trouble.row, trouble.name, *cells]))
    return lines


def _reasons() -> list[str]:
    """Return the reasons, each once, as numbered in the cells."""
    return [f"{number}. {reason}" for number, reason in enumerate(_all_reasons(), 1)]


def _all_reasons() -> list[str]:
    return list(dict.fromkeys(reason for trouble in TROUBLES for reason in trouble.left_out.values()))


def _cell(trouble: Trouble, route: str) -> str:
    reason = trouble.left_out.get(route)
    if reason is not None:
        return f"{LEFT_OUT} ({_all_reasons().index(reason) + 1})"
    return TRIED if route in trouble.sample else LONG


def _catalogue() -> list[str]:
    lines = [_line(["", "fault", "proved by"]), _line(["---"] * 3)]
    return [*lines, *(_line([f"F{fault.number}", fault.what, _proof(fault)]) for fault in CATALOGUE)]


def _proof(fault: Fault) -> str:
    proofs = ["the matrix"] if fault.troubles else []
    proofs += [f"`{test.removesuffix('::*')}`" for test in fault.tests]
    return ". ".join(part for part in (", ".join(proofs), fault.note) if part)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def page_with(part: str, page: str) -> str:
    """Return the page with its written part replaced. Raises `ValueError` where the page has no place for it."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} has no place for the faults")
    return f"{before}{BEGIN}\n\n{part}\n\n{END}{after}"


def tell_all() -> int:
    """Tell the matrix, one line per fault as it comes; return 1 where something was wrong."""
    width = max(len(trouble.name) for trouble in TROUBLES)
    _say(" " * (width + 5), *LIVES)
    wrong: list[str] = []
    for trouble in TROUBLES:
        found = judged(trouble, trouble.routes)
        wrong += [f"{trouble.name}, {route}: {what}" for route, every in found.items() for what in every]
        cells = [_outcome(found.get(route)).ljust(len(route)) for route in LIVES]
        _say(f"{trouble.row:<4} {trouble.name:<{width}}", *cells)
    _say(f"\n{TRIED}: right in the end; {LEFT_OUT}: left out, see docs/safety.md\n")
    for fault in CATALOGUE:
        _say(f"F{fault.number:<3} {fault.what}: {_proof(fault)}")
    for what in wrong:
        _say(what)
    _say(f"\n{len(wrong)} wrong")
    return 1 if wrong else 0


def _say(*words: str) -> None:
    sys.stdout.write(" ".join(words).rstrip() + "\n")
    sys.stdout.flush()


def _outcome(found: list[str] | None) -> str:
    if found is None:
        return LEFT_OUT
    return WRONG if found else TRIED


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page_with(reference(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        sys.exit(0)
    sys.exit(tell_all())
