"""The records the studio shows: runs, steps, tries, waits, logs, definitions. Frozen, without behaviour beyond derived facts.

Every text in here comes from outside and is not yet safe to draw (``runstudio_tui.text.safe`` makes it so). Every JSON body is
already redacted by the backend. Times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NewType

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict with text keys."""

RunId = NewType("RunId", str)
StepRowId = NewType("StepRowId", str)
"""Id of one step row: one execution of one step in one iteration. Not the author's step id."""
InvocationId = NewType("InvocationId", str)
WaitId = NewType("WaitId", str)
LogId = NewType("LogId", str)

PLACEHOLDER: Final = "[REDACTED]"
"""What redaction leaves in the place of a masked value."""


class RunStatus(StrEnum):
    """Stored status of a run."""

    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @property
    def ended(self) -> bool:
        """True once the run can change no more."""
        return self in ENDED


ENDED: Final = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELED})


class StepStatus(StrEnum):
    """Stored status of a step row. RETRY_SCHEDULED exists in history from before the cutover only."""

    STARTED = "STARTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    RETRY_SCHEDULED = "RETRY_SCHEDULED"
    CANCELED = "CANCELED"


class InvocationStatus(StrEnum):
    """Stored status of one try of an action. ABANDONED: its worker or its run went away before it could end."""

    STARTED = "STARTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    ABANDONED = "ABANDONED"


class WaitStatus(StrEnum):
    """Stored status of a wait."""

    WAITING = "WAITING"
    RESOLVED = "RESOLVED"
    TIMED_OUT = "TIMED_OUT"
    CANCELED = "CANCELED"


class WaitKind(StrEnum):
    """What a run or step waits for. TIMEOUT exists in history from before the cutover only."""

    EVENT = "event"
    TIME = "time"
    HUMAN = "human"
    QUOTA = "quota"
    RETRY = "retry"
    CHILD = "child"
    TIMEOUT = "timeout"


class LogLevel(StrEnum):
    """Level of a log line, lowest first."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Document:
    """A redacted JSON body."""

    value: Json
    masked: frozenset[str] = frozenset()
    """JSON pointers of the values replaced by ``PLACEHOLDER``."""
    size_bytes: int | None = None
    """Size of the stored original, compact JSON, where it is known."""
    truncated: bool = False
    """True when ``value`` is not the whole body (too large to show)."""


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why a run, step or try failed."""

    category: str
    message: str
    code: str | None = None
    path: str = ""
    """Step path the error belongs to, or empty."""
    at: datetime | None = None
    stage: str | None = None
    """``launch``, ``migration`` or ``reconcile`` when the failure was outside the steps."""
    details: Json = None


@dataclass(frozen=True, slots=True)
class OpenWait:
    """The open wait of a run, as much as a list row needs of it."""

    kind: WaitKind
    since: datetime | None
    event_name: str | None = None
    key: str | None = None
    until: datetime | None = None
    """Deadline of an event wait, due time of a time wait or retry, end of the period of a quota pause."""
    who: str | None = None
    """Task type or title of a human wait; run id of a child."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as the list shows it."""

    run_id: RunId
    workflow_id: str
    workflow_name: str
    version: int
    status: RunStatus
    started_at: datetime | None
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    engine: str | None = "temporal"
    """``temporal``; ``db`` or None for runs from before the cutover, which are read-only."""
    trigger: str | None = None
    """``event``, ``schedule``, ``recurring``, ``child``; None for a manual start."""
    trigger_event: str | None = None
    node_path: str | None = None
    step: str | None = None
    """The author's id of the step at ``node_path`` (for a failed run: of the step that failed it)."""
    iteration: str = ""
    """Loop indexes of that step from the outside in, ``0.3``; empty outside loops."""
    step_count: int = 0
    attempt: int | None = None
    """Try of the current step; None before the first step."""
    wait: OpenWait | None = None
    error_code: str | None = None
    error_message: str | None = None
    replay_of: RunId | None = None
    parent: RunId | None = None
    launch_state: str = "started"
    """``pending`` (row written, Temporal not yet told), ``started`` or ``failed``."""
    cancel_requested_at: datetime | None = None

    @property
    def read_only(self) -> bool:
        """True for a run from before the cutover: it can be shown, replayed and exported, never written."""
        return self.engine != "temporal"


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run as its own screen shows it, without bodies."""

    row: RunRow
    tenant: str
    root: RunId | None = None
    replayed_by: tuple[RunId, ...] = ()
    children: tuple[RunId, ...] = ()
    """The newest ones, at most 20."""
    temporal_workflow_id: str | None = None
    temporal_run_id: str | None = None
    definition_hash: str | None = None
    semantics_version: str | None = None
    trigger_event_id: str | None = None
    trigger_metadata: Json = None
    payload_schema_ref: str | None = None
    error: ErrorInfo | None = None
    has_output: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step row."""

    row_id: StepRowId
    path: str
    """``root.steps[0].then.steps[1]``; the same in every iteration."""
    step_id: str
    """The author's id."""
    step_type: str
    status: StepStatus
    started_at: datetime | None
    completed_at: datetime | None = None
    iteration: str = ""
    visit: int = 1
    attempt: int = 1
    tries: int = 0
    """Number of invocation rows of this step."""
    outcome: Json = None
    """Branch taken, item count, values assigned, ...; redacted, at most 4 KiB."""
    error: ErrorInfo | None = None
    handled_by: str | None = None
    """``onError-continue``, ``tryCatch`` or ``forEach-continue`` when a failure was absorbed."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One try of an action, without its bodies."""

    invocation_id: InvocationId
    path: str
    iteration: str
    action: str
    """``store.put@1``."""
    attempt: int
    status: InvocationStatus
    started_at: datetime | None
    completed_at: datetime | None = None
    error: ErrorInfo | None = None
    worker: str | None = None
    idempotency_key: str | None = None
    input_bytes: int | None = None
    output_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class InvocationBody:
    """What one try of an action was given and what it answered."""

    input: Document | None
    output: Document | None


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait row of a run."""

    wait_id: WaitId
    path: str
    iteration: str
    kind: WaitKind
    status: WaitStatus
    created_at: datetime | None
    event_name: str | None = None
    key: str | None = None
    until: datetime | None = None
    resolved_at: datetime | None = None
    matched_event_id: str | None = None
    payload: Json = None
    """Redacted; filters, due mode, quota figures."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a run's log."""

    log_id: LogId
    at: datetime
    level: LogLevel
    message: str
    path: str | None = None
    source: str | None = None
    context: Json = None


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which log lines."""

    minimum: LogLevel = LogLevel.DEBUG
    text: str = ""
    """Case-insensitive substring of message or context."""


@dataclass(frozen=True, slots=True)
class Count:
    """A number of rows, counted up to a cap."""

    value: int
    capped: bool = False
    """True when there are at least ``value`` rows."""


@dataclass(frozen=True, slots=True)
class RunCounts:
    """Runs of a query by status, its own status condition left out."""

    by_status: Mapping[RunStatus, Count] = field(default_factory=dict)
    stuck: Count = Count(0)

    def of(self, status: RunStatus) -> Count:
        """The count of one status; zero where there is none."""
        return self.by_status.get(status, Count(0))
