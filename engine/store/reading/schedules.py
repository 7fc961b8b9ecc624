"""Schedules of workflows, and what came of their occurrences."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Row, case, select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import NotFound
from engine.store.json_policy import storable_text
from engine.store.keyset import Keyset, decode_cursor, fingerprint, page_of
from engine.store.listing import check_limit
from engine.store.reader import Reader, open_reader
from engine.store.schedules import MISSED, schedule_id_of
from engine.store.tables import workflow_runs, workflow_schedule_fires, workflow_schedules
from engine.store.views import Document, Page, Reply

MAX_SCHEDULES: Final = 500
MAX_FIRES: Final = 500
OVERDUE_AFTER: Final = timedelta(seconds=60)
"""An occurrence that is later than this has not come: no worker is there to decide about it, or Temporal is away."""

schedules = workflow_schedules.c
fires = workflow_schedule_fires.c
runs = workflow_runs.c

_BY_WORKFLOW: Final = Keyset((schedules.workflow_id, schedules.schedule_id), descending=False)
_NEWEST: Final = Keyset((fires.fired_at, fires.fire_key))
_COLUMNS: Final = tuple(column for column in workflow_schedules.c if column.name != "payload_json")


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule, without the payload of its runs."""

    schedule_id: str
    workflow_id: str
    workflow_version: int
    trigger_type: Literal["schedule", "recurring"]
    """``schedule``: once."""
    run_at: datetime | None
    cron: str | None
    timezone: str
    status: str
    """scheduled, paused; disabled: the latest version has no such trigger; completed: it ran once; failed."""
    pending: bool
    """Temporal has not been told of the latest change yet."""
    next_fire_at: datetime | None
    """As Temporal said after the last occurrence; None when there is none, or it is paused."""
    overdue: bool
    """The next occurrence should have come more than a minute ago."""
    last_fire_at: datetime | None
    last_outcome: Literal["started", "skipped", "failed"] | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class FireView:
    """What came of one occurrence."""

    scheduled_for: datetime
    fired_at: datetime
    """When it was decided about."""
    outcome: Literal["started", "skipped", "missed", "failed"]
    """``missed``: nothing was running at that time, and a later occurrence was made up for instead."""
    reason: str | None
    run_id: str | None
    """The run it started, or that failed at its launch."""
    run_status: str | None
    """As it is now."""


@dataclass(frozen=True, slots=True)
class ScheduleDetail:
    """A schedule with what its runs are started with."""

    row: ScheduleView
    payload: Document


async def schedules_page(
    engine: AsyncEngine, tenant: str, *, cursor: str | None = None, backwards: bool = False, limit: int = 50
) -> Page[ScheduleView]:
    """Schedules by workflow id, after a cursor or with ``backwards`` before it; ``limit`` 1..500.

    Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID), ``Unavailable``.
    """
    check_limit(limit, MAX_SCHEDULES)
    query = fingerprint("schedules", tenant)
    where = [schedules.tenant == tenant]
    if cursor is not None:
        where.append(_BY_WORKFLOW.beyond(decode_cursor(query, cursor, (str, UUID)), reverse=backwards))
    statement = select(*_COLUMNS).where(*where).order_by(*_BY_WORKFLOW.order(reverse=backwards)).limit(limit + 1)
    async with open_reader(engine, tenant) as reader:
        views = [_view(reader, row) for row in await reader.rows(statement)]
        return page_of(
            views,
            limit,
            query,
            lambda view: (view.workflow_id, view.schedule_id),
            cursor,
            backwards=backwards,
            now=reader.server_now,
        )


async def schedule_detail(engine: AsyncEngine, tenant: str, named: str) -> Reply[ScheduleDetail]:
    """The schedule of that id, else the one of the workflow of that id.

    Raises ``NotFound`` (SCHEDULE_NOT_FOUND), ``Unavailable``.
    """
    async with open_reader(engine, tenant) as reader:
        row = await _find(reader, named)
        return Reply(ScheduleDetail(_view(reader, row), reader.document(row.payload_json)), reader.server_now)


async def fires_page(
    engine: AsyncEngine,
    tenant: str,
    schedule_id: str,
    *,
    cursor: str | None = None,
    backwards: bool = False,
    limit: int = 50,
) -> Page[FireView]:
    """What came of the occurrences of a schedule, the latest decision first; ``limit`` 1..500.

    Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID), ``NotFound`` (SCHEDULE_NOT_FOUND), ``Unavailable``.
    """
    check_limit(limit, MAX_FIRES)
    query = fingerprint("fires", tenant, schedule_id)
    outcome = case((fires.reason == MISSED, "missed"), else_=fires.status).label("outcome")
    where = [fires.schedule_id == schedule_id, fires.tenant == tenant]
    if cursor is not None:
        where.append(_NEWEST.beyond(decode_cursor(query, cursor, (datetime, str)), reverse=backwards))
    statement = (
        select(fires.scheduled_for, fires.fired_at, fires.fire_key, outcome, fires.reason, fires.run_id)
        .add_columns(runs.status.label("run_status"))
        .outerjoin_from(workflow_schedule_fires, workflow_runs, runs.run_id == fires.run_id)
        .where(*where)
        .order_by(*_NEWEST.order(reverse=backwards))
        .limit(limit + 1)
    )
    async with open_reader(engine, tenant) as reader:
        await _find(reader, schedule_id)
        page = page_of(
            await reader.rows(statement),
            limit,
            query,
            lambda row: (row.fired_at, row.fire_key),
            cursor,
            backwards=backwards,
            now=reader.server_now,
        )
        return Page(tuple(_fire(reader, row) for row in page.rows), page.next, page.previous, page.server_now)


async def _find(reader: Reader, named: str) -> Row[Any]:
    text = storable_text(named)
    candidates = [schedule_id_of(reader.tenant, text)]
    with suppress(ValueError):
        candidates.insert(0, str(UUID(text)))
    question = select(workflow_schedules).where(
        schedules.schedule_id.in_(candidates), schedules.tenant == reader.tenant
    )
    found = {row.schedule_id: row for row in await reader.rows(question)}
    for schedule_id in candidates:
        if schedule_id in found:
            return found[schedule_id]
    raise NotFound(
        "SCHEDULE_NOT_FOUND",
        f"There is no schedule {text[:60]!r}, and no workflow of that id that is started by time.",
        "`runstudio schedules list` shows those there are.",
    )


def _view(reader: Reader, row: Row[Any]) -> ScheduleView:
    due = row.next_fire_at if row.status == "scheduled" else None
    return ScheduleView(
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
        overdue=due is not None and reader.server_now - due > OVERDUE_AFTER,
        last_fire_at=row.last_fire_at,
        last_outcome=_OUTCOMES.get(row.last_run_status),
        last_error=reader.hide_text(row.last_error),
    )


def _fire(reader: Reader, row: Row[Any]) -> FireView:
    return FireView(
        scheduled_for=row.scheduled_for,
        fired_at=row.fired_at,
        outcome=row.outcome,
        reason=reader.hide_text(row.reason),
        run_id=row.run_id,
        run_status=row.run_status,
    )


_OUTCOMES: Final[dict[str | None, Literal["started", "skipped", "failed"]]] = {
    "success": "started",
    "skipped": "skipped",
    "error": "failed",
}
