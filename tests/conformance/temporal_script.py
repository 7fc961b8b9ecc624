"""The operations of a script, done as an operator, a producer of events or another program does them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import text
from temporalio.service import RPCError, RPCStatusCode

from engine.contract import SIGNAL_EVENT
from engine.errors import EngineError, NotFound
from engine.operations.catalog.publish import pause_workflow
from engine.operations.context import OperationContext
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.routing import route_received
from engine.operations.quota.quota import resume_from_quota, set_quota_limit
from engine.operations.runs.cancel import cancel_run
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.runs.replay import replay_run
from engine.operations.tasks.tasks import TASK_COMPLETED, complete_task
from engine.records import Original, Override, Started
from tests.conformance.observed import Json
from tests.conformance.settling import PATIENCE_SECONDS
from tests.conformance.temporal_world import TemporalWorld

LOOK_AGAIN_SECONDS = 0.02


class ScriptOperations:
    """Everything a script may do but letting time pass."""

    def __init__(self, world: TemporalWorld, context: OperationContext, case: Json) -> None:
        self.aliases: dict[str, str] = {}
        """Alias of the script to run id."""
        self._world = world
        self._context = context
        self._case = case
        self._signals = 0
        self._operations: dict[str, Callable[[Json], Awaitable[Json]]] = {
            "start": self._start,
            "replay": self._replay,
            "pauseWorkflow": self._pause_workflow,
            "signalEvent": self._signal_event,
            "publishEvent": self._publish_event,
            "completeTask": self._complete_task,
            "cancel": self._cancel,
            "setQuota": self._set_quota,
            "resumeQuota": self._resume_quota,
        }

    async def do(self, operation: Json) -> Json:
        """What the operation answered; a refusal is an answer too."""
        try:
            return await self._operations[operation["op"]](operation)
        except EngineError as refused:
            return {"ok": False, "error": refused.message, "code": refused.code}

    # --- runs -------------------------------------------------------------------------------------------------------

    async def _start(self, operation: Json) -> Json:
        request = LaunchRequest(
            operation.get("workflowId") or self._case["definition"]["id"],
            operation.get("payload", self._case.get("payload", {})),
            operation.get("workflowVersion"),
            fire_key=operation.get("triggerFireKey"),
            trigger_type=operation.get("triggerType"),
        )
        result = await launch_published_run(self._context, request)
        self.aliases.setdefault(operation.get("run", "main"), result.run_id)
        return _launched(result)

    async def _replay(self, operation: Json) -> Json:
        replay_input = Override(operation["payload"]) if "payload" in operation else Original()
        reason = operation.get("reason", "replayed by the script")
        result = await replay_run(self._context, self.aliases[operation["of"]], reason, replay_input)
        self.aliases[operation["run"]] = result.run_id
        return _launched(result)

    async def _cancel(self, operation: Json) -> Json:
        await cancel_run(self._context, self._run_of(operation), "canceled by the script")
        return {"ok": True}

    async def _pause_workflow(self, operation: Json) -> Json:
        await pause_workflow(self._context, operation["workflowId"], paused=True)
        return {"ok": True}

    # --- events -----------------------------------------------------------------------------------------------------

    async def _signal_event(self, operation: Json) -> Json:
        self._signals += 1
        signal = {
            "eventId": operation.get("eventId") or f"signal-{self._signals}",
            "eventName": operation["name"],
            "correlationKey": operation.get("correlationKey"),
            "payload": operation.get("payload", {}),
        }
        try:
            await self._world.handle(self._run_of(operation)).signal(SIGNAL_EVENT, signal)
        except RPCError as error:
            # A run that has ended hears of nothing any more.
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return {"ok": True}

    async def _publish_event(self, operation: Json) -> Json:
        request = EventRequest(
            operation["name"],
            operation.get("payload", {}),
            operation.get("correlationKey"),
            operation.get("eventId"),
            operation.get("payloadSchemaRef"),
        )
        receipt = await submit_event(self._context, request)
        if not receipt.accepted:
            return {"ok": True, "status": "duplicate", "signaled": 0, "startedRuns": []}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self._is_delivered(receipt.event_id):
                # Another case may be routing at this moment, and takes this event along.
                if not await route_received(self._context) + await make_due_deliveries(self._context):
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
        done = await self._rows(_DELIVERED, event=receipt.event_id)
        signaled = {str(row["run_id"]) for row in done if row["target_kind"] == "wait"}
        started = [str(row["run_id"]) for row in done if row["target_kind"] == "launch"]
        status = "resumed" if signaled else "no_wait"
        return {"ok": True, "status": status, "signaled": len(signaled), "startedRuns": started}

    async def _is_delivered(self, event_id: str) -> bool:
        [row] = await self._rows(_STILL_TO_DO, event=event_id)
        return bool(row["nothing"])

    # --- people and quota -------------------------------------------------------------------------------------------

    async def _complete_task(self, operation: Json) -> Json:
        task_id = operation.get("taskId") or await self._task(operation.get("index"))
        payload = operation.get("payload")
        response = payload if isinstance(payload, dict) else {}
        await complete_task(self._context, task_id, response, operation.get("eventName") or TASK_COMPLETED)
        return {"ok": True}

    async def _task(self, index: int | None) -> str:
        """The task of that number, else the first open one. Raises NotFound."""
        tasks = await self._rows(_TASKS)
        if index is not None:
            tasks = tasks[index : index + 1]
        else:
            tasks = [task for task in tasks if task["status"] in ("pending", "claimed")]
        if not tasks:
            raise NotFound("TASK_NOT_FOUND", "There is no such open task", "")
        return str(tasks[0]["task_id"])

    async def _set_quota(self, operation: Json) -> Json:
        await set_quota_limit(self._context, operation["limit"])
        return {"ok": True}

    async def _resume_quota(self, operation: Json) -> Json:
        try:
            await resume_from_quota(self._context, self._run_of(operation))
        except EngineError as refused:
            if refused.code != "QUOTA_EXHAUSTED":
                raise
            return {"ok": False, "result": {"ok": False, "resumed": False, "reason": "quota_exhausted"}}
        return {"ok": True, "result": {"ok": True, "resumed": True}}

    # ----------------------------------------------------------------------------------------------------------------

    def _run_of(self, operation: Json) -> str:
        return self.aliases[operation.get("run", "main")]

    async def _rows(self, sql: str, **parameters: Any) -> list[Json]:
        async with self._world.store.connect() as connection:
            found = await connection.execute(text(sql), {"tenant": self._context.tenant, **parameters})
            return [dict(row) for row in found.mappings()]


def _launched(result: Started) -> Json:
    assert not result.pending, result.message
    return {"ok": True, "created": result.created, "version": result.version, "runId": result.run_id}


_STILL_TO_DO = """
    SELECT NOT EXISTS (
            SELECT FROM workflow_runtime_events
            WHERE tenant = CAST(:tenant AS uuid) AND event_id = :event AND state = 'received')
        AND NOT EXISTS (
            SELECT FROM workflow_event_deliveries
            WHERE tenant = CAST(:tenant AS uuid) AND event_id = :event AND status = 'pending') AS nothing
"""
_DELIVERED = """
    SELECT target_kind, run_id FROM workflow_event_deliveries
    WHERE tenant = CAST(:tenant AS uuid) AND event_id = :event AND status = 'done' ORDER BY target_kind, target
"""
_TASKS = """
    SELECT task_id, status FROM workflow_human_tasks WHERE tenant = CAST(:tenant AS uuid) ORDER BY created_at, task_id
"""
