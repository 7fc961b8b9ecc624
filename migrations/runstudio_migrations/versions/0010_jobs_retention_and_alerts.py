"""Jobs over everything that matches, rules about what is kept, and alerts with an outbox.

New tables, and one column without a default; the index is built while runs are written.
"""

from __future__ import annotations

from typing import Final

from engine.settings import DEFAULT_TENANT
from runstudio_migrations.online import alter, create_index, online, refuse_downgrade, run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TENANT: Final = f"tenant uuid NOT NULL DEFAULT '{DEFAULT_TENANT}'::uuid"
_TABLES: Final = {
    "workflow_jobs": f"""
        job_id uuid NOT NULL,
        {_TENANT},
        kind text NOT NULL,
        filter_json jsonb NOT NULL,
        filter_text text NOT NULL,
        frozen_at timestamptz NOT NULL DEFAULT now(),
        reason text NOT NULL,
        actor text NOT NULL,
        actor_level text NOT NULL,
        idempotency_key text,
        state text NOT NULL DEFAULT 'queued',
        fill_cursor text,
        filled_at timestamptz,
        total integer NOT NULL DEFAULT 0,
        done integer NOT NULL DEFAULT 0,
        skipped integer NOT NULL DEFAULT 0,
        failed integer NOT NULL DEFAULT 0,
        trouble text,
        claimed_by text,
        claimed_until timestamptz NOT NULL DEFAULT now(),
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        completed_at timestamptz,
        CONSTRAINT workflow_jobs_pkey PRIMARY KEY (job_id),
        CONSTRAINT workflow_jobs_kind_check CHECK (kind IN ('cancel', 'replay', 'redeliver', 'delete')),
        CONSTRAINT workflow_jobs_state_check
            CHECK (state IN ('queued', 'running', 'paused', 'done', 'canceled'))""",
    "workflow_job_items": f"""
        job_id uuid NOT NULL,
        target uuid NOT NULL,
        {_TENANT},
        state text NOT NULL DEFAULT 'pending',
        not_before timestamptz NOT NULL DEFAULT now(),
        result text,
        error_code text,
        run_id uuid,
        settled_at timestamptz,
        CONSTRAINT workflow_job_items_pkey PRIMARY KEY (job_id, target),
        CONSTRAINT workflow_job_items_job_fkey FOREIGN KEY (job_id)
            REFERENCES workflow_jobs (job_id) ON DELETE CASCADE,
        CONSTRAINT workflow_job_items_state_check CHECK (state IN ('pending', 'done', 'skipped', 'failed'))""",
    "workflow_retention": f"""
        {_TENANT},
        workflow_id text NOT NULL DEFAULT '',
        succeeded_days integer,
        failed_days integer,
        canceled_days integer,
        bodies_days integer,
        set_by text NOT NULL,
        set_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT workflow_retention_pkey PRIMARY KEY (tenant, workflow_id),
        CONSTRAINT workflow_retention_days_check CHECK (least(succeeded_days, failed_days, canceled_days, bodies_days) > 0)""",
    "workflow_alerts": f"""
        alert_id uuid NOT NULL,
        {_TENANT},
        name text NOT NULL,
        kind text NOT NULL,
        conditions_json jsonb NOT NULL,
        target_kind text NOT NULL,
        target text NOT NULL,
        set_by text NOT NULL,
        set_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT workflow_alerts_pkey PRIMARY KEY (alert_id),
        CONSTRAINT workflow_alerts_kind_check
            CHECK (kind IN ('failed', 'stuck', 'schedule', 'delivery', 'task')),
        CONSTRAINT workflow_alerts_target_kind_check CHECK (target_kind IN ('webhook', 'command'))""",
    "workflow_alert_outbox": f"""
        message_id uuid NOT NULL,
        {_TENANT},
        alert_id uuid NOT NULL,
        group_key text NOT NULL,
        hour timestamptz NOT NULL,
        body_json jsonb NOT NULL,
        state text NOT NULL DEFAULT 'pending',
        attempts integer NOT NULL DEFAULT 0,
        next_attempt_at timestamptz NOT NULL DEFAULT now(),
        last_error text,
        created_at timestamptz NOT NULL DEFAULT now(),
        settled_at timestamptz,
        CONSTRAINT workflow_alert_outbox_pkey PRIMARY KEY (message_id),
        CONSTRAINT workflow_alert_outbox_alert_fkey FOREIGN KEY (alert_id)
            REFERENCES workflow_alerts (alert_id) ON DELETE CASCADE,
        CONSTRAINT workflow_alert_outbox_state_check CHECK (state IN ('pending', 'sent', 'failed'))""",
}
_INDEXES: Final = {
    "workflow_jobs_list": "workflow_jobs (tenant, created_at, job_id)",
    "workflow_jobs_open": "workflow_jobs (claimed_until, job_id) WHERE state IN ('queued', 'running')",
    "workflow_job_items_state": "workflow_job_items (job_id, state, not_before, target)",
    "workflow_job_items_runs": "workflow_job_items (job_id, settled_at) WHERE run_id IS NOT NULL",
    "workflow_alert_outbox_list": "workflow_alert_outbox (tenant, created_at, message_id)",
    "workflow_alert_outbox_due": "workflow_alert_outbox (next_attempt_at, message_id) WHERE state = 'pending'",
    "workflow_runs_bodies": "workflow_runs (tenant, completed_at)"
    " WHERE bodies_deleted_at IS NULL AND completed_at IS NOT NULL",
}
_UNIQUE_INDEXES: Final = {
    "workflow_jobs_key_unique": "workflow_jobs (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL",
    "workflow_alerts_name_unique": "workflow_alerts (tenant, name)",
    "workflow_alert_outbox_group_unique": "workflow_alert_outbox (alert_id, group_key, hour)",
}


def upgrade() -> None:
    with online() as connection:
        for name, body in _TABLES.items():
            run(connection, f"CREATE TABLE IF NOT EXISTS {name} ({body})", name)
        alter(connection, "workflow_runs", "ADD COLUMN IF NOT EXISTS bodies_deleted_at timestamptz")
        for name, definition in _UNIQUE_INDEXES.items():
            create_index(connection, name, definition, unique=True)
        for name, definition in _INDEXES.items():
            create_index(connection, name, definition)


def downgrade() -> None:
    """Refused."""
    refuse_downgrade(revision, "An older program does not look at the tables: leave them where they are.")
