"""Human tasks: a keyset page of them, and one with all that is needed to answer it."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Invalid, NotFound
from engine.ids import uuid_text
from engine.records import OPEN_TASK_STATUSES, Page, Task, TaskDetail, TaskFilter
from engine.store.database.keyset import Keyset, Stretch, decode_cursor, fingerprint, page_of
from engine.store.database.question import QUESTIONS, Telling, ask_telling, question, telling
from engine.store.database.reader import Reading, open_reader
from engine.store.runs.listing import check_limit
from engine.store.tables import (
    TASK_STATUSES,
    workflow_event_deliveries,
    workflow_human_tasks,
    workflow_runs,
    workflow_task_forms,
)

MAX_TASKS: Final = 500

tasks = workflow_human_tasks.c
runs = workflow_runs.c
forms = workflow_task_forms.c
deliveries = workflow_event_deliveries.c

_NEWEST: Final = Keyset((tasks.created_at, tasks.task_id))
_OLDEST: Final = Keyset(_NEWEST.columns, descending=False)
_COLUMNS: Final = tuple(
    column for column in workflow_human_tasks.c if column.name not in {"context_json", "response_json"}
)


async def tasks_page(
    engine: AsyncEngine,
    tenant: str,
    wanted: TaskFilter,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Task]:
    """Tasks newest first, after a cursor; ``limit`` 1..500.

    Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID), ``Unavailable``.
    """
    check_limit(limit, MAX_TASKS)
    query = fingerprint("tasks", tenant, wanted)
    position = decode_cursor(query, cursor, (datetime, UUID))
    asked = _listed(tenant, wanted, limit + 1, continued=cursor is not None)
    reading, [rows] = await ask_telling(engine, tenant, asked, parameters=_NEWEST.parameters(position))
    return page_of(
        [_view(reading, row) for row in rows],
        limit,
        query,
        lambda view: (view.created_at, view.task_id),
        reading.server_now,
    )


async def task_detail(engine: AsyncEngine, tenant: str, task_id: str) -> TaskDetail:
    """One task with its context, its form, its response, and whether the run has that.

    Raises ``NotFound`` (TASK_NOT_FOUND), ``Unavailable``.
    """
    missing = NotFound("TASK_NOT_FOUND", f"There is no task {str(task_id)[:60]!r}.", "Check the id and the tenant.")
    try:
        task_id = uuid_text(task_id, "task")
    except Invalid:
        raise missing from None
    form = and_(forms.tenant == tasks.tenant, forms.task_type == tasks.task_type)
    answer = and_(
        deliveries.run_id == tasks.run_id,
        deliveries.target_kind == "task",
        deliveries.target == str(task_id),
        deliveries.event_id.is_(None),
    )
    one = (
        select(*workflow_human_tasks.c, runs.workflow_id, forms.schema_json, deliveries.status.label("delivery"))
        .add_columns(deliveries.last_error.label("delivery_error"))
        .join_from(workflow_human_tasks, workflow_runs, runs.run_id == tasks.run_id)
        .outerjoin(workflow_task_forms, form)
        .outerjoin(workflow_event_deliveries, answer)
        .where(tasks.task_id == task_id, tasks.tenant == tenant)
    )
    async with open_reader(engine, tenant) as reader:
        row = await reader.row(one)
    if row is None:
        raise missing
    async with open_reader(engine, tenant, row.run_id) as reader:
        return TaskDetail(
            row=_view(reader, row),
            context=None if row.context_json is None else reader.document(row.context_json),
            # A form describes answers and holds none.
            form=row.schema_json,
            response=None if row.response_json is None else reader.of_schema(row.schema_json, row.response_json),
            undelivered=row.delivery == "pending",
            delivery_error=reader.hide_text(row.delivery_error),
        )


async def late_tasks(engine: AsyncEngine, tenant: str, most: int) -> tuple[Task, ...]:
    """Open tasks whose due time has passed, the oldest first. Raises ``Unavailable``."""
    reading, [rows] = await ask_telling(engine, tenant, _late(tenant, most))
    return tuple(_view(reading, row) for row in rows)


@lru_cache(maxsize=QUESTIONS)
def _late(tenant: str, most: int) -> Telling:
    late = (tasks.tenant == tenant, tasks.status.in_(OPEN_TASK_STATUSES), tasks.due_at < func.now())
    rows = (
        select(*_COLUMNS, runs.workflow_id)
        .join_from(workflow_human_tasks, workflow_runs, runs.run_id == tasks.run_id)
        .where(*late)
    )
    return telling(question(Stretch(_OLDEST, most).of(rows)), ("task_id",), run="run_id")


@lru_cache(maxsize=QUESTIONS)
def _listed(tenant: str, wanted: TaskFilter, most: int, *, continued: bool) -> Telling:
    """One short index range per status, merged: a range over several statuses would have to be sorted whole."""
    own: list[ColumnElement[bool]] = [tasks.tenant == tenant]
    if wanted.run_id is not None:
        own.append(tasks.run_id == wanted.run_id)
    if continued:
        own.append(_NEWEST.beyond_parameters())
    stretch = Stretch(_NEWEST, most)
    branches = [
        stretch.of(select(*_COLUMNS).where(*own, tasks.status == status)).subquery()
        for status in sorted(wanted.statuses or TASK_STATUSES)
    ]
    merged = union_all(*(select(branch) for branch in branches)).subquery("merged")
    found = stretch.of(select(merged), merged).subquery("found")
    rows = (
        select(found, runs.workflow_id)
        .join_from(found, workflow_runs, runs.run_id == found.c.run_id)
        .order_by(*_NEWEST.on(found).order())
    )
    return telling(question(rows), ("task_id",), run="run_id")


def _view(known: Reading, row: Any) -> Task:
    reader = known.of(run_id=row.run_id)
    return Task(
        task_id=row.task_id,
        run_id=row.run_id,
        workflow_id=row.workflow_id,
        path=row.step_path or "",
        iteration=row.iteration,
        task_type=row.task_type,
        title=reader.hide_text(row.title) or "",
        description=reader.hide_text(row.description),
        status=row.status,
        priority=row.priority,
        due_at=row.due_at,
        claimed_by=row.claimed_by,
        claimed_at=row.claimed_at,
        completed_by=row.completed_by,
        completed_at=row.completed_at,
        created_at=row.created_at,
    )
