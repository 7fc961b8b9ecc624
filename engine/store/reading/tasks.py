"""Tasks of people: a page of them, and one with all that is needed to answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Invalid, NotFound
from engine.settings import DEFAULT_TENANT
from engine.store.keyset import Keyset, decode_cursor, fingerprint, page_of
from engine.store.listing import check_limit
from engine.store.reader import Reader, open_reader, uuid_text
from engine.store.tables import (
    OPEN_TASK_STATUSES,
    TASK_STATUSES,
    workflow_event_deliveries,
    workflow_human_tasks,
    workflow_runs,
    workflow_task_forms,
)
from engine.store.views import Page, Reply, TaskDetail, TaskView

MAX_TASKS: Final = 500

tasks = workflow_human_tasks.c
runs = workflow_runs.c
forms = workflow_task_forms.c
deliveries = workflow_event_deliveries.c

_NEWEST: Final = Keyset((tasks.created_at, tasks.task_id))
_COLUMNS: Final = tuple(
    column for column in workflow_human_tasks.c if column.name not in {"context_json", "response_json"}
)


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Conditions are joined with AND."""

    tenant: str = DEFAULT_TENANT
    statuses: frozenset[str] = frozenset(OPEN_TASK_STATUSES)
    """Any of pending, claimed, completed, canceled, expired; those that are open by default. Empty: all."""
    run_id: str | None = None

    def __post_init__(self) -> None:
        """Raises ``Invalid`` (FILTER_INVALID, ID_INVALID)."""
        unknown = self.statuses - set(TASK_STATUSES)
        if unknown:
            raise Invalid(
                "FILTER_INVALID",
                f"The filter statuses cannot be used: {', '.join(sorted(unknown))[:60]} is none of {', '.join(TASK_STATUSES)}.",
                "Correct the filter.",
                {"field": "statuses"},
            )
        uuid_text(self.tenant, "tenant")
        if self.run_id is not None:
            uuid_text(self.run_id, "run")


async def tasks_page(
    engine: AsyncEngine, wanted: TaskFilter, *, cursor: str | None = None, backwards: bool = False, limit: int = 50
) -> Page[TaskView]:
    """Tasks newest first, after a cursor or with ``backwards`` before it; ``limit`` 1..500.

    Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID), ``Unavailable``.
    """
    check_limit(limit, MAX_TASKS)
    query = fingerprint("tasks", wanted.tenant, sorted(wanted.statuses), wanted.run_id)
    position = None if cursor is None else decode_cursor(query, cursor, (datetime, UUID))
    statement = _listed(wanted, position, limit + 1, backwards=backwards)
    async with open_reader(engine, wanted.tenant) as reader:
        views = [_view(reader, row) for row in await reader.rows(statement)]
        return page_of(
            views,
            limit,
            query,
            lambda view: (view.created_at, view.task_id),
            cursor,
            backwards=backwards,
            now=reader.server_now,
        )


async def task_detail(engine: AsyncEngine, tenant: str, task_id: str) -> Reply[TaskDetail]:
    """One task with its context, its form, its response, and whether the run has that.

    Raises ``NotFound`` (TASK_NOT_FOUND), ``Unavailable``.
    """
    missing = NotFound("TASK_NOT_FOUND", f"There is no task {task_id[:60]!r}.", "Check the id and the tenant.")
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
        detail = TaskDetail(
            row=_view(reader, row),
            context=None if row.context_json is None else reader.document(row.context_json),
            # A form describes answers and holds none.
            form=row.schema_json,
            response=None if row.response_json is None else reader.document(row.response_json),
            undelivered=row.delivery == "pending",
            delivery_error=reader.hide_text(row.delivery_error),
        )
        return Reply(detail, reader.server_now)


def _listed(wanted: TaskFilter, position: Sequence[Any] | None, most: int, *, backwards: bool) -> Select[Any]:
    """One short index range per status, merged: a range over several statuses would have to be sorted whole."""
    own: list[ColumnElement[bool]] = [tasks.tenant == wanted.tenant]
    if wanted.run_id is not None:
        own.append(tasks.run_id == wanted.run_id)
    if position is not None:
        own.append(_NEWEST.beyond(position, reverse=backwards))
    branches = [
        select(*_COLUMNS)
        .where(*own, tasks.status == status)
        .order_by(*_NEWEST.order(reverse=backwards))
        .limit(most)
        .subquery()
        for status in sorted(wanted.statuses or TASK_STATUSES)
    ]
    merged = union_all(*(select(branch) for branch in branches)).subquery("merged")
    order = _NEWEST.on(merged).order(reverse=backwards)
    found = select(merged).order_by(*order).limit(most).subquery("found")
    return (
        select(found, runs.workflow_id)
        .join_from(found, workflow_runs, runs.run_id == found.c.run_id)
        .order_by(*_NEWEST.on(found).order(reverse=backwards))
    )


def _view(reader: Reader, row: Row[Any]) -> TaskView:
    return TaskView(
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
