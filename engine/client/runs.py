"""``engine.runs``: starting, reading, cancelling and replaying runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from engine.operations.context import OperationContext
from engine.operations.diagnosis.diagnose import diagnose_run
from engine.operations.progress import Progress, untold
from engine.operations.runs import cancel as cancelling
from engine.operations.runs import export as exporting
from engine.operations.runs import replay as replaying
from engine.operations.runs import state as states
from engine.operations.runs.delete import delete_run
from engine.operations.runs.launch import LaunchRequest, launch_in_transaction, launch_published_run
from engine.operations.runs.state_cache import StateCache
from engine.operations.runs.wait import RunWaits
from engine.records import (
    Attempt,
    AttemptBody,
    AuditRecord,
    Canceled,
    Diagnosis,
    Document,
    ExportFormat,
    ExportPart,
    Json,
    Level,
    LogPage,
    LogQuery,
    Original,
    Page,
    RelatedRuns,
    ReplayBase,
    Replayed,
    ReplayInput,
    ReplayPreview,
    RunCounts,
    RunFilter,
    RunRow,
    RunSummary,
    Snapshot,
    Started,
    StepsPage,
    StepState,
    Wait,
)
from engine.store.database.callers_connection import CallersConnection
from engine.store.runs import listing, reading
from engine.store.tenant.reading import audit_page
from engine.store.trace import reading_attempts, reading_logs, reading_snapshots, reading_steps, reading_waits


class Runs:
    """Runs of one tenant. Reading works while Temporal is away."""

    def __init__(self, context: OperationContext, waits: RunWaits) -> None:
        self._waits = waits
        self._context = context
        self._tenant = context.tenant
        self._states = StateCache()

    async def start(
        self,
        workflow_id: str,
        payload: Json = None,
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
        keep_refused: bool | None = None,
        connection: CallersConnection | None = None,
    ) -> Started:
        """Start a run; ``payload`` None is ``{}``, ``version`` None the latest published one. Needs the level operate.

        ``idempotency_key``: repeating the request with the same key returns the same run. ``keep_refused``: whether a payload
        that its schema refuses leaves a FAILED run behind, so that it can be looked at; None: unless a connection is given.
        ``connection``: the program's own, of psycopg or SQLAlchemy, to the same database: the run is part of its transaction,
        ``pending``, and started right after the commit. Raises as ``launch_published_run``, with a connection as
        ``launch_in_transaction``.
        """
        request = LaunchRequest(
            workflow_id=workflow_id,
            payload={} if payload is None else payload,
            version=version,
            idempotency_key=idempotency_key,
            keep_refused=connection is None if keep_refused is None else keep_refused,
        )
        if connection is not None:
            return await launch_in_transaction(self._context, request, connection)
        return await launch_published_run(self._context, request)

    async def list(self, wanted: RunFilter = RunFilter(), *, after: str | None = None, limit: int = 50) -> Page[RunRow]:
        """The runs of a filter in its order, after a cursor; ``limit`` 1..500. Raises ``Invalid`` (CURSOR_INVALID)."""
        return await listing.runs_page(await self._context.readable(), self._tenant, wanted, cursor=after, limit=limit)

    async def matching(self, wanted: RunFilter, run_ids: Sequence[str]) -> tuple[RunRow, ...]:
        """Those of ``run_ids`` (at most 500) that match the filter now, in any order. Raises ``Invalid`` (ID_INVALID)."""
        return await listing.matching_runs(await self._context.readable(), self._tenant, wanted, run_ids)

    async def rows(self, run_ids: Sequence[str]) -> tuple[RunRow, ...]:
        """Those of ``run_ids`` (at most 500) that exist, in any order. Raises ``Invalid`` (ID_INVALID)."""
        return await listing.runs_by_id(await self._context.readable(), self._tenant, run_ids)

    async def counts(self, wanted: RunFilter = RunFilter()) -> RunCounts:
        """Runs by status under a filter without its ``statuses`` and ``stuck``, each counted up to 10,000."""
        return await listing.count_runs(await self._context.readable(), self._tenant, wanted)

    async def get(self, run_id: str) -> RunSummary:
        """One run, without its bodies. Raises ``NotFound`` (RUN_NOT_FOUND)."""
        return await reading.run_summary(await self._context.readable(), self._tenant, run_id)

    async def wait(self, run_id: str, *, timeout: float | None = None) -> RunSummary:
        """The run, once it has ended. ``timeout``: seconds, None is for ever.

        Raises ``TimedOut`` (WAIT_TIMED_OUT), which is a ``TimeoutError``, and as ``get``.
        """
        await self._context.require(Level.READ)
        await self._waits.ended(run_id, timeout)
        return await self.get(run_id)

    async def steps(self, run_id: str, *, after: str | None = None, limit: int = 1000) -> StepsPage:
        """Step rows written or changed after a cursor (None: from the first); ``limit`` 1..1000."""
        return await reading_steps.steps_page(
            await self._context.readable(), self._tenant, run_id, after=after, limit=limit
        )

    async def step_body(self, run_id: str, row_id: str) -> Document:
        """Outcome and full error of one step row: ``{"outcome": ..., "error": ...}``. Raises ``NotFound`` (STEP_NOT_FOUND)."""
        return await reading_steps.step_body(await self._context.readable(), self._tenant, run_id, row_id)

    async def attempts(self, run_id: str, step_row_id: str | None = None) -> tuple[Attempt, ...]:
        """Attempts of one step row, or of the whole run, oldest first; of more than 500 the newest."""
        return await reading_attempts.run_attempts(
            await self._context.readable(), self._tenant, run_id, step_row_id=step_row_id
        )

    async def attempt_body(self, run_id: str, attempt_id: str) -> AttemptBody:
        """Input and output of one attempt. Raises ``NotFound`` (ATTEMPT_NOT_FOUND)."""
        return await reading_attempts.attempt_body(await self._context.readable(), self._tenant, run_id, attempt_id)

    async def waits(self, run_id: str) -> tuple[Wait, ...]:
        """Waits of a run: the open ones first, then the newest; at most 500."""
        return await reading_waits.run_waits(await self._context.readable(), self._tenant, run_id)

    async def logs(
        self,
        run_id: str,
        query: LogQuery = LogQuery(),
        *,
        cursor: str | None = None,
        older: bool = False,
        limit: int = 500,
    ) -> LogPage:
        """Log lines after ``cursor``, with ``older`` before it, without one the newest; oldest first; ``limit`` 1..500."""
        return await reading_logs.run_logs(
            await self._context.readable(), self._tenant, run_id, query, cursor=cursor, older=older, limit=limit
        )

    async def payload(self, run_id: str) -> Document:
        """The run's input. Raises ``NotFound`` (RUN_NOT_FOUND, INPUT_NOT_STORED)."""
        return await reading.run_input(await self._context.readable(), self._tenant, run_id)

    async def output(self, run_id: str) -> Document:
        """The run's final vars. Raises ``NotFound`` (RUN_NOT_FOUND, OUTPUT_NOT_STORED)."""
        return await reading.run_output(await self._context.readable(), self._tenant, run_id)

    async def related(self, run_id: str) -> RelatedRuns:
        """Parent, root, children, the run this one replays, and its replays. Raises ``NotFound`` (RUN_NOT_FOUND)."""
        return await reading.related_runs(await self._context.readable(), self._tenant, run_id)

    async def snapshots(self, run_id: str) -> tuple[Snapshot, ...]:
        """Snapshots of a run from before the cutover, oldest first, at most 5,000."""
        return await reading_snapshots.run_snapshots(await self._context.readable(), self._tenant, run_id)

    async def snapshot_body(self, run_id: str, snapshot_id: str) -> Document:
        """The envelope ``{payload, vars, meta, error}``, or the marker of one that was too large to be kept."""
        return await reading_snapshots.snapshot_body(await self._context.readable(), self._tenant, run_id, snapshot_id)

    async def audit(self, run_id: str, *, after: str | None = None, limit: int = 50) -> Page[AuditRecord]:
        """Audited operations about a run, newest first; ``limit`` 1..500."""
        return await audit_page(await self._context.readable(), self._tenant, run_id=run_id, cursor=after, limit=limit)

    async def why(self, run_id: str) -> Diagnosis:
        """Why a run is not moving. An unreachable Temporal is a finding. Raises ``NotFound`` (RUN_NOT_FOUND)."""
        return await diagnose_run(self._context, run_id)

    async def state(self, run_id: str, step: str, *, iteration: str = "", visit: int = 1) -> StepState:
        """The scopes before and after one execution of a step, computed from the records. Raises as ``state_at``."""
        return await states.state_at(self._context, run_id, step, iteration, visit, self._states)

    def export(self, run_id: str) -> AsyncIterator[ExportPart]:
        """One run as a JSON document in pieces, whatever its size: definition, steps, attempts, waits, log, audit, relations.

        Each piece is read when it is asked for. Raises as ``export_run``, when the first one is.
        """
        return exporting.export_run(self._context, run_id)

    def export_list(self, which: RunFilter | Sequence[str], form: ExportFormat) -> AsyncIterator[ExportPart]:
        """Runs as CSV or NDJSON in pieces: all that match a filter, or those of the ids. Raises as ``export_list``."""
        return exporting.export_list(self._context, which, form)

    async def cancel(self, run_id: str, reason: str, *, settle_seconds: float = cancelling.SETTLE_SECONDS) -> Canceled:
        """Cancel a run and the runs below it, harmless to repeat. Needs the level admin. Raises as ``cancel_run``."""
        return await cancelling.cancel_run(self._context, run_id, reason, settle_seconds=settle_seconds)

    async def cancel_many(
        self, run_ids: Sequence[str], reason: str, *, progress: Progress = untold
    ) -> tuple[Canceled, ...]:
        """Cancel at most 1,000 runs, each settled on its own; a refusal of one is in its result. Needs the level admin.

        ``progress`` is told how many have ended or were refused. Raises as ``cancel_runs``.
        """
        return tuple(await cancelling.cancel_runs(self._context, run_ids, reason, progress=progress))

    async def delete(self, run_id: str, reason: str) -> None:
        """Delete a run that has ended, with everything that belongs to it. Needs the level admin. Raises as ``delete_run``."""
        await delete_run(self._context, run_id, reason)

    async def replay_base(self, run_id: str) -> ReplayBase:
        """The input of a run as it may be edited. Needs the level admin. Raises ``NotFound`` (RUN_NOT_FOUND), ``Conflict``
        (INPUT_NOT_STORED)."""
        return await replaying.replay_base(self._context, run_id)

    async def replay(
        self,
        run_id: str,
        reason: str,
        with_input: ReplayInput = Original(),
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Started:
        """Start a new run with the input of an old one. Needs the level admin. Raises as ``replay_run``."""
        return await replaying.replay_run(
            self._context, run_id, reason, with_input, version=version, idempotency_key=idempotency_key
        )

    async def replay_many(
        self,
        run_ids: Sequence[str],
        reason: str,
        *,
        idempotency_key: str | None = None,
        progress: Progress = untold,
    ) -> tuple[Replayed, ...]:
        """Replay at most 1,000 runs with their original input; a refusal of one is in its result. Needs the level admin.

        ``progress`` is told how many are settled. Raises as ``replay_runs``.
        """
        outcomes = await replaying.replay_runs(
            self._context, run_ids, reason, idempotency_key=idempotency_key, progress=progress
        )
        return tuple(outcomes)

    async def preview(
        self, run_id: str, with_input: ReplayInput = Original(), *, version: int | None = None
    ) -> ReplayPreview:
        """What a replay would do, as far as the records tell. Nothing is executed or written. Needs the level admin.

        Raises as ``preview_replay_of``.
        """
        return await states.preview_replay_of(self._context, run_id, with_input, version)
