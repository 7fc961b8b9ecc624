"""The schema as it was when a database poller still executed runs: with ``engine``, snapshots, and no guard."""

from __future__ import annotations

from alembic import op

from runstudio_migrations.online import refuse_downgrade

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TENANT = "tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000001'"

TABLES = f"""
CREATE TABLE workflow_definitions (
    {TENANT},
    workflow_id text NOT NULL,
    key text,
    name text NOT NULL,
    description text,
    payload_schema_ref text NOT NULL,
    payload_schema_mode text NOT NULL DEFAULT 'pinned',
    pinned_payload_schema_ref text,
    payload_schema_provenance text,
    trigger jsonb,
    draft_definition jsonb NOT NULL,
    draft_version integer NOT NULL DEFAULT 1,
    status text NOT NULL DEFAULT 'draft',
    validation_status text,
    validation_errors jsonb,
    validation_warnings jsonb,
    validation_context_json jsonb,
    validation_payload_schema_hash text,
    validated_at timestamptz,
    is_system boolean NOT NULL DEFAULT false,
    is_visible boolean NOT NULL DEFAULT true,
    is_paused boolean NOT NULL DEFAULT false,
    concurrency_limit integer,
    auto_pause_on_failure boolean NOT NULL DEFAULT false,
    failure_rate_threshold numeric(5, 2) DEFAULT 0.5,
    failure_rate_min_runs integer DEFAULT 10,
    retention_policy_override jsonb,
    created_by text,
    updated_by text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_definitions_pkey PRIMARY KEY (tenant, workflow_id)
);
CREATE INDEX idx_workflow_definitions_name ON workflow_definitions (name);
CREATE INDEX idx_workflow_definitions_tenant_status ON workflow_definitions (tenant, status);
CREATE INDEX idx_workflow_definitions_tenant_updated ON workflow_definitions (tenant, updated_at);
CREATE INDEX idx_workflow_definitions_tenant_name ON workflow_definitions (tenant, name);

CREATE TABLE workflow_definition_versions (
    version_id uuid NOT NULL DEFAULT gen_random_uuid(),
    {TENANT},
    workflow_id text NOT NULL,
    version integer NOT NULL,
    definition_json jsonb NOT NULL,
    payload_schema_json jsonb,
    validation_status text,
    validation_errors jsonb,
    validation_warnings jsonb,
    validated_at timestamptz,
    published_by text,
    published_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_definition_versions_pkey PRIMARY KEY (version_id),
    CONSTRAINT workflow_definition_versions_version_unique UNIQUE (tenant, workflow_id, version),
    CONSTRAINT workflow_definition_versions_definition_fkey FOREIGN KEY (tenant, workflow_id)
        REFERENCES workflow_definitions (tenant, workflow_id) ON DELETE CASCADE
);

CREATE TABLE workflow_runs (
    run_id uuid NOT NULL DEFAULT gen_random_uuid(),
    workflow_id text NOT NULL,
    workflow_version integer NOT NULL,
    {TENANT},
    status text NOT NULL,
    node_path text,
    input_json jsonb,
    trigger_type text,
    trigger_metadata_json jsonb,
    trigger_fire_key text,
    event_type text,
    source_payload_schema_ref text,
    trigger_mapping_applied boolean NOT NULL DEFAULT false,
    engine text,
    temporal_workflow_id text,
    temporal_run_id text,
    definition_hash text,
    runtime_semantics_version text,
    parent_run_id uuid,
    root_run_id uuid,
    resume_event_payload jsonb,
    resume_event_name text,
    resume_error jsonb,
    error_json jsonb,
    lease_owner text,
    lease_expires_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_runs_pkey PRIMARY KEY (run_id)
);
CREATE INDEX idx_workflow_runs_status ON workflow_runs (status);
CREATE INDEX idx_workflow_runs_tenant_status ON workflow_runs (tenant, status);
CREATE INDEX idx_workflow_runs_workflow_status_updated ON workflow_runs (workflow_id, status, updated_at);
CREATE INDEX idx_workflow_runs_event_type ON workflow_runs (event_type);
CREATE INDEX idx_workflow_runs_source_payload_schema_ref ON workflow_runs (source_payload_schema_ref);
CREATE INDEX idx_workflow_runs_trigger_mapping_applied ON workflow_runs (trigger_mapping_applied);
CREATE INDEX idx_workflow_runs_trigger_type ON workflow_runs (trigger_type);
CREATE INDEX idx_workflow_runs_engine_status ON workflow_runs (engine, status);
CREATE INDEX idx_workflow_runs_temporal_workflow_id ON workflow_runs (temporal_workflow_id);
CREATE UNIQUE INDEX workflow_runs_trigger_fire_key_unique ON workflow_runs (trigger_fire_key)
    WHERE trigger_fire_key IS NOT NULL;

CREATE TABLE workflow_run_steps (
    step_id uuid NOT NULL DEFAULT gen_random_uuid(),
    run_id uuid NOT NULL,
    {TENANT},
    step_path text NOT NULL,
    definition_step_id text NOT NULL,
    status text NOT NULL,
    attempt integer NOT NULL DEFAULT 1,
    duration_ms integer,
    error_json jsonb,
    snapshot_id uuid,
    started_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    CONSTRAINT workflow_run_steps_pkey PRIMARY KEY (step_id),
    CONSTRAINT workflow_run_steps_run_fkey FOREIGN KEY (run_id) REFERENCES workflow_runs (run_id) ON DELETE CASCADE
);
CREATE INDEX idx_workflow_run_steps_run_path ON workflow_run_steps (run_id, step_path);
CREATE INDEX idx_workflow_run_steps_run_step ON workflow_run_steps (run_id, step_id);

CREATE TABLE workflow_run_waits (
    wait_id uuid NOT NULL DEFAULT gen_random_uuid(),
    run_id uuid NOT NULL,
    {TENANT},
    step_path text NOT NULL,
    wait_type text NOT NULL,
    key text,
    event_name text,
    timeout_at timestamptz,
    status text NOT NULL DEFAULT 'WAITING',
    payload jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    CONSTRAINT workflow_run_waits_pkey PRIMARY KEY (wait_id),
    CONSTRAINT workflow_run_waits_run_fkey FOREIGN KEY (run_id) REFERENCES workflow_runs (run_id) ON DELETE CASCADE
);
CREATE INDEX idx_workflow_run_waits_type_status ON workflow_run_waits (wait_type, status);
CREATE INDEX idx_workflow_run_waits_event_key ON workflow_run_waits (event_name, key, status);

CREATE TABLE workflow_run_snapshots (
    snapshot_id uuid NOT NULL DEFAULT gen_random_uuid(),
    run_id uuid NOT NULL,
    {TENANT},
    step_path text NOT NULL,
    envelope_json jsonb NOT NULL,
    size_bytes integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_run_snapshots_pkey PRIMARY KEY (snapshot_id),
    CONSTRAINT workflow_run_snapshots_run_fkey FOREIGN KEY (run_id) REFERENCES workflow_runs (run_id) ON DELETE CASCADE
);
CREATE INDEX idx_workflow_run_snapshots_run_path ON workflow_run_snapshots (run_id, step_path);

CREATE TABLE workflow_run_logs (
    log_id uuid NOT NULL DEFAULT gen_random_uuid(),
    run_id uuid NOT NULL,
    {TENANT},
    step_id uuid,
    step_path text,
    level text NOT NULL,
    message text NOT NULL,
    context_json jsonb,
    correlation_key text,
    event_name text,
    source text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_run_logs_pkey PRIMARY KEY (log_id),
    CONSTRAINT workflow_run_logs_run_fkey FOREIGN KEY (run_id) REFERENCES workflow_runs (run_id) ON DELETE CASCADE
);
CREATE INDEX idx_workflow_run_logs_run_created ON workflow_run_logs (run_id, created_at);
CREATE INDEX idx_workflow_run_logs_run_level ON workflow_run_logs (run_id, level);
CREATE INDEX idx_workflow_run_logs_tenant_created ON workflow_run_logs (tenant, created_at);

CREATE TABLE workflow_runtime_events (
    {TENANT},
    event_id text NOT NULL,
    event_name text NOT NULL,
    correlation_key text,
    payload jsonb,
    payload_schema_ref text,
    schema_ref_conflict jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    processed_at timestamptz,
    matched_run_id uuid,
    matched_wait_id uuid,
    matched_step_path text,
    error_message text,
    CONSTRAINT workflow_runtime_events_pkey PRIMARY KEY (tenant, event_id)
);
CREATE INDEX idx_workflow_runtime_events_name_key ON workflow_runtime_events (event_name, correlation_key);
CREATE INDEX idx_workflow_runtime_events_created_at ON workflow_runtime_events (created_at);
CREATE INDEX idx_workflow_runtime_events_matched_run ON workflow_runtime_events (matched_run_id);
CREATE INDEX idx_workflow_runtime_events_payload_schema_ref ON workflow_runtime_events (payload_schema_ref);

CREATE TABLE workflow_action_invocations (
    invocation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    run_id uuid NOT NULL,
    {TENANT},
    step_path text NOT NULL,
    action_id text NOT NULL,
    action_version integer NOT NULL,
    idempotency_key text NOT NULL,
    status text NOT NULL,
    attempt integer NOT NULL DEFAULT 1,
    lease_owner text,
    lease_expires_at timestamptz,
    input_json jsonb,
    output_json jsonb,
    error_message text,
    error_json jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    completed_at timestamptz,
    CONSTRAINT workflow_action_invocations_pkey PRIMARY KEY (invocation_id),
    CONSTRAINT workflow_action_invocations_run_fkey FOREIGN KEY (run_id)
        REFERENCES workflow_runs (run_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX workflow_action_invocations_idempotency_unique
    ON workflow_action_invocations (tenant, action_id, action_version, idempotency_key);
CREATE INDEX idx_workflow_action_invocations_run_path ON workflow_action_invocations (run_id, step_path);

CREATE TABLE workflow_data_store (
    {TENANT},
    store_id uuid NOT NULL DEFAULT gen_random_uuid(),
    namespace text NOT NULL,
    key text NOT NULL,
    value jsonb NOT NULL,
    value_type text NOT NULL DEFAULT 'json',
    revision bigint NOT NULL DEFAULT 1,
    expires_at timestamptz,
    created_by_run_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_data_store_pkey PRIMARY KEY (tenant, store_id),
    CONSTRAINT workflow_data_store_tenant_namespace_key_uk UNIQUE (tenant, namespace, key)
);
CREATE INDEX idx_workflow_data_store_tenant_namespace ON workflow_data_store (tenant, namespace);
CREATE INDEX idx_workflow_data_store_tenant_expires_at ON workflow_data_store (tenant, expires_at)
    WHERE expires_at IS NOT NULL;

CREATE TABLE workflow_entity_links (
    {TENANT},
    link_id uuid NOT NULL DEFAULT gen_random_uuid(),
    namespace text NOT NULL,
    left_type text NOT NULL,
    left_id text NOT NULL,
    right_type text NOT NULL,
    right_id text NOT NULL,
    relation text NOT NULL DEFAULT 'related',
    attributes jsonb NOT NULL DEFAULT '{{}}',
    created_by_run_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_entity_links_pkey PRIMARY KEY (tenant, link_id),
    CONSTRAINT workflow_entity_links_tenant_typed_edge_uk
        UNIQUE (tenant, namespace, left_type, left_id, right_type, right_id, relation)
);
CREATE INDEX idx_workflow_entity_links_tenant_left ON workflow_entity_links (tenant, namespace, left_type, left_id);
CREATE INDEX idx_workflow_entity_links_tenant_right ON workflow_entity_links (tenant, namespace, right_type, right_id);

CREATE TABLE workflow_step_usage_periods (
    {TENANT},
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    period_source text NOT NULL DEFAULT 'calendar',
    effective_limit integer,
    used_count integer NOT NULL DEFAULT 0,
    limit_source text NOT NULL DEFAULT 'settings',
    metadata_json jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_step_usage_periods_pkey PRIMARY KEY (tenant, period_start, period_end),
    CONSTRAINT workflow_step_usage_periods_period_bounds_check CHECK (period_start < period_end),
    CONSTRAINT workflow_step_usage_periods_used_count_check CHECK (used_count >= 0)
);
CREATE INDEX workflow_step_usage_periods_tenant_period_end ON workflow_step_usage_periods (tenant, period_end);

CREATE TABLE workflow_human_tasks (
    task_id uuid NOT NULL,
    {TENANT},
    run_id uuid NOT NULL,
    step_path text,
    task_type text NOT NULL,
    title text NOT NULL,
    description text,
    context_json jsonb,
    status text NOT NULL DEFAULT 'pending',
    priority text,
    assigned_roles jsonb,
    assigned_users jsonb,
    due_at timestamptz,
    claimed_at timestamptz,
    claimed_by text,
    completed_at timestamptz,
    completed_by text,
    response_json jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_human_tasks_pkey PRIMARY KEY (task_id),
    CONSTRAINT workflow_human_tasks_run_fkey FOREIGN KEY (run_id) REFERENCES workflow_runs (run_id) ON DELETE CASCADE
);
CREATE INDEX idx_workflow_human_tasks_tenant_status ON workflow_human_tasks (tenant, status);
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    refuse_downgrade(revision, "It would drop every table with every run in it. Restore a backup instead.")
