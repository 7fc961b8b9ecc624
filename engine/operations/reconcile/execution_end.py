"""The end of a run's execution according to Temporal, for rows that do not have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHistoryEventFilterType
from temporalio.service import RPCError

from engine.contract import WORKFLOW_TYPE, workflow_id_for
from engine.errors import EXECUTION_ID_TAKEN
from engine.operations.reconcile.lost_values import end_without_its_values
from engine.store.database.transactions import Store
from engine.store.trace.payloads import INLINE_BYTES, ForgedPayload, sized
from engine.temporal.connection import RPC_TIMEOUT, is_not_found
from engine.temporal.data_converter import PAYLOAD_LOST, VALUE_LOST, data_converter
from engine.wording import clause, counted

Json = Any

UNKNOWN: Final = "UNKNOWN"
"""In place of a Temporal status: Temporal has no execution of this id."""

_ENDED: Final = {
    WorkflowExecutionStatus.COMPLETED,
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.CANCELED,
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.TIMED_OUT,
}
_HOPELESS_ATTEMPTS: Final = 3
"""A workflow task that was tried so often fails by what is in the run, and not by a worker that went away."""
_SUSPECT_ATTEMPTS: Final = 2
"""Of a workflow task that was tried so often the values are looked for that it needs."""
CANCEL_NOT_TAKEN: Final = "The run could not take its cancel in:"
_MAX_REASON: Final = 500
_MAX_TYPE: Final = 100


@dataclass(frozen=True, slots=True)
class ExecutionEnd:
    """What to write on the row of a run whose execution is over."""

    temporal_status: str
    """COMPLETED, FAILED, CANCELED, TERMINATED, TIMED_OUT, ``UNKNOWN``, or TAKEN: the execution is another's."""
    status: str
    """SUCCEEDED, FAILED or CANCELED."""
    sentence: str
    error: dict[str, Json] | None = None
    output: Json = None
    """Final vars of a run that succeeded, when they fit on the row."""


async def end_of_execution(
    client: Client, store: Store, run_id: str, *, cancel_requested: bool = False
) -> ExecutionEnd | None:
    """How the execution of a run ended; None while it is open.

    ``cancel_requested``: somebody asked for a cancel, so an execution that was terminated or is unknown counts as canceled, and
    one that cannot take the cancel in, because its workflow task fails again and again, is terminated. So is one whose task
    fails because a value is lost for good. An execution of another type is somebody else's, and is left alone.
    Raises ``RPCError`` when Temporal does not answer.
    """
    handle = client.get_workflow_handle(workflow_id_for(run_id))
    try:
        described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if not is_not_found(error):
            raise
        return _closed_by_nobody(
            UNKNOWN, "Temporal has no execution of this run.", None, cancel_requested=cancel_requested
        )
    if described.workflow_type != WORKFLOW_TYPE:
        return _taken(described.workflow_type, run_id, cancel_requested=cancel_requested)
    if described.status not in _ENDED:
        attempt = described.raw_description.pending_workflow_task.attempt
        if cancel_requested and attempt >= _HOPELESS_ATTEMPTS:
            reason = f"{CANCEL_NOT_TAKEN} its workflow task failed {counted(attempt - 1, 'time')}."
            await handle.terminate(reason=reason, rpc_timeout=RPC_TIMEOUT)
            return _closed_by_nobody("TERMINATED", reason, None, cancel_requested=True)
        if attempt < _SUSPECT_ATTEMPTS:
            return None
        lost = await end_without_its_values(client, store, run_id)
        return None if lost is None else _without_its_values(lost)
    status = described.status.name
    pinned = client.get_workflow_handle(workflow_id_for(run_id), run_id=described.run_id)
    closing = [
        event
        async for event in pinned.fetch_history_events(
            event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT, rpc_timeout=RPC_TIMEOUT
        )
    ]
    event = closing[-1] if closing else HistoryEvent()
    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
            return ExecutionEnd(
                status, "SUCCEEDED", "Temporal has the execution as completed.", output=await _output(store, event)
            )
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
            failure = event.workflow_execution_failed_event_attributes.failure
            return await _failed(store, status, failure)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
            return _closed_by_nobody(status, "Temporal canceled the execution.", None, cancel_requested=True)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
            reason = event.workflow_execution_terminated_event_attributes.reason[:_MAX_REASON]
            if reason.startswith(VALUE_LOST):
                return _without_its_values(reason)
            said = f": {reason}" if reason else ""
            return _closed_by_nobody(
                status,
                f"The execution was terminated in Temporal{clause(said)}.",
                reason,
                cancel_requested=cancel_requested,
            )
        case _:
            return _closed_by_nobody(
                status, f"Temporal has the execution as {status}.", None, cancel_requested=cancel_requested
            )


