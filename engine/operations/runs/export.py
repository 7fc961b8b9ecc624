"""Runs as files: one run with everything that is recorded of it, or a list of runs. Reading only: nothing is written.

A file is made page by page. A page is read when the piece made of it is asked for, and nothing is held open in between, so
an export needs the memory of one page, whatever it is of, and stops when nobody asks any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from engine.errors import Invalid, NotFound
from engine.operations.context import OperationContext
from engine.records import (
    Count,
    ExportFormat,
    ExportPart,
    Level,
    LogLine,
    Page,
    RunFilter,
    RunOrder,
    RunRow,
    RunSummary,
    Step,
)
from engine.records.run_files import PAGE_ROWS, RunDocument, list_begin, list_rows, with_bodies, with_body
from engine.store.catalog.reading import definition_of
from engine.store.database.reader import run_id_text, run_not_found
from engine.store.runs import listing, reading
from engine.store.tenant.reading import audit_page
from engine.store.trace import exporting
from engine.store.trace.reading_logs import before_the_first, run_logs
from engine.store.trace.reading_steps import steps_page

Record = TypeVar("Record")


async def export_run(context: OperationContext, run_id: str) -> AsyncIterator[ExportPart]:
    """One run as a JSON document (docs/operators.md has its parts), redacted as everywhere.

    Each record is in it once, as it was when its page was read. Raises ``NotFound`` (RUN_NOT_FOUND), ``Unavailable``, and
    ``Forbidden``, also between two parts, when the level is taken away.
    """
    store, tenant = await context.readable(), context.tenant
    run = await reading.run_summary(store, tenant, run_id)
    total = await exporting.records_of(store, tenant, run.run_id)
    document = RunDocument()
    head = document.begin(
        run,
        run.server_now,
        definition=await _if_there(definition_of(store, tenant, run.row.workflow_id, run.row.version)),
        payload=await _if_there(reading.run_input(store, tenant, run.run_id)),
        output=await _if_there(reading.run_output(store, tenant, run.run_id)),
        related=await reading.related_runs(store, tenant, run.run_id),
    )
    yield ExportPart(head, 0, total)
    async for name, records in _lists(context, run):
        await context.require(Level.READ)
        yield ExportPart(document.add(name, records), document.done, total)
    yield ExportPart(document.end(), document.done, total)


async def export_list(
    context: OperationContext, which: RunFilter | Sequence[str], form: ExportFormat
) -> AsyncIterator[ExportPart]:
    """Runs as CSV or NDJSON, one line each: all that match a filter, or those of the ids, in their order.

    All that match come in the order of their start, whatever the filter's order is by: a run that changes meanwhile stays in
    its place, so none is missed and none comes twice. Raises ``Invalid`` (EXPORT_FORMAT_INVALID), ``NotFound``
    (RUN_NOT_FOUND), ``Unavailable``, ``Forbidden`` as ``export_run``.
    """
    if form is ExportFormat.JSON:
        raise Invalid(
            "EXPORT_FORMAT_INVALID", "A list of runs is no JSON document.", "Ask for csv or ndjson, or export one run."
        )
    await context.require(Level.READ)
    if isinstance(which, RunFilter):
        total, pages = (
            (await listing.count_runs(context.store, context.tenant, which)).matching(which),
            _all(context, which),
        )
    else:
        ids = list(dict.fromkeys(run_id_text(run_id) for run_id in which))
        total, pages = Count(len(ids)), _named(context, ids)
    yield ExportPart(list_begin(form), 0, total)
    done = 0
    async for rows in pages:
        await context.require(Level.READ)
        done += len(rows)
        yield ExportPart(list_rows(form, rows), done, total)


async def _all(context: OperationContext, wanted: RunFilter) -> AsyncIterator[Sequence[RunRow]]:
    order = RunOrder.STARTED_DESC if wanted.order.descending else RunOrder.STARTED_ASC

    async def page(cursor: str | None) -> Page[RunRow]:
        return await listing.runs_page(
            context.store, context.tenant, replace(wanted, order=order), cursor=cursor, limit=PAGE_ROWS
        )

    async for rows in _through(page):
        yield rows


async def _named(context: OperationContext, ids: Sequence[str]) -> AsyncIterator[Sequence[RunRow]]:
    for start in range(0, len(ids), PAGE_ROWS):
        asked = ids[start : start + PAGE_ROWS]
        found = {row.run_id: row for row in await listing.runs_by_id(context.store, context.tenant, asked)}
        missing = next((run_id for run_id in asked if run_id not in found), None)
        if missing is not None:
            raise run_not_found(missing)
        yield [found[run_id] for run_id in asked]


async def _lists(context: OperationContext, run: RunSummary) -> AsyncIterator[tuple[str, Sequence[object]]]:
    """The lists of a run's document, in its order."""
    store, tenant, run_id = context.store, context.tenant, run.run_id
    async for steps in _steps(context, run):
        yield "steps", steps
    async for attempts in exporting.pages(store, tenant, run_id, exporting.ATTEMPTS, PAGE_ROWS):
        yield "attempts", [with_bodies(*attempt) for attempt in attempts]
    async for waits in exporting.pages(store, tenant, run_id, exporting.WAITS, PAGE_ROWS):
        yield "waits", waits
    async for lines in _logs(context, run_id):
        yield "logs", lines
    async for entries in _through(
        lambda cursor: audit_page(store, tenant, run_id=run_id, cursor=cursor, limit=PAGE_ROWS)
    ):
        yield "audit", entries
    async for children in _all(context, RunFilter(parent=run_id, order=RunOrder.STARTED_ASC)):
        yield "children", children
    async for replays in _all(context, RunFilter(replay_of=run_id, order=RunOrder.STARTED_ASC)):
        yield "replays", replays
    async for snapshots in exporting.pages(store, tenant, run_id, exporting.SNAPSHOTS, PAGE_ROWS):
        yield "snapshots", [with_body(*snapshot) for snapshot in snapshots]


async def _steps(context: OperationContext, run: RunSummary) -> AsyncIterator[Sequence[Step]]:
    """Pages are in the order of changes, so a step of a run that goes on may come again."""
    seen: set[str] = set()
    cursor, more = None, True
    while more:
        page = await steps_page(context.store, context.tenant, run.run_id, after=cursor, limit=PAGE_ROWS)
        cursor, more = page.cursor, page.more
        new = [step for step in page.rows if step.row_id not in seen]
        if not run.status.ended:
            seen.update(step.row_id for step in new)
        if new:
            yield new


async def _logs(context: OperationContext, run_id: str) -> AsyncIterator[Sequence[LogLine]]:
    cursor = before_the_first(context.tenant, run_id)
    while True:
        page = await run_logs(context.store, context.tenant, run_id, cursor=cursor, limit=PAGE_ROWS)
        if page.rows:
            yield page.rows
        if len(page.rows) < PAGE_ROWS:
            return
        cursor = page.newer


async def _through(page: Callable[[str | None], Awaitable[Page[Record]]]) -> AsyncIterator[Sequence[Record]]:
    """All pages that are not empty."""
    cursor, more = None, True
    while more:
        found = await page(cursor)
        if found.rows:
            yield found.rows
        cursor, more = found.next, found.next is not None


async def _if_there(reading: Awaitable[Record]) -> Record | None:
    try:
        return await reading
    except NotFound:
        return None
