"""What a run did: steps, attempts, waits, log lines, snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.records.runs import WaitKind
from engine.records.stored_word import StoredWord
from engine.records.values import Document, ErrorInfo, Json


class StepStatus(StoredWord):
    """Stored status of a step row. RETRY_SCHEDULED exists in history from before the cutover only."""

    STARTED = "STARTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    RETRY_SCHEDULED = "RETRY_SCHEDULED"
    CANCELED = "CANCELED"


class AttemptStatus(StoredWord):
    """Stored status of one attempt. ABANDONED: its worker or its run went away before it could end."""

    STARTED = "STARTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    ABANDONED = "ABANDONED"


class WaitStatus(StoredWord):
    """Stored status of a wait."""

    WAITING = "WAITING"
    RESOLVED = "RESOLVED"
    TIMED_OUT = "TIMED_OUT"
    CANCELED = "CANCELED"


class LogLevel(StoredWord):
    """Level of a log line, lowest first."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Step:
    """One execution of one step."""

    row_id: str
    path: str
    """``root.steps[0].then.steps[1]``; the same in every iteration."""
    step_id: str
    """The author's id."""
    step_type: str
    """Empty where history does not say."""
    status: StepStatus
    started_at: datetime | None
    completed_at: datetime | None = None
    iteration: str = ""
    visit: int = 1
    """From 1; 0 in runs from before the cutover, where re-entries cannot be told apart."""
    attempt: int = 1
    attempts: int = 0
    """Rows of attempts."""
    outcome: Json = None
    """Branch taken, item count, values assigned, ...; redacted, at most 4 KiB."""
    error: ErrorInfo | None = None
    handled_by: str | None = None
    """``onError-continue``, ``tryCatch`` or ``forEach-continue`` when a failure was absorbed."""
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class StepsPage:
    """Step rows in the order they were written or changed."""

    rows: tuple[Step, ...]
    """A row comes again when it changed; the later one replaces the earlier by ``row_id``."""
    cursor: str
    """Hand it back for what was written after this page."""
    more: bool
    """True when there is more to read right now."""
    server_now: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of an action, without bodies."""

    attempt_id: str
    path: str
    iteration: str
    action: str
    """``store.put@1``."""
    attempt: int
    """Its number, from 1."""
    status: AttemptStatus
    started_at: datetime | None
    completed_at: datetime | None = None
    visit: int = 1
    error: ErrorInfo | None = None
    worker: str | None = None
    idempotency_key: str | None = None
    input_bytes: int | None = None
    output_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptBody:
    """What one attempt was given, and what it answered."""

    input: Document | None
    output: Document | None


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait of a run."""

    wait_id: str
    path: str
    iteration: str
    kind: WaitKind
    status: WaitStatus
    created_at: datetime
    event_name: str | None = None
    key: str | None = None
    until: datetime | None = None
    resolved_at: datetime | None = None
    matched_event_id: str | None = None
    attempt: int = 1
    payload: Json = None
    """Redacted; filters, due mode, quota figures."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a run's log."""

    log_id: str
    at: datetime
    level: LogLevel
    message: str
    path: str | None = None
    iteration: str | None = None
    source: str | None = None
    context: Json = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """Log lines, oldest first."""

    rows: tuple[LogLine, ...]
    older: str | None
    """Cursor for the lines before these; None when there are none."""
    newer: str
    """Cursor for the lines after these, also of those not yet written."""
    server_now: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot of a run from before the cutover, without its body."""

    snapshot_id: str
    path: str
    size_bytes: int
    truncated: bool
    """True when the body is only a marker, because it was too large to be kept."""
    created_at: datetime
