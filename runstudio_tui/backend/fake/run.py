"""One run of the fake world: mutable rows, and the records made from them."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Final

from engine.records import (
    Attempt,
    AttemptBody,
    AttemptStatus,
    AuditRecord,
    Document,
    ErrorInfo,
    Json,
    LogLevel,
    LogLine,
    OpenWait,
    RunRow,
    RunStatus,
    RunSummary,
    Session,
    Snapshot,
    Step,
    StepStatus,
    Wait,
    WaitStatus,
)

ACTION_SECONDS: Final = 600.0
"""How long an action may take, as the engine's do unless they say otherwise."""
STORES: Final = "stores"
"""What an audit entry is about that tells of a run about which Postgres and Temporal disagreed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which step of a definition, in which iteration."""

    path: str
    iteration: str
    step_id: str
    step_type: str


@dataclass(slots=True)
class FakeRun:
    """The rows of one run, changed by its script as time goes on."""

    row: RunRow
    details: RunSummary
    """The rest of the summary; its own ``row`` is the one at the start."""
    payload: Document | None
    output: Document | None = None
    steps: dict[str, Step] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    """Step rows in the order they were written or changed: what a cursor counts along."""
    attempts: dict[str, Attempt] = field(default_factory=dict)
    bodies: dict[str, AttemptBody] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    logs: list[LogLine] = field(default_factory=list)
    snapshots: dict[str, tuple[Snapshot, Document]] = field(default_factory=dict)
    """Of a run from before the cutover, with their bodies, oldest first."""
    audit: list[AuditRecord] = field(default_factory=list)
    """Oldest first."""

    def copy(self) -> FakeRun:
        """The same rows, changed apart from these."""
        made = copy(self)
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, dict | list):
                setattr(made, one.name, value.copy())
        return made

    @property
    def summary(self) -> RunSummary:
        """The summary as it is now."""
        return replace(
            self.details, row=self.row, has_input=self.payload is not None, has_snapshots=bool(self.snapshots)
        )

    def change(self, at: datetime, **changes: object) -> None:
        """Set fields of the list row."""
        self.row = replace(self.row, updated_at=at, **changes)  # type: ignore[arg-type]  # names are RunRow's

    def log(self, at: datetime, level: LogLevel, message: str, path: str | None = None, context: Json = None) -> None:
        """Add a log line."""
        name = f"{self.row.run_id}-log-{len(self.logs):05d}"
        self.logs.append(LogLine(name, at, level, message, path, source="runtime", context=context))

    def note(
        self, at: datetime, session: Session, operation: str, reason: str | None = None, details: Json = None
    ) -> None:
        """Add to the audit log."""
        self.audit.append(
            AuditRecord(
                audit_id=f"{self.row.run_id}-audit-{len(self.audit):05d}",
                at=at,
                actor=session.actor,
                source="api",
                level=session.level.word,
                operation=operation,
                target_kind="run",
                target_id=self.row.run_id,
                run_id=self.row.run_id,
                workflow_id=self.row.workflow_id,
                reason=reason,
                details=details,
            )
        )

    def disagree(self, at: datetime, told: str) -> None:
        """Have it that Postgres and Temporal disagreed about it, as after a restore; ``told``: what was found and done."""
        self.log(at, LogLevel.WARN, told)
        self.audit.append(
            AuditRecord(
                audit_id=f"{self.row.run_id}-audit-{len(self.audit):05d}",
                at=at,
                actor="worker-1@shop",
                source="reconciler",
                level="admin",
                operation="workflow_stores_reconcile",
                target_kind=STORES,
                target_id=self.row.run_id,
                run_id=self.row.run_id,
                workflow_id=self.row.workflow_id,
                reason=told,
                details=None,
            )
        )

    def _row_id(self, place: Place, visit: int = 1) -> str:
        return f"{self.row.run_id}/{place.path}#{place.iteration}#{visit}"

    def _write(self, step: Step) -> None:
        self.steps[step.row_id] = step
        self.written.append(step.row_id)

    def start_step(self, place: Place, at: datetime) -> None:
        """A step begins."""
        row_id = self._row_id(place)
        self._write(
            Step(
                row_id=row_id,
                path=place.path,
                step_id=place.step_id,
                step_type=place.step_type,
                status=StepStatus.STARTED,
                started_at=at,
                iteration=place.iteration,
            )
        )
        self.change(
            at,
            status=RunStatus.RUNNING,
            node_path=place.path,
            step=place.step_id,
            iteration=place.iteration,
            step_count=len(self.steps),
            attempt=1,
            step_due_at=None,
            wait=None,
        )

    def end_step(
        self,
        place: Place,
        at: datetime,
        outcome: Json = None,
        error: ErrorInfo | None = None,
        handled_by: str | None = None,
    ) -> None:
        """A step ends, well or not."""
        row_id = self._row_id(place)
        failed = error is not None and handled_by is None
        self._write(
            replace(
                self.steps[row_id],
                status=StepStatus.FAILED if failed else StepStatus.SUCCEEDED,
                completed_at=at,
                outcome=outcome,
                error=error,
                handled_by=handled_by,
            )
        )

    def start_try(self, place: Place, at: datetime, action: str, attempt: int, given: Json) -> str:
        """An action is called."""
        name = f"{self._row_id(place)}!{attempt}"
        self.attempts[name] = Attempt(
            attempt_id=name,
            path=place.path,
            iteration=place.iteration,
            action=action,
            attempt=attempt,
            status=AttemptStatus.STARTED,
            started_at=at,
            worker="build-7 on app-2",
            idempotency_key=f"{self.row.run_id}:{place.path}:{place.iteration}:1",
            input_bytes=len(str(given)),
        )
        self.bodies[name] = AttemptBody(Document(given), None)
        row_id = self._row_id(place)
        self._write(replace(self.steps[row_id], attempt=attempt, attempts=attempt))
        due = at + timedelta(seconds=ACTION_SECONDS)
        self.change(at, attempt=attempt, status=RunStatus.RUNNING, wait=None, step_due_at=due)
        return name

    def end_try(self, name: str, at: datetime, output: Json = None, error: ErrorInfo | None = None) -> None:
        """An action answers or fails."""
        self.attempts[name] = replace(
            self.attempts[name],
            status=AttemptStatus.FAILED if error else AttemptStatus.SUCCEEDED,
            completed_at=at,
            error=error,
            output_bytes=None if error else len(str(output)),
        )
        self.bodies[name] = replace(self.bodies[name], output=None if error else Document(output))

    def open_wait(self, place: Place, at: datetime, wait: OpenWait, attempt: int = 1) -> str:
        """The run waits."""
        name = f"{self._row_id(place)}~{wait.kind.value}~{attempt}"
        self.waits[name] = Wait(
            wait_id=name,
            path=place.path,
            iteration=place.iteration,
            kind=wait.kind,
            status=WaitStatus.WAITING,
            created_at=at,
            event_name=wait.event_name,
            key=wait.key,
            until=wait.until,
        )
        self.change(
            at,
            status=RunStatus.WAITING,
            step=place.step_id,
            iteration=place.iteration,
            node_path=place.path,
            step_due_at=None,
            wait=wait,
        )
        return name

    def close_wait(self, name: str, at: datetime, status: WaitStatus, event_id: str | None = None) -> None:
        """What was waited for came, or not."""
        self.waits[name] = replace(self.waits[name], status=status, resolved_at=at, matched_event_id=event_id)
        self.change(at, status=RunStatus.RUNNING, wait=None)

    def finish(self, at: datetime, status: RunStatus, error: ErrorInfo | None = None, output: Json = None) -> None:
        """The run ends; open steps and waits end with it."""
        for row_id, step in list(self.steps.items()):
            if step.status is StepStatus.STARTED:
                ended = StepStatus.FAILED if status is RunStatus.FAILED else StepStatus.CANCELED
                self._write(replace(self.steps[row_id], status=ended, completed_at=at))
        for name, wait in list(self.waits.items()):
            if wait.status is WaitStatus.WAITING:
                self.waits[name] = replace(wait, status=WaitStatus.CANCELED, resolved_at=at)
        keeps_place = status is not RunStatus.SUCCEEDED
        self.change(
            at,
            status=status,
            completed_at=at,
            step_due_at=None,
            wait=None,
            node_path=self.row.node_path if keeps_place else None,
            step=self.row.step if keeps_place else None,
            iteration=self.row.iteration if keeps_place else "",
            error_code=(error.code or error.category) if error else None,
            error_message=error.message if error else None,
        )
        self.output = Document(output) if output is not None else None
        self.details = replace(self.details, error=error, has_output=output is not None)


