"""What an accepted event needs until its end: who sent it, what exactly, who was told; runs that wait for their turn; what is
known of the actions of a version, and of those of a worker.

Nothing is filled in: what is older is treated as it was.
"""

from __future__ import annotations

from runstudio_migrations.online import alter, create_index, online, refuse_downgrade

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COLUMNS = {
    "workflow_runtime_events": (
        "content_digest text",
        "submitted_by text",
        "submitted_from text",
        "submitted_known_by text",
        "submitted_level text",
    ),
    "workflow_event_deliveries": ("refusals integer NOT NULL DEFAULT 0",),
    "workflow_run_waits": ("told_at timestamptz",),
    "workflow_runs": ("queue_place bigint", "events_after bigint"),
    "workflow_definitions": ("when_busy text NOT NULL DEFAULT 'queue'",),
    "workflow_definition_versions": ("action_traits jsonb",),
    "workflow_workers": ("actions_json jsonb",),
}
CHECKS = {
    "workflow_runs": ("launch_state", "'pending', 'started', 'failed', 'queued'"),
    "workflow_definitions": ("when_busy", "'queue', 'skip', 'replace'"),
}
INDEXES = {
    "workflow_runtime_events_arrived": "workflow_runtime_events (tenant, event_name, arrival) WHERE state = 'routed'",
    "workflow_event_deliveries_to_wait": "workflow_event_deliveries (target, arrival)"
    " WHERE status = 'pending' AND target_kind = 'wait'",
    "workflow_runs_queued": "workflow_runs (tenant, workflow_id, queue_place) WHERE launch_state = 'queued'",
}


def upgrade() -> None:
    """Without a scan: columns without a default or with a constant one, and constraints that hold from now on."""
    with online() as connection:
        for table, columns in COLUMNS.items():
            added = [f"ADD COLUMN IF NOT EXISTS {column}" for column in columns]
            if table in CHECKS:
                column, words = CHECKS[table]
                name = f"{table}_{column}_check"
                added.append(f"DROP CONSTRAINT IF EXISTS {name}")
                added.append(f"ADD CONSTRAINT {name} CHECK ({column} IN ({words})) NOT VALID")
            alter(connection, table, *added)
        for name, definition in INDEXES.items():
            create_index(connection, name, definition)


def downgrade() -> None:
    """Refused."""
    refuse_downgrade(revision, "It only added things, which an older program does not look at. Leave them in place.")
