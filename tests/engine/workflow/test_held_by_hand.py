"""What somebody holds by Temporal's own tools: `why` says that, and nothing that would pass by itself."""

from __future__ import annotations

from dataclasses import replace

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.workflow.v1 import PendingActivityInfo, VersioningOverride, WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    UnpauseActivityRequest,
    UpdateWorkflowExecutionOptionsRequest,
)

from engine.contract import workflow_id_for
from engine.operations.catalog.publish import PublishRequest, publish_definition
from engine.operations.diagnosis.diagnose import diagnose_run
from engine.worker.temporal_worker import build_worker
from tests.engine.operations.conftest import definition
from tests.engine.workflow.actions import registry_of
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import call, quick, wait_event
from tests.engine.workflow.test_two_releases import context_of, lacking


async def codes(bench: Bench, run: Run) -> list[str]:
    return [finding.code for finding in (await diagnose_run(context_of(bench), run.id)).findings]


async def test_a_paused_activity_is_said(idle_bench: Bench) -> None:
    bench = idle_bench
    body = definition("wf.main", steps=[call("it", "test.ordinary", label="it")])
    del body["version"]
    await publish_definition(context_of(bench), PublishRequest(body), registry_of(bench.counts))
    execution = {"namespace": bench.client.namespace, "identity": "somebody"}
    without = replace(bench.dependencies, actions=lacking(bench, "test.ordinary"), identity="without")
    async with build_worker(bench.client, without, sandboxed=False, identity="without"):
        run = await bench.start()

        async def tried() -> PendingActivityInfo | None:
            pending = (await run.handle.describe()).raw_description.pending_activities
            return next((one for one in pending if one.attempt > 1), None)

        activity = await bench.until(tried)
        where = WorkflowExecution(workflow_id=workflow_id_for(run.id))
        service = bench.client.workflow_service
        await service.pause_activity(PauseActivityRequest(**execution, execution=where, id=activity.activity_id))
        assert await codes(bench, run) == ["HELD_IN_TEMPORAL"]
        await service.unpause_activity(UnpauseActivityRequest(**execution, execution=where, id=activity.activity_id))
        assert "HELD_IN_TEMPORAL" not in await codes(bench, run)
    async with bench.worker():
        assert (await run.ended())["status"] == "SUCCEEDED"


async def test_an_execution_that_is_pinned_to_other_workers_is_said(bench: Bench) -> None:
    await bench.publish([wait_event("w"), quick("q")])
    run = await bench.start()
    await run.waiting("event")
    await run.at_rest()
    elsewhere = VersioningOverride.PinnedOverride(
        behavior=VersioningOverride.PINNED_OVERRIDE_BEHAVIOR_PINNED,
        version=WorkerDeploymentVersion(deployment_name="theirs", build_id="1"),
    )

    async def override(options: WorkflowExecutionOptions) -> None:
        request = UpdateWorkflowExecutionOptionsRequest(
            namespace=bench.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id_for(run.id)),
            workflow_execution_options=options,
            update_mask=FieldMask(paths=["versioning_override"]),
        )
        await bench.client.workflow_service.update_workflow_execution_options(request)

    await override(WorkflowExecutionOptions(versioning_override=VersioningOverride(pinned=elsewhere)))
    await run.send_event("PING")
    assert await codes(bench, run) == ["HELD_IN_TEMPORAL", "WAITING_EVENT"]
    await override(WorkflowExecutionOptions())
    assert (await run.ended())["status"] == "SUCCEEDED"
