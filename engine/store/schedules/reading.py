"""Schedules of workflows, and what came of their occurrences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import NotFound
from engine.records import Fire, Page, Schedule, ScheduleDetail
from engine.store.database.keyset import Keyset, Stretch, decode_cursor, fingerprint, page_of
from engine.store.database.question import QUESTIONS, Question, Telling, ask_telling, question, telling
from engine.store.database.reader import Reading
from engine.store.runs.listing import check_limit
from engine.store.schedules.schedules import MISSED, schedule_id_of
from engine.store.tables import (
    workflow_definition_versions,
    workflow_runs,
    workflow_schedule_fires,
    workflow_schedules,
)
from engine.values.json_policy import storable_text

MAX_SCHEDULES: Final = 500
MAX_FIRES: Final = 500
OVERDUE_AFTER: Final = timedelta(seconds=60)
"""An occurrence that is later than this has not come: no worker is there to decide about it, or Temporal is away."""

schedules = workflow_schedules.c
fires = workflow_schedule_fires.c
versions = workflow_definition_versions.c
runs = workflow_runs.c

_BY_WORKFLOW: Final = Keyset((schedules.workflow_id, schedules.schedule_id), descending=False)
_NEWEST: Final = Keyset((fires.fired_at, fires.fire_key))
_LAST_RUN: Final = (
    select(fires.run_id)
    .where(fires.schedule_id == schedules.schedule_id, fires.fire_key == schedules.last_fire_key)
    .where(schedules.last_error.is_not(None))
    .correlate(workflow_schedules)
    .scalar_subquery()
    .label("last_run_id")
)
"""The run whose refusal ``last_error`` tells of."""
SCHEDULE_COLUMNS: Final = (*(column for column in workflow_schedules.c if column.name != "payload_json"), _LAST_RUN)
"""What ``schedule_view`` needs."""


async def schedules_page(
    engine: AsyncEngine, tenant: str, *, cursor: str | None = None, limit: int = 50
) -> Page[Schedule]:
    """Schedules by workflow id, after a cursor; ``limit`` 1..500.

    Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID), ``Unavailable``.
    """
    check_limit(limit, MAX_SCHEDULES)
    query = fingerprint("schedules", tenant)
    position = decode_cursor(query, cursor, (str, UUID))
    asked = _schedules(tenant, limit + 1, continued=cursor is not None)
    reading, [rows] = await ask_telling(engine, tenant, asked, parameters=_BY_WORKFLOW.parameters(position))
    return page_of(
        [schedule_view(reading, row) for row in rows],
        limit,
        query,
        lambda view: (view.workflow_id, view.schedule_id),
        reading.server_now,
    )


async def schedule_detail(engine: AsyncEngine, tenant: str, named: str) -> ScheduleDetail:
    """The schedule of that id, else the one of the workflow of that id.

    Raises ``NotFound`` (SCHEDULE_NOT_FOUND), ``Unavailable``.
    """
    ids = _ids_of(tenant, named)
    reading, [rows] = await ask_telling(engine, tenant, _named(tenant, ids))
    row = _first_of(ids, rows, named)
    return ScheduleDetail(schedule_view(reading, row), reading.of_schema(row.payload_schema_json, row.payload_json))


async def troubled_schedules(engine: AsyncEngine, tenant: str, most: int) -> tuple[Schedule, ...]:
    """Schedules that failed, are overdue, or whose last occurrence started nothing; by workflow id. Raises ``Unavailable``."""
    reading, [rows] = await ask_telling(engine, tenant, _troubled(tenant, most))
    return tuple(schedule_view(reading, row) for row in rows)


async def fires_page(
    engine: AsyncEngine,
    tenant: str,
    schedule_id: str,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Fire]:
    """What came of the occurrences of a schedule, the latest decision first; ``limit`` 1..500.

    Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID), ``NotFound`` (SCHEDULE_NOT_FOUND), ``Unavailable``.
    """
    check_limit(limit, MAX_FIRES)
    query = fingerprint("fires", tenant, schedule_id)
    position = decode_cursor(query, cursor, (datetime, str))
    ids = _ids_of(tenant, schedule_id)
    asked = _fires(tenant, ids[0], limit + 1, continued=cursor is not None)
    parameters = _NEWEST.parameters(position)
    reading, [rows, named] = await ask_telling(engine, tenant, asked, _named(tenant, ids).page, parameters=parameters)
    _first_of(ids, named, schedule_id)
    page = page_of(rows, limit, query, lambda row: (row.fired_at, row.fire_key), reading.server_now)
    return Page(tuple(_fire(reading, row) for row in page.rows), page.next, page.server_now)


@lru_cache(maxsize=QUESTIONS)
def _schedules(tenant: str, limit: int, *, continued: bool) -> Telling:
    where = [schedules.tenant == tenant]
    if continued:
        where.append(_BY_WORKFLOW.beyond_parameters())
    rows = select(*SCHEDULE_COLUMNS).where(*where)
    return telling_schedules(question(Stretch(_BY_WORKFLOW, limit).of(rows)))


@lru_cache(maxsize=QUESTIONS)
def _troubled(tenant: str, most: int) -> Telling:
    overdue = (schedules.status == "scheduled") & (schedules.next_fire_at < func.now() - OVERDUE_AFTER)
    refused = schedules.last_run_status.in_(("skipped", "error")) & schedules.status.in_(("scheduled", "failed"))
    failed = schedules.status == "failed"
    rows = select(*SCHEDULE_COLUMNS).where(schedules.tenant == tenant, overdue | refused | failed)
    return telling_schedules(question(Stretch(_BY_WORKFLOW, most).of(rows)))


@lru_cache(maxsize=QUESTIONS)
def _fires(tenant: str, schedule_id: str, limit: int, *, continued: bool) -> Telling:
    outcome = case((fires.reason == MISSED, "missed"), else_=fires.status).label("outcome")
    where = [fires.schedule_id == schedule_id, fires.tenant == tenant]
    if continued:
        where.append(_NEWEST.beyond_parameters())
    rows = (
        select(fires.scheduled_for, fires.fired_at, fires.fire_key, outcome, fires.reason, fires.run_id)
        .add_columns(runs.status.label("run_status"))
        .outerjoin_from(workflow_schedule_fires, workflow_runs, runs.run_id == fires.run_id)
        .where(*where)
    )
    return telling(question(Stretch(_NEWEST, limit).of(rows)), ("reason",), run="run_id")


@lru_cache(maxsize=QUESTIONS)
def _named(tenant: str, ids: tuple[str, ...]) -> Telling:
    published = (
        (versions.tenant == schedules.tenant)
        & (versions.workflow_id == schedules.workflow_id)
        & (versions.version == schedules.workflow_version)
    )
    rows = select(*workflow_schedules.c, _LAST_RUN, versions.payload_schema_json)
    joined = rows.outerjoin_from(workflow_schedules, workflow_definition_versions, published)
    return telling_schedules(question(joined.where(schedules.schedule_id.in_(ids), schedules.tenant == tenant)))


def _ids_of(tenant: str, named: str) -> tuple[str, ...]:
    """What ``named`` may mean: a schedule's id, else the id of the schedule of a workflow."""
    text = storable_text(named)
    of_workflow = schedule_id_of(tenant, text)
    try:
        return (str(UUID(text)), of_workflow)
    except ValueError:
        return (of_workflow,)


