"""When the runs of a case have come to rest: nothing will happen any more unless time passes or somebody acts."""

from __future__ import annotations

import asyncio
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from tests.conformance.stored_case import StoredRun, stored_runs
from tests.conformance.temporal_world import TemporalWorld

PATIENCE_SECONDS: Final = 30.0
_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.1
_ABOUT_TO_GO_OFF_MS: Final = 20

_COMMANDS: Final = frozenset(
    {
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_MARKER_RECORDED,
        EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
        EventType.EVENT_TYPE_TIMER_CANCELED,
        EventType.EVENT_TYPE_TIMER_STARTED,
    }
)
"""What a workflow task leaves behind it; any other event asks for a further task."""
_ACTIVITY_ENDS: Final = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "activity_task_completed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "activity_task_failed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "activity_task_timed_out_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "activity_task_canceled_event_attributes",
}


async def settled(world: TemporalWorld, tenant: str) -> list[StoredRun]:
    """All runs of the case, once they are at rest. Raises AssertionError when they are not within 30 s."""
    pause = _FIRST_PAUSE
    runs: list[StoredRun] = []
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                runs = await _look(world, tenant)
                if await _at_rest(world, runs) and await _look(world, tenant) == runs:
                    return runs
                # What is waited for is in Postgres and in Temporal; nothing here could set an event.
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
    except TimeoutError:
        states = [f"{run.workflow_id} {run.id}: {run.status} on {run.waiting_on}, {run.launch_state}" for run in runs]
        raise AssertionError(f"not at rest after {PATIENCE_SECONDS:g} s: {'; '.join(states)}") from None


async def _look(world: TemporalWorld, tenant: str) -> list[StoredRun]:
    return await stored_runs(world.store, tenant, world.clock.server_time)


async def _at_rest(world: TemporalWorld, runs: list[StoredRun]) -> bool:
    soon = await world.clock.now() + _ABOUT_TO_GO_OFF_MS
    parents = {run.parent for run in runs if run.active}
    for run in runs:
        if not run.active:
            continue
        if run.status != "WAITING" or (run.waiting_on == "child" and run.id not in parents):
            return False
        if any(wait.due is not None and wait.due <= soon for wait in run.waits if wait.status == "WAITING"):
            return False
    histories = [await _history(world, run.id) for run in runs if run.active]
    return all(history is not None and is_quiet(history) for history in histories)


async def _history(world: TemporalWorld, run_id: str) -> WorkflowHistory | None:
    try:
        return await world.handle(run_id).fetch_history()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


def is_quiet(history: WorkflowHistory) -> bool:
    """Whether the last workflow task is done, nothing has come since, and no activity is under way."""
    done, scheduled = False, set[int]()
    for event in history.events:
        kind = event.event_type
        if kind == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            done = True
        elif kind not in _COMMANDS:
            done = False
        if kind == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled.add(event.event_id)
        elif kind in _ACTIVITY_ENDS:
            scheduled.discard(_scheduled_by(event, _ACTIVITY_ENDS[kind]))
    return done and not scheduled


def _scheduled_by(event: HistoryEvent, attributes: str) -> int:
    return int(getattr(event, attributes).scheduled_event_id)
