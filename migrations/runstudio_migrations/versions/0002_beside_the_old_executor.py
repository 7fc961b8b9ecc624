"""New columns, tables, indexes and triggers. All additive: the old executor goes on working while this runs.

Every statement commits by itself and can be repeated, so an interrupted run is simply started again. What is NOT VALID stays
so: history is shown as it is, and new rows are checked from the first one.
"""

from __future__ import annotations

from runstudio_migrations.online import alter, create_index, online, refuse_downgrade, report, run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TENANT = "tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000001'"
NOW = "timestamptz NOT NULL DEFAULT now()"

SEQUENCES = """
CREATE SEQUENCE IF NOT EXISTS workflow_change_seq AS bigint;
CREATE SEQUENCE IF NOT EXISTS workflow_event_arrival_seq AS bigint;
"""

TABLES = {
    "workflow_payloads": f"""
        payload_id uuid NOT NULL,
        {TENANT},
        run_id uuid NOT NULL,
        value_json jsonb NOT NULL,
        size_bytes integer NOT NULL,
        created_at {NOW},
        CONSTRAINT workflow_payloads_pkey PRIMARY KEY (payload_id)""",
    "workflow_event_deliveries": f"""
        delivery_id uuid NOT NULL,
        {TENANT},
        event_id text,
        arrival bigint NOT NULL DEFAULT 0,
        event_name text,
        correlation_key text,
        target_kind text NOT NULL,
        target text NOT NULL,
        run_id uuid,
        workflow_id text,
        workflow_version integer,
        payload jsonb,
        status text NOT NULL DEFAULT 'pending',
        attempts integer NOT NULL DEFAULT 0,
        next_attempt_at {NOW},
        reason text,
        last_error text,
        created_at {NOW},
        updated_at {NOW},
        settled_at timestamptz,
        CONSTRAINT workflow_event_deliveries_pkey PRIMARY KEY (delivery_id),
        CONSTRAINT workflow_event_deliveries_kind_check CHECK (target_kind IN ('wait', 'launch', 'task', 'quota')),
        CONSTRAINT workflow_event_deliveries_status_check CHECK (status IN ('pending', 'done', 'skipped', 'failed'))""",
    "workflow_payload_schemas": f"""
        {TENANT},
        ref text NOT NULL,
        schema_json jsonb NOT NULL,
        created_by text,
        created_at {NOW},
        updated_at {NOW},
        CONSTRAINT workflow_payload_schemas_pkey PRIMARY KEY (tenant, ref)""",
    "workflow_task_forms": f"""
        {TENANT},
        task_type text NOT NULL,
        name text,
        schema_json jsonb NOT NULL,
        ui_schema_json jsonb,
        default_values_json jsonb,
        created_at {NOW},
        updated_at {NOW},
        CONSTRAINT workflow_task_forms_pkey PRIMARY KEY (tenant, task_type)""",
    "workflow_schedules": f"""
        schedule_id uuid NOT NULL,
        {TENANT},
        workflow_id text NOT NULL,
        workflow_version integer NOT NULL,
        name text NOT NULL,
        trigger_type text NOT NULL,
        run_at timestamptz,
        cron text,
        timezone text NOT NULL DEFAULT 'UTC',
        payload_json jsonb NOT NULL DEFAULT '{{}}',
        enabled boolean NOT NULL DEFAULT true,
        status text NOT NULL DEFAULT 'scheduled',
        temporal_schedule_id text,
        last_fire_at timestamptz,
        next_fire_at timestamptz,
        last_fire_key text,
        last_run_status text,
        last_error text,
        created_at {NOW},
        updated_at {NOW},
        CONSTRAINT workflow_schedules_pkey PRIMARY KEY (schedule_id),
        CONSTRAINT workflow_schedules_definition_fkey FOREIGN KEY (tenant, workflow_id)
            REFERENCES workflow_definitions (tenant, workflow_id) ON DELETE CASCADE,
        CONSTRAINT workflow_schedules_trigger_type_check CHECK (trigger_type IN ('schedule', 'recurring')),
        CONSTRAINT workflow_schedules_status_check
            CHECK (status IN ('scheduled', 'paused', 'disabled', 'completed', 'failed')),
        CONSTRAINT workflow_schedules_last_run_status_check CHECK (last_run_status IN ('success', 'error', 'skipped'))""",
    "workflow_schedule_fires": f"""
        schedule_id uuid NOT NULL,
        fire_key text NOT NULL,
        {TENANT},
        scheduled_for timestamptz NOT NULL,
        fired_at {NOW},
        status text NOT NULL,
        reason text,
        run_id uuid,
        CONSTRAINT workflow_schedule_fires_pkey PRIMARY KEY (schedule_id, fire_key),
        CONSTRAINT workflow_schedule_fires_schedule_fkey FOREIGN KEY (schedule_id)
            REFERENCES workflow_schedules (schedule_id) ON DELETE CASCADE,
        CONSTRAINT workflow_schedule_fires_status_check CHECK (status IN ('started', 'skipped', 'failed'))""",
    "workflow_settings": f"""
        {TENANT},
        redaction_pointers jsonb NOT NULL DEFAULT '[]',
        redaction_key_patterns jsonb NOT NULL DEFAULT '[]',
        quota_limit integer,
        correlation_paths jsonb,
        updated_by text,
        updated_at {NOW},
        CONSTRAINT workflow_settings_pkey PRIMARY KEY (tenant),
        CONSTRAINT workflow_settings_quota_limit_check CHECK (quota_limit IS NULL OR quota_limit >= 0)""",
    "workflow_workers": f"""
        identity text NOT NULL,
        host text NOT NULL,
        pid integer NOT NULL,
        build text NOT NULL,
        task_queue text NOT NULL,
        parts_json jsonb,
        started_at {NOW},
        last_seen_at {NOW},
        stopped_at timestamptz,
        CONSTRAINT workflow_workers_pkey PRIMARY KEY (identity)""",
    "workflow_audit_log": f"""
        audit_id uuid NOT NULL,
        {TENANT},
        actor text NOT NULL,
        actor_source text,
        actor_level text,
        operation text NOT NULL,
        target_kind text NOT NULL,
        target_id text NOT NULL,
        run_id uuid,
        workflow_id text,
        reason text,
        details_json jsonb,
        created_at {NOW},
        CONSTRAINT workflow_audit_log_pkey PRIMARY KEY (audit_id)""",
}

