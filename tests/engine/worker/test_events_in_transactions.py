"""An event submitted in its producer's transaction arrives when that commits: never before, not at all if it never does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import make_url

from engine.errors import Conflict, Invalid
from engine.operations.context import OperationContext
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.routing import route_received
from engine.operations.runs.hand_over import hand_over_due
from engine.operations.runs.launch import LaunchRequest, launch_in_transaction
from tests.engine.operations.callers import KINDS, caller
from tests.engine.worker.test_event_stream import bench, context, deliveries, settle, store, streams
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import wait_event

__all__ = ["bench", "context", "store"]

Psycopg = psycopg.AsyncConnection[tuple[object, ...]]


@pytest_asyncio.fixture
async def connection(database_url: str) -> AsyncIterator[Psycopg]:
    plain = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    async with await psycopg.AsyncConnection.connect(plain) as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
async def test_it_is_there_with_the_commit_and_gone_with_the_rollback(
    kind: str, bench: Bench, context: OperationContext, database_url: str
) -> None:
    async with caller(kind, context, database_url) as producer:
        await producer.submit(EventRequest("PING", {"n": 1}, "k", event_id="undone"))
        await producer.rollback()
        for table in ("workflow_runtime_events", "workflow_audit_log"):
            assert await bench.rows(f"SELECT 1 FROM {table}") == []
        receipt = await producer.submit(EventRequest("PING", {"n": 1}, "k", event_id="done"))
        again = await producer.submit(EventRequest("PING", {"n": 1}, "k", event_id="done"))
        assert (receipt.event_id, receipt.accepted, receipt.keys) == ("done", True, ("k",))
        assert not again.accepted
        with pytest.raises(Conflict, match="EVENT_ID_REUSED"):
            await producer.submit(EventRequest("PING", {"n": 2}, "k", event_id="done"))
        with pytest.raises(Invalid, match="EVENT_NAME_INVALID"):
            await producer.submit(EventRequest(""))
        assert await route_received(context) == 0
        await producer.commit()
    assert await route_received(context) == 1
    [event] = await bench.rows("SELECT event_id, state, payload, arrival > 0 AS arrived FROM workflow_runtime_events")
    assert event == {"event_id": "done", "state": "routed", "payload": {"n": 1}, "arrived": True}


async def test_the_commit_wakes_the_event_stream(
    bench: Bench, context: OperationContext, direct_database_url: str, connection: Psycopg
) -> None:
    await bench.publish([wait_event("w", key="payload.order")])
    run = await bench.start({"order": "o-1"})
    await run.waiting("event")
    async with streams(context, direct_database_url):
        await submit_event(context, EventRequest("PING", {"n": 1}, "o-1"), connection)
        await connection.commit()
        assert (await run.ended())["output_json"]["event"] == {"n": 1}


async def test_events_of_one_transaction_arrive_in_their_order(
    bench: Bench, context: OperationContext, connection: Psycopg
) -> None:
    for number in range(4):
        await submit_event(context, EventRequest("PING", {}, "k", event_id=f"late-{number}"), connection)
    await submit_event(context, EventRequest("PING", {}, "k", event_id="at once"))
    await connection.commit()
    await settle(context)
    rows = await bench.rows("SELECT event_id FROM workflow_runtime_events ORDER BY arrival")
    assert [row["event_id"] for row in rows] == ["at once", "late-0", "late-1", "late-2", "late-3"]


@pytest.mark.parametrize("routed", [True, False], ids=["routed before the wait", "not routed before the wait"])
async def test_a_run_started_before_the_commit_sees_the_event_of_an_older_transaction(
    routed: bool, bench: Bench, context: OperationContext, connection: Psycopg
) -> None:
    """By the clock of its transaction the event is older than the run. It is published by the commit, so the run has it."""
    await bench.publish([wait_event("first", "GO"), wait_event("then", "PING")])
    await submit_event(context, EventRequest("PING", {"n": 1}), connection)
    run = await bench.start()
    await run.waiting("event")
    await connection.commit()
    if routed:
        await settle(context)
        assert await deliveries(bench) == []
    await run.send_event("GO")
    row = await run.ended()
    assert (row["status"], row["output_json"]["event"]) == ("SUCCEEDED", {"n": 1})
    assert [wait["event_name"] for wait in await run.waits()] == ["GO", "PING"]


async def test_an_event_committed_after_a_later_one_was_used_is_not_missed(
    bench: Bench, context: OperationContext, connection: Psycopg
) -> None:
    """The second wait looks back from where the first one stopped, and a minute more; the commit came after all that."""
    await bench.publish([wait_event("first"), wait_event("between", "GO"), wait_event("then")])
    run = await bench.start()
    await submit_event(context, EventRequest("PING", {"n": 2}), connection)
    await connection.execute("UPDATE workflow_runtime_events SET created_at = created_at - interval '1 hour'")
    await submit_event(context, EventRequest("PING", {"n": 1}))
    await run.waiting("event")
    await settle(context)

    async def between() -> bool:
        return [wait["event_name"] for wait in await run.waits()] == ["PING", "GO"]

    await bench.until(between)
    await connection.commit()
    await settle(context)
    await run.send_event("GO")
    row = await run.ended()
    assert (row["status"], row["output_json"]["event"]) == ("SUCCEEDED", {"n": 2})


async def test_a_run_and_its_event_of_one_transaction_meet_also_when_the_event_is_routed_first(
    bench: Bench, context: OperationContext, connection: Psycopg
) -> None:
    """F6 for a run by hand: it is dated when it is started, which is after the event has arrived."""
    await bench.publish([wait_event("w", key='"k"')])
    started = await launch_in_transaction(context, LaunchRequest("wf.main"), connection)
    await submit_event(context, EventRequest("PING", {"n": 1}, "k"), connection)
    await connection.commit()
    await settle(context)
    await hand_over_due(context)
    row = await Run(bench, started.run_id).ended()
    assert (row["status"], row["output_json"]["event"]) == ("SUCCEEDED", {"n": 1})
