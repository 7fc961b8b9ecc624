"""What Temporal knows about one run and about the task queue, asked now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState, TaskQueueType, TimeoutType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import PendingActivityInfo, PendingWorkflowTaskInfo
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client
from temporalio.service import RPCError

from engine.contract import TASK_QUEUE, WORKFLOW_TYPE, workflow_id_for
from engine.operations.reconcile.execution_end import UNKNOWN
from engine.temporal.connection import RPC_TIMEOUT, is_not_found

_EVENTS_LOOKED_BACK = 200
"""What was sent to a run whose task is repeated stands between the tries."""


@dataclass(frozen=True, slots=True)
class Poller:
    """A poller of the task queue, as Temporal lists it."""

    identity: str
    last_access: datetime


@dataclass(frozen=True, slots=True)
class Queue:
    """The one task queue, for workflow tasks."""

    pollers: tuple[Poller, ...]
    backlog: int | None
    """Tasks nobody has taken yet; None from a server that does not tell."""
    backlog_age_seconds: float


@dataclass(frozen=True, slots=True)
class PendingActivity:
    """An activity that was begun and is not done."""

    name: str
    attempt: int
    running: bool
    """Whether a worker has it now."""
    since: datetime | None
    """When it was last taken by a worker."""
    next_attempt: datetime | None
    last_failure: str
    """Message of the last attempt's failure; empty at the first attempt. Not redacted."""
    last_worker: str
    paused: bool = False
    """By somebody, with Temporal's own tools."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One run's execution."""

    status: str
    """RUNNING, COMPLETED, ..., or ``UNKNOWN``."""
    history_length: int = 0
    activities: tuple[PendingActivity, ...] = ()
    task_attempt: int = 0
    """Attempt of the pending workflow task; 0: none is pending."""
    task_since: datetime | None = None
    task_failure: str = ""
    """Message of the last failed workflow task, when the pending one is a repetition. Not redacted."""
    task_timeouts: int = 0
    """How often, at least, no worker did the pending workflow task in time, if it was that and no failure the last time."""
    task_seconds: float = 0.0
    """How long a worker has for one."""
    workflow_type: str = WORKFLOW_TYPE
    pinned: bool = False
    """Somebody has pinned it to one version of a worker deployment, by Temporal's own tools."""


@dataclass(frozen=True, slots=True)
class TemporalFacts:
    """What Temporal said."""

    namespace: str
    execution: Execution
    queue: Queue


async def temporal_facts(client: Client, run_id: str) -> TemporalFacts:
    """Ask about a run and the queue. Raises ``RPCError`` when Temporal does not answer."""
    execution, queue = await asyncio.gather(execution_of(client, run_id), describe_queue(client))
    return TemporalFacts(client.namespace, execution, queue)


async def describe_queue(client: Client) -> Queue:
    """Pollers and backlog of the task queue. Raises ``RPCError``."""
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=TASK_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            report_stats=True,
        ),
        timeout=RPC_TIMEOUT,
    )
    stats = described.stats if described.HasField("stats") else None
    return Queue(
        tuple(Poller(poller.identity, _time(poller.last_access_time)) for poller in described.pollers),
        None if stats is None else stats.approximate_backlog_count,
        0.0 if stats is None else stats.approximate_backlog_age.ToNanoseconds() / 1e9,
    )


async def execution_of(client: Client, run_id: str) -> Execution:
    """One run's execution; ``UNKNOWN`` when Temporal has none. Raises ``RPCError`` when Temporal does not answer."""
    try:
        described = await client.get_workflow_handle(workflow_id_for(run_id)).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if is_not_found(error):
            return Execution(UNKNOWN)
        raise
    raw = described.raw_description
    task = raw.pending_workflow_task if raw.HasField("pending_workflow_task") else None
    tries = await _tries(client, run_id, task) if task is not None else _Tries()
    return Execution(
        status=described.status.name if described.status is not None else "RUNNING",
        history_length=described.history_length,
        activities=tuple(_activity(pending) for pending in raw.pending_activities),
        task_attempt=task.attempt if task is not None else 0,
        task_since=_time(task.original_scheduled_time) if task is not None else None,
        task_failure=tries.failure,
        task_timeouts=tries.timeouts,
        task_seconds=raw.execution_config.default_workflow_task_timeout.ToNanoseconds() / 1e9,
        workflow_type=described.workflow_type,
        pinned=raw.workflow_execution_info.versioning_info.HasField("versioning_override"),
    )


@dataclass(frozen=True, slots=True)
class _Tries:
    """What came of the tries of the pending workflow task; both empty: nothing yet."""

    failure: str = ""
    timeouts: int = 0


async def _tries(client: Client, run_id: str, task: PendingWorkflowTaskInfo) -> _Tries:
    """History has the first try, and the first after something has come from outside. Of the tries since then the number of the
    attempt tells; the others are forgotten."""
    history = await client.workflow_service.get_workflow_execution_history_reverse(
        GetWorkflowExecutionHistoryReverseRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id_for(run_id)),
            maximum_page_size=_EVENTS_LOOKED_BACK,
        ),
        timeout=RPC_TIMEOUT,
    )
    timeouts = 0
    for event in history.history.events:
        if event.HasField("workflow_task_completed_event_attributes"):
            break
        if event.HasField("workflow_task_failed_event_attributes"):
            if not timeouts:
                return _Tries(event.workflow_task_failed_event_attributes.failure.message)
            break
        timeouts += _ran_out(event)
    return _Tries(timeouts=timeouts + max(task.attempt - 2, 0)) if timeouts else _Tries()


def _ran_out(event: HistoryEvent) -> bool:
    """Whether a worker had the task and was not done in time. One that no worker took in time was for a worker that is gone."""
    return (
        event.HasField("workflow_task_timed_out_event_attributes")
        and event.workflow_task_timed_out_event_attributes.timeout_type == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
    )


def _activity(pending: PendingActivityInfo) -> PendingActivity:
    running = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    return PendingActivity(
        name=pending.activity_type.name,
        attempt=pending.attempt,
        running=running,
        since=_time(pending.last_started_time) if pending.HasField("last_started_time") else None,
        next_attempt=_time(pending.next_attempt_schedule_time)
        if pending.HasField("next_attempt_schedule_time") and not running
        else None,
        last_failure=pending.last_failure.message if pending.HasField("last_failure") else "",
        last_worker=pending.last_worker_identity,
        paused=pending.paused,
    )


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