def _taken(by: str, run_id: str, *, cancel_requested: bool) -> ExecutionEnd:
    said = taken_by(by, run_id)
    end = _closed_by_nobody("TAKEN", said, None, cancel_requested=cancel_requested)
    return replace(end, error={**(end.error or {}), "code": EXECUTION_ID_TAKEN})


def taken_by(workflow_type: str, run_id: str) -> str:
    """What is the case when an execution of another type has the id of a run."""
    named = workflow_type[:_MAX_TYPE]
    return f"Under the run's id {workflow_id_for(run_id)} Temporal has somebody else's execution, of the type {named}."


def _without_its_values(lost: str) -> ExecutionEnd:
    return ExecutionEnd("TERMINATED", "FAILED", lost, _error(PAYLOAD_LOST, lost, "TERMINATED"))


def _closed_by_nobody(
    temporal_status: str, sentence: str, reason: str | None, *, cancel_requested: bool
) -> ExecutionEnd:
    """The run itself never said how it ended."""
    error = _error(f"TEMPORAL_{temporal_status}", sentence, temporal_status)
    if reason:
        error["reason"] = reason
    if cancel_requested:
        error["category"] = "Cancellation"
    return ExecutionEnd(temporal_status, "CANCELED" if cancel_requested else "FAILED", sentence, error)


async def _failed(store: Store, status: str, failure: Failure) -> ExecutionEnd:
    """The run's own error, as the workflow raised it; of an activity that failed for good, as that said it."""
    while not failure.HasField("application_failure_info") and failure.HasField("cause"):
        failure = failure.cause
    details = await _read(store, failure.application_failure_info.details.payloads)
    known: dict[str, Json] = details if isinstance(details, dict) else {}
    message = failure.message[:_MAX_REASON] or "The execution failed."
    error = _error(str(known.get("code") or known.get("category") or "TEMPORAL_FAILED"), message, status)
    error |= {name: value for name, value in known.items() if value is not None}
    return ExecutionEnd(status, "FAILED", f"Temporal has the execution as failed: {message}", error)


async def _output(store: Store, event: HistoryEvent) -> Json:
    result = await _read(store, event.workflow_execution_completed_event_attributes.result.payloads)
    scopes = result.get("scopes") if isinstance(result, dict) else None
    variables = scopes.get("vars") if isinstance(scopes, dict) else None
    return variables if sized(variables).size <= INLINE_BYTES else None


async def _read(store: Store, payloads: Sequence[Payload]) -> Json:
    """The first value; None when there is none, or it cannot be read: gone, forged, or encrypted with a key that we have not.

    That the run has ended, and how, is still true.
    """
    try:
        decoded = await data_converter(store).decode(payloads)
    except (LookupError, ForgedPayload):
        return None
    return decoded[0] if decoded else None


def _error(code: str, message: str, temporal_status: str) -> dict[str, Json]:
    return {
        "category": "ReconcileError",
        "code": code,
        "message": message,
        "stage": "reconcile",
        "temporalStatus": temporal_status,
    }
