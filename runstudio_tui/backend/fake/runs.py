"""The runs of the fake world."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

from engine import advice
from engine.errors import Conflict, Invalid, NotFound
from engine.records import (
    Attempt,
    AttemptBody,
    AuditRecord,
    Canceled,
    Count,
    Diagnosis,
    Document,
    ExportFormat,
    ExportPart,
    Json,
    Level,
    LogLevel,
    LogPage,
    LogQuery,
    Original,
    Page,
    RelatedRuns,
    ReplayBase,
    ReplayInput,
    ReplayPreview,
    RunCounts,
    RunFilter,
    RunOrder,
    RunRow,
    RunStatus,
    RunSummary,
    Snapshot,
    Started,
    StepsPage,
    StepState,
    Wait,
    WaitStatus,
)
from runstudio_tui.backend.fake.calls import Calls
from runstudio_tui.backend.fake.diagnosis import diagnose
from runstudio_tui.backend.fake.exporting import list_parts, run_parts
from runstudio_tui.backend.fake.launching import Launch, Launches
from runstudio_tui.backend.fake.paging import page_of
from runstudio_tui.backend.fake.previewing import Versions, preview_of
from runstudio_tui.backend.fake.replaying import base_of, input_of
from runstudio_tui.backend.fake.run import FakeRun
from runstudio_tui.backend.fake.states import state_of
from runstudio_tui.backend.fake.workflows import FakeWorkflows
from runstudio_tui.backend.fake.world import list_place

RELATED_RUNS: Final = 100
MIN_REASON: Final = 3


class FakeRuns:
    """See RunsPort."""

    def __init__(self, calls: Calls, workflows: FakeWorkflows, launches: Launches) -> None:
        self._calls = calls
        self._world = calls.world
        self._workflows = workflows
        self._launches = launches

    def _run(self, run_id: str) -> FakeRun:
        run = self._world.runs.get(run_id)
        if run is None:
            raise NotFound(
                "RUN_NOT_FOUND", f"There is no run {run_id}.", "Check the id and the tenant.", {"runId": run_id}
            )
        return run

    async def list(self, wanted: RunFilter = RunFilter(), *, after: str | None = None, limit: int = 50) -> Page[RunRow]:
        """See RunsReading."""
        await self._calls.enter("runs.list", wanted, after, limit)
        rows = self._world.select(wanted)
        if after is not None:
            at, separator, run_id = after.partition("~")
            if not separator:
                raise Invalid(
                    "CURSOR_INVALID", "The cursor does not belong to this query.", "Start again from the first page."
                )
            there, order = (at, run_id), wanted.order
            beyond = operator.lt if order.descending else operator.gt
            rows = [row for row in rows if beyond(list_place(row, order), there)]
        chosen = tuple(rows[:limit])
        following = "~".join(list_place(chosen[-1], wanted.order)) if limit < len(rows) else None
        return Page(chosen, following, self._world.now())

    async def matching(self, wanted: RunFilter, run_ids: Sequence[str]) -> tuple[RunRow, ...]:
        """See RunsReading."""
        await self._calls.enter("runs.matching", wanted, tuple(run_ids))
        asked = set(run_ids)
        return tuple(row for row in self._world.select(wanted) if row.run_id in asked)

    async def rows(self, run_ids: Sequence[str]) -> tuple[RunRow, ...]:
        """See RunsReading."""
        await self._calls.enter("runs.rows", tuple(run_ids))
        return tuple(self._world.runs[key].row for key in run_ids if key in self._world.runs)

    async def counts(self, wanted: RunFilter = RunFilter()) -> RunCounts:
        """See RunsReading."""
        await self._calls.enter("runs.counts", wanted)
        return self._world.counts(wanted)

    async def get(self, run_id: str) -> RunSummary:
        """See RunsReading."""
        await self._calls.enter("runs.get", run_id)
        return self._summary(self._run(run_id))

    def _summary(self, run: FakeRun) -> RunSummary:
        run_id = run.row.run_id
        replays = tuple(row.run_id for row in self._world.newest(lambda row: row.replay_of == run_id))[:20]
        children = tuple(row.run_id for row in self._world.newest(lambda row: row.parent == run_id))[:20]
        return replace(run.summary, replayed_by=replays, children=children, server_now=self._world.now())

    async def steps(self, run_id: str, *, after: str | None = None, limit: int = 1000) -> StepsPage:
        """See RunsReading."""
        await self._calls.enter("runs.steps", run_id, after, limit)
        run = self._run(run_id)
        start = int(after or 0)
        end = min(start + limit, len(run.written))
        rows = tuple(run.steps[row_id] for row_id in dict.fromkeys(run.written[start:end]))
        return StepsPage(rows, str(end), end < len(run.written), self._world.now())

    async def step_body(self, run_id: str, row_id: str) -> Document:
        """See RunsReading."""
        await self._calls.enter("runs.step_body", run_id, row_id)
        step = self._run(run_id).steps.get(row_id)
        if step is None:
            raise NotFound("STEP_NOT_FOUND", f"This run has no step row {row_id}.", "Read the steps again.")
        error = None
        if step.error is not None:
            error = {"category": step.error.category, "code": step.error.code, "message": step.error.message}
        return Document({"outcome": step.outcome, "error": error})

    async def attempts(self, run_id: str, step_row_id: str | None = None) -> tuple[Attempt, ...]:
        """See RunsReading."""
        await self._calls.enter("runs.attempts", run_id, step_row_id)
        run = self._run(run_id)
        step = run.steps.get(step_row_id) if step_row_id is not None else None
        chosen = (
            item
            for item in run.attempts.values()
            if step is None or (item.path, item.iteration) == (step.path, step.iteration)
        )
        return tuple(chosen)[-500:]

    async def attempt_body(self, run_id: str, attempt_id: str) -> AttemptBody:
        """See RunsReading."""
        await self._calls.enter("runs.attempt_body", run_id, attempt_id)
        body = self._run(run_id).bodies.get(attempt_id)
        if body is None:
            raise NotFound("ATTEMPT_NOT_FOUND", f"This run has no attempt {attempt_id}.", "Read the attempts again.")
        return body

    async def waits(self, run_id: str) -> tuple[Wait, ...]:
        """See RunsReading."""
        await self._calls.enter("runs.waits", run_id)
        newest_first = sorted(self._run(run_id).waits.values(), key=lambda wait: str(wait.created_at), reverse=True)
        newest_first.sort(key=lambda wait: wait.status is not WaitStatus.WAITING)
        return tuple(newest_first[:500])

    async def logs(
        self,
        run_id: str,
        query: LogQuery = LogQuery(),
        *,
        cursor: str | None = None,
        older: bool = False,
        limit: int = 500,
    ) -> LogPage:
        """See RunsReading."""
        await self._calls.enter("runs.logs", run_id, query, cursor, older, limit)
        levels = tuple(LogLevel)
        wanted = query.text.casefold()
        found = [
            (place, line)
            for place, line in enumerate(self._run(run_id).logs)
            if levels.index(line.level) >= levels.index(query.minimum)
            and wanted in f"{line.message} {line.context or ''}".casefold()
        ]
        if cursor is not None:
            found = [item for item in found if (item[0] < int(cursor) if older else item[0] >= int(cursor))]
        chosen = found[:limit] if cursor is not None and not older else found[-limit:]
        first_known = found and chosen[0][0] > found[0][0]
        return LogPage(
            rows=tuple(line for _, line in chosen),
            older=str(chosen[0][0]) if first_known else None,
            newer=str(chosen[-1][0] + 1) if chosen else (cursor or "0"),
            server_now=self._world.now(),
        )

    async def payload(self, run_id: str) -> Document:
        """See RunsReading."""
        await self._calls.enter("runs.payload", run_id)
        document = self._run(run_id).payload
        if document is None:
            raise NotFound(
                "INPUT_NOT_STORED", "The payload of this run was never stored.", "It can be replayed with a new one."
            )
        return document

    async def output(self, run_id: str) -> Document:
        """See RunsReading."""
        await self._calls.enter("runs.output", run_id)
        document = self._run(run_id).output
        if document is None:
            raise NotFound("OUTPUT_NOT_STORED", "This run has no output.", "Only a run that ended has one.")
        return document

    async def why(self, run_id: str) -> Diagnosis:
        """See RunsReading."""
        await self._calls.enter("runs.why", run_id)
        return diagnose(self._run(run_id), self._world)

    async def state(self, run_id: str, step: str, *, iteration: str = "", visit: int = 1) -> StepState:
        """See RunsReading."""
        await self._calls.enter("runs.state", run_id, step, iteration, visit)
        run = self._run(run_id)
        workflow = self._world.workflows.get(run.row.workflow_id)
        definition = None if workflow is None else workflow.definitions.get(run.row.version)
        return state_of(run, definition, step, iteration, visit)

    async def snapshots(self, run_id: str) -> tuple[Snapshot, ...]:
        """See RunsReading."""
        await self._calls.enter("runs.snapshots", run_id)
        run = self._world.runs.get(run_id)
        return () if run is None else tuple(snapshot for snapshot, _ in run.snapshots.values())

    async def snapshot_body(self, run_id: str, snapshot_id: str) -> Document:
        """See RunsReading."""
        await self._calls.enter("runs.snapshot_body", run_id, snapshot_id)
        found = self._run(run_id).snapshots.get(snapshot_id)
        if found is None:
            raise NotFound(
                "SNAPSHOT_NOT_FOUND", f"This run has no snapshot {snapshot_id[:60]}.", "Read the list again."
            )
        return found[1]

    async def related(self, run_id: str) -> RelatedRuns:
        """See RunsReading."""
        await self._calls.enter("runs.related", run_id)
        return self._related(self._run(run_id))

    def _related(self, run: FakeRun) -> RelatedRuns:
        run_id, runs = run.row.run_id, self._world.runs

        def row(key: str | None) -> RunRow | None:
            return runs[key].row if key is not None and key in runs else None

        return RelatedRuns(
            parent=row(run.row.parent),
            root=row(run.details.root),
            replay_of=row(run.row.replay_of),
            replays=tuple(self._world.newest(lambda row: row.replay_of == run_id))[:RELATED_RUNS],
            children=tuple(self._world.newest(lambda row: row.parent == run_id))[:RELATED_RUNS],
        )

    async def audit(self, run_id: str, *, after: str | None = None, limit: int = 50) -> Page[AuditRecord]:
        """See RunsReading."""
        await self._calls.enter("runs.audit", run_id, after, limit)
        run = self._world.runs.get(run_id)
        return page_of(
            [] if run is None else run.audit[::-1], lambda record: record.audit_id, after, limit, self._world.now()
        )

    async def export(self, run_id: str) -> AsyncIterator[ExportPart]:
        """See RunsReading."""
        await self._calls.enter("runs.export", run_id)
        run = self._run(run_id)
        async for part in run_parts(self._calls, run, self._summary(run), self._related(run)):
            yield part

    async def export_list(self, which: RunFilter | Sequence[str], form: ExportFormat) -> AsyncIterator[ExportPart]:
        """See RunsReading."""
        await self._calls.enter("runs.export_list", which, form)
        if form is ExportFormat.JSON:
            told = "A list of runs is no JSON document."
            raise Invalid("EXPORT_FORMAT_INVALID", told, "Ask for csv or ndjson, or export one run.")
        if isinstance(which, RunFilter):
            order = RunOrder.STARTED_DESC if which.order.descending else RunOrder.STARTED_ASC
            rows, total = self._world.select(replace(which, order=order)), self._world.counts(which).matching(which)
        else:
            rows = [self._run(run_id).row for run_id in dict.fromkeys(which)]
            total = Count(len(rows))
        async for part in list_parts(self._calls, rows, total, form):
            yield part

    async def start(
        self,
        workflow_id: str,
        payload: Json = None,
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
        keep_refused: bool = True,
    ) -> Started:
        """See RunsPort."""
        await self._calls.enter("runs.start", workflow_id, payload, version, idempotency_key)
        self._calls.require(Level.OPERATE)
        given = Document({} if payload is None else payload)
        started = self._launches.start(Launch(workflow_id, version, given), idempotency_key)
        if started.created:
            self._note_launch(started, "workflow_run_start", self._run(started.run_id))
        return started

    async def cancel(self, run_id: str, reason: str) -> Canceled:
        """See RunsPort."""
        await self._calls.enter("runs.cancel", run_id, reason)
        self._calls.require(Level.ADMIN)
        run = self._run(run_id)
        if run.row.read_only:
            told = f"Run {run_id} is from before the cutover; it can only be read and replayed."
            raise Conflict("RUN_READ_ONLY", told, advice.REPLAY.to("Replay it to run it again", run=run_id))
        if run.row.status.ended:
            raise Conflict("RUN_ENDED", f"Run {run_id} has already ended as {run.row.status}.", "Nothing needs doing.")
        now = self._world.now()
        run.log(now, LogLevel.WARN, "canceled by the operator", context={"reason": reason})
        run.note(now, self._world.session, "workflow_run_cancel", reason)
        run.finish(now, RunStatus.CANCELED)
        self._calls.stirred.set()
        return Canceled(run_id, "canceled", RunStatus.CANCELED)

    async def replay_base(self, run_id: str) -> ReplayBase:
        """See RunsReading."""
        await self._calls.enter("runs.replay_base", run_id)
        self._calls.require(Level.ADMIN)
        return base_of(self._run(run_id))

    async def preview(
        self, run_id: str, with_input: ReplayInput = Original(), *, version: int | None = None
    ) -> ReplayPreview:
        """See RunsReading."""
        await self._calls.enter("runs.preview", run_id, with_input, version)
        self._calls.require(Level.ADMIN)
        run = self._run(run_id)
        payload = input_of(run, with_input)
        if run.row.read_only:
            raise Conflict(
                "RUN_BEFORE_CUTOVER",
                f"The run {run_id} is from before the cutover; what it did was not recorded closely enough.",
                advice.SNAPSHOTS.to("Look at its snapshots instead"),
            )
        workflow_id, number = run.row.workflow_id, version or run.row.version
        definitions = self._workflows.find(workflow_id).definitions
        if number not in definitions:
            told = f"The workflow {workflow_id} has no version {number}."
            raise NotFound("VERSION_NOT_FOUND", told, "Its versions: runstudio workflows show.")
        of = Versions(definitions[run.row.version], definitions[number], number)
        return preview_of(run, of, payload, self._workflows.issues(workflow_id, number, payload.value))

    async def replay(
        self,
        run_id: str,
        reason: str,
        with_input: ReplayInput = Original(),
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Started:
        """See RunsPort."""
        await self._calls.enter("runs.replay", run_id, reason, with_input, version, idempotency_key)
        self._calls.require(Level.ADMIN)
        if len(reason.strip()) < MIN_REASON:
            told = f"The reason needs at least {MIN_REASON} characters."
            raise Invalid("REASON_TOO_SHORT", told, "Say why; it is audited.")
        run = self._run(run_id)
        launch = Launch(
            run.row.workflow_id, version or run.row.version, input_of(run, with_input), replay_of=run.row.run_id
        )
        started = self._launches.start(launch, idempotency_key)
        if started.created:
            now = self._world.now()
            run.log(now, LogLevel.INFO, "Run was replayed", context={"newRunId": started.run_id, "reason": reason})
            self._note_launch(started, "workflow_run_replay", run, reason)
        return started

    def _note_launch(self, started: Started, operation: str, about: FakeRun, reason: str | None = None) -> None:
        details = {"workflowVersion": started.version, "newRunId": started.run_id}
        about.note(self._world.now(), self._world.session, operation, reason, details)
