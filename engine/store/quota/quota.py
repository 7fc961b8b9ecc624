# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""Quota units: leased to a run in blocks, under the lock of the tenant's counter row, so that a limit is never crossed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text

from engine.definition.step_ref import StepRef
from engine.store.database.transactions import Connection, Store
from engine.store.trace.projection import PERIOD_END, PERIOD_START, Progress, Running, Waiting, write_progress
from engine.values.json_policy import dumps_for_storage

LEASE_BLOCK: Final = 50
"""Most units one lease takes."""
SHARE_OF_REMAINDER: Final = 4
"""One lease takes at most this part of what is left, so that the last units are not all held by one run."""

REASON: Final = "workflow_step_quota_exceeded"


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a run got."""

    granted: bool
    units: int | None
    """None: the tenant has no limit."""
    waited_until: datetime | None = None
    """When the run's wait for them ended; None when it did not have to wait."""


async def reserve(store: Store, progress: Progress, step: StepRef, at: str) -> Reservation | None:
    """Lease units for a run that wants to start ``step``; denied, the run waits for them. None: the run is closed.

    A repeat finds the lease of the first time and takes no other, also when the run's rows are further than it is: the steps up
    to there are paid. ``at``: the run's time, ISO-8601.
    """
    async with store.begin() as connection:
        run = (await connection.execute(_RUN, _progress(progress))).one_or_none()
        if run is None:
            return None
        if run.quota_limit is None or run.unused > 0:
            return await _grant(connection, progress, step, run, units=0)
        limits = {"tenant": run.tenant, "effective_limit": run.quota_limit}
        period = (await connection.execute(_LOCK_PERIOD, limits)).one()
        left = run.quota_limit - period.used_count
        if left > 0:
            units = max(1, min(LEASE_BLOCK, left // SHARE_OF_REMAINDER))
            return await _grant(connection, progress, step, run, units)
        await _deny(connection, progress, step, at=at, run=run, period=period)
        return Reservation(False, None)


async def _grant(connection: Connection, progress: Progress, step: StepRef, run: Row[Any], units: int) -> Reservation:
    await write_progress(connection, progress, Running(step))
    await connection.execute(_RESOLVE_WAIT, _where(progress, step))
    waited = (await connection.execute(_WAITED_UNTIL, _where(progress, step))).first()
    if units:
        await connection.execute(_TAKE, {"run_id": progress.run_id, "tenant": run.tenant, "units": units})
    left = None if run.quota_limit is None else run.unused + units
    return Reservation(True, left, None if waited is None else waited.resolved_at)


async def _deny(
    connection: Connection, progress: Progress, step: StepRef, *, at: str, run: Row[Any], period: Row[Any]
) -> None:
    payload = {
        "reason": REASON,
        "tenant": run.tenant,
        "periodStart": period.starts,
        "periodEnd": period.ends,
        "usedCount": period.used_count,
        "effectiveLimit": run.quota_limit,
        "periodSource": "calendar",
        "limitSource": "settings",
    }
    message = f"The step quota of this month is used up: {period.used_count} of {run.quota_limit}."
    error = {
        "category": "QuotaExceeded",
        "code": "QUOTA_EXCEEDED",
        "message": message,
        "nodePath": step.path,
        "at": at,
        "data": payload,
    }
    await write_progress(connection, progress, Waiting(step, "quota", at, error=error))
    parameters = {
        **_where(progress, step),
        "tenant": run.tenant,
        "until": period.period_end,
        "payload": dumps_for_storage(payload),
    }
    await connection.execute(_OPEN_WAIT, parameters)


def _where(progress: Progress, step: StepRef) -> dict[str, Any]:
    return {"run_id": progress.run_id, "path": step.path, "iteration": step.iteration, "visit": step.visit}


def _progress(progress: Progress) -> dict[str, Any]:
    return {"run_id": progress.run_id, "steps_started": progress.steps_started}


_ISO: Final = """'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'"""
_RUN: Final = text("""
    SELECT r.tenant::text AS tenant, greatest(0, r.quota_leased + r.step_count - :steps_started) AS unused,
        (SELECT s.quota_limit FROM workflow_settings AS s WHERE s.tenant = r.tenant) AS quota_limit
    FROM workflow_runs AS r
    WHERE r.run_id = CAST(:run_id AS uuid) AND r.status IN ('RUNNING', 'WAITING')
    FOR NO KEY UPDATE OF r
""")
_LOCK_PERIOD: Final = text(f"""
    INSERT INTO workflow_step_usage_periods AS u (tenant, period_start, period_end, effective_limit)
    VALUES (CAST(:tenant AS uuid), {PERIOD_START}, {PERIOD_END}, :effective_limit)
    ON CONFLICT (tenant, period_start, period_end) DO UPDATE SET effective_limit = excluded.effective_limit
    RETURNING used_count, period_end, to_char(period_start AT TIME ZONE 'UTC', {_ISO}) AS starts,
        to_char(period_end AT TIME ZONE 'UTC', {_ISO}) AS ends
""")
_TAKE: Final = text(f"""
    WITH period AS (
        UPDATE workflow_step_usage_periods SET used_count = used_count + :units, updated_at = now()
        WHERE tenant = CAST(:tenant AS uuid) AND period_start = {PERIOD_START}
    )
    UPDATE workflow_runs SET quota_leased = :units, quota_period_start = {PERIOD_START}
    WHERE run_id = CAST(:run_id AS uuid)
""")
_OPEN_WAIT: Final = text("""
    INSERT INTO workflow_run_waits
        (run_id, tenant, step_path, iteration, visit, wait_type, timeout_at, status, payload)
    VALUES (CAST(:run_id AS uuid), CAST(:tenant AS uuid), :path, :iteration, :visit, 'quota', :until, 'WAITING',
        CAST(:payload AS jsonb))
    ON CONFLICT (run_id, step_path, iteration, visit, wait_type, attempt) WHERE visit > 0
    DO UPDATE SET timeout_at = excluded.timeout_at, payload = excluded.payload, status = 'WAITING', resolved_at = NULL
""")
_WAITED_UNTIL: Final = text("""
    SELECT resolved_at FROM workflow_run_waits
    WHERE run_id = CAST(:run_id AS uuid) AND step_path = :path AND iteration = :iteration AND visit = :visit
        AND wait_type = 'quota' AND visit > 0
""")
_RESOLVE_WAIT: Final = text("""
    UPDATE workflow_run_waits SET status = 'RESOLVED', resolved_at = date_trunc('milliseconds', now())
    WHERE run_id = CAST(:run_id AS uuid) AND step_path = :path AND iteration = :iteration AND visit = :visit
        AND wait_type = 'quota' AND status = 'WAITING' AND visit > 0
""")
