# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""Rows of runs compared with their executions: finding them, and putting right what a restore of one of the stores left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from engine.store.database.transactions import Connection
from engine.store.runs.reconciling import Position

UNHEARD_SECONDS: Final = 120.0
_MOST_NUMBERS: Final = 1_000_000
"""Numbers of arrival that are skipped at once; more are at the next occasion."""


@dataclass(frozen=True, slots=True)
class RowState:
    """How far the row of a run is."""

    run_id: str
    tenant: str
    workflow_id: str
    status: str
    seq: int
    """Sequence number of the last record that was written."""
    node_path: str | None
    waiting_on: str | None
    updated_at: datetime
    cancel_requested_at: datetime | None
    ended_seconds: float | None
    """How long ago it ended; None: it has not."""

    @property
    def active(self) -> bool:
        """Whether it can still change."""
        return self.status in ("RUNNING", "WAITING")

    @property
    def place(self) -> str:
        """``record 5 at root.steps[0]``."""
        return f"record {self.seq} at {self.node_path or 'no step'}"


async def open_rows(connection: Connection, after: Position | None, limit: int, idle_seconds: float) -> list[RowState]:
    """Started, active runs that have not changed for ``idle_seconds``, the longest unchanged first, after a position."""
    values = {
        "limit": limit,
        "idle": idle_seconds,
        "after": None if after is None else after.updated_at,
        "after_id": None if after is None else after.run_id,
    }
    return [RowState(*row) for row in await connection.execute(_OPEN if after is None else _OPEN_AFTER, values)]


async def rows_of(connection: Connection, run_ids: list[str]) -> dict[str, RowState]:
    """The rows that there are of these runs, by run id."""
    if not run_ids:
        return {}
    return {row.run_id: RowState(*row) for row in await connection.execute(_OF, {"ids": run_ids})}


async def answer_again(connection: Connection, task_id: str) -> bool:
    """Have the answer to a task delivered once more. False: none is kept."""
    return (await connection.execute(_ANSWER_AGAIN, {"task_id": task_id})).rowcount > 0


async def send_unheard_again(connection: Connection, limit: int) -> int:
    """Have sent again what runs were sent and have not taken: the event of a wait, the answer to a task. How many.

    A run takes it within moments, unless no worker is there, or Temporal was restored to before it came. Twice does no harm.
    """
    values = {"seconds": UNHEARD_SECONDS, "limit": limit}
    return sum([(await connection.execute(statement, values)).rowcount for statement in _SEND_AGAIN])


async def number_beyond(connection: Connection, noted: int) -> None:
    """Have the next event arrive after ``noted``, a number that a run has looked up to and this database has not given yet."""
    given = int((await connection.execute(_NEXT_NUMBER)).scalar_one())
    if given < noted:
        await connection.execute(_SKIP, {"count": min(noted - given, _MOST_NUMBERS)})


async def insert_lost_run(connection: Connection, values: dict[str, Any]) -> bool:
    """Write the row of a run whose execution was found without one, as FAILED. False: there is a row.

    ``values``: run_id, tenant, workflow_id, workflow_version, semantics_version, temporal_workflow_id, temporal_run_id,
    started_at, definition_hash, input and error as JSON text, code.
    """
    return (await connection.execute(_LOST, values)).first() is not None


_STATE: Final = """SELECT r.run_id::text AS run_id, r.tenant::text, r.workflow_id, r.status, r.seq, r.node_path, r.waiting_on,
        r.updated_at, r.cancel_requested_at, extract(epoch FROM now() - r.completed_at)::float8
    FROM workflow_runs AS r"""
_IS_OPEN: Final = """r.status IN ('RUNNING', 'WAITING') AND r.launch_state = 'started' AND r.engine = 'temporal'
        AND r.updated_at < now() - :idle * interval '1s'"""
_OPEN: Final = text(f"{_STATE} WHERE {_IS_OPEN} ORDER BY r.updated_at, r.run_id LIMIT :limit")
_OPEN_AFTER: Final = text(f"""{_STATE} WHERE {_IS_OPEN}
        AND (r.updated_at, r.run_id) > (CAST(:after AS timestamptz), CAST(:after_id AS uuid))
    ORDER BY r.updated_at, r.run_id LIMIT :limit""")
_OF: Final = text(f"{_STATE} WHERE r.run_id = ANY(CAST(:ids AS uuid[]))")

_ANSWER_AGAIN: Final = text("""
    UPDATE workflow_event_deliveries SET status = 'pending', next_attempt_at = now(), settled_at = NULL, updated_at = now()
    WHERE target_kind = 'task' AND target = :task_id AND event_id IS NULL AND status IN ('pending', 'done')
""")
_AGAIN: Final = """
    UPDATE workflow_event_deliveries AS d
    SET status = 'pending', next_attempt_at = now(), settled_at = NULL, updated_at = now()"""
_SEND_AGAIN: Final = (
    text(f"""
    WITH unheard AS (
        UPDATE workflow_run_waits SET told_at = NULL WHERE wait_id IN (
            SELECT wait_id FROM workflow_run_waits
            WHERE status = 'WAITING' AND told_at < now() - :seconds * interval '1s' LIMIT :limit FOR UPDATE SKIP LOCKED
        ) RETURNING tenant, wait_id
    ) {_AGAIN} FROM unheard
    WHERE d.tenant = unheard.tenant AND d.target_kind = 'wait' AND d.target = unheard.wait_id::text AND d.status = 'done'
        AND d.reason IS NULL
    """),
    # Whatever Postgres knows of the tables, it reads each once: IS TRUE keeps it from joining ended to all others row by row.
    text(f"""
    WITH ended AS MATERIALIZED (
        SELECT t.tenant, w.key FROM workflow_run_waits AS w
        JOIN workflow_human_tasks AS t ON t.run_id = w.run_id AND t.task_id::text = w.key
        WHERE w.wait_type = 'human' AND w.status = 'WAITING' AND t.status IN ('completed', 'canceled')
    ) {_AGAIN} WHERE delivery_id IN (
        SELECT delivery_id FROM workflow_event_deliveries
        WHERE EXISTS (SELECT FROM ended) AND ((tenant, target) IN (SELECT tenant, key FROM ended)) IS TRUE
            AND target_kind = 'task' AND event_id IS NULL AND status = 'done'
            AND settled_at < now() - :seconds * interval '1s'
        LIMIT :limit FOR UPDATE SKIP LOCKED)
    """),
)
_NEXT_NUMBER: Final = text("SELECT nextval('workflow_event_arrival_seq')")
_SKIP: Final = text("SELECT max(nextval('workflow_event_arrival_seq')) FROM generate_series(1, CAST(:count AS bigint))")
_LOST: Final = text("""
    INSERT INTO workflow_runs
        (run_id, tenant, workflow_id, workflow_version, status, input_json, engine, temporal_workflow_id, temporal_run_id,
         definition_hash, runtime_semantics_version, launch_state, error_json, last_error_code, started_at, completed_at)
    VALUES (CAST(:run_id AS uuid), CAST(:tenant AS uuid), :workflow_id, :workflow_version, 'FAILED',
        CAST(:input AS jsonb), 'temporal', :temporal_workflow_id, :temporal_run_id, :definition_hash, :semantics_version,
        'started', CAST(:error AS jsonb), :code, :started_at, now())
    ON CONFLICT (run_id) DO NOTHING
    RETURNING run_id
""")
