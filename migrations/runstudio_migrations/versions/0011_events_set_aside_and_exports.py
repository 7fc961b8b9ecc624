"""Events that could not be routed among the deliveries that failed, jobs that export, rules about how long events are kept.

A new table, columns without a default, and constraints that hold from now on. Events that were set aside before are listed too.
"""

from __future__ import annotations

from typing import Final

from engine.settings import DEFAULT_TENANT
from runstudio_migrations.online import alter, create_index, online, refuse_downgrade, run

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_CHECKS: Final = {
    "workflow_event_deliveries": (
        "workflow_event_deliveries_kind_check",
        "target_kind IN ('wait', 'launch', 'task', 'quota', 'routing')",
    ),
    "workflow_jobs": ("workflow_jobs_kind_check", "kind IN ('cancel', 'replay', 'redeliver', 'export', 'delete')"),
    "workflow_retention": (
        "workflow_retention_days_check",
        "least(succeeded_days, failed_days, canceled_days, bodies_days, events_days, dead_events_days) > 0",
    ),
}
_COLUMNS: Final = {
    "workflow_retention": ("events_days integer", "dead_events_days integer"),
}
_FILES: Final = f"""
    job_id uuid NOT NULL,
    run_id uuid NOT NULL,
    tenant uuid NOT NULL DEFAULT '{DEFAULT_TENANT}'::uuid,
    body bytea NOT NULL,
    bytes bigint NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_job_files_pkey PRIMARY KEY (job_id, run_id),
    CONSTRAINT workflow_job_files_job_fkey FOREIGN KEY (job_id)
        REFERENCES workflow_jobs (job_id) ON DELETE CASCADE
"""
_SET_ASIDE: Final = """
    INSERT INTO workflow_event_deliveries (delivery_id, tenant, event_id, arrival, event_name, correlation_key, target_kind,
        target, status, attempts, last_error, created_at, updated_at, settled_at)
    SELECT gen_random_uuid(), e.tenant, e.event_id, e.arrival, e.event_name, e.correlation_key, 'routing', '', 'failed', 1,
        e.error_message, e.created_at, coalesce(e.processed_at, e.created_at), coalesce(e.processed_at, e.created_at)
    FROM workflow_runtime_events AS e
    WHERE e.state = 'routed' AND e.error_message IS NOT NULL AND starts_with(e.error_message, 'ROUTING_FAILED:')
    ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    with online() as connection:
        for table, (name, words) in _CHECKS.items():
            added = [f"ADD COLUMN IF NOT EXISTS {column}" for column in _COLUMNS.get(table, ())]
            added += [f"DROP CONSTRAINT IF EXISTS {name}", f"ADD CONSTRAINT {name} CHECK ({words}) NOT VALID"]
            alter(connection, table, *added)
        run(connection, f"CREATE TABLE IF NOT EXISTS workflow_job_files ({_FILES})", "workflow_job_files")
        create_index(connection, "workflow_job_files_run", "workflow_job_files (run_id)")
        create_index(connection, "workflow_job_files_age", "workflow_job_files (made_at)")
        run(connection, _SET_ASIDE, "events that were set aside")


def downgrade() -> None:
    """Refused."""
    refuse_downgrade(revision, "An older program does not look at what it added: leave it in place.")
