"""One run of the fake world: mutable rows, and the records made from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from runstudio_tui.domain.models import (
    Document,
    ErrorInfo,
    Invocation,
    InvocationBody,
    InvocationId,
    InvocationStatus,
    Json,
    LogId,
    LogLevel,
    LogLine,
    OpenWait,
    RunId,
    RunRow,
    RunStatus,
    RunSummary,
    Step,
    StepRowId,
    StepStatus,
    Wait,
    WaitId,
    WaitStatus,
)


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
    steps: dict[StepRowId, Step] = field(default_factory=dict)
    written: list[StepRowId] = field(default_factory=list)
    """Step rows in the order they were written or changed: what a cursor counts along."""
    tries: dict[InvocationId, Invocation] = field(default_factory=dict)
    bodies: dict[InvocationId, InvocationBody] = field(default_factory=dict)
    waits: dict[WaitId, Wait] = field(default_factory=dict)
    logs: list[LogLine] = field(default_factory=list)

    @property
    def summary(self) -> RunSummary:
        """The summary as it is now."""
        return replace(self.details, row=self.row)

    def change(self, at: datetime, **changes: object) -> None:
        """Set fields of the list row."""
        self.row = replace(self.row, updated_at=at, **changes)  # type: ignore[arg-type]  # names are RunRow's

    def log(self, at: datetime, level: LogLevel, message: str, path: str | None = None, context: Json = None) -> None:
        """Add a log line."""
        name = LogId(f"{self.row.run_id}-log-{len(self.logs):05d}")
        self.logs.append(LogLine(name, at, level, message, path, "runtime", context))

    def _row_id(self, place: Place, visit: int = 1) -> StepRowId:
        return StepRowId(f"{self.row.run_id}/{place.path}#{place.iteration}#{visit}")

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

    def start_try(self, place: Place, at: datetime, action: str, attempt: int, given: Json) -> InvocationId:
        """An action is called."""
        name = InvocationId(f"{self._row_id(place)}!{attempt}")
        self.tries[name] = Invocation(
            invocation_id=name,
            path=place.path,
            iteration=place.iteration,
            action=action,
            attempt=attempt,
            status=InvocationStatus.STARTED,
            started_at=at,
            worker="build-7 on app-2",
            idempotency_key=f"{self.row.run_id}:{place.path}:{place.iteration}:1",
            input_bytes=len(str(given)),
        )
        self.bodies[name] = InvocationBody(Document(given), None)
        row_id = self._row_id(place)
        self._write(replace(self.steps[row_id], attempt=attempt, tries=attempt))
        self.change(at, attempt=attempt, status=RunStatus.RUNNING, wait=None)
        return name

    def end_try(self, name: InvocationId, at: datetime, output: Json = None, error: ErrorInfo | None = None) -> None:
        """An action answers or fails."""
        self.tries[name] = replace(
            self.tries[name],
            status=InvocationStatus.FAILED if error else InvocationStatus.SUCCEEDED,
            completed_at=at,
            error=error,
            output_bytes=None if error else len(str(output)),
        )
        self.bodies[name] = replace(self.bodies[name], output=None if error else Document(output))

    def open_wait(self, place: Place, at: datetime, wait: OpenWait, attempt: int = 1) -> WaitId:
        """The run waits."""
        name = WaitId(f"{self._row_id(place)}~{wait.kind.value}~{attempt}")
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
            wait=wait,
        )
        return name

    def close_wait(self, name: WaitId, at: datetime, status: WaitStatus, event_id: str | None = None) -> None:
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
        run_id=RunId(run_id),
        workflow_id=workflow_id,
        workflow_name=workflow_id,
        version=version,
        status=RunStatus.RUNNING,
        started_at=at,
        updated_at=at,
        trigger=trigger,
        trigger_event=trigger_event,
        replay_of=RunId(replay_of) if replay_of else None,
    )
    run = FakeRun(
        row=row,
        details=RunSummary(
            row=row,
            tenant=tenant,
            root=RunId(run_id),
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
