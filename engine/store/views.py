"""What readers return: frozen records, redacted, times aware UTC. The studio, the CLI and the exports show nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

Json = Any
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """One answer, and the server's clock when it was read."""

    value: T
    server_now: datetime


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of many."""

    rows: tuple[T, ...]
    next: str | None
    """Cursor of the rows that follow in the query's order; None when these were the last."""
    previous: str | None
    """Cursor of the rows before these; None when these were the first."""
    server_now: datetime


@dataclass(frozen=True, slots=True)
class Document:
    """A redacted JSON body."""

    value: Json
    masked: frozenset[str] = frozenset()
    """JSON pointers of what was replaced."""
    size_bytes: int | None = None
    """Of the stored original, canonical JSON, where it is known."""


@dataclass(frozen=True, slots=True)
class ErrorView:
    """Why a run, step or try failed."""

    category: str
    message: str
    code: str | None = None
    path: str = ""
    at: str | None = None
    """ISO-8601, as it was stored."""
    stage: str | None = None
    """``launch``, ``migration`` or ``reconcile`` when the failure was outside the steps."""
    details: Json = None
    migration: str | None = None
    previous_status: str | None = None


@dataclass(frozen=True, slots=True)
class OpenWait:
    """What a waiting run waits for."""

    kind: str
    since: datetime | None
    event_name: str | None = None
    key: str | None = None
    until: datetime | None = None
    """Deadline of an event wait, due time of a time wait or retry, end of the period of a quota pause."""
    who: str | None = None
    """Title of a human task; run id of a child."""


@dataclass(frozen=True, slots=True)
class RunView:
    """One run as a list shows it."""

    run_id: str
    workflow_id: str
    workflow_name: str
    version: int
    status: str
    started_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    engine: str | None
    """``temporal``; anything else is from before the cutover, and read-only."""
    trigger: str | None
    """``event``, ``schedule``, ``recurring`` or ``child``; None for a start by hand."""
    trigger_event: str | None
    node_path: str | None
    """Step it is at; of a failed run, the one that failed it."""
    step: str | None
    """The author's id of that step."""
    iteration: str
    step_count: int
    attempt: int | None
    wait: OpenWait | None
    error_code: str | None
    error_message: str | None
    """At most 500 characters."""
    replay_of: str | None
    parent: str | None
    launch_state: str
    cancel_requested_at: datetime | None
    stuck: bool
    """RUNNING, no step, and started more than 60 s ago by the server's clock."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run as its own screen shows it, without bodies."""

    row: RunView
    tenant: str
    root: str | None
    replayed_by: tuple[str, ...]
    """Newest first, at most 20."""
    children: tuple[str, ...]
    """Newest first, at most 20."""
    temporal_workflow_id: str | None
    temporal_run_id: str | None
    definition_hash: str | None
    semantics_version: str | None
    trigger_event_id: str | None
    trigger_metadata: Json
    payload_schema_ref: str | None
    error: ErrorView | None
    has_input: bool
    has_output: bool
    has_snapshots: bool
    launch_attempts: int
    launch_error: str | None


@dataclass(frozen=True, slots=True)
class RelatedRuns:
    """Where a run belongs."""

    parent: RunView | None
    root: RunView | None
    replay_of: RunView | None
    replays: tuple[RunView, ...]
    """Newest first, at most 100."""
    children: tuple[RunView, ...]
    """Newest first, at most 100."""


@dataclass(frozen=True, slots=True)
class Count:
    """A number of rows, counted up to a cap."""

    value: int
    capped: bool = False
    """True when there are at least ``value`` rows."""


@dataclass(frozen=True, slots=True)
class RunCounts:
    """Runs of a filter by status."""

    by_status: dict[str, Count] = field(default_factory=dict)
    """All five statuses."""
    stuck: Count = Count(0)


