"""Starting the Temporal workflow of a pending run. Idempotent: the workflow id comes from the run id.

Both the launch and the reconciler do it here, so a run is started in the same way whoever comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from engine.contract import (
    REPLAY_COST,
    SEMANTICS_VERSION,
    TASK_QUEUE,
    TASK_TIMEOUT,
    WORKFLOW_TYPE,
    RunInput,
    workflow_id_for,
)
from engine.errors import EngineError
from engine.fault_points import reach
from engine.operations.context import OperationContext
from engine.store.database.transactions import writing, writing_at_once
from engine.store.runs import launches
from engine.store.runs.run_log import NewLogLine
from engine.store.runs.runs import Run
from engine.store.tenant.place import place_mark
from engine.temporal.connection import RPC_TIMEOUT, is_final, unavailable
from engine.temporal.eager_starts import eager_start
from engine.wording import sentence

RETRY_SECONDS: Final = 15.0
"""How long after a launch that Temporal did not answer the next one is due."""


@dataclass(frozen=True, slots=True)
class PendingRun:
    """What is needed to start a run."""

    run_id: str
    tenant: str
    workflow_id: str
    workflow_version: int
    semantics_version: str | None
    """As its row names it; None from a build that named none: then the present one."""

    @classmethod
    def of(cls, run: Run) -> PendingRun:
        """What the row of a run says."""
        return cls(run.run_id, run.tenant, run.workflow_id, run.workflow_version, run.runtime_semantics_version)


@dataclass(frozen=True, slots=True)
class StartOutcome:
    """How handing a run to Temporal ended."""

    state: Literal["started", "pending", "failed"]
    reason: str = ""
    """Why it is pending or failed, one sentence."""


async def hand_to_temporal(context: OperationContext, run: PendingRun) -> StartOutcome:
    """Start the run's workflow and record how that ended.

    An unreachable Temporal leaves the run pending, and so does a namespace, a right or a key that is refused; only a refusal of
    this very run closes it, FAILED with stage ``launch``.
    Raises ``Unavailable`` when Postgres cannot be asked; then the run is still pending, whatever Temporal did.
    """
    try:
        client = await context.temporal.client()
        reach("launch.before_start")
        temporal_run_id = await _start(client, run, await place_mark(context.store))
        reach("launch.after_start")
    except RPCError as error:
        if is_final(error):
            return await _refused(context, run, error)
        return await _postponed(context, run, unavailable(error, "start the run"))
    except EngineError as error:
        return await _postponed(context, run, error)
    async with writing_at_once(context.store) as connection:
        status = await launches.mark_launched(connection, run.run_id, temporal_run_id)
    if status == "CANCELED":
        await _cancel_after_all(client, run)
    return StartOutcome("started")


async def _start(client: Client, run: PendingRun, place: str | None) -> str | None:
    start = RunInput(
        run_id=run.run_id,
        tenant=run.tenant,
        workflow_id=run.workflow_id,
        workflow_version=run.workflow_version,
        semantics_version=run.semantics_version or SEMANTICS_VERSION,
        checkpoint=None,
        replay_cost=REPLAY_COST,
    )
    if place is not None:
        start["place"] = place
    try:
        async with eager_start(client) as eager:
            handle = await client.start_workflow(
                WORKFLOW_TYPE,
                start,
                id=workflow_id_for(run.run_id),
                task_queue=TASK_QUEUE,
                task_timeout=TASK_TIMEOUT,
                # Where the same client has a worker with room for it, that begins at once; elsewhere nothing changes.
                request_eager_start=eager,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                rpc_timeout=RPC_TIMEOUT,
            )
    except WorkflowAlreadyStartedError as error:
        # It was started before, and has ended since.
        return error.run_id
    return handle.first_execution_run_id


async def _cancel_after_all(client: Client, run: PendingRun) -> None:
    """The run was canceled while it was being started, when Temporal did not know it yet."""
    try:
        await client.get_workflow_handle(workflow_id_for(run.run_id)).cancel(rpc_timeout=RPC_TIMEOUT)
    except RPCError:
        # Only a courtesy: the workflow loads its row first, finds it closed, and ends.
        return


async def _refused(context: OperationContext, run: PendingRun, error: RPCError) -> StartOutcome:
    reason = sentence(f"Temporal refused to start the run: {error.message}")
    described = launch_error("TEMPORAL_REFUSED", reason, {"status": error.status.name})
    async with writing(context.store) as connection:
        if await launches.mark_launch_refused(connection, run.run_id, described):
            await context.log(
                connection, run.run_id, NewLogLine("ERROR", "Launch refused by Temporal", {"reason": reason})
            )
    return StartOutcome("failed", reason)


async def _postponed(context: OperationContext, run: PendingRun, error: EngineError) -> StartOutcome:
    async with writing(context.store) as connection:
        await launches.mark_launch_postponed(connection, run.run_id, error.message, retry_seconds=RETRY_SECONDS)
    return StartOutcome("pending", error.message)


async def put_off(context: OperationContext, line: Sequence[Run], reason: str) -> None:
    """The first of them could not be started, nor could the others: all are the reconciler's, later and in their order."""
    async with writing(context.store) as connection:
        await launches.put_off_launches(connection, [run.run_id for run in line], reason, retry_seconds=RETRY_SECONDS)


def launch_error(code: str, message: str, details: Any = None) -> dict[str, Any]:
    """``error_json`` of a run that could not be launched."""
    error: dict[str, Any] = {"category": "LaunchError", "code": code, "message": message, "stage": "launch"}
    return error if details is None else {**error, "details": details}
