"""Facts about one run that say why it is not moving, and that no view shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import exists, func, select, text

from engine.store.database.transactions import Connection
from engine.store.runs.queue import Standing, standing_of
from engine.store.runs.runs import Run, load_run
from engine.store.tables import (
    workflow_event_deliveries,
    workflow_run_waits,
    workflow_runtime_events,
    workflow_step_usage_periods,
)
from engine.store.tenant.workers import SeenWorker, load_workers

EVENTS_CAP: Final = 100
"""Events are counted up to here."""


@dataclass(frozen=True, slots=True)
class Quota:
    """The tenant's step counter of the current period."""

    limit: int | None
    used: int
    period_end: datetime


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What Postgres knows beyond the views."""

    run: Run
    workers: tuple[SeenWorker, ...]
    events_seen: int
    """Events of the awaited name and key since the run started, up to ``EVENTS_CAP``; 0 when it awaits none."""
    quota: Quota | None
    """Of the current period; None when nothing was counted in it."""
    standing: Standing | None = None
    """Of a queued run."""
    dead_deliveries: int = 0
    """Events for this run that could not be delivered, up to ``EVENTS_CAP``; counted while it waits for an event."""
    undelivered: str | None = None
    """Why an event or an answer for this run, which is tried again, could not be delivered so far. Not redacted."""
    wait_open: bool = True
    """Whether what the run's row says it waits for is still waited for."""


async def load_row_facts(connection: Connection, tenant: str, run_id: str) -> RowFacts | None:
    """The facts of a run of the tenant; None when there is none of this id."""
    run = await load_run(connection, tenant, run_id)
    if run is None:
        return None
    return RowFacts(
        run=run,
        workers=tuple(await load_workers(connection)),
        events_seen=await _events_seen(connection, run) if run.waiting_on == "event" else 0,
        dead_deliveries=await _dead_deliveries(connection, run) if run.waiting_on == "event" else 0,
        undelivered=await _undelivered(connection, run) if run.waiting_on in ("event", "human") else None,
        wait_open=await _wait_open(connection, run) if run.waiting_on is not None else False,
        quota=await _quota(connection, tenant) if run.waiting_on == "quota" else None,
        standing=await standing_of(connection, run.run_id) if run.launch_state == "queued" else None,
    )


async def _events_seen(connection: Connection, run: Run) -> int:
    waits, events = workflow_run_waits.c, workflow_runtime_events.c
    awaited = (
        select(waits.event_name, waits.key)
        .where(waits.run_id == run.run_id, waits.status == "WAITING", waits.wait_type == "event")
        .limit(1)
        .subquery()
    )
    matching = (
        select(events.event_id)
        .join(awaited, awaited.c.event_name == events.event_name)
        .where(events.tenant == run.tenant, events.created_at >= run.started_at)
        .where(awaited.c.key.is_(None) | events.correlation_keys.has_key(awaited.c.key))
        .limit(EVENTS_CAP)
        .subquery()
    )
    return int((await connection.execute(select(func.count()).select_from(matching))).scalar_one())


async def _dead_deliveries(connection: Connection, run: Run) -> int:
    deliveries = workflow_event_deliveries.c
    dead = (
        select(deliveries.delivery_id)
        .where(deliveries.run_id == run.run_id, deliveries.status.in_(("failed", "skipped")))
        .limit(EVENTS_CAP)
        .subquery()
    )
    return int((await connection.execute(select(func.count()).select_from(dead))).scalar_one())


async def _undelivered(connection: Connection, run: Run) -> str | None:
    found: str | None = (await connection.execute(_UNDELIVERED, {"run": run.run_id})).scalar_one_or_none()
    return found


_UNDELIVERED: Final = text("""
    WITH of_run AS MATERIALIZED (
        SELECT status, last_error FROM workflow_event_deliveries WHERE run_id = CAST(:run AS uuid)
    )
    SELECT last_error FROM of_run WHERE status = 'pending' AND last_error IS NOT NULL LIMIT 1
""")
"""The deliveries of the run first: those that are pending can be very many."""


async def _wait_open(connection: Connection, run: Run) -> bool:
    waits = workflow_run_waits.c
    found = exists().where(waits.run_id == run.run_id, waits.status == "WAITING", waits.wait_type == run.waiting_on)
    return bool((await connection.execute(select(found))).scalar_one())


async def _quota(connection: Connection, tenant: str) -> Quota | None:
    periods = workflow_step_usage_periods.c
    question = (
        select(periods.effective_limit, periods.used_count, periods.period_end)
        .where(periods.tenant == tenant, periods.period_start <= func.now(), periods.period_end > func.now())
        .order_by(periods.period_start.desc())
        .limit(1)
    )
    row = (await connection.execute(question)).one_or_none()
    return None if row is None else Quota(*row)
