"""What Temporal says of executions that are compared with rows: which are open, the last event of one, where it is itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.service import RPCError, RPCStatusCode

from engine.contract import QUERY_WHEREABOUTS, WORKFLOW_TYPE, RunInput, workflow_id_for
from engine.errors import EngineError
from engine.ids import uuid_text
from engine.operations.reconcile.execution_end import Json
from engine.store.database.transactions import Store
from engine.temporal.connection import RPC_TIMEOUT, is_final, is_not_found
from engine.temporal.data_converter import data_converter, speaking_to_runs
from engine.workflow.wire import Whereabouts

QUERY_TIMEOUT: Final = timedelta(seconds=10)
"""A worker that has not the run in its memory does its history again first."""
_FIRST_EVENTS: Final = 30
"""So many from the beginning have what the run was started with."""
_AT_WORK: Final = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    }
)
_CLOSED: Final = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    }
)


@dataclass(frozen=True, slots=True)
class LastEvent:
    """The end of an open execution's history."""

    number: int
    at: datetime
    resting: bool
    """Nothing is under way that would bring the rows along: it waits."""


@dataclass(frozen=True, slots=True)
class OpenExecution:
    """An execution that Temporal lists as open."""

    run_id: str
    temporal_run_id: str
    parent_id: str | None
    """Workflow id of the execution that started it."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a run was started with, as its history has it."""

    given: RunInput
    at: datetime
    first_run_id: str
    payload: Json
    """None: it is not in the history, or not readable any more."""
    definition_hash: str | None


async def last_event(client: Client, run_id: str) -> LastEvent | None:
    """None: Temporal knows no execution, or it is over. Raises ``RPCError`` when it does not answer."""
    try:
        answer = await client.workflow_service.get_workflow_execution_history_reverse(
            GetWorkflowExecutionHistoryReverseRequest(
                namespace=client.namespace,
                execution=WorkflowExecution(workflow_id=workflow_id_for(run_id)),
                maximum_page_size=1,
            ),
            timeout=RPC_TIMEOUT,
        )
    except RPCError as error:
        if is_not_found(error):
            return None
        raise
    events = answer.history.events
    if not events or events[0].event_type in _CLOSED:
        return None
    return LastEvent(events[0].event_id, _time(events[0]), events[0].event_type not in _AT_WORK)


async def whereabouts(
    client: Client, store: Store, run_id: str, timeout: timedelta = QUERY_TIMEOUT
) -> Whereabouts | None:
    """Where a run says it is. None: it has not begun, or no worker could tell.

    Raises ``RPCError`` when Temporal itself does not answer.
    """
    handle = speaking_to_runs(client, store).get_workflow_handle(workflow_id_for(run_id))
    try:
        return cast("Whereabouts | None", await handle.query(QUERY_WHEREABOUTS, rpc_timeout=timeout))
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError, LookupError):
        # A worker of a release that does not know the question, or a value that was lost.
        return None
    except RPCError as error:
        if error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED) or is_not_found(error):
            return None
        if error.status is RPCStatusCode.FAILED_PRECONDITION or is_final(error):
            return None
        raise


async def open_executions(client: Client, token: bytes | None, limit: int) -> tuple[list[OpenExecution], bytes | None]:
    """A page of the open executions of runs, and where the next begins; None: there is none. Raises ``RPCError``."""
    listing = client.list_workflows(
        f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'",
        page_size=limit,
        next_page_token=token,
        rpc_timeout=RPC_TIMEOUT,
    )
    await listing.fetch_next_page()
    prefix = workflow_id_for("")
    found = [
        OpenExecution(run_id, execution.run_id, execution.parent_id)
        for execution in listing.current_page or ()
        if execution.id.startswith(prefix) and (run_id := _run_id(execution.id.removeprefix(prefix)))
    ]
    return found, listing.next_page_token or None


async def beginning_of(client: Client, store: Store, execution: OpenExecution) -> Beginning | None:
    """What an execution was started with; None when its history cannot be read. Raises ``RPCError``."""
    started = await _first_of(client, execution.run_id, execution.temporal_run_id)
    if not started or not started[0].HasField("workflow_execution_started_event_attributes"):
        return None
    attributes = started[0].workflow_execution_started_event_attributes
    first = attributes.first_execution_run_id or execution.temporal_run_id
    if first != execution.temporal_run_id:
        started = await _first_of(client, execution.run_id, first) or started
    given = await _decoded(store, attributes.input)
    if not isinstance(given, dict) or given.get("run_id") != execution.run_id:
        return None
    loaded = await _loaded(store, started)
    return Beginning(
        given=cast("RunInput", given),
        at=_time(started[0]),
        first_run_id=first,
        payload=loaded.get("payload"),
        definition_hash=loaded.get("hash"),
    )


async def _first_of(client: Client, run_id: str, temporal_run_id: str) -> list[HistoryEvent]:
    handle = client.get_workflow_handle(workflow_id_for(run_id), run_id=temporal_run_id)
    try:
        return [
            event
            async for event in _some(handle.fetch_history_events(page_size=_FIRST_EVENTS, rpc_timeout=RPC_TIMEOUT))
        ]
    except RPCError as error:
        if is_not_found(error):
            return []
        raise


async def _some(events: AsyncIterator[HistoryEvent]) -> AsyncIterator[HistoryEvent]:
    number = 0
    async for event in events:
        yield event
        number += 1
        if number >= _FIRST_EVENTS:
            return


async def _loaded(store: Store, events: list[HistoryEvent]) -> dict[str, Json]:
    """What the run's first activity answered."""
    for event in events:
        of_local = event.marker_recorded_event_attributes.details
        answer = await _decoded(store, of_local.get("result", event.activity_task_completed_event_attributes.result))
        if isinstance(answer, dict) and "definition" in answer:
            return answer
    return {}


async def _decoded(store: Store, payloads: Any) -> Json:
    """The one value in it; None when there is none, or it lies in a row that is gone."""
    if not payloads.payloads:
        return None
    try:
        values = await data_converter(store).decode(payloads.payloads)
    except (LookupError, EngineError, RuntimeError, ValueError):
        return None
    return values[0]


def _run_id(text: str) -> str | None:
    try:
        return uuid_text(text, "run")
    except EngineError:
        return None


def _time(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(UTC)
