"""The protocol between the interpreter and its hosts.

``Machine.advance()`` returns one Effect; the host does it and answers with ``Machine.resume(outcome)``. Hosts: the Temporal
workflow, the simulator, and the rebuilder. Everything here is plain data that survives a JSON round trip (``to_json``-able
by ``dataclasses.asdict``), because effects cross into activities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.definition.step_ref import StepRef
from engine.errors import RunError

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict with string keys."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """The state of one step row at ``seq``. A later record of the same step replaces an earlier one, never a terminal one."""

    seq: int
    step: StepRef
    status: str
    """STARTED, SUCCEEDED, FAILED or CANCELED."""
    attempt: int
    started_at: str
    completed_at: str | None = None
    outcome: Json = None
    """What an operator wants to know: branch, items, assigned, matchedEventId, dueAt, childRunId, ..."""
    error: dict[str, Any] | None = None
    """RunError.to_json()."""
    handled_by: str | None = None
    """``onError-continue``, ``tryCatch`` or ``forEach-continue`` when a failure was absorbed."""
    call: PureCall | None = None
    """Set when a pure action ran inside the machine: its invocation row is written from here."""


@dataclass(frozen=True, slots=True)
class PureCall:
    """One attempt of a pure action (``transform.*``), executed inside the machine."""

    action_id: str
    action_version: int
    input: Json
    output: Json
    error: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class WaitRecord:
    """The state of one wait row at ``seq``; identified by step, wait_type and attempt."""

    seq: int
    step: StepRef
    wait_type: str
    """event, time, human, retry or child. (Quota waits are written by the reservation itself.)"""
    status: str
    """WAITING, RESOLVED, TIMED_OUT or CANCELED."""
    at: str
    event_name: str | None = None
    key: str | None = None
    timeout_at: str | None = None
    """Deadline of an event wait, due time of a time wait or of a retry."""
    matched_event_id: str | None = None
    payload: Json = None
    attempt: int = 1
    """Of a retry: the attempt that failed. Of a child: the attempt it is."""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A line for the run's log (an author reads it; never a payload)."""

    seq: int
    level: str
    message: str
    step: StepRef | None
    at: str
    context: Json = None


Record = StepRecord | WaitRecord | LogRecord
Trace = tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class ActionTraits:
    """What the machine and the host must know of a registered action. Recorded in history by the load activity."""

    quick: bool = False
    """Expected within a second, never beyond 5 s: runs as a local activity."""
    transaction: bool = False
    timeout_seconds: float = 600.0
    side_effects: bool = True
    retry: Json = None
    """Default retry policy of the action, in the language's own shape; the step's own policy wins."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """``system`` of every expression. camelCase names are made where the context is built."""

    run_id: str
    workflow_id: str
    workflow_version: int
    tenant: str
    definition_hash: str
    semantics_version: str
    root_run_id: str | None = None
    """The run at the top of the family; None for a run without a parent."""


# --- effects: what the host must do next. `trace` is everything recorded since the previous effect. -----------------


@dataclass(frozen=True, slots=True)
class CallAction:
    """Run one attempt of an action. The step is STARTED in ``trace``. Answer: ActionSucceeded or StepFailed."""

    trace: Trace
    step: StepRef
    attempt: int
    action_id: str
    action_version: int
    input: Json
    """Resolved, except ``{"$secret": NAME}`` markers, which the activity resolves."""
    idempotency_key: str | None
    """The author's explicit key, or None for the action's own or the engine's."""
    steps_started: int
    """Steps started by this run so far, this one included: the quota counter's truth."""
    traits: ActionTraits
    secret_paths: tuple[str, ...] = ()
    """JSON pointers in ``input`` of the ``{"$secret": NAME}`` markers the author wrote. Only these are resolved: an object of
    the same shape that an expression brought in is data, and may come from outside."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Retry back-off. The wait row (type retry) is in ``trace``. Answer: Elapsed."""

    trace: Trace
    step: StepRef
    attempt: int
    """The attempt that failed."""
    delay_ms: int
    due_at: str
    steps_started: int


@dataclass(frozen=True, slots=True)
class AwaitTime:
    """``time.wait`` with a due time in the future. Wait row in ``trace``. Answer: Elapsed."""

    trace: Trace
    step: StepRef
    due_at: str
    delay_ms: int
    steps_started: int


