"""When a run has come to rest in Temporal: it does nothing any more unless somebody acts or a timer goes off."""

from __future__ import annotations

from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

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
