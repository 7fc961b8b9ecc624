"""What producer and worker agree on. Imports nothing of ours, and nothing in it can be configured.

The names are those of the system this engine succeeds, so that tooling around it (dashboards, alerts) keeps working.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, NotRequired, TypedDict

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
QUERY_WHEREABOUTS: Final = "workflowRuntimeV2Whereabouts"

SEMANTICS_VERSION: Final = "2026-12.1"
"""Version of the semantics of new runs; travels in RunInput, is stored on the run row, and is a run's for life."""
TEMPORAL_CLOCK_SEMANTICS: Final = "2026-11.1"
"""Runs whose clock is Temporal's and whose quick steps are local activities each: see ``engine.workflow.earlier``."""
SUPPORTED_SEMANTICS: Final = frozenset((SEMANTICS_VERSION, TEMPORAL_CLOCK_SEMANTICS))
"""Versions this build can run, and compute again."""

TASK_TIMEOUT: Final = timedelta(seconds=60)
"""How long a worker has for a workflow task of a new run, before Temporal gives it to another. Children have that of their
parent, and a run that goes on in a new execution keeps its own. A worker that is killed inside a task delays its run as long."""

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


class ReplayCost(TypedDict):
    """What replaying a history is estimated to cost: nanoseconds of an idle core for one of each, and the most it may be."""

    event: int
    byte: int
    """Of the history, and of what an activity has said that it reads beside it."""
    step: int
    evaluation: int
    """A step of evaluating an expression, as ``RunState.spend`` counts them."""
    most: int
    """With a history that costs more the run goes on in a new execution."""


REPLAY_COST: Final[ReplayCost] = {
    "event": 240_000,
    "byte": 20,
    "step": 40_000,
    "evaluation": 400,
    "most": 1_000_000_000,
}
"""``replay_cost`` of new runs: a history that needs one second. A worker five times slower is done in a twelfth of
``TASK_TIMEOUT``, and with what else its core has to do well within half of it.

Measured with the replays of ``make bench``, whose page compares estimate and measurement: an event costs 180 us (an ordinary
action has six) to 236 us (a signal that comes alone has three); a step 27 us (an assignment) to 35 us (a quick action in a
chain); a step of evaluation 340 to 430 ns (a filter over 3,000 items); a byte 13 ns (outcomes of 2 kB in chains) to 20 ns (of
10 kB from ordinary actions)."""


class RunInput(TypedDict):
    """Argument of the Temporal workflow. The payload is not in it: it is loaded from the run row."""

    run_id: str
    tenant: str
    workflow_id: str
    workflow_version: int
    semantics_version: str
    checkpoint: dict[str, Any] | None
    """Interpreter state carried over continue-as-new; None at the first start."""
    history_events: NotRequired[int]
    """How many events of history make the run go on in a new execution, of runs that were started before ``replay_cost`` was."""
    place: NotRequired[str]
    """Mark of the database that has its row (``engine.store.tenant.place``), of runs that were started since there is one."""
    replay_cost: NotRequired[ReplayCost]
    """What makes the run go on in a new execution. It is decided once, at the start, so that every replay agrees."""