@dataclass(frozen=True, slots=True)
class StepView:
    """One execution of one step."""

    row_id: str
    path: str
    step_id: str
    """The author's id."""
    step_type: str | None
    status: str
    started_at: datetime
    completed_at: datetime | None
    iteration: str
    visit: int
    """From 1; 0 in runs from before the cutover, where re-entries cannot be told apart."""
    attempt: int
    tries: int
    """Rows of invocations."""
    outcome: Json
    error: ErrorView | None
    handled_by: str | None
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class StepsPage:
    """Step rows in the order they were written or changed."""

    rows: tuple[StepView, ...]
    """A row comes again when it changed; the later one replaces the earlier by ``row_id``."""
    cursor: str
    """Hand it back for what was written after this page."""
    more: bool
    server_now: datetime


@dataclass(frozen=True, slots=True)
class TryView:
    """One try of an action, without bodies."""

    invocation_id: str
    path: str
    iteration: str
    visit: int
    action: str
    """``store.put@1``."""
    attempt: int
    status: str
    started_at: datetime | None
    completed_at: datetime | None
    error: ErrorView | None
    worker: str | None
    idempotency_key: str
    input_bytes: int | None
    output_bytes: int | None


@dataclass(frozen=True, slots=True)
class TryBody:
    """What one try was given, and what it answered."""

    input: Document | None
    output: Document | None


@dataclass(frozen=True, slots=True)
class WaitView:
    """One wait of a run."""

    wait_id: str
    path: str
    iteration: str
    kind: str
    status: str
    created_at: datetime
    event_name: str | None
    key: str | None
    until: datetime | None
    resolved_at: datetime | None
    matched_event_id: str | None
    attempt: int
    payload: Json


@dataclass(frozen=True, slots=True)
class LogView:
    """One line of a run's log."""

    log_id: str
    at: datetime
    level: str
    message: str
    path: str | None
    iteration: str | None
    source: str | None
    context: Json


@dataclass(frozen=True, slots=True)
class LogPage:
    """Log lines, oldest first."""

    rows: tuple[LogView, ...]
    older: str | None
    """Cursor for the lines before these; None when there are none."""
    newer: str
    """Cursor for the lines after these, also of those not yet written."""
    server_now: datetime


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """A snapshot of a run from before the cutover, without its body."""

    snapshot_id: str
    path: str
    size_bytes: int
    truncated: bool
    """True when the body is only a marker, because it was too large to be kept."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EventView:
    """One event, without its payload."""

    event_id: str
    name: str
    key: str | None
    keys: tuple[str, ...]
    created_at: datetime
    processed_at: datetime | None
    status: str
    """``received`` (not yet routed), ``matched``, ``unmatched`` or ``error``."""
    matched_run: str | None
    error: str | None
    schema_ref: str | None


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One event on its way to one target."""

    delivery_id: str
    event_id: str | None
    event_name: str | None
    key: str | None
    kind: str
    """``wait``, ``launch``, ``task`` or ``quota``."""
    target: str
    run_id: str | None
    workflow_id: str | None
    status: str
    """``pending``, ``done``, ``skipped`` or ``failed``."""
    attempts: int
    next_attempt_at: datetime | None
    reason: str | None
    """Why it was skipped."""
    last_error: str | None
    created_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventDetail:
    """One event with everything that came of it."""

    row: EventView
    payload: Document | None
    deliveries: tuple[DeliveryView, ...]


@dataclass(frozen=True, slots=True)
class AuditView:
    """One audited operation."""

    audit_id: str
    at: datetime
    actor: str
    source: str | None
    level: str | None
    operation: str
    target_kind: str
    target_id: str
    run_id: str | None
    workflow_id: str | None
    reason: str | None
    details: Json


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task of a person, without its bodies."""

    task_id: str
    run_id: str
    workflow_id: str
    path: str
    iteration: str
    task_type: str
    title: str
    description: str | None
    status: str
    """``pending``, ``claimed``, ``completed``, ``canceled``, or ``expired`` in history."""
    priority: str | None
    due_at: datetime | None
    claimed_by: str | None
    claimed_at: datetime | None
    completed_by: str | None
    completed_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TaskDetail:
    """A task with what is needed to answer it, and what was answered."""

    row: TaskView
    context: Document | None
    form: Json
    """JSON schema of the answer; None: any object will do."""
    response: Document | None
    undelivered: bool
    """It was answered or canceled, and its run could not be told yet."""
    delivery_error: str | None
