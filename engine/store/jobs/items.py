"""Targets of jobs: collecting them, those that are due, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from engine.records import ItemState
from engine.store.database.transactions import Connection
from engine.store.jobs.jobs import CLAIM_SECONDS
from engine.values.json_policy import dumps_for_storage, storable_text

MADE_LATELY: Final = 500
"""Of the runs a job has made, how many are looked at to see whether the workers keep up."""
MAX_RESULT: Final = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a target."""

    target: str
    state: ItemState
    """PENDING: it is to be tried again later."""
    result: str
    error_code: str | None = None
    run_id: str | None = None


async def add_targets(  # noqa: PLR0917 - a page of targets, and whose it is
    connection: Connection, job_id: str, tenant: str, worker: str, targets: Sequence[str], cursor: str | None
) -> bool:
    """Collect targets, up to where ``cursor`` says; None: they were the last. A target that is known is left alone.

    False, and nothing is written, when the job was held up, or taken over.
    """
    values = {
        "job": job_id, "tenant": tenant, "worker": worker, "targets": list(targets), "cursor": cursor, "seconds": CLAIM_SECONDS
    }  # fmt: skip
    return (await connection.execute(_ADD, values)).first() is not None


async def due_targets(connection: Connection, job_id: str, limit: int) -> list[str]:
    """Pending targets whose time has come."""
    rows = await connection.execute(_DUE, {"job": job_id, "limit": limit})
    return [str(row.target) for row in rows]


async def next_due_seconds(connection: Connection, job_id: str) -> float | None:
    """When the next pending target is due; None when none is pending."""
    seconds = (await connection.execute(_NEXT_DUE, {"job": job_id})).scalar_one_or_none()
    return None if seconds is None else max(0.0, float(seconds))


async def busy_runs(connection: Connection, job_id: str) -> int:
    """How many of the ``MADE_LATELY`` last runs the job has made are running."""
    return int((await connection.execute(_BUSY, {"job": job_id, "limit": MADE_LATELY})).scalar_one())


async def done_before(
    connection: Connection, tenant: str, operation: str, remark: str, targets: Sequence[str]
) -> set[str]:
    """Those of the targets for which the audit log has this operation, made by a worker with this remark.

    The entry is written with the effect; the record of the target comes after it, and may have been lost with its worker.
    """
    values = {"tenant": tenant, "operation": operation, "remark": remark, "targets": list(targets)}
    return {str(row.target_id) for row in await connection.execute(_DONE_BEFORE, values)}


async def settle_targets(
    connection: Connection, job_id: str, worker: str, outcomes: Sequence[Outcome], *, later_seconds: float
) -> bool:
    """Record what became of targets, and count it. Whether this worker is to go on with the job."""
    told = [
        {
            "target": outcome.target,
            "state": outcome.state.value,
            "result": storable_text(outcome.result)[:MAX_RESULT],
            "error_code": outcome.error_code,
            "run_id": outcome.run_id,
        }
        for outcome in outcomes
    ]
    values = {"job": job_id, "worker": worker, "told": dumps_for_storage(told), "seconds": CLAIM_SECONDS}
    row = (await connection.execute(_SETTLE, {**values, "later": later_seconds})).one()
    return bool(row.ours)


_ADD: Final = text("""
    WITH ours AS MATERIALIZED (
        SELECT job_id FROM workflow_jobs
        WHERE job_id = CAST(:job AS uuid) AND claimed_by = :worker AND state = 'running' FOR UPDATE
    ), added AS (
        INSERT INTO workflow_job_items (job_id, target, tenant)
        SELECT ours.job_id, target, CAST(:tenant AS uuid) FROM ours, unnest(CAST(:targets AS uuid[])) AS target
        ON CONFLICT DO NOTHING RETURNING 1
    )
    UPDATE workflow_jobs AS j SET total = total + (SELECT count(*) FROM added), fill_cursor = :cursor,
        filled_at = CASE WHEN CAST(:cursor AS text) IS NULL THEN now() END, updated_at = now(),
        claimed_until = now() + :seconds * interval '1 second', trouble = NULL
    FROM ours WHERE j.job_id = ours.job_id RETURNING j.job_id
""")
_DUE: Final = text("""
    SELECT target FROM workflow_job_items
    WHERE job_id = CAST(:job AS uuid) AND state = 'pending' AND not_before <= now()
    ORDER BY not_before, target LIMIT :limit
""")
_NEXT_DUE: Final = text("""
    SELECT extract(epoch FROM not_before - now()) FROM workflow_job_items
    WHERE job_id = CAST(:job AS uuid) AND state = 'pending' ORDER BY not_before, target LIMIT 1
""")
_BUSY: Final = text("""
    SELECT count(*) FROM (
        SELECT run_id FROM workflow_job_items
        WHERE job_id = CAST(:job AS uuid) AND run_id IS NOT NULL ORDER BY settled_at DESC LIMIT :limit
    ) AS made JOIN workflow_runs AS r USING (run_id) WHERE r.status = 'RUNNING'
""")
_DONE_BEFORE: Final = text("""
    SELECT target_id FROM workflow_audit_log
    WHERE tenant = CAST(:tenant AS uuid) AND target_kind IN ('run', 'delivery') AND target_id = ANY(CAST(:targets AS text[]))
        AND operation = :operation AND actor_known_by = 'service' AND actor_remark = :remark
""")
_SETTLE: Final = text("""
    WITH told AS (
        SELECT * FROM jsonb_to_recordset(CAST(:told AS jsonb))
            AS told (target uuid, state text, result text, error_code text, run_id uuid)
    ), settled AS (
        UPDATE workflow_job_items AS i SET state = told.state, result = told.result, error_code = told.error_code,
            run_id = told.run_id, settled_at = CASE WHEN told.state <> 'pending' THEN now() END,
            not_before = CASE WHEN told.state = 'pending' THEN now() + :later * interval '1 second' ELSE i.not_before END
        FROM told WHERE i.job_id = CAST(:job AS uuid) AND i.target = told.target AND i.state = 'pending'
        RETURNING told.state
    )
    UPDATE workflow_jobs SET
        done = done + (SELECT count(*) FROM settled WHERE state = 'done'),
        skipped = skipped + (SELECT count(*) FROM settled WHERE state = 'skipped'),
        failed = failed + (SELECT count(*) FROM settled WHERE state = 'failed'),
        trouble = NULL, updated_at = now(),
        claimed_until = CASE WHEN claimed_by = :worker AND state = 'running'
            THEN now() + :seconds * interval '1 second' ELSE claimed_until END
    WHERE job_id = CAST(:job AS uuid)
    RETURNING claimed_by = :worker AND state = 'running' AS ours
""")
