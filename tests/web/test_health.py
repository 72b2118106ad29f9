"""The addresses for machines that watch over Keyturn."""

from __future__ import annotations

import json
from datetime import timedelta

from keyturn.core.ids import BusinessCode
from keyturn.core.work import Subject
from keyturn.web.health import Readiness
from web.site import Site


async def test_it_lives(site: Site) -> None:
    """A process that answers is alive."""
    answer = await site.get("/healthz")

    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})


async def test_it_is_ready_with_database_and_worker(site: Site) -> None:
    """A process that can store and work is ready."""
    answer = await site.get("/readyz")

    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ready", "database": "ok", "worker": "ok"})


async def test_it_is_not_ready_without_a_worker(site: Site) -> None:
    """A process whose worker has stopped says so with a 503."""
    site.readiness = Readiness(database=True, worker=None)
    assert json.loads((await site.get("/readyz")).body) == {"status": "ready", "database": "ok", "worker": "none"}
    site.readiness = Readiness(database=True, worker=False)

    answer = await site.get("/readyz")
    expected = {"status": "not ready", "database": "ok", "worker": "failed"}
    assert (answer.status, json.loads(answer.body)) == (503, expected)


async def test_counters_tell_deliveries_by_business_and_answer(site: Site) -> None:
    """Deliveries are counted; unknown businesses share one label, whatever a stranger calls them."""
    body = b'{"id": "e1", "type": "unitRental.updated", "data": {"unitRentalId": "secret-rental"}}'
    await site.post(body)
    await site.post(body)
    await site.post(body, secret=b"guess")
    await site.post(body, path="/webhooks/storeganise/stranger")

    text = (await site.get("/metrics")).body.decode()
    lines = {line for line in text.splitlines() if line.startswith("keyturn_deliveries_total")}
    assert lines == {
        'keyturn_deliveries_total{business="acme",state="accepted"} 1.0',
        'keyturn_deliveries_total{business="acme",state="repeated"} 1.0',
        'keyturn_deliveries_total{business="acme",state="rejected"} 1.0',
        'keyturn_deliveries_total{business="-",state="rejected"} 1.0',
    }
    assert "secret-rental" not in text
    assert "stranger" not in text


async def test_gauges_tell_the_work_and_its_age(site: Site) -> None:
    """The work gauges come from the database at the moment they are asked for."""
    await site.work.wake(BusinessCode("acme"), [Subject("rental", "r1"), Subject("rental", "r2")], "test")
    site.clock.advance(timedelta(seconds=90))

    text = (await site.get("/metrics")).body.decode()
    assert {line for line in text.splitlines() if line.startswith("keyturn_work")} == {
        "keyturn_work_due 2.0",
        "keyturn_work_held 0.0",
        "keyturn_work_running 0.0",
        "keyturn_work_oldest_due_age_seconds 90.0",
    }


async def test_without_a_database_there_are_no_gauges(site: Site) -> None:
    """Old figures are not shown for new ones."""
    await site.lose_database()

    assert (await site.get("/metrics")).status == 503


async def test_upstream_requests_and_looks_are_counted(site: Site) -> None:
    """Others hand their counts in."""
    site.metrics.look("done")
    site.metrics.upstream_asked("sensorberg")
    site.metrics.upstream_request("sensorberg", "memberships.put", "ok", 0.3)

    text = (await site.get("/metrics")).body.decode()
    assert 'keyturn_looks_total{ending="done"} 1.0' in text
    line = 'keyturn_upstream_requests_total{operation="memberships.put",outcome="ok",upstream="sensorberg"} 1.0'
    assert line in text


async def test_nothing_else_answers(site: Site) -> None:
    """There is no page but these; least of all one that describes the others."""
    paths = ["/", "/docs", "/openapi.json", "/admin", "/webhooks", "/webhooks/storeganise/acme/x", "/.env"]

    assert [(await site.get(path)).status for path in paths] == [404] * len(paths)
