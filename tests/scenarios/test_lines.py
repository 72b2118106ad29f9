"""The log has one line for each delivery and one for each look, and the counters agree."""

from __future__ import annotations

import io
import json
from collections import Counter

from keyturn.simulation.faults import Fault
from scenarios.world import World


def _counted(told: World, metric: str) -> float:
    lines = told.service.metrics.render().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{metric}{{"))


async def test_one_line_for_each_outcome(acme: World, log: io.StringIO) -> None:
    """Through good and bad hours there are as many lines as deliveries, and as looks."""
    acme.sensorberg.faults.add(route="users.*", fault=Fault.status(503))
    acme.move_in("A1")
    acme.account.move_out(acme.move_in("A2"))
    acme.move_in("A3", acme.add_tenant(sensorberg_pin="123456"))
    await acme.settle()
    await acme.later(acme.settings.timing.retry_cap)
    actions = Counter(json.loads(line)["action"] for line in log.getvalue().splitlines())

    assert actions["delivery"] == _counted(acme, "keyturn_deliveries_total") > 5
    assert actions["looked"] == _counted(acme, "keyturn_looks_total") > 5
    assert actions.keys() <= {"delivery", "looked", "problem"}
