"""Everything that is recorded of a run, page by page from the oldest: what an export reads beside the pages the screens have.

A page has so many records, or so many bytes of bodies, whichever is less: sizes are asked for before bodies are read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, Row, Table, func, literal, select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.records import Attempt, AttemptBody, Count, Document, Snapshot, Wait
from engine.store.catalog.compared import hiding_compared
from engine.store.database.keyset import Keyset
from engine.store.database.reader import Reader, open_reader, run_id_text
from engine.store.tables import (
    workflow_action_invocations,
    workflow_audit_log,
    workflow_run_logs,
    workflow_run_snapshots,
    workflow_run_steps,
    workflow_run_waits,
    workflow_runs,
)
from engine.store.trace.reading_attempts import attempt_view, body_view
from engine.store.trace.reading_waits import wait_view

Record = TypeVar("Record")

PAGE_BYTES: Final = 1024 * 1024
"""Bodies of one page, as they are stored; a record that has more is a page of its own."""
MOST_COUNTED: Final = 100_000
"""Records of one kind, up to which they are counted."""

attempts = workflow_action_invocations.c
waits = workflow_run_waits.c
snapshots = workflow_run_snapshots.c


@dataclass(frozen=True, slots=True)
class Kind(Generic[Record]):
    """One kind of records of a run."""

    table: Table
    key: str
    """Its id; with ``created_at`` the order of the pages."""
    size: ColumnElement[int]
    """Bytes of a record's bodies."""
    view: Callable[[Reader, Row[Any]], Awaitable[Record]]
    """What a row shows, redacted."""


async def pages(
    engine: AsyncEngine, tenant: str, run_id: str, kind: Kind[Record], limit: int
) -> AsyncIterator[tuple[Record, ...]]:
    """The records of a run, at most ``limit`` at once; none of an empty one. Nothing is held open between two pages.

    Raises ``NotFound`` for what is no id, ``Unavailable``.
    """
    run_id = run_id_text(run_id)
    oldest = Keyset((kind.table.c.created_at, kind.table.c[kind.key]), descending=False)
    where = [kind.table.c.run_id == run_id, kind.table.c.tenant == tenant]
    sizes = select(*oldest.columns, kind.size.label("size")).where(*where).order_by(*oldest.order()).limit(limit + 1)
    position: tuple[datetime, str] | None = None
    more = True
    while more:
        async with open_reader(engine, tenant, run_id) as reader:
            found = await reader.rows(sizes if position is None else sizes.where(oldest.beyond(position)))
            taken = _within(found, limit)
            ids = [row._mapping[kind.key] for row in taken]
            rows = select(kind.table).where(*where, kind.table.c[kind.key].in_(ids)).order_by(*oldest.order())
            records = tuple([await kind.view(reader, row) for row in (await reader.rows(rows) if ids else ())])
        more = len(found) > len(taken)
        if records:
            position = (taken[-1].created_at, ids[-1])
            yield records


async def records_of(engine: AsyncEngine, tenant: str, run_id: str) -> Count:
    """How many records of all kinds there are of a run, each kind counted up to 100,000. Raises as ``pages``."""
    run_id = run_id_text(run_id)
    runs = workflow_runs.c
    tables = (
        workflow_run_steps,
        workflow_action_invocations,
        workflow_run_waits,
        workflow_run_logs,
        workflow_audit_log,
        workflow_run_snapshots,
    )
    conditions = [(table.c.tenant == tenant) & (table.c.run_id == run_id) for table in tables]
    conditions += [(runs.tenant == tenant) & (link == run_id) for link in (runs.parent_run_id, runs.replay_of_run_id)]
    async with open_reader(engine, tenant) as reader:
        row = await reader.row(select(*(_number(condition) for condition in conditions)))
        numbers = tuple(row or ())
        return Count(sum(min(number, MOST_COUNTED) for number in numbers), any(n > MOST_COUNTED for n in numbers))


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    some = select(literal(1).label("one")).where(condition).limit(MOST_COUNTED + 1).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


def _stored(known: ColumnElement[Any] | None, body: ColumnElement[Any]) -> ColumnElement[int]:
    """Bytes of a body, without reading it; rows from before the cutover do not say how many it has."""
    on_disk = func.coalesce(func.pg_column_size(body), 0)
    return on_disk if known is None else func.coalesce(known, on_disk)


def _within(found: Sequence[Row[Any]], limit: int) -> Sequence[Row[Any]]:
    """The first of ``found`` that are a page: at least one, where there is one."""
    size = 0
    for number, row in enumerate(found[:limit]):
        size += row.size
        if size > PAGE_BYTES and number:
            return found[:number]
    return found[:limit]


async def _attempt(reader: Reader, row: Row[Any]) -> tuple[Attempt, AttemptBody]:
    return attempt_view(reader, row), await body_view(reader, row)


async def _wait(reader: Reader, row: Row[Any]) -> Wait:
    return wait_view(await hiding_compared(reader, [row.payload]), row)


async def _snapshot(reader: Reader, row: Row[Any]) -> tuple[Snapshot, Document]:
    body = row.envelope_json
    cut = isinstance(body, dict) and body.get("truncated") is True
    snapshot = Snapshot(row.snapshot_id, row.step_path, row.size_bytes, cut, row.created_at)
    return snapshot, reader.document(body, row.size_bytes)


ATTEMPTS: Final = Kind(
    workflow_action_invocations,
    "invocation_id",
    _stored(attempts.input_bytes, attempts.input_json) + _stored(attempts.output_bytes, attempts.output_json),
    _attempt,
)
"""Attempts with what they were given and answered."""
WAITS: Final = Kind(workflow_run_waits, "wait_id", _stored(None, waits.payload), _wait)
SNAPSHOTS: Final = Kind(workflow_run_snapshots, "snapshot_id", _stored(None, snapshots.envelope_json), _snapshot)
"""Snapshots with their envelopes."""
