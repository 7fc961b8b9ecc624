"""Ids of runs under which Temporal has what somebody else has started: no such execution counts as the run's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from engine.contract import SEMANTICS_VERSION, TASK_QUEUE, WORKFLOW_TYPE, workflow_id_for
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.diagnosis.diagnose import diagnose_run
from engine.operations.reconcile import reconcile
from engine.operations.reconcile.reconcile import Checked, close_stranded
from engine.operations.runs import starting
from engine.operations.runs.cancel import cancel_run
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import Query, add_version
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import quick, wait_event

THEIRS = "queue-of-somebody-else"


@workflow.defn(name="Theirs", sandboxed=False)
class Theirs:
    """Ends at once, or never."""

    @workflow.run
    async def run(self, ends: bool) -> str:
        await workflow.wait_condition(lambda: ends)
        return "done"


@pytest_asyncio.fixture
async def somebody_else(temporal: Client) -> AsyncIterator[None]:
    worker = Worker(temporal, task_queue=THEIRS, workflows=[Theirs], workflow_runner=UnsandboxedWorkflowRunner())
    async with worker:
        yield


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "IDLE_SECONDS", 0.0)


async def launched_under_a_taken_id(
    context: OperationContext, temporal: Client, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> str:
    """A run whose id somebody takes a moment before it is started."""
    start = starting._start

    async def taken_before(client: Client, run: starting.PendingRun, place: str | None) -> str | None:
        theirs = await temporal.start_workflow(Theirs.run, ends, id=workflow_id_for(run.run_id), task_queue=THEIRS)
        if ends:
            await theirs.result()
        return await start(client, run, place)

    monkeypatch.setattr(starting, "_start", taken_before)
    return (await launch_published_run(context, LaunchRequest("orders"))).run_id


@pytest.mark.usefixtures("somebody_else")
@pytest.mark.parametrize("ends", [True, False])
async def test_an_execution_of_another_type_is_no_end_and_no_beginning_of_a_run(
    context: OperationContext,
    store: Store,
    temporal: Client,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    ends: bool,
) -> None:
    await add_version(store)
    run_id = await launched_under_a_taken_id(context, temporal, monkeypatch, ends)
    found = (await diagnose_run(context, run_id)).findings
    assert "EXECUTION_ID_TAKEN" in {finding.code for finding in found}
    assert await close_stranded(context) == Checked(1, 1)
    [row] = await query("SELECT status, last_error_code, error_json ->> 'message' AS said FROM workflow_runs")
    assert (row["status"], row["last_error_code"]) == ("FAILED", "EXECUTION_ID_TAKEN")
    assert "somebody else's execution, of the type Theirs" in row["said"]
    left = await temporal.get_workflow_handle(workflow_id_for(run_id)).describe()
    assert left.status is (WorkflowExecutionStatus.COMPLETED if ends else WorkflowExecutionStatus.RUNNING)


@pytest.mark.usefixtures("somebody_else")
async def test_a_run_whose_id_is_taken_can_be_canceled(
    context: OperationContext, store: Store, temporal: Client, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_version(store)
    run_id = await launched_under_a_taken_id(context, temporal, monkeypatch, ends=True)
    await cancel_run(context, run_id, "of no use")
    [row] = await query("SELECT status, last_error_code FROM workflow_runs")
    assert row == {"status": "CANCELED", "last_error_code": "EXECUTION_ID_TAKEN"}


async def copied(bench: Bench, run: Run, workflow_id: str) -> Any:
    """What somebody starts with the input of a run, as Temporal's UI offers to do."""
    given = {
        "run_id": run.id,
        "tenant": DEFAULT_TENANT,
        "workflow_id": "wf.main",
        "workflow_version": 1,
        "semantics_version": SEMANTICS_VERSION,
        "checkpoint": None,
    }
    return await bench.client.start_workflow(WORKFLOW_TYPE, given, id=workflow_id, task_queue=TASK_QUEUE)


@pytest.mark.usefixtures("context")
async def test_a_copy_of_an_execution_ends_and_touches_nothing_of_the_run(store: Store, temporal: Client) -> None:
    bench = Bench(store, temporal)
    async with bench.worker():
        await bench.publish([quick("a"), wait_event("w", "GO"), quick("b")])
        run = await bench.start()
        await run.waiting("event")
        before = await run.row()
        copy = await copied(bench, run, f"by-hand-{new_id()}")
        with pytest.raises(WorkflowFailureError):
            await copy.result()
        assert await run.row() == before
        await run.send_event("GO")
        assert (await run.ended())["status"] == "SUCCEEDED"


async def test_an_execution_that_was_started_for_another_run_is_not_a_runs_own(
    context: OperationContext, store: Store, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(store, temporal)
    async with bench.worker():
        await bench.publish([quick("a"), wait_event("w", "GO")])
        other = await bench.start()
        await other.waiting("event")
        start = starting._start

        async def taken_before(client: Client, run: starting.PendingRun, place: str | None) -> str | None:
            copy = await copied(bench, other, workflow_id_for(run.run_id))
            with suppress(WorkflowFailureError, RPCError):
                await copy.result()
            return await start(client, run, place)

        monkeypatch.setattr(starting, "_start", taken_before)
        run = await bench.start()
        assert (await close_stranded(context)).closed == 1
        assert ((row := await run.row())["status"], row["last_error_code"]) == ("FAILED", "EXECUTION_ID_TAKEN")
        assert (await other.row())["status"] == "WAITING"