# A constant default is kept in the catalog: no row is rewritten.
COLUMNS = {
    "workflow_definition_versions": ("definition_hash text", "definition_text text", "trigger jsonb"),
    "workflow_runs": (
        "node_step_id text",
        "node_iteration text NOT NULL DEFAULT ''",
        "output_json jsonb",
        "last_error_code text",
        "idempotency_key text",
        "depth integer NOT NULL DEFAULT 0",
        "replay_of_run_id uuid",
        "waiting_on text",
        "waiting_since timestamptz",
        "attempt integer",
        "step_count integer NOT NULL DEFAULT 0",
        "quota_leased integer NOT NULL DEFAULT 0",
        "quota_period_start timestamptz",
        "seq integer NOT NULL DEFAULT 0",
        "launch_state text NOT NULL DEFAULT 'started'",
        "launch_attempts integer NOT NULL DEFAULT 0",
        "launch_error text",
        "next_launch_at timestamptz",
        "cancel_requested_at timestamptz",
    ),
    "workflow_run_steps": (
        "iteration text NOT NULL DEFAULT ''",
        "visit integer NOT NULL DEFAULT 0",
        "step_type text",
        "seq integer NOT NULL DEFAULT 0",
        "outcome_json jsonb",
        "handled_by text",
        "change_no bigint NOT NULL DEFAULT 0",
    ),
    "workflow_action_invocations": (
        "iteration text NOT NULL DEFAULT ''",
        "visit integer NOT NULL DEFAULT 0",
        "worker_identity text",
        "input_ref uuid",
        "output_ref uuid",
        "input_bytes integer",
        "output_bytes integer",
    ),
    "workflow_run_waits": (
        "iteration text NOT NULL DEFAULT ''",
        "visit integer NOT NULL DEFAULT 0",
        "attempt integer NOT NULL DEFAULT 1",
        "matched_event_id text",
        "seq integer NOT NULL DEFAULT 0",
    ),
    "workflow_run_logs": ("iteration text", "seq integer", "line_no bigint NOT NULL DEFAULT 0"),
    "workflow_runtime_events": (
        "correlation_keys jsonb",
        "state text NOT NULL DEFAULT 'routed'",
        "arrival bigint NOT NULL DEFAULT 0",
    ),
    "workflow_human_tasks": ("iteration text NOT NULL DEFAULT ''", "visit integer NOT NULL DEFAULT 0"),
}

