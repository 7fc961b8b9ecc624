# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""Runs that wait for quota units although their tenant has some again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import insert, select, text

from engine.ids import new_id
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_run_logs, workflow_runs
from engine.store.trace.projection import PERIOD_START


@dataclass(frozen=True, slots=True)
class PausedRun:
    """A run that may go on."""

    run_id: str
    tenant: str
    wait_id: str


async def resumable_runs(connection: Connection, limit: int) -> list[PausedRun]:
    """At most ``limit`` paused runs of all tenants, of each tenant the oldest pauses and no more than it has units left.

    In rounds: the oldest pause of every tenant, then the second of every tenant, and so on; so none waits for another.
    """
    rows = await connection.execute(_RESUMABLE, {"limit": limit})
    return [PausedRun(row.run_id, row.tenant, row.wait_id) for row in rows]


async def quota_wait(connection: Connection, run_id: str) -> str | None:
    """The open quota wait of a run; None when it does not wait for units."""
    return (await connection.execute(_WAIT, {"run_id": run_id})).scalar_one_or_none()


async def log_asked(connection: Connection, asked: Sequence[PausedRun], source: str) -> None:
    """Say on each run's log that it was asked to go on; not of one that was deleted since, or whose row somebody holds."""
    free = select(workflow_runs.c.run_id).where(workflow_runs.c.run_id.in_([run.run_id for run in asked]))
    there = set((await connection.execute(free.with_for_update(read=True, key_share=True, skip_locked=True))).scalars())
    lines = [
        {
            "log_id": new_id(),
            "run_id": run.run_id,
            "tenant": run.tenant,
            "level": "INFO",
            "message": "Quota is available; the run was asked to go on",
            "context_json": {"waitId": run.wait_id},
            "source": source,
        }
        for run in asked
        if run.run_id in there
    ]
    if lines:
        await connection.execute(insert(workflow_run_logs), lines)


# The wait's own time, not the run's: a run that was asked and denied again keeps its place.
_RESUMABLE: Final = text(f"""
    WITH paused AS (
        SELECT w.run_id, w.tenant, w.wait_id, w.created_at,
            row_number() OVER (PARTITION BY w.tenant ORDER BY w.created_at, w.wait_id) AS place
        FROM workflow_run_waits AS w JOIN workflow_runs AS r ON r.run_id = w.run_id
        WHERE w.wait_type = 'quota' AND w.status = 'WAITING'
            AND r.status = 'WAITING' AND r.waiting_on = 'quota' AND r.engine = 'temporal'
    )
    SELECT p.run_id::text, p.tenant::text, p.wait_id::text
    FROM paused AS p
    LEFT JOIN workflow_settings AS s ON s.tenant = p.tenant
    LEFT JOIN workflow_step_usage_periods AS u ON u.tenant = p.tenant AND u.period_start = {PERIOD_START}
    WHERE s.quota_limit IS NULL OR p.place <= s.quota_limit - coalesce(u.used_count, 0)
    ORDER BY p.place, p.created_at, p.wait_id
    LIMIT :limit
""")
_WAIT: Final = text("""
    SELECT wait_id::text FROM workflow_run_waits
    WHERE run_id = CAST(:run_id AS uuid) AND wait_type = 'quota' AND status = 'WAITING'
    ORDER BY created_at LIMIT 1
""")
