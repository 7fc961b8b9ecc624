"""Executions that somebody else has started, with an input that is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload, Payloads, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.client import Client

from engine.contract import WORKFLOW_TYPE, workflow_id_for
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.reconcile.asking import OpenExecution, beginning_of
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.store.database.transactions import Store
from engine.store.trace.payloads import put_text
from engine.temporal.payload_codec import ENCODING, ENCRYPTED
from tests.engine.operations.conftest import add_version


@pytest.mark.parametrize("kind", ["of another run", "none", "encrypted"])
async def test_an_input_that_cannot_be_read_is_no_beginning(
    context: OperationContext, store: Store, temporal: Client, kind: str
) -> None:
    """A look at executions meets it in every pass, and goes on to the others."""
    await add_version(store, "wf.main")
    other = (await launch_published_run(context, LaunchRequest("wf.main", {}))).run_id
    kept, run_id = await put_text(store, other, '{"run_id": "x"}'), new_id()
    said: dict[str, Any] = {"payload_id": kept.payload_id, "run": run_id, "sha256": kept.sha256}
    data = {"of another run": json.dumps(said), "none": '["a"]', "encrypted": "x"}[kind].encode()
    encoding = ENCRYPTED if kind == "encrypted" else ENCODING
    started = await temporal.workflow_service.start_workflow_execution(
        StartWorkflowExecutionRequest(
            namespace=temporal.namespace,
            workflow_id=workflow_id_for(run_id),
            workflow_type=WorkflowType(name=WORKFLOW_TYPE),
            task_queue=TaskQueue(name=f"nobody-{run_id}"),
            request_id=new_id(),
            input=Payloads(payloads=[Payload(metadata={"encoding": encoding}, data=data)]),
        )
    )
    try:
        assert await beginning_of(temporal, store, OpenExecution(run_id, started.run_id, None)) is None
    finally:
        await temporal.get_workflow_handle(workflow_id_for(run_id)).terminate(reason="the test has ended")