# Rows written from here on are numbered; those that exist keep 0.
NUMBERED = {
    "workflow_run_logs": "ALTER COLUMN line_no SET DEFAULT nextval('workflow_change_seq')",
    "workflow_runtime_events": "ALTER COLUMN arrival SET DEFAULT nextval('workflow_event_arrival_seq')",
}

CHECKS: dict[str, dict[str, tuple[str, ...]]] = {
    "workflow_definitions": {"status": ("draft", "published", "active")},
    "workflow_runs": {
        "status": ("RUNNING", "WAITING", "SUCCEEDED", "FAILED", "CANCELED"),
        "waiting_on": ("event", "time", "human", "quota", "retry", "child"),
        "launch_state": ("pending", "started", "failed"),
    },
    "workflow_run_steps": {"status": ("STARTED", "SUCCEEDED", "FAILED", "CANCELED", "RETRY_SCHEDULED")},
    "workflow_action_invocations": {"status": ("STARTED", "SUCCEEDED", "FAILED", "ABANDONED")},
    "workflow_run_waits": {
        "wait_type": ("event", "time", "human", "quota", "retry", "child", "timeout"),
        "status": ("WAITING", "RESOLVED", "TIMED_OUT", "CANCELED"),
    },
    "workflow_run_logs": {"level": ("DEBUG", "INFO", "WARN", "ERROR")},
    "workflow_runtime_events": {"state": ("received", "routed")},
    "workflow_human_tasks": {"status": ("pending", "claimed", "completed", "canceled", "expired")},
}
CHECK_NAMES = {("workflow_run_waits", "wait_type"): "workflow_run_waits_type_check"}

UNIQUE_INDEXES = {
    "workflow_definitions_tenant_key_unique": "workflow_definitions (tenant, key) WHERE key IS NOT NULL",
    "workflow_runs_tenant_fire_key_unique": "workflow_runs (tenant, trigger_fire_key)"
    " WHERE trigger_fire_key IS NOT NULL AND launch_state <> 'failed'",
    "workflow_runs_tenant_idempotency_key_unique": "workflow_runs (tenant, idempotency_key)"
    " WHERE idempotency_key IS NOT NULL AND launch_state <> 'failed'",
    "workflow_run_steps_position_unique": "workflow_run_steps (run_id, step_path, iteration, visit) WHERE visit > 0",
    "workflow_action_invocations_try_unique": "workflow_action_invocations"
    " (run_id, step_path, iteration, visit, attempt) WHERE visit > 0",
    "workflow_action_invocations_key_unique": "workflow_action_invocations"
    " (tenant, action_id, action_version, idempotency_key) WHERE status IN ('STARTED', 'SUCCEEDED')",
    "workflow_run_waits_position_unique": "workflow_run_waits"
    " (run_id, step_path, iteration, visit, wait_type, attempt) WHERE visit > 0",
    "workflow_run_logs_seq_unique": "workflow_run_logs (run_id, seq) WHERE seq IS NOT NULL",
    "workflow_event_deliveries_target_unique": "workflow_event_deliveries (tenant, event_id, target_kind, target)"
    " WHERE event_id IS NOT NULL",
}

