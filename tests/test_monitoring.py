"""The dashboard, the alerts and the page about them speak of what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from keyturn.web.metrics import Metrics
from test_logs import log_calls

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana.json").read_text(encoding="utf-8"))
NAME = re.compile(r"keyturn_[a-z0-9_]+")
SERIES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def exposed() -> dict[str, list[str]]:
    """Return what `/metrics` shows: each metric as it is documented, and the names of its series."""
    found = {}
    for family in text_string_to_metric_families(Metrics().render().decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = [family.name + ending for ending in SERIES[family.type]]
    return found


def expressions() -> list[str]:
    """Return every expression of the dashboard."""
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_every_metric_has_a_proper_name() -> None:
    """Names are ours, in base units, and counters end in `_total` (Prometheus, "Metric and label naming")."""
    assert len(exposed()) >= 15
    assert [name for name in exposed() if not re.fullmatch(r"keyturn_[a-z]+(_[a-z]+)*", name)] == []


def test_the_dashboard_asks_for_what_there_is() -> None:
    """Every name in an expression of the dashboard is a series that `/metrics` has."""
    asked = {name for expression in expressions() for name in NAME.findall(expression)}

    assert len(asked) >= 10
    assert asked - {series for names in exposed().values() for series in names} == set()


def test_the_dashboard_has_one_data_source_to_choose() -> None:
    """Whoever imports it chooses the data source, once, and each panel has a place and a number of its own."""
    [variable] = DASHBOARD["templating"]["list"]
    sources = [part["datasource"] for panel in DASHBOARD["panels"] for part in (panel, *panel["targets"])]
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]

    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    assert {source["uid"] for source in sources} == {f"${{{variable['name']}}}"}
    assert len(set(numbers)) == len(numbers)
    assert overlapping() == []


def overlapping() -> list[tuple[str, str]]:
    """Return the titles of panels that lie on each other."""
    cells: dict[tuple[int, int], str] = {}
    found = []
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in cells:
                    found.append((cells[x, y], panel["title"]))
                cells[x, y] = panel["title"]
    return found


def test_the_page_explains_every_metric() -> None:
    """Each metric has its row in docs/monitoring.md, and the page names no other."""
    series = {one for names in exposed().values() for one in names}

    assert [name for name in exposed() if f"| `{name}` |" not in PAGE] == []
    assert set(NAME.findall(PAGE)) - series - exposed().keys() == set()


def test_the_page_lists_every_line_of_the_log() -> None:
    """Each action that the program logs is explained in docs/monitoring.md."""
    actions = {call.args[0].value for _, call in log_calls()}  # type: ignore[attr-defined]  # test_logs holds them to constants
    told = {f"`{action}`" for action in actions}

    assert len(told) > 10
    assert [action for action in sorted(told) if action not in PAGE] == []