@dataclass(frozen=True, slots=True)
class AwaitEvent:
    """``event.wait``. Wait row in ``trace``. The host looks back for early events (``Machine.deliver``), then waits until
    ``Machine.take_event()`` returns one or ``timeout_at`` is reached. Answer: EventArrived or TimedOut."""

    trace: Trace
    step: StepRef
    event_name: str
    key: str | None
    timeout_at: str | None
    steps_started: int


@dataclass(frozen=True, slots=True)
class AwaitTask:
    """``human.task``. Wait row in ``trace``. The host creates the task; the response was validated when it was submitted.
    Answer: TaskCompleted."""

    trace: Trace
    step: StepRef
    task_id: str
    task_type: str
    title: str
    description: str | None
    context: Json
    steps_started: int


@dataclass(frozen=True, slots=True)
class StartChild:
    """One attempt of ``control.callWorkflow``. Answer: ChildSucceeded or StepFailed(category ChildWorkflowError)."""

    trace: Trace
    step: StepRef
    attempt: int
    child_run_id: str
    workflow_id: str
    workflow_version: int
    input: dict[str, Any]
    steps_started: int


@dataclass(frozen=True, slots=True)
class AwaitQuota:
    """The run's lease is used up and ``step`` wants to start. The host reserves units; while denied it keeps the run paused
    (wait row of type quota) and tries again on a resume signal. Answer: QuotaGranted, never before units are there."""

    trace: Trace
    step: StepRef
    steps_started: int


@dataclass(frozen=True, slots=True)
class Flush:
    """Many pure steps ran: write the trace and end the activation. Answer: Flushed."""

    trace: Trace
    steps_started: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The run ended. No answer; the machine is done."""

    trace: Trace
    status: str
    """SUCCEEDED, FAILED or CANCELED."""
    error: dict[str, Any] | None
    scopes: dict[str, Any]
    """``{payload, vars, local, meta, error}`` at the end: what a parent's outputMapping sees as childRun."""
    steps_started: int


Effect = CallAction | Sleep | AwaitTime | AwaitEvent | AwaitTask | StartChild | AwaitQuota | Flush | Finish

# --- outcomes: the host's answer ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ActionSucceeded:
    """Output of an action, already validated against its schema."""

    output: Json


@dataclass(frozen=True, slots=True)
class StepFailed:
    """An action or a child failed, or a human task was canceled; the machine applies retry, onError, tryCatch and onItemError."""

    error: RunError


@dataclass(frozen=True, slots=True)
class Elapsed:
    """A Sleep or an AwaitTime is over."""


@dataclass(frozen=True, slots=True)
class EventArrived:
    """The event ``Machine.take_event()`` returned."""

    event_id: str | None
    event_name: str
    key: str | None
    payload: Json
    received_at: str
    stored: bool = False
    """Whether ``workflow_runtime_events`` has it. One that came past the router is kept with the wait that took it."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The deadline of an AwaitEvent passed without a match."""


@dataclass(frozen=True, slots=True)
class TaskCompleted:
    """The response to a human task."""

    event_name: str
    response: Json


@dataclass(frozen=True, slots=True)
class ChildSucceeded:
    """Final scopes of the child: ``{payload, vars, local, meta, error}``, plus its ``system``."""

    scopes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class QuotaGranted:
    """Units leased to this run. None: the tenant has no limit, and the machine stops asking."""

    units: int | None


@dataclass(frozen=True, slots=True)
class Flushed:
    """The trace was written."""


Outcome = (
    ActionSucceeded
    | StepFailed
    | Elapsed
    | EventArrived
    | TimedOut
    | TaskCompleted
    | ChildSucceeded
    | QuotaGranted
    | Flushed
)


class Host(Protocol):
    """What the machine may ask of its host at any time: nothing here does I/O, and nothing here is a clock."""

    def chance(self, run_id: str, step: StepRef, attempt: int) -> float:
        """0.0 <= x < 1.0, the same whenever it is asked again for this attempt."""
        ...

    def pure_action(  # noqa: PLR0917  # as a host is asked, in this order
        self,
        action_id: str,
        version: int,
        action_input: Json,
        step_config: Json,
        context: Mapping[str, Json],
        now_iso: Callable[[], str],
        earlier: bool,
    ) -> Json:
        """Run a pure action at the machine's time ``now_iso``. Raises StepFailure. Only for actions ``is_pure`` knows.

        ``earlier``: by earlier semantics, as ``RunState.earlier``.
        """
        ...

    def is_pure(self, action_id: str, version: int) -> bool:
        """Whether the action runs inside the machine, without an activity."""
        ...