INDEXES = {
    "workflow_definitions_tenant_name": "workflow_definitions (tenant, name, workflow_id)",
    "workflow_runs_list_status": "workflow_runs (tenant, status, started_at, run_id)",
    "workflow_runs_list_status_updated": "workflow_runs (tenant, status, updated_at, run_id)",
    "workflow_runs_list_workflow": "workflow_runs (tenant, workflow_id, status, started_at, run_id)",
    "workflow_runs_list_workflow_updated": "workflow_runs (tenant, workflow_id, status, updated_at, run_id)",
    "workflow_runs_list_version": "workflow_runs (tenant, workflow_id, workflow_version, started_at, run_id)",
    "workflow_runs_list_trigger": "workflow_runs (tenant, trigger_type, started_at, run_id)"
    " WHERE trigger_type IS NOT NULL",
    "workflow_runs_list_manual": "workflow_runs (tenant, started_at, run_id)"
    " WHERE trigger_type IS NULL AND parent_run_id IS NULL",
    "workflow_runs_list_waiting": "workflow_runs (tenant, waiting_on, started_at, run_id) WHERE waiting_on IS NOT NULL",
    "workflow_runs_list_attempt": "workflow_runs (tenant, started_at, run_id) WHERE attempt > 1",
    "workflow_runs_list_error": "workflow_runs (tenant, last_error_code, started_at, run_id)"
    " WHERE last_error_code IS NOT NULL",
    "workflow_runs_list_replay": "workflow_runs (tenant, replay_of_run_id, started_at, run_id)"
    " WHERE replay_of_run_id IS NOT NULL",
    "workflow_runs_list_stuck": "workflow_runs (tenant, started_at, run_id)"
    " WHERE status = 'RUNNING' AND step_count = 0",
    "workflow_runs_list_launch": "workflow_runs (tenant, launch_state, started_at, run_id)"
    " WHERE launch_state <> 'started'",
    "workflow_runs_list_child": "workflow_runs (tenant, started_at, run_id) WHERE parent_run_id IS NOT NULL",
    "workflow_runs_list_parent": "workflow_runs (tenant, parent_run_id, started_at, run_id)"
    " WHERE parent_run_id IS NOT NULL",
    "workflow_runs_list_root": "workflow_runs (tenant, root_run_id, started_at, run_id) WHERE root_run_id IS NOT NULL",
    "workflow_runs_launch_pending": "workflow_runs (next_launch_at, run_id) WHERE launch_state = 'pending'",
    "workflow_runs_active": "workflow_runs (updated_at, run_id) WHERE status IN ('RUNNING', 'WAITING')",
    "workflow_payloads_run": "workflow_payloads (run_id)",
    "workflow_run_steps_changes": "workflow_run_steps (run_id, change_no, started_at, step_id)",
    "workflow_action_invocations_run": "workflow_action_invocations (run_id, created_at, invocation_id)",
    "workflow_run_waits_run": "workflow_run_waits (run_id, created_at, wait_id)",
    "workflow_run_waits_open_event": "workflow_run_waits (tenant, event_name, key, created_at) WHERE status = 'WAITING'",
    "workflow_run_waits_open_type": "workflow_run_waits (wait_type, created_at) WHERE status = 'WAITING'",
    "workflow_run_waits_key": "workflow_run_waits (tenant, key) WHERE key IS NOT NULL",
    "workflow_run_waits_matched_event": "workflow_run_waits (tenant, matched_event_id)"
    " WHERE matched_event_id IS NOT NULL",
    "workflow_run_logs_lines": "workflow_run_logs (run_id, line_no, created_at, log_id)",
    "workflow_run_snapshots_run": "workflow_run_snapshots (run_id, created_at, snapshot_id)",
    "workflow_runtime_events_to_route": "workflow_runtime_events (arrival) WHERE state = 'received'",
    "workflow_runtime_events_list": "workflow_runtime_events (tenant, created_at, event_id)",
    "workflow_runtime_events_list_name": "workflow_runtime_events (tenant, event_name, created_at, event_id)",
    "workflow_runtime_events_list_key": "workflow_runtime_events (tenant, correlation_key, created_at, event_id)"
    " WHERE correlation_key IS NOT NULL",
    "workflow_runtime_events_list_run": "workflow_runtime_events (tenant, matched_run_id, created_at, event_id)"
    " WHERE matched_run_id IS NOT NULL",
    "workflow_runtime_events_list_error": "workflow_runtime_events (tenant, created_at, event_id)"
    " WHERE error_message IS NOT NULL",
    "workflow_event_deliveries_due": "workflow_event_deliveries (next_attempt_at) WHERE status = 'pending'",
    "workflow_event_deliveries_lane": "workflow_event_deliveries (tenant, event_name, correlation_key, arrival)"
    " WHERE status = 'pending'",
    "workflow_event_deliveries_failed": "workflow_event_deliveries (tenant, updated_at, delivery_id)"
    " WHERE status = 'failed'",
    "workflow_event_deliveries_run": "workflow_event_deliveries (run_id) WHERE run_id IS NOT NULL",
    "workflow_human_tasks_run": "workflow_human_tasks (run_id)",
    "workflow_human_tasks_list": "workflow_human_tasks (tenant, status, created_at, task_id)",
    "workflow_workers_last_seen": "workflow_workers (last_seen_at)",
    "workflow_audit_log_list": "workflow_audit_log (tenant, created_at, audit_id)",
    "workflow_audit_log_target": "workflow_audit_log (tenant, target_kind, target_id, created_at, audit_id)",
    "workflow_audit_log_run": "workflow_audit_log (run_id, created_at, audit_id) WHERE run_id IS NOT NULL",
    "workflow_data_store_expires_at": "workflow_data_store (expires_at) WHERE expires_at IS NOT NULL",
    "workflow_entity_links_right": "workflow_entity_links (tenant, namespace, right_type, right_id)",
    "workflow_schedules_tenant_workflow": "workflow_schedules (tenant, workflow_id)",
    "workflow_schedule_fires_schedule_fired": "workflow_schedule_fires (schedule_id, fired_at)",
}

