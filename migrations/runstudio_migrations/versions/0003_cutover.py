"""The cutover: what the old executor left RUNNING or WAITING is closed, and only Temporal can be written from here on.

Rows of Temporal and rows that had ended are not touched. Each chunk is one statement, so an interrupted run leaves whole
chunks behind and is simply started again.
"""

from __future__ import annotations

from typing import Any, Final, cast

import psycopg
from sqlalchemy import Connection, text

from runstudio_migrations.online import count, drop_index, online, patiently, refuse_downgrade, report

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MIGRATION: Final = "0003_cutover"
CHUNK: Final = 1000
MESSAGE: Final = (
    "This run was left behind by the database executor, which the cutover removed; nothing could have finished it."
    " Its input is kept: replay it to run it on Temporal."
)
GUARD: Final = "workflow_runs_engine_is_temporal"

# Whatever is not Temporal's, be it 'db', NULL or a value nobody knows: nothing executes it any more. The condition is repeated in
# the UPDATE, so that a run which ended between the two is left alone.
CLOSE_CHUNK: Final = text("""
WITH chunk AS (
    SELECT run_id FROM workflow_runs
    WHERE engine IS DISTINCT FROM 'temporal' AND status IN ('RUNNING', 'WAITING')
    LIMIT :chunk FOR UPDATE
), runs AS (
    UPDATE workflow_runs SET
        status = 'CANCELED',
        completed_at = now(),
        updated_at = now(),
        error_json = jsonb_build_object(
            'message', cast(:message AS text),
            'stage', 'migration',
            'migration', cast(:migration AS text),
            'previousStatus', status
        )
    WHERE run_id IN (SELECT run_id FROM chunk)
        AND engine IS DISTINCT FROM 'temporal' AND status IN ('RUNNING', 'WAITING')
    RETURNING run_id
), waits AS (
    UPDATE workflow_run_waits SET status = 'CANCELED', resolved_at = now()
    WHERE run_id IN (SELECT run_id FROM runs) AND status = 'WAITING' RETURNING 1
), steps AS (
    UPDATE workflow_run_steps SET status = 'CANCELED', completed_at = now()
    WHERE run_id IN (SELECT run_id FROM runs) AND status IN ('STARTED', 'RETRY_SCHEDULED') RETURNING 1
), invocations AS (
    -- An open try would hold its idempotency key for ever.
    UPDATE workflow_action_invocations SET status = 'ABANDONED', completed_at = now()
    WHERE run_id IN (SELECT run_id FROM runs) AND status = 'STARTED' RETURNING 1
), tasks AS (
    UPDATE workflow_human_tasks SET status = 'canceled', updated_at = now()
    WHERE run_id IN (SELECT run_id FROM runs) AND status IN ('pending', 'claimed') RETURNING 1
)
SELECT
    (SELECT count(*) FROM runs) AS runs,
    (SELECT count(*) FROM waits) AS waits,
    (SELECT count(*) FROM steps) AS steps,
    (SELECT count(*) FROM invocations) AS invocations,
    (SELECT count(*) FROM tasks) AS tasks
""")

# Only the old executor and its screens used them.
OLD_INDEXES: Final = (
    "idx_workflow_definitions_name",
    "idx_workflow_definitions_tenant_status",
    "idx_workflow_definitions_tenant_updated",
    "idx_workflow_definitions_tenant_name",
    "idx_workflow_runs_status",
    "idx_workflow_runs_tenant_status",
    "idx_workflow_runs_workflow_status_updated",
    "idx_workflow_runs_event_type",
    "idx_workflow_runs_source_payload_schema_ref",
    "idx_workflow_runs_trigger_mapping_applied",
    "idx_workflow_runs_trigger_type",
    "idx_workflow_runs_engine_status",
    "idx_workflow_runs_temporal_workflow_id",
    "workflow_runs_trigger_fire_key_unique",
    "idx_workflow_run_steps_run_path",
    "idx_workflow_run_steps_run_step",
    "idx_workflow_run_waits_type_status",
    "idx_workflow_run_waits_event_key",
    "idx_workflow_run_snapshots_run_path",
    "idx_workflow_run_logs_run_created",
    "idx_workflow_run_logs_run_level",
    "idx_workflow_run_logs_tenant_created",
    "idx_workflow_runtime_events_name_key",
    "idx_workflow_runtime_events_created_at",
    "idx_workflow_runtime_events_matched_run",
    "idx_workflow_runtime_events_payload_schema_ref",
    "workflow_action_invocations_idempotency_unique",
    "idx_workflow_action_invocations_run_path",
    "idx_workflow_data_store_tenant_namespace",
    "idx_workflow_data_store_tenant_expires_at",
    "idx_workflow_entity_links_tenant_left",
    "idx_workflow_entity_links_tenant_right",
    "idx_workflow_human_tasks_tenant_status",
)


def upgrade() -> None:
    with online() as connection:
        while patiently(lambda: _close_chunk(connection), "stranded runs"):
            pass
        patiently(lambda: _guard(connection), "workflow_runs")
        report("from here on the database accepts no engine but temporal")
        for name in OLD_INDEXES:
            drop_index(connection, name)


def _close_chunk(connection: Connection) -> int:
    """Closes up to ``CHUNK`` stranded runs in one statement; how many there were."""
    parameters = {"chunk": CHUNK, "message": MESSAGE, "migration": MIGRATION}
    closed = connection.execute(CLOSE_CHUNK, parameters).one()
    for name, number in closed._mapping.items():
        count(name, number)
    if closed.runs:
        report(f"closed {closed.runs} stranded runs, {closed.waits} waits, {closed.steps} steps, {closed.tasks} tasks")
    return int(closed.runs)


def _guard(connection: Connection) -> None:
    """Behind a lock nobody can pass: closes what an old process wrote until this moment, and forbids the next."""
    guarded = text("SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass('workflow_runs') AND conname = :name")
    if connection.execute(guarded, {"name": GUARD}).first():
        return
    # SQLAlchemy sends no BEGIN in an autocommit block; the driver's own transaction does.
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with driver.transaction():
        connection.exec_driver_sql("LOCK TABLE workflow_runs IN ACCESS EXCLUSIVE MODE")
        while _close_chunk(connection):
            pass
        # A CHECK that is NULL passes, so NULL is refused in so many words. NOT VALID: history keeps what it has.
        connection.exec_driver_sql(
            f"ALTER TABLE workflow_runs ADD CONSTRAINT {GUARD}"
            " CHECK (engine IS NOT NULL AND engine = 'temporal') NOT VALID"
        )


def downgrade() -> None:
    refuse_downgrade(
        revision,
        "How far each closed run had come was not kept, and nothing could execute it. Restore a backup from before it.",
    )
