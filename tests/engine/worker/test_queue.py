"""F7: what a trigger does that meets a pause or a full limit, and a parent whose child's workflow is paused."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from engine.errors import Conflict
from engine.operations.catalog.publish import limit_concurrency, pause_workflow
from engine.operations.context import OperationContext
from engine.operations.diagnosis.diagnose import diagnose_run
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.routing import route_received
from engine.operations.runs import queue
from engine.operations.runs.cancel import cancel_run
from engine.operations.runs.hand_over import hand_over_due
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.runs.queue import release_queued
from engine.store.catalog.reading import workflow_of
from tests.engine.operations.conftest import add_version
from tests.engine.worker.test_event_stream import bench, context, settle, store
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import call_workflow, set_state, wait_event

__all__ = ["bench", "context", "store"]

PLACED = {"type": "event", "eventName": "ORDER_PLACED"}


async def place(bench: Bench, context: OperationContext, *numbers: int) -> None:
    """Submit orders, all of them before any is routed."""
    for number in numbers:
        await submit_event(context, EventRequest("ORDER_PLACED", {"n": number}, f"k{number}"))
    await settle(context)


async def launched(bench: Bench) -> list[tuple[int, str, str]]:
    rows = await bench.rows("SELECT input_json, status, launch_state FROM workflow_runs ORDER BY started_at, run_id")
    return sorted((row["input_json"]["n"], row["status"], row["launch_state"]) for row in rows)


async def run_of(bench: Bench, number: int) -> Run:
    [row] = await bench.rows("SELECT run_id FROM workflow_runs WHERE input_json ->> 'n' = :n", n=str(number))
    return Run(bench, str(row["run_id"]))


async def take_turns(context: OperationContext) -> int:
    """What the part of the worker does once."""
    released = await release_queued(context)
    await hand_over_due(context)
    return released


async def findings(context: OperationContext, run: Run) -> dict[str, str]:
    return {found.code: found.sentence for found in (await diagnose_run(context, run.id)).findings}


async def test_f7_runs_wait_in_order_for_a_slot_and_for_the_end_of_a_pause(
    bench: Bench, context: OperationContext
) -> None:
    await add_version(bench.store, "wf.order", trigger=PLACED, steps=[wait_event("w", "GO")])
    await limit_concurrency(context, "wf.order", 1)
    await place(bench, context, 1, 2, 3)
    first, second, third = [await run_of(bench, number) for number in (1, 2, 3)]
    await first.waiting("event")
    assert [state for _, _, state in await launched(bench)] == ["started", "queued", "queued"]
    assert await take_turns(context) == 0
    said = await findings(context, third)
    assert said["QUEUED"] == "The run waits for its turn: its workflow has 1 active run, and its limit is 1."
    assert {"NO_POLLER", "STUCK", "TEMPORAL_CLOSED"}.isdisjoint(said)
    with pytest.raises(Conflict, match="CONCURRENCY_LIMIT"):
        await launch_published_run(context, LaunchRequest("wf.order", {"n": 9}))

    await pause_workflow(context, "wf.order", paused=True)
    await first.send_event("GO")
    await first.ended()
    assert await take_turns(context) == 0
    assert "paused" in (await findings(context, second))["QUEUED"]
    await place(bench, context, 4)
    await pause_workflow(context, "wf.order", paused=False)
    for run in (second, third, await run_of(bench, 4)):
        assert await take_turns(context) == 1
        await run.waiting("event")
        await run.send_event("GO")
        assert (await run.ended())["status"] == "SUCCEEDED"
    deliveries = await bench.rows("SELECT status FROM workflow_event_deliveries WHERE target_kind = 'launch'")
    assert [row["status"] for row in deliveries] == ["done"] * 4


@pytest.mark.parametrize(
    ("when_busy", "expected"),
    [
        ("skip", [(1, "WAITING", "started")]),
        ("replace", [(1, "CANCELED", "started"), (2, "CANCELED", "pending"), (3, "WAITING", "started")]),
    ],
)
async def test_f7_to_skip_or_to_replace_is_a_choice_of_the_workflow(
    when_busy: str, expected: list[Any], bench: Bench, context: OperationContext
) -> None:
    await add_version(bench.store, "wf.order", trigger=PLACED, steps=[wait_event("w", "GO")])
    await limit_concurrency(context, "wf.order", 1, when_busy=when_busy)
    await place(bench, context, 1)
    await (await run_of(bench, 1)).waiting("event")
    await place(bench, context, 2, 3)

    async def settled() -> bool:
        await take_turns(context)
        return await launched(bench) == expected

    await bench.until(settled)


async def test_f7_a_queued_run_can_be_canceled(bench: Bench, context: OperationContext) -> None:
    await add_version(bench.store, "wf.order", trigger=PLACED, steps=[set_state("s")])
    await pause_workflow(context, "wf.order", paused=True)
    await place(bench, context, 1, 2)
    outcome = await cancel_run(context, (await run_of(bench, 1)).id, "not wanted any more")
    assert outcome.outcome == "canceled"
    await pause_workflow(context, "wf.order", paused=False)
    assert await take_turns(context) == 1
    assert (await (await run_of(bench, 2)).ended())["status"] == "SUCCEEDED"


async def test_f7_a_pause_holds_a_call_and_fails_no_parent(bench: Bench, context: OperationContext) -> None:
    await bench.publish([set_state("s")], "wf.child")
    await bench.publish([call_workflow("c", "wf.child")], "wf.parent")
    await pause_workflow(context, "wf.child", paused=True)
    parent, canceled = await bench.start(workflow_id="wf.parent"), await bench.start(workflow_id="wf.parent")
    await parent.waiting("child")

    async def held() -> bool:
        return "CALL_HELD" in await findings(context, parent)

    await bench.until(held)
    assert await bench.rows("SELECT 1 FROM workflow_runs WHERE workflow_id = 'wf.child'") == []
    await cancel_run(context, canceled.id, "it is held")
    assert (await canceled.ended())["status"] == "CANCELED"
    await pause_workflow(context, "wf.child", paused=False)
    assert (await parent.ended())["status"] == "SUCCEEDED"
    assert await bench.rows("SELECT count(*) AS n FROM workflow_runs WHERE workflow_id = 'wf.child'") == [{"n": 1}]


async def test_the_newest_arrival_replaces_whichever_is_delivered_first(
    bench: Bench, context: OperationContext
) -> None:
    await add_version(bench.store, "wf.order", trigger=PLACED, steps=[wait_event("w", "GO")])
    await limit_concurrency(context, "wf.order", 1, when_busy="replace")
    for number in (1, 2):
        await submit_event(context, EventRequest("ORDER_PLACED", {"n": number}, f"k{number}"))
    await route_received(context)
    held = "UPDATE workflow_event_deliveries SET next_attempt_at = now() + :wait * interval '1 hour'"
    await bench.execute(f"{held} WHERE correlation_key = 'k1'", wait=1)
    await make_due_deliveries(context)
    second = await run_of(bench, 2)
    await second.waiting("event")
    await bench.execute(held, wait=0)
    await make_due_deliveries(context)
    await take_turns(context)
    assert await launched(bench) == [(1, "CANCELED", "pending"), (2, "WAITING", "started")]
    [replaced] = await bench.rows("SELECT error_json FROM workflow_runs WHERE status = 'CANCELED'")
    assert replaced["error_json"]["message"] == f"Replaced by the run {second.id}."


async def test_the_newest_of_more_than_one_look_at_a_queue_takes_is_the_one_that_starts(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "AT_ONCE", 2)
    await add_version(bench.store, "wf.order", trigger=PLACED, steps=[wait_event("w", "GO")])
    await limit_concurrency(context, "wf.order", 1, when_busy="replace")
    await pause_workflow(context, "wf.order", paused=True)
    await place(bench, context, 1, 2, 3, 4, 5)
    await pause_workflow(context, "wf.order", paused=False)
    assert await take_turns(context) == 1
    await (await run_of(bench, 5)).waiting("event")
    assert await launched(bench) == [(n, "CANCELED", "pending") for n in (1, 2, 3, 4)] + [(5, "WAITING", "started")]


async def test_a_called_run_takes_no_slot_and_is_never_replaced(bench: Bench, context: OperationContext) -> None:
    await add_version(bench.store, "wf.order", trigger=PLACED, steps=[wait_event("w", "GO")])
    await limit_concurrency(context, "wf.order", 1, when_busy="replace")
    await bench.publish([call_workflow("c", "wf.order", n="0")], "wf.parent")
    parent = await bench.start(workflow_id="wf.parent")
    await parent.waiting("child")
    called = await bench.until(lambda: bench.rows("SELECT run_id FROM workflow_runs WHERE parent_run_id IS NOT NULL"))
    child = Run(bench, str(called[0]["run_id"]))
    await child.waiting("event")
    assert not (await workflow_of(bench.store, bench.tenant, "wf.order")).full
    await place(bench, context, 1)
    first = await run_of(bench, 1)
    await first.waiting("event")
    shown = await workflow_of(bench.store, bench.tenant, "wf.order")
    assert (shown.active.value, shown.full) == (1, True)
    await place(bench, context, 2)

    async def first_is_replaced() -> bool:
        await take_turns(context)
        return bool((await first.row())["status"] == "CANCELED")

    await bench.until(first_is_replaced)
    await child.send_event("GO")
    assert (await parent.ended())["status"] == "SUCCEEDED"


async def test_a_call_that_a_pause_held_looks_back_to_the_call(bench: Bench, context: OperationContext) -> None:
    await bench.publish([wait_event("w", "GO")], "wf.child")
    await bench.publish([call_workflow("c", "wf.child")], "wf.parent")
    await pause_workflow(context, "wf.child", paused=True)
    await submit_event(context, EventRequest("GO", {"n": "before"}))
    await settle(context)
    parent = await bench.start(workflow_id="wf.parent")
    await parent.waiting("child")
    await submit_event(context, EventRequest("GO", {"n": "meanwhile"}))
    await settle(context)
    await pause_workflow(context, "wf.child", paused=False)
    assert (await parent.ended())["status"] == "SUCCEEDED"
    [child] = await bench.rows("SELECT output_json FROM workflow_runs WHERE workflow_id = 'wf.child'")
    assert child["output_json"]["event"] == {"n": "meanwhile"}


async def test_a_queue_whose_rows_somebody_holds_stops_no_other(bench: Bench, context: OperationContext) -> None:
    for name in ("wf.a", "wf.b"):
        await add_version(bench.store, name, trigger=PLACED, steps=[set_state("s")])
        await limit_concurrency(context, name, 0, when_busy="replace")
        await pause_workflow(context, name, paused=True)
    await place(bench, context, 1, 2)
    for name in ("wf.a", "wf.b"):
        await pause_workflow(context, name, paused=False)
    async with bench.store.begin() as theirs:
        await theirs.execute(text("SELECT 1 FROM workflow_runs WHERE workflow_id = 'wf.a' FOR UPDATE"))
        assert await take_turns(context) == 1
    assert await take_turns(context) == 1
    rows = await bench.rows("SELECT workflow_id, status FROM workflow_runs WHERE input_json ->> 'n' = '1'")
    assert sorted((row["workflow_id"], row["status"]) for row in rows) == [("wf.a", "CANCELED"), ("wf.b", "CANCELED")]
