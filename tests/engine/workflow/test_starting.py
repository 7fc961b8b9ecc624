"""How an execution is started: how long a worker has for its workflow tasks, and whether the first needs the queue."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.client import Client

from engine.contract import TASK_TIMEOUT, TEMPORAL_CLOCK_SEMANTICS, workflow_id_for
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.reconcile.reconcile import relaunch_pending
from engine.operations.runs import starting
from engine.operations.runs.hand_over import hand_over_due
from engine.operations.runs.launch import LaunchRequest, launch_in_transaction, launch_published_run
from engine.operations.runs.replay import replay_run
from engine.records import Original
from engine.temporal.connection import TemporalConnection
from engine.workflow import continuation
from tests.engine.workflow.executions import executions
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import call_workflow, for_each, ordinary, quick


async def started(run: Run, execution: str | None = None) -> WorkflowExecutionStartedEventAttributes:
    handle = run.bench.client.get_workflow_handle(workflow_id_for(run.id), run_id=execution)
    async for event in handle.fetch_history_events():
        return event.workflow_execution_started_event_attributes
    raise AssertionError("a history without a beginning")


async def task_timeout(run: Run, execution: str | None = None) -> timedelta:
    return (await started(run, execution)).workflow_task_timeout.ToTimedelta()


async def test_a_worker_has_a_minute_for_a_workflow_task(bench: Bench) -> None:
    run = await bench.play([quick("q")])
    assert await task_timeout(run) == TASK_TIMEOUT == timedelta(seconds=60)


async def test_a_replayed_run_has_it_too(bench: Bench) -> None:
    run = await bench.play([quick("q")])
    context = OperationContext(bench.store, TemporalConnection.from_client(bench.client), Actor("tester"), bench.tenant)
    again = Run(bench, (await replay_run(context, run.id, "once more", Original())).run_id)
    await again.ended()
    assert await task_timeout(again) == TASK_TIMEOUT


async def test_a_child_has_that_of_its_parent_and_a_new_execution_that_of_the_one_before(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "TASK_TIMEOUT", timedelta(seconds=47))
    monkeypatch.setattr(continuation, "MAX_EVENTS", 40)
    await bench.publish([quick("q")], "wf.child")
    run = await bench.play([for_each("l", "[1..10]", [ordinary("o")]), call_workflow("c", "wf.child")])
    assert await executions(run) >= 2
    assert await task_timeout(run) == timedelta(seconds=47)
    [child] = await bench.rows("SELECT run_id FROM workflow_runs WHERE parent_run_id IS NOT NULL")
    assert await task_timeout(Run(bench, str(child["run_id"]))) == timedelta(seconds=47)


async def test_a_launch_with_the_workers_own_client_needs_no_queue(bench: Bench) -> None:
    run = await bench.play([quick("q")])
    assert (await started(run)).eager_execution_accepted
    assert (await run.row())["status"] == "SUCCEEDED"


async def test_a_launch_from_elsewhere_goes_through_the_queue(bench: Bench, temporal_address: str) -> None:
    await bench.publish([quick("q")])
    elsewhere = await Client.connect(temporal_address)
    context = OperationContext(bench.store, TemporalConnection.from_client(elsewhere), Actor("tester"), bench.tenant)
    run = Run(bench, (await launch_published_run(context, LaunchRequest("wf.main", {}))).run_id)
    row = await run.ended()
    assert row["status"] == "SUCCEEDED"
    assert not (await started(run)).eager_execution_accepted


async def test_a_run_that_is_started_twice_is_one(bench: Bench) -> None:
    """As the reconciler does it, when the first answer of Temporal was lost."""
    run = await bench.play([quick("q", value="1")])
    row: dict[str, Any] = await run.row()
    context = OperationContext(bench.store, TemporalConnection.from_client(bench.client), Actor("tester"), bench.tenant)
    again = starting.PendingRun(run.id, bench.tenant, row["workflow_id"], row["workflow_version"], None)
    assert (await starting.hand_to_temporal(context, again)).state == "started"
    assert bench.counts.ran["q"] == 1
    assert await executions(run) == 1


@pytest.mark.parametrize("by", ["launches", "reconciler"])
async def test_a_launch_that_an_earlier_build_left_pending_runs_by_the_semantics_its_row_names(
    bench: Bench, by: str
) -> None:
    await bench.publish([quick("q")])
    context = OperationContext(bench.store, TemporalConnection.from_client(bench.client), Actor("tester"), bench.tenant)
    async with bench.store.begin() as connection:
        pending = await launch_in_transaction(context, LaunchRequest("wf.main", {}), connection)
    await bench.execute(
        "UPDATE workflow_runs SET runtime_semantics_version = :earlier", earlier=TEMPORAL_CLOCK_SEMANTICS
    )
    if by == "launches":
        assert await hand_over_due(context) == 1
    else:
        assert (await relaunch_pending(context)).started == 1
    run = Run(bench, pending.run_id)
    row = await run.ended()
    assert row["status"] == "SUCCEEDED"
    given = json.loads((await started(run)).input.payloads[0].data)
    assert given["semantics_version"] == row["runtime_semantics_version"] == TEMPORAL_CLOCK_SEMANTICS
