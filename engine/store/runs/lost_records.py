# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""Runs that went on although a restore of Postgres has taken records of theirs: what those would have closed is closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from engine.store.database.transactions import Connection
from engine.store.trace.trace_rows import STEP_OF_X, duration_ms


@dataclass(frozen=True, slots=True)
class LostRecords:
    """Of one run."""

    first: int
    """Sequence number."""
    last: int
    closed: int
    """Waits, tasks, attempts and steps that were open before them and are closed now."""


async def runs_with_lost_records(connection: Connection, limit: int) -> list[str]:
    """Ids of runs whose row tells of lost records that nobody has looked at."""
    return list((await connection.execute(_NOTED, {"limit": limit})).scalars())


async def close_lost_records(connection: Connection, run_id: str, error: str) -> LostRecords | None:
    """Close what the run had open before the records that are lost, and take the note of them from its row. None: there is none.

    A run does one step after the other, so the lost records have ended all of it; how is not known any more. ``error``: JSON
    text that says so, for the steps.
    """
    noted = (await connection.execute(_LOCKED, {"run_id": run_id})).one_or_none()
    if noted is None:
        return None
    values = {"run_id": run_id, "last": noted.last}
    closed = sum([(await connection.execute(statement, values)).rowcount for statement in _CLOSE_EACH])
    steps = await connection.execute(_CLOSE_STEPS, {**values, "error": error})
    await connection.execute(_SEEN, {"run_id": run_id})
    return LostRecords(noted.first, noted.last, closed + steps.rowcount)


_NOTED: Final = text("""
    SELECT r.run_id::text FROM workflow_runs AS r WHERE r.lost_records IS NOT NULL ORDER BY r.run_id LIMIT :limit
""")
_LOCKED: Final = text("""
    SELECT lower(r.lost_records) AS first, upper(r.lost_records) - 1 AS last FROM workflow_runs AS r
    WHERE r.run_id = CAST(:run_id AS uuid) AND r.lost_records IS NOT NULL
    FOR NO KEY UPDATE
""")
_SEEN: Final = text("UPDATE workflow_runs SET lost_records = NULL WHERE run_id = CAST(:run_id AS uuid)")

_CLOSE_EACH: Final = (
    text("""
        UPDATE workflow_run_waits AS x SET status = 'CANCELED', resolved_at = now()
        WHERE x.run_id = CAST(:run_id AS uuid) AND x.status = 'WAITING' AND x.seq <= :last
    """),
    text(f"""
        UPDATE workflow_human_tasks AS x SET status = 'canceled', updated_at = now()
        WHERE x.run_id = CAST(:run_id AS uuid) AND x.status IN ('pending', 'claimed') AND EXISTS ({STEP_OF_X} AND s.seq <= :last)
    """),
    # An earlier try of the step that the run is at is over, too.
    text(f"""
        UPDATE workflow_action_invocations AS x SET status = 'ABANDONED', completed_at = now()
        WHERE x.run_id = CAST(:run_id AS uuid) AND x.status = 'STARTED'
            AND EXISTS ({STEP_OF_X} AND (s.seq <= :last OR s.attempt > x.attempt))
    """),
)
_CLOSE_STEPS: Final = text(f"""
    UPDATE workflow_run_steps AS s
    SET status = 'CANCELED', completed_at = now(), error_json = CAST(:error AS jsonb), duration_ms = {duration_ms("now()")}
    WHERE s.run_id = CAST(:run_id AS uuid) AND s.status IN ('STARTED', 'RETRY_SCHEDULED') AND s.seq <= :last
""")
