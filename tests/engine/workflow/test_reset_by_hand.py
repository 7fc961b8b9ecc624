"""A parent that somebody resets with Temporal's own tools while its child is at work."""

from __future__ import annotations

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from engine.contract import workflow_id_for
from engine.ids import new_id
from engine.operations.reconcile import abandoned
from engine.operations.reconcile.abandoned import cancel_abandoned
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.restored import Reconciling
from tests.engine.workflow.steps import Step, call_workflow, quick, retried, wait_event
from tests.engine.workflow.test_children import child_of


async def parent_and_child(bench: Bench, step: Step) -> tuple[Run, Run]:
    """A parent that waits for its child, which waits for an event."""
    await bench.publish([wait_event("w", "GO"), quick("z")], "wf.child")
    await bench.publish([quick("a"), step, quick("b")])
    run = await bench.start()
    await run.waiting("child")
    child = await child_of(bench, run)
    await child.waiting("event")
    await run.at_rest()
    return run, child


async def reset(run: Run, task: int) -> None:
    """Reset it to the end of its workflow task of this number, counted from 0 or from behind."""
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ends = [event.event_id for event in (await run.history()).events if event.event_type == done]
    await run.bench.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=run.bench.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id_for(run.id)),
            reason="by hand",
            workflow_task_finish_event_id=ends[task],
            request_id=new_id(),
        )
    )


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abandoned, "IDLE_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
async def test_to_before_its_child_fails_it_and_the_child_is_canceled(bench: Bench) -> None:
    """Temporal knows nothing of the two belonging together any more, so nobody else would ever end the child."""
    run, child = await parent_and_child(bench, call_workflow("c", "wf.child"))
    assert await cancel_abandoned(Reconciling(bench).context) == 0
    await reset(run, 0)
    row = await run.ended()
    assert (row["status"], row["last_error_code"]) == ("FAILED", "CHILD_ALREADY_STARTED")
    assert (await child.row())["status"] == "WAITING"
    assert await cancel_abandoned(Reconciling(bench).context) == 1
    row = await child.ended()
    assert (row["status"], row["error_json"]["message"]) == (
        "CANCELED",
        f"Its parent {run.id} does not wait for it any more",
    )
    assert await cancel_abandoned(Reconciling(bench).context) == 0


@pytest.mark.usefixtures("at_once")
async def test_of_one_that_tries_again_only_the_child_that_it_waits_for_goes_on(bench: Bench) -> None:
    run, child = await parent_and_child(bench, retried(call_workflow("c", "wf.child"), backoffMs=1))
    await reset(run, 0)

    async def second() -> bool:
        return (await child_of(bench, run)).id != child.id

    await bench.until(second)
    other = await child_of(bench, run)
    await other.waiting("event")
    assert await cancel_abandoned(Reconciling(bench).context) == 1
    assert (await child.ended())["status"] == "CANCELED"
    await other.send_event("GO", {"n": 1})
    assert (await run.ended())["status"] == "SUCCEEDED"


async def test_to_after_its_child_began_it_goes_on_with_it(bench: Bench) -> None:
    run, child = await parent_and_child(bench, call_workflow("c", "wf.child"))
    await reset(run, -1)
    await child.send_event("GO", {"n": 1})
    assert (await run.ended())["status"] == (await child.ended())["status"] == "SUCCEEDED"
