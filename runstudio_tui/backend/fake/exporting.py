"""Exports of the fake world: the same files, made of its own records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TypeVar

from engine.records import Count, ExportFormat, ExportPart, Json, RelatedRuns, RunRow, RunSummary
from engine.records.run_files import PAGE_ROWS, RunDocument, list_begin, list_rows, with_bodies, with_body
from runstudio_tui.backend.fake.calls import Calls
from runstudio_tui.backend.fake.run import FakeRun
from runstudio_tui.backend.fake.world import World

Record = TypeVar("Record")


async def run_parts(calls: Calls, run: FakeRun, summary: RunSummary, related: RelatedRuns) -> AsyncIterator[ExportPart]:
    """The document of a run. The first call was noted; every page of a list is one more, to be noted, held or failed."""
    world = calls.world
    lists = _lists(world, run)
    total = Count(sum(len(records) for records in lists.values()))
    document = RunDocument()
    head = document.begin(
        summary,
        world.now(),
        definition=_definition(world, run.row),
        payload=run.payload,
        output=run.output,
        related=related,
    )
    yield ExportPart(head, 0, total)
    for name, records in lists.items():
        for page in _pages(records):
            await calls.enter("runs.export", run.row.run_id)
            yield ExportPart(document.add(name, page), document.done, total)
    yield ExportPart(document.end(), document.done, total)


async def list_parts(
    calls: Calls, rows: Sequence[RunRow], total: Count, form: ExportFormat
) -> AsyncIterator[ExportPart]:
    """A list of runs. The first call was noted; every page is one more."""
    yield ExportPart(list_begin(form), 0, total)
    done = 0
    for page in _pages(rows):
        await calls.enter("runs.export_list", form)
        done += len(page)
        yield ExportPart(list_rows(form, page), done, total)


def _lists(world: World, run: FakeRun) -> dict[str, list[object]]:
    run_id = run.row.run_id
    return {
        "steps": [*run.steps.values()],
        "attempts": [with_bodies(attempt, run.bodies[key]) for key, attempt in run.attempts.items()],
        "waits": sorted(run.waits.values(), key=lambda wait: wait.created_at),
        "logs": [*run.logs],
        "audit": run.audit[::-1],
        "children": world.newest(lambda row: row.parent == run_id)[::-1],
        "replays": world.newest(lambda row: row.replay_of == run_id)[::-1],
        "snapshots": [with_body(*kept) for kept in run.snapshots.values()],
    }  # fmt: skip


def _definition(world: World, row: RunRow) -> Json:
    workflow = world.workflows.get(row.workflow_id)
    return None if workflow is None else workflow.definitions.get(row.version)


def _pages(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), PAGE_ROWS):
        yield records[start : start + PAGE_ROWS]
