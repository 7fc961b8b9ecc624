"""What the studio may ask: the part of the engine's front door (``engine.client.Engine``) that its screens use.

Rules every backend keeps (``tests/tui/contract`` checks them on all backends):

* Ages, countdowns and the stuck rule use the records' ``server_now``, never the viewer's clock.
* Bodies arrive redacted, with the pointers of what was masked.
* A refusal or a failure is an ``EngineError``; anything else that escapes is a bug.
* The caller may cancel its await at any time. A call that changes something and was cancelled either happened or did not:
  repeating it is harmless, a start with the same idempotency key.
* Cursors are opaque text, valid for the query they came from.

What a group reads stands in a protocol of its own: a read-only session has that part and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from engine.records import (
    Attempt,
    AttemptBody,
    Attention,
    AuditRecord,
    Caller,
    Canceled,
    Change,
    Delivery,
    Diagnosis,
    Document,
    Event,
    EventDetail,
    EventFilter,
    EventReceipt,
    Example,
    ExportFormat,
    ExportPart,
    Fire,
    Health,
    Installation,
    Json,
    LatestInput,
    LogPage,
    LogQuery,
    Page,
    Published,
    QuotaUsage,
    RelatedRuns,
    ReplayBase,
    ReplayInput,
    ReplayPreview,
    RunCounts,
    RunFilter,
    RunRow,
    RunSummary,
    Schedule,
    ScheduleDetail,
    SchemaIssue,
    Session,
    Snapshot,
    Started,
    StepsPage,
    StepState,
    Task,
    TaskClaim,
    TaskClosed,
    TaskDetail,
    TaskFilter,
    Version,
    Wait,
    Workflow,
)
from runstudio_tui.job_ports import AlertsReading, JobsPort


class RunsReading(Protocol):
    """Reading runs."""

    async def list(self, wanted: RunFilter = ..., *, after: str | None = None, limit: int = 50) -> Page[RunRow]:
        """The runs of a filter in its order, after a cursor; ``limit`` 1..500. Raises Invalid for a bad cursor."""
        ...

    async def matching(self, wanted: RunFilter, run_ids: Sequence[str]) -> tuple[RunRow, ...]:
        """Those of ``run_ids`` (at most 500) that match the filter now, in any order: refreshes rows already shown."""
        ...

    async def rows(self, run_ids: Sequence[str]) -> tuple[RunRow, ...]:
        """Those of ``run_ids`` (at most 500) that exist, whatever their state: re-reads the targets of an action."""
        ...

    async def counts(self, wanted: RunFilter = ...) -> RunCounts:
        """Runs by status under a filter without its ``statuses`` and ``stuck`` conditions, each counted up to a cap."""
        ...

    async def get(self, run_id: str) -> RunSummary:
        """One run. Raises NotFound."""
        ...

    async def steps(self, run_id: str, *, after: str | None = None, limit: int = 1000) -> StepsPage:
        """Step rows in the order they were written or changed, after a cursor (None: from the start); limit 1..1000."""
        ...

    async def step_body(self, run_id: str, row_id: str) -> Document:
        """Outcome and full error of one step: ``{"outcome": ..., "error": ...}``. Raises NotFound."""
        ...

    async def attempts(self, run_id: str, step_row_id: str | None = None) -> tuple[Attempt, ...]:
        """Attempts of one step row, or of the whole run, oldest first; the newest 500."""
        ...

    async def attempt_body(self, run_id: str, attempt_id: str) -> AttemptBody:
        """Input and output of one attempt. Raises NotFound."""
        ...

    async def waits(self, run_id: str) -> tuple[Wait, ...]:
        """Waits of a run: the open ones first, then the newest; at most 500."""
        ...

    async def logs(
        self, run_id: str, query: LogQuery = ..., *, cursor: str | None = None, older: bool = False, limit: int = 500
    ) -> LogPage:
        """Log lines before (``older``) or after ``cursor``; without a cursor the newest ``limit`` (1..500)."""
        ...

    async def payload(self, run_id: str) -> Document:
        """The run's input. Raises NotFound when it was never stored."""
        ...

    async def output(self, run_id: str) -> Document:
        """The run's final vars. Raises NotFound when there are none."""
        ...

    async def why(self, run_id: str) -> Diagnosis:
        """Why this run is not moving. An unreachable Temporal is a finding, not an error. Raises NotFound."""
        ...

    async def state(self, run_id: str, step: str, *, iteration: str = "", visit: int = 1) -> StepState:
        """The scopes before and after one execution of a step; ``step`` is its path or its id.

        Raises NotFound (no such run, step or definition) and Conflict with why they cannot be computed.
        """
        ...

    async def snapshots(self, run_id: str) -> tuple[Snapshot, ...]:
        """Snapshots of a run from before the cutover, oldest first, at most 5,000; none of any other run."""
        ...

    async def snapshot_body(self, run_id: str, snapshot_id: str) -> Document:
        """``{payload, vars, meta, error}``, or ``{truncated, size, max}`` where it was too large to be kept. Raises NotFound."""
        ...

    async def related(self, run_id: str) -> RelatedRuns:
        """Parent, root, the run this one replays, its replays and its children. Raises NotFound."""
        ...

    async def audit(self, run_id: str, *, after: str | None = None, limit: int = 50) -> Page[AuditRecord]:
        """Audited operations about a run, newest first, after a cursor; ``limit`` 1..500. Raises Invalid for a bad cursor."""
        ...

    def export(self, run_id: str) -> AsyncIterator[ExportPart]:
        """One run as a JSON document, in pieces, each read when it is asked for. Raises NotFound with the first one."""
        ...

    def export_list(self, which: RunFilter | Sequence[str], form: ExportFormat) -> AsyncIterator[ExportPart]:
        """Runs as CSV or NDJSON, in pieces: all that match a filter by their start, or those of the ids in their order.

        Raises Invalid (no format of a list), NotFound (an id).
        """
        ...

    async def replay_base(self, run_id: str) -> ReplayBase:
        """The run's input as it may be edited for a replay. Raises NotFound, Conflict (INPUT_NOT_STORED)."""
        ...

    async def preview(self, run_id: str, with_input: ReplayInput = ..., *, version: int | None = None) -> ReplayPreview:
        """What a replay in that version would do, None being the run's own; nothing is executed.

        Raises NotFound, Invalid, Conflict (not recorded)."""
        ...