FUNCTIONS = """
CREATE OR REPLACE FUNCTION workflow_number_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.change_no := nextval('workflow_change_seq');
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION workflow_notify_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('runstudio_runs', NEW.tenant || ':' || NEW.run_id);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION workflow_notify_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('runstudio_events', NEW.tenant::text);
    RETURN NULL;
END $$;
"""

# Transactions that notify commit one after the other. So a run notifies when its state changes, not at every step; and the
# events of one transaction send one notice, because equal ones are folded.
TRIGGERS = {
    "workflow_run_steps": """
        CREATE OR REPLACE TRIGGER workflow_run_steps_number_change BEFORE INSERT OR UPDATE ON workflow_run_steps
        FOR EACH ROW EXECUTE FUNCTION workflow_number_change()""",
    "workflow_runs": """
        CREATE OR REPLACE TRIGGER workflow_runs_notify_insert AFTER INSERT ON workflow_runs
        FOR EACH ROW EXECUTE FUNCTION workflow_notify_run();
        CREATE OR REPLACE TRIGGER workflow_runs_notify_update AFTER UPDATE ON workflow_runs
        FOR EACH ROW WHEN (
            (OLD.status, OLD.waiting_on, OLD.waiting_since, OLD.launch_state, OLD.cancel_requested_at)
            IS DISTINCT FROM
            (NEW.status, NEW.waiting_on, NEW.waiting_since, NEW.launch_state, NEW.cancel_requested_at)
        ) EXECUTE FUNCTION workflow_notify_run()""",
    "workflow_runtime_events": """
        CREATE OR REPLACE TRIGGER workflow_runtime_events_notify AFTER INSERT ON workflow_runtime_events
        FOR EACH ROW WHEN (NEW.state = 'received') EXECUTE FUNCTION workflow_notify_event()""",
}


def upgrade() -> None:
    with online() as connection:
        run(connection, SEQUENCES, "sequences")
        for table, body in TABLES.items():
            run(connection, f"CREATE TABLE IF NOT EXISTS {table} ({body})", table)
        for table in sorted({*COLUMNS, *NUMBERED, *CHECKS}):
            report(f"table {table}")
            columns = [f"ADD COLUMN IF NOT EXISTS {column}" for column in COLUMNS.get(table, ())]
            alter(connection, table, *columns, constraints=_checks(table))
            if table in NUMBERED:
                alter(connection, table, NUMBERED[table])
        for table in ("workflow_runs", "workflow_run_steps", "workflow_action_invocations"):
            # Room on each page for the next version of a row, which then needs no new index entries.
            alter(connection, table, "SET (fillfactor = 80)")
        run(
            connection,
            "UPDATE workflow_definition_versions SET trigger = definition_json -> 'trigger'"
            " WHERE trigger IS NULL AND jsonb_typeof(definition_json -> 'trigger') = 'object'",
            "triggers of the versions",
        )
        for name, definition in UNIQUE_INDEXES.items():
            create_index(connection, name, definition, unique=True)
        for name, definition in INDEXES.items():
            create_index(connection, name, definition)
        run(connection, FUNCTIONS, "functions")
        for table, statement in TRIGGERS.items():
            run(connection, statement, table)


def _checks(table: str) -> dict[str, str]:
    checks = {}
    for column, words in CHECKS.get(table, {}).items():
        name = CHECK_NAMES.get((table, column), f"{table}_{column}_check")
        listed = ", ".join(f"'{word}'" for word in words)
        checks[name] = f"CHECK ({column} IN ({listed})) NOT VALID"
    return checks


def downgrade() -> None:
    refuse_downgrade(revision, "It only added things, which the code from before ignores. Leave them in place.")
