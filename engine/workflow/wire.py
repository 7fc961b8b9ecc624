"""What crosses between the workflow and its activities: names, and the compact JSON forms of trace records.

Both sides import this module and nothing of each other. Forms are lists, not objects: a trace is written into every
history, so its size is paid on every step and on every replay. Histories outlive deployments: a field is only ever
added at the end, and only with a default in ``decode_trace``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypedDict

from engine.interpreter.effects import LogRecord, PureCall, Record, StepRecord, StepRef, WaitRecord

LOAD_RUN: Final = "load_run"
RUN_STEP: Final = "run_step"
OPEN_WAIT: Final = "open_wait"
LOOK_BACK: Final = "look_back"
OPEN_CHILD: Final = "open_child"
RESERVE_QUOTA: Final = "reserve_quota"
FLUSH_TRACE: Final = "flush_trace"
NEXT_TASK: Final = "next_task"
FINISH_RUN: Final = "finish_run"

Wire = list[Any]
"""One record or reference as a JSON list."""


class Progress(TypedDict):
    """What every projecting activity is told. Keys are short because they are in every history."""

    run: str
    tenant: str
    trace: list[Wire]
    seq: int
    """Sequence number of the last record the run has made, in ``trace`` or before it."""
    steps: int
    """Steps started by the run so far."""


class LoadRunInput(TypedDict):
    """Which run to load; ``resumed`` when it goes on from a checkpoint and needs no payload."""

    run: str
    resumed: bool


class EarlierEnd(TypedDict):
    """How the run's row was closed, which stands: by an earlier try of this workflow task, or from outside."""

    status: str
    error: dict[str, Any] | None
    scopes: dict[str, Any]


class LoadRunOutput(TypedDict, total=False):
    """One of ``closed`` and ``refused``, or all of the others."""

    closed: EarlierEnd
    refused: dict[str, Any]
    """Why the run can never run: category, code, message, details."""
    definition: str
    """JSON text, which keeps the order of keys."""
    hash: str
    workflow: str
    version: int
    tenant: str
    root: str | None
    child: bool
    limited: bool
    traits: dict[str, dict[str, Any]]
    payload: Any
    meta: dict[str, Any]


class RunStepInput(Progress):
    """One try of an action."""

    workflow: str
    workflow_version: int
    step: Wire
    attempt: int
    action: str
    version: int
    input: Any
    secrets: list[str]
    """JSON pointers of the secret markers in ``input``."""
    key: str | None
    """The author's idempotency key."""


class RunStepOutput(TypedDict, total=False):
    """``ok`` or ``error``, never both; the outcome is a value, so that a business failure is no activity failure."""

    ok: Any
    error: dict[str, Any]
    at: float
    """Unix seconds on the worker's clock when the try ended: how long a chain of quick steps has held its workflow task."""


class EventSubscription(TypedDict):
    """Which events a look-back returns: in order of arrival, after ``after``."""

    name: str
    key: str | None
    after: int
    recent: bool
    """Those of the last minute before ``after`` too."""


class TaskForm(TypedDict):
    """The human task to create."""

    id: str
    type: str
    title: str
    description: str | None
    context: Any


class OpenWaitInput(Progress):
    """A wait, and what the run row says while it lasts."""

    step: Wire
    attempt: int
    waiting_on: str
    """event, time, human or retry."""
    since: str
    """ISO-8601, the workflow's time."""
    event: EventSubscription | None
    task: TaskForm | None


class LookBackInput(TypedDict):
    """A further page of early events."""

    run: str
    event: EventSubscription


class EarlyEvents(TypedDict):
    """Early events, oldest first: ``[event_id, event_name, key, payload, received_at]``."""

    events: list[Wire]
    last: int | None
    """Arrival number of the last of them; None when there is none."""
    more: bool
    """Whether there may be more after it."""


class OpenChildInput(Progress):
    """A child run to create."""

    step: Wire
    attempt: int
    since: str
    child: str
    workflow: str
    version: int
    input: dict[str, Any]


class OpenChildOutput(TypedDict, total=False):
    """Empty, or why the child may not start."""

    refused: dict[str, Any]


class ReserveQuotaInput(Progress):
    """A run wants to start ``step`` and has no unit left."""

    step: Wire
    since: str


class ReserveQuotaOutput(TypedDict):
    """``granted`` with ``units`` (None: no limit), or denied."""

    granted: bool
    units: int | None


class FlushTraceInput(Progress):
    """A trace that nothing else carries; ``step`` is where the run is, None to leave that as it is."""

    step: Wire | None


class FinishRunInput(Progress):
    """How the run ended."""

    status: str
    error: dict[str, Any] | None
    scopes: dict[str, Any]
    keep_scopes: bool
    """Whether somebody will want all final scopes: a parent."""


def encode_step(step: StepRef) -> Wire:
    """``[path, iteration, visit, step_id, step_type]``."""
    return [step.path, step.iteration, step.visit, step.step_id, step.step_type]


def decode_step(wire: Sequence[Any]) -> StepRef:
    """The inverse of ``encode_step``."""
    return StepRef(*wire)


def encode_trace(trace: Iterable[Record]) -> list[Wire]:
    """Records as lists, each led by its kind: ``s`` step, ``w`` wait, ``l`` log."""
    return [_encode(record) for record in trace]


def decode_trace(wires: Iterable[Sequence[Any]]) -> tuple[Record, ...]:
    """The inverse of ``encode_trace``."""
    return tuple(_decode(wire) for wire in wires)


def _encode(record: Record) -> Wire:
    match record:
        case StepRecord():
            call = record.call
            return [
                "s",
                record.seq,
                encode_step(record.step),
                record.status,
                record.attempt,
                record.started_at,
                record.completed_at,
                record.outcome,
                record.error,
                record.handled_by,
                call and [call.action_id, call.action_version, call.input, call.output, call.error],
            ]
        case WaitRecord():
            return [
                "w",
                record.seq,
                encode_step(record.step),
                record.wait_type,
                record.status,
                record.at,
                record.event_name,
                record.key,
                record.timeout_at,
                record.matched_event_id,
                record.payload,
                record.attempt,
            ]
        case LogRecord():
            step = record.step and encode_step(record.step)
            return ["l", record.seq, record.level, record.message, step, record.at, record.context]


def _decode(wire: Sequence[Any]) -> Record:
    kind, seq, *rest = wire
    match kind:
        case "s":
            step, status, attempt, started_at, completed_at, outcome, error, handled_by, call = rest
            return StepRecord(
                seq,
                decode_step(step),
                status,
                attempt,
                started_at,
                completed_at,
                outcome,
                error,
                handled_by,
                PureCall(*call) if call else None,
            )
        case "w":
            step, *fields = rest
            return WaitRecord(seq, decode_step(step), *fields)
        case "l":
            level, message, step, at, context = rest
            return LogRecord(seq, level, message, decode_step(step) if step else None, at, context)
    raise ValueError(f"A trace record of unknown kind {kind!r}: it was written by a newer build.")
