"""What was measured, kept in one JSON file: a part that is not measured again stays as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PATH = Path("build/bench.json")


def load() -> dict[str, Any]:
    """Return all parts measured so far."""
    if not PATH.exists():
        return {}
    found: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return found


def keep(part: str, value: Any) -> None:
    """Put one part in place of what was there."""
    PATH.parent.mkdir(exist_ok=True)
    found = load() | {part: value}
    PATH.write_text(json.dumps(found, indent=1), encoding="utf-8")
