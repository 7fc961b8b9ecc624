"""What producer and worker agree on. Imports nothing of ours, and nothing in it can be configured.

The names are those of the system this engine succeeds, so that tooling around it (dashboards, alerts) keeps working.
"""

from __future__ import annotations

from typing import Any, Final, TypedDict

TASK_QUEUE: Final = "workflow-runtime-v2"
WORKFLOW_TYPE: Final = "workflowRuntimeV2RunWorkflow"
ENGINE: Final = "temporal"
SCHEDULE_WORKFLOW_TYPE: Final = "workflowRuntimeV2ScheduleFire"
"""The small workflow a Temporal Schedule starts for each of its occurrences; it launches the run."""

SIGNAL_EVENT: Final = "workflowRuntimeV2Event"
SIGNAL_HUMAN_TASK: Final = "workflowRuntimeV2HumanTask"
SIGNAL_QUOTA_RESUME: Final = "workflowRuntimeV2QuotaResume"
QUERY_CURRENT_STEP: Final = "workflowRuntimeV2CurrentStep"
QUERY_CURRENT_WAIT: Final = "workflowRuntimeV2CurrentWait"
QUERY_SUMMARY: Final = "workflowRuntimeV2InterpreterSummary"

SEMANTICS_VERSION: Final = "2026-11.1"
"""Version of the interpreter's semantics; travels in RunInput and is stored on the run row."""

IGNORED_VARIABLES: Final = (
    "WORKFLOW_RUNTIME_V2_TEMPORAL_TASK_QUEUE",
    "WORKFLOW_RUNTIME_V2_ENABLE_*",
)
"""Environment variables of the earlier system that selected an engine or a queue. Named in a warning, never obeyed."""


def workflow_id_for(run_id: str) -> str:
    """Temporal workflow id of a run (also of a child run): ``workflow-runtime-v2:run:<run_id>``."""
    return f"{TASK_QUEUE}:run:{run_id}"


def temporal_schedule_id_for(schedule_id: str) -> str:
    """Id of the Temporal Schedule of a ``workflow_schedules`` row; the workflows it starts have it as a prefix."""
    return f"{TASK_QUEUE}:schedule:{schedule_id}"


class ScheduleInput(TypedDict):
    """Argument of the workflow a schedule starts."""

    schedule_id: str
    """Of the ``workflow_schedules`` row."""


class RunInput(TypedDict):
    """Argument of the Temporal workflow. The payload is not in it: it is loaded from the run row."""

    run_id: str
    tenant: str
    workflow_id: str
    workflow_version: int
    semantics_version: str
    checkpoint: dict[str, Any] | None
    """Interpreter state carried over continue-as-new; None at the first start."""
