"""Executions that end in every way without their row being told, as after a restored database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from engine.contract import TASK_QUEUE, WORKFLOW_TYPE, workflow_id_for


@workflow.defn(name=WORKFLOW_TYPE, sandboxed=False)
class EndsAsTold:
    """Waits to be told how to end."""

    def __init__(self) -> None:
        self.ending: str | None = None

    @workflow.signal
    def end(self, how: str) -> None:
        self.ending = how

    @workflow.run
    async def run(self, run_input: Any) -> Any:
        await workflow.wait_condition(lambda: self.ending is not None)
        if self.ending == "fail":
            raise ApplicationError(
                "The shop is closed.",
                {"category": "ActionError", "code": "SHOP_CLOSED", "nodePath": "root.steps[0]"},
                type="WorkflowRuntimeV2.ActionError",
                non_retryable=True,
            )
        return {"scopes": {"vars": {"total": 3}}}


@asynccontextmanager
async def ending_worker(client: Client) -> AsyncIterator[None]:
    """Polls the queue with ``EndsAsTold`` in the place of the real workflow."""
    worker = Worker(client, task_queue=TASK_QUEUE, workflows=[EndsAsTold], workflow_runner=UnsandboxedWorkflowRunner())
    async with worker:
        yield


async def end(client: Client, run_id: str, how: str) -> None:
    """Tell the execution how to end, and wait until it has."""
    handle = client.get_workflow_handle(workflow_id_for(run_id))
    await handle.signal("end", how)
    if how == "fail":
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    else:
        await handle.result()