def new_run(
    run_id: str,
    workflow_id: str,
    version: int,
    at: datetime,
    payload: Json,
    *,
    masked: frozenset[str] = frozenset(),
    tenant: str = "00000000-0000-0000-0000-000000000001",
    trigger: str | None = None,
    trigger_event: str | None = None,
    replay_of: str | None = None,
) -> FakeRun:
    """A run as it is written at its start: RUNNING, no step yet, one log line."""
    row = RunRow(
        run_id=run_id,
        workflow_id=workflow_id,
        workflow_name=workflow_id,
        version=version,
        status=RunStatus.RUNNING,
        started_at=at,
        updated_at=at,
        trigger=trigger,
        trigger_event=trigger_event,
        replay_of=replay_of,
    )
    run = FakeRun(
        row=row,
        details=RunSummary(
            row=row,
            tenant=tenant,
            server_now=at,
            root=run_id,
            temporal_workflow_id=f"workflow-runtime-v2:run:{run_id}",
            temporal_run_id=f"{run_id[:14]}4{run_id[15:]}",
            definition_hash=f"sha256:{workflow_id.encode(errors='replace').hex():0<64.64}",
            semantics_version="2026-11.1",
            trigger_event_id=f"evt-{run_id[-8:]}" if trigger == "event" else None,
        ),
        payload=Document(payload, masked),
    )
    run.log(at, LogLevel.INFO, "run started", context={"trigger": trigger or "manual"})
    return run


def seconds(value: float) -> timedelta:
    """A span, in seconds."""
    return timedelta(seconds=value)
