"""Making skipped deliveries again: what can go otherwise now is sent, the rest is refused with why."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.client import Client

from engine.errors import Conflict, Invalid
from engine.ids import new_id
from engine.operations.actor import Actor
from engine.operations.catalog.publish import limit_concurrency, pause_workflow
from engine.operations.context import OperationContext
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.redelivery import redeliver_event
from engine.operations.events.routing import route_received
from engine.operations.runs.cancel import cancel_run
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store
from engine.temporal.connection import TemporalConnection
from tests.engine.operations.conftest import add_version
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import wait_event

PING = {"type": "event", "eventName": "PING"}


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    engine = create_store_engine(database_url)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def bench(store: Store, temporal: Client) -> AsyncIterator[Bench]:
    bench = Bench(store, temporal)
    async with bench.worker():
        yield bench


@pytest.fixture
def context(bench: Bench) -> OperationContext:
    return OperationContext(bench.store, TemporalConnection.from_client(bench.client), Actor("operator"))


async def settle(context: OperationContext) -> None:
    while await route_received(context) or await make_due_deliveries(context):
        pass


async def only_delivery(bench: Bench) -> tuple[str, str, str | None]:
    [row] = await bench.rows("SELECT delivery_id, status, reason FROM workflow_event_deliveries")
    return str(row["delivery_id"]), row["status"], row["reason"]


async def audited(bench: Bench) -> list[tuple[str, str]]:
    rows = await bench.rows("SELECT reason, details_json FROM workflow_audit_log WHERE operation = 'event_redeliver'")
    return [(row["reason"], row["details_json"]["status"]) for row in rows]


async def test_a_launch_skipped_by_a_pause_is_made_when_the_pause_is_over(
    bench: Bench, context: OperationContext
) -> None:
    await add_version(bench.store, "wf.a", trigger=PING)
    await limit_concurrency(context, "wf.a", 0, when_busy="skip")
    await pause_workflow(context, "wf.a", paused=True)
    await submit_event(context, EventRequest("PING", {}, "k"))
    await settle(context)
    delivery, status, reason = await only_delivery(bench)
    assert (status, (reason or "").partition(":")[0]) == ("skipped", "WORKFLOW_PAUSED")

    await redeliver_event(context, delivery, "still paused")
    await settle(context)
    assert (await only_delivery(bench))[1] == "skipped", "the reason still holds, so it is skipped again"

    await pause_workflow(context, "wf.a", paused=False)
    await redeliver_event(context, delivery, "the pause is over")
    await settle(context)
    assert await only_delivery(bench) == (delivery, "done", None)
    assert len(await bench.rows("SELECT 1 FROM workflow_runs")) == 1
    [event] = await bench.rows("SELECT error_message FROM workflow_runtime_events")
    assert event["error_message"] is None
    assert await audited(bench) == [("still paused", "skipped"), ("the pause is over", "skipped")]
    with pytest.raises(Conflict, match="DELIVERY_NOT_FAILED"):
        await redeliver_event(context, delivery, "once more")


async def test_a_wait_of_a_run_that_is_over_is_refused_with_why(bench: Bench, context: OperationContext) -> None:
    await bench.publish([wait_event("w", key='"k"')])
    run = await bench.start()
    await run.waiting("event")
    await run.at_rest()
    await run.handle.terminate("gone")
    await submit_event(context, EventRequest("PING", {}, "k"))
    await settle(context)
    delivery, status, _ = await only_delivery(bench)
    assert status == "skipped"
    with pytest.raises(Conflict, match="DELIVERY_TARGET_OVER") as waits_no_more:
        await redeliver_event(context, delivery, "try it once more")
    assert waits_no_more.value.message == f"The run {run.id} does not wait for it any more: canceled."
    await bench.execute("UPDATE workflow_runs SET status = 'FAILED', completed_at = now(), waiting_on = NULL")
    with pytest.raises(Conflict, match="DELIVERY_TARGET_OVER") as over:
        await redeliver_event(context, delivery, "try it once more")
    assert over.value.message == f"The run {run.id} is over: failed."
    assert (await only_delivery(bench))[1] == "skipped"
    assert await audited(bench) == []


async def test_an_event_that_comes_after_the_cancel_leaves_the_run_alone(
    bench: Bench, context: OperationContext
) -> None:
    await bench.publish([wait_event("w", key='"k"')])
    run = await bench.start()
    await run.waiting("event")
    await run.at_rest()
    await cancel_run(context, run.id, "no longer wanted")
    row = await run.ended()
    assert row["status"] == "CANCELED"
    before = await run.events()
    await submit_event(context, EventRequest("PING", {}, "k"))
    await settle(context)
    assert await bench.rows("SELECT * FROM workflow_event_deliveries WHERE status = 'done'") == []
    assert [event["matched_run_id"] for event in await bench.rows("SELECT * FROM workflow_runtime_events")] == [None]
    assert await run.events() == before
    assert await run.row() == row
    assert [wait["status"] for wait in await run.waits()] == ["CANCELED"]


async def test_what_routing_refused_was_never_attempted_and_is_refused_again(
    bench: Bench, context: OperationContext
) -> None:
    mapping = {"name": {"$expr": "event.payload.a.b.c + 1"}}
    await add_version(bench.store, "wf.a", trigger={**PING, "payloadMapping": mapping})
    await submit_event(context, EventRequest("PING", {"a": {"b": {"c": "text"}}}, "k"))
    await settle(context)
    delivery, status, _ = await only_delivery(bench)
    assert status == "skipped"
    with pytest.raises(Conflict, match="DELIVERY_NOT_ROUTABLE"):
        await redeliver_event(context, delivery, "try it once more")
    assert await bench.rows("SELECT 1 FROM workflow_runs") == []


async def test_a_task_that_does_not_exist_is_refused(bench: Bench, context: OperationContext) -> None:
    await submit_event(context, EventRequest("HUMAN_TASK_COMPLETED", {}, new_id()))
    await settle(context)
    delivery, status, _ = await only_delivery(bench)
    assert status == "skipped"
    with pytest.raises(Conflict, match="DELIVERY_TARGET_OVER"):
        await redeliver_event(context, delivery, "try it once more")
    with pytest.raises(Invalid, match="REASON_TOO_SHORT"):
        await redeliver_event(context, delivery, "x")
