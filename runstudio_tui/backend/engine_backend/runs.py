"""Reading runs from the engine's projection."""

from __future__ import annotations

from collections.abc import Sequence

from engine.store import listing
from engine.store.reading import catalog as reading_catalog
from engine.store.reading.logs import run_logs
from engine.store.reading.run import run_input, run_output, run_summary
from engine.store.reading.steps import step_body, steps_page
from engine.store.reading.tries import run_tries, try_body
from engine.store.reading.waits import run_waits
from engine.store.transactions import Store
from runstudio_tui.backend.engine_backend import mapping
from runstudio_tui.backend.engine_backend.refusals import translated
from runstudio_tui.domain.models import (
    Document,
    Invocation,
    InvocationBody,
    InvocationId,
    Json,
    LogQuery,
    RunCounts,
    RunId,
    RunRow,
    RunSummary,
    Step,
    StepRowId,
    Wait,
)
from runstudio_tui.domain.query import RunQuery
from runstudio_tui.ports import LogPage, Page, Reply, StepsPage


class EngineRuns:
    """``RunsPort`` on Postgres alone: reading works while Temporal is away."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    async def page(self, query: RunQuery, after: str | None, limit: int) -> Page[RunRow]:
        """See RunsPort."""
        with translated():
            wanted = mapping.run_filter(query, self._tenant)
            page = await listing.runs_page(self._store, wanted, cursor=after, limit=limit)
        return Page(tuple(map(mapping.run_row, page.rows)), page.next, page.server_now)

    async def matching(self, query: RunQuery, run_ids: Sequence[RunId]) -> Reply[tuple[RunRow, ...]]:
        """See RunsPort."""
        with translated():
            found = await listing.matching_runs(self._store, mapping.run_filter(query, self._tenant), run_ids)
        return Reply(tuple(map(mapping.run_row, found.value)), found.server_now)

    async def rows(self, run_ids: Sequence[RunId]) -> Reply[tuple[RunRow, ...]]:
        """See RunsPort."""
        with translated():
            found = await listing.runs_by_id(self._store, self._tenant, run_ids)
        return Reply(tuple(map(mapping.run_row, found.value)), found.server_now)

    async def counts(self, query: RunQuery) -> Reply[RunCounts]:
        """See RunsPort."""
        with translated():
            counted = await listing.count_runs(self._store, mapping.run_filter(query, self._tenant))
        return Reply(mapping.run_counts(counted.value), counted.server_now)

    async def summary(self, run_id: RunId) -> Reply[RunSummary]:
        """See RunsPort."""
        with translated():
            found = await run_summary(self._store, self._tenant, run_id)
        return Reply(mapping.run_summary(found.value), found.server_now)

    async def steps(self, run_id: RunId, after: str | None, limit: int) -> StepsPage:
        """See RunsPort."""
        with translated():
            page = await steps_page(self._store, self._tenant, run_id, after=after, limit=limit)
        rows: tuple[Step, ...] = tuple(map(mapping.step, page.rows))
        return StepsPage(rows, page.cursor, page.more, page.server_now)

    async def step_body(self, run_id: RunId, row_id: StepRowId) -> Reply[Document]:
        """See RunsPort."""
        with translated():
            body = await step_body(self._store, self._tenant, run_id, row_id)
        return Reply(mapping.document(body.value), body.server_now)

    async def invocations(self, run_id: RunId, row_id: StepRowId | None) -> Reply[tuple[Invocation, ...]]:
        """See RunsPort."""
        with translated():
            found = await run_tries(self._store, self._tenant, run_id, step_row_id=row_id)
        return Reply(tuple(map(mapping.invocation, found.value)), found.server_now)

    async def invocation_body(self, run_id: RunId, invocation_id: InvocationId) -> Reply[InvocationBody]:
        """See RunsPort."""
        with translated():
            body = await try_body(self._store, self._tenant, run_id, invocation_id)
        return Reply(mapping.invocation_body(body.value), body.server_now)

    async def waits(self, run_id: RunId) -> Reply[tuple[Wait, ...]]:
        """See RunsPort."""
        with translated():
            found = await run_waits(self._store, self._tenant, run_id)
        return Reply(tuple(map(mapping.wait, found.value)), found.server_now)

    async def logs(self, run_id: RunId, query: LogQuery, cursor: str | None, older: bool, limit: int) -> LogPage:
        """See RunsPort."""
        with translated():
            page = await run_logs(
                self._store,
                self._tenant,
                run_id,
                minimum=query.minimum.value,
                text=query.text,
                cursor=cursor,
                older=older,
                limit=limit,
            )
        return LogPage(tuple(map(mapping.log_line, page.rows)), page.older, page.newer, page.server_now)

    async def payload(self, run_id: RunId) -> Reply[Document]:
        """See RunsPort."""
        with translated():
            found = await run_input(self._store, self._tenant, run_id)
        return Reply(mapping.document(found.value), found.server_now)

    async def output(self, run_id: RunId) -> Reply[Document]:
        """See RunsPort."""
        with translated():
            found = await run_output(self._store, self._tenant, run_id)
        return Reply(mapping.document(found.value), found.server_now)

    async def definition(self, workflow_id: str, version: int) -> Reply[Json]:
        """See RunsPort."""
        with translated():
            found = await reading_catalog.definition_of(self._store, self._tenant, workflow_id, version)
        return Reply(found.value, found.server_now)