def _first_of(ids: Sequence[str], rows: Sequence[Any], named: str) -> Any:
    found = {row.schedule_id: row for row in rows}
    for schedule_id in ids:
        if schedule_id in found:
            return found[schedule_id]
    raise NotFound(
        "SCHEDULE_NOT_FOUND",
        f"There is no schedule {storable_text(named)[:60]!r}, and no workflow of that id that is started by time.",
        "`runstudio schedules list` shows those there are.",
    )


def telling_schedules(rows: Question) -> Telling:
    """``rows``, a question for ``SCHEDULE_COLUMNS``, which are told with what the runs hide whose refusals they show."""
    return telling(rows, ("last_error",), run="last_run_id")


def schedule_view(known: Reading, row: Any) -> Schedule:
    """A row of ``SCHEDULE_COLUMNS``; ``known`` was told with it."""
    reader = known.of(run_id=row.last_run_id)
    due = row.next_fire_at if row.status == "scheduled" else None
    return Schedule(
        schedule_id=row.schedule_id,
        workflow_id=row.workflow_id,
        workflow_version=row.workflow_version,
        trigger_type=row.trigger_type,
        run_at=row.run_at,
        cron=row.cron,
        timezone=row.timezone,
        status=row.status,
        pending=row.temporal_schedule_id is None and row.status in {"scheduled", "paused"},
        next_fire_at=due,
        overdue=due is not None and known.server_now - due > OVERDUE_AFTER,
        last_fire_at=row.last_fire_at,
        last_outcome=_OUTCOMES.get(row.last_run_status),
        last_error=reader.hide_text(row.last_error),
    )


def _fire(reader: Reading, row: Any) -> Fire:
    return Fire(
        scheduled_for=row.scheduled_for,
        fired_at=row.fired_at,
        outcome=row.outcome,
        reason=None if row.reason is None else reader.of(run_id=row.run_id).hide_text(row.reason),
        run_id=row.run_id,
        run_status=row.run_status,
    )


_OUTCOMES: Final[dict[str | None, Literal["started", "skipped", "failed"]]] = {
    "success": "started",
    "skipped": "skipped",
    "error": "failed",
}