class RunsPort(RunsReading, Protocol):
    """Runs. What changes something is called by flows only, never by a screen."""

    async def start(
        self,
        workflow_id: str,
        payload: Json = None,
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
        keep_refused: bool = True,
    ) -> Started:
        """Start a run. Raises Invalid (``details.issues``), NotFound, Conflict (paused, limit), Forbidden."""
        ...

    async def cancel(self, run_id: str, reason: str) -> Canceled:
        """Cancel a run. Raises NotFound, Forbidden, Conflict (ended, read-only), Unavailable (then nothing was changed)."""
        ...

    async def replay(
        self,
        run_id: str,
        reason: str,
        with_input: ReplayInput = ...,
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Started:
        """Start a new run with the input of an old one; ``version`` None is that of the old one.

        Raises NotFound, Invalid (reason, ``details.issues``), Conflict (INPUT_NOT_STORED, REPLAY_BASE_CHANGED, paused, limit),
        Forbidden.
        """
        ...


class WorkflowsReading(Protocol):
    """Reading workflows and what is needed to start one."""

    async def list(self) -> tuple[Workflow, ...]:
        """All workflows of the tenant, by name."""
        ...

    async def get(self, workflow_id: str) -> Workflow:
        """One workflow as it is now. Raises NotFound."""
        ...

    async def callers(self, workflow_id: str) -> tuple[Caller, ...]:
        """Workflows whose latest version starts this one, by name; looks through all of them. Raises NotFound."""
        ...

    async def versions(self, workflow_id: str) -> tuple[Version, ...]:
        """Published versions, newest first. Raises NotFound."""
        ...

    async def definition(self, workflow_id: str, version: int) -> Json:
        """The definition as published: a JSON object with ``steps``. Immutable. Raises NotFound."""
        ...

    async def payload_schema(self, workflow_id: str, version: int) -> Json:
        """JSON schema of the payload; None when any object is accepted. Raises NotFound."""
        ...

    async def examples(self, workflow_id: str, version: int) -> tuple[Example, ...]:
        """Payloads to start from, the author's first; empty when there are none."""
        ...

    async def latest_input(self, workflow_id: str) -> LatestInput | None:
        """Input of the newest run that has one, redacted; None when there is none."""
        ...

    async def check_payload(self, workflow_id: str, version: int, payload: Json) -> tuple[SchemaIssue, ...]:
        """What the server would refuse in ``payload``; empty when it would be accepted."""
        ...


class WorkflowsPort(WorkflowsReading, Protocol):
    """Workflows."""

    async def pause(self, workflow_id: str, *, reason: str | None = None) -> None:
        """Hold new runs. Raises NotFound, Invalid (reason), Forbidden."""
        ...

    async def unpause(self, workflow_id: str, *, reason: str | None = None) -> None:
        """Accept new runs again. Raises NotFound, Invalid (reason), Forbidden."""
        ...

    async def limit(self, workflow_id: str, runs: int) -> None:
        """Set how many runs may be active at once; 0: any number. Raises NotFound, Invalid, Forbidden."""
        ...

    async def publish(
        self,
        definition: Mapping[str, Json],
        *,
        payload_schema: Json = None,
        examples: Mapping[str, Json] | None = None,
        only_if_changed: bool = False,
    ) -> Published:
        """Publish a definition as the next version. Raises Invalid (DEFINITION_INVALID with all findings in
        ``details.issues``, the schema's codes), Forbidden; then nothing was written."""
        ...


class EventsReading(Protocol):
    """Reading events and their deliveries."""

    async def list(self, wanted: EventFilter = ..., *, after: str | None = None, limit: int = 50) -> Page[Event]:
        """Events newest first, after a cursor; ``limit`` 1..500. Raises Invalid for a bad cursor."""
        ...

    async def get(self, event_id: str) -> EventDetail:
        """One event with its payload and deliveries. Raises NotFound."""
        ...

    async def deliveries(self, *, status: str = "failed", after: str | None = None, limit: int = 50) -> Page[Delivery]:
        """Deliveries of one status (pending, done, skipped, failed; dead: failed and skipped), the latest change first; ``limit``
        1..500."""
        ...


class EventsPort(EventsReading, Protocol):
    """Events."""

    async def submit(
        self,
        name: str,
        payload: Json = None,
        *,
        key: str | None = None,
        event_id: str | None = None,
        schema_ref: str | None = None,
    ) -> EventReceipt:
        """Store an event for routing. Raises Invalid, Forbidden."""
        ...

    async def redeliver(self, delivery_id: str, reason: str) -> None:
        """Make a failed or skipped delivery again. Raises Invalid, Conflict (neither, target is over), Forbidden."""
        ...


class TasksReading(Protocol):
    """Reading human tasks."""

    async def list(self, wanted: TaskFilter = ..., *, after: str | None = None, limit: int = 50) -> Page[Task]:
        """Tasks newest first, after a cursor; ``limit`` 1..500. Raises Invalid for a bad cursor."""
        ...

    async def get(self, task_id: str) -> TaskDetail:
        """One task with its context, its form and its response. Raises NotFound."""
        ...


class TasksPort(TasksReading, Protocol):
    """Human tasks."""

    async def claim(self, task_id: str) -> TaskClaim:
        """Reserve a task. Raises NotFound, Conflict, Forbidden."""
        ...

    async def release(self, task_id: str) -> TaskClaim:
        """Give a reserved task back. Raises NotFound, Conflict, Forbidden."""
        ...

    async def assign(self, task_id: str, to: str, reason: str) -> TaskClaim:
        """Hand a task over to ``to``. Raises NotFound, Invalid (name, reason), Conflict, Forbidden (not held)."""
        ...

    async def complete(
        self,
        task_id: str,
        response: Json = None,
        *,
        event_name: str | None = None,
        override: bool = False,
        reason: str | None = None,
    ) -> TaskClosed:
        """Answer a task. Raises NotFound, Invalid (``details.issues``), Conflict, Forbidden."""
        ...

    async def cancel(self, task_id: str, reason: str) -> TaskClosed:
        """Close a task without an answer. Raises NotFound, Invalid, Conflict, Forbidden."""
        ...


class SchedulesReading(Protocol):
    """Reading schedules and their occurrences."""

    async def list(self, *, after: str | None = None, limit: int = 50) -> Page[Schedule]:
        """Schedules by workflow id, after a cursor; ``limit`` 1..500."""
        ...

    async def get(self, named: str) -> ScheduleDetail:
        """The schedule of that id, else the one of the workflow of that id. Raises NotFound."""
        ...

    async def fires(self, schedule_id: str, *, after: str | None = None, limit: int = 50) -> Page[Fire]:
        """What came of its occurrences, the latest decision first; ``limit`` 1..500."""
        ...

    async def next_times(self, named: str, count: int = 5) -> tuple[datetime, ...]:
        """The next ``count`` (1..10) occurrences; empty when none is to come. Raises NotFound, Invalid, Unavailable when
        Temporal, which knows them, does not answer."""
        ...


class SchedulesPort(SchedulesReading, Protocol):
    """Schedules."""

    async def fire(self, named: str, reason: str, *, idempotency_key: str | None = None) -> Started:
        """Start one run now as the schedule would. Raises NotFound, Invalid (reason, payload), Conflict (not scheduled, paused,
        limit), Forbidden."""
        ...


class QuotaReading(Protocol):
    """Reading the quota."""

    async def usage(self) -> QuotaUsage:
        """Limit, use and waiting runs of the current period."""
        ...


class QuotaPort(QuotaReading, Protocol):
    """The quota."""

    async def resume(self, run_id: str) -> QuotaUsage:
        """Let a run that waits for quota go on. Raises NotFound, Conflict (not paused, used up), Forbidden."""
        ...


class SystemPort(Protocol):
    """Who we are, how the parts are, and being told that something was written."""

    async def session(self) -> Session:
        """The viewer and what they may do."""
        ...

    async def health(self) -> Health:
        """State of the parts. Never raises Unavailable for a part that is down: that is its answer."""
        ...

    async def attention(self) -> Attention:
        """Everything an operator should look at now. Raises Unavailable."""
        ...

    async def installation(self) -> Installation:
        """Workers, task queue and stores now. Raises Unavailable when Postgres does not answer."""
        ...

    def changes(self) -> AsyncIterator[Change]:
        """Endless notices, to look sooner than the next poll. May raise Unavailable at any time or be silent for ever:
        polling goes on regardless."""
        ...


class Backend(Protocol):
    """Everything at once; what a backend factory returns. ``engine.client.Engine`` is one as it is."""

    @property
    def runs(self) -> RunsPort: ...

    @property
    def workflows(self) -> WorkflowsPort: ...

    @property
    def events(self) -> EventsPort: ...

    @property
    def tasks(self) -> TasksPort: ...

    @property
    def schedules(self) -> SchedulesPort: ...

    @property
    def quota(self) -> QuotaPort: ...

    @property
    def jobs(self) -> JobsPort: ...

    @property
    def alerts(self) -> AlertsReading: ...

    @property
    def system(self) -> SystemPort: ...

    async def open(self) -> None:
        """Connect. Raises Unavailable with what was tried; may be called again after that."""
        ...

    async def close(self) -> None:
        """Let go of every connection. Harmless when not open."""
        ...
