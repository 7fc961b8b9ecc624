"""Runs: the projection of one execution, and the row its launch is driven from."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Integer, PrimaryKeyConstraint, Table, text
from sqlalchemy.dialects.postgresql import INT4RANGE

from engine.store.tables.base import (
    LAUNCH_STATES,
    RUN_STATUSES,
    WAITING_ON,
    id_column,
    json_column,
    metadata,
    one_of,
    tenant_column,
    text_column,
    time_column,
)

ENGINE_GUARD: Final = "workflow_runs_engine_is_temporal"
"""Name of the constraint by which the database refuses any engine but Temporal."""


def _partial(condition: str) -> dict[str, Any]:
    return {"postgresql_where": text(condition)}


# No foreign key to the definition: a run is pinned by version number and hash, history outlives its definition, and the
# share locks of every launch would queue on the definition's one row.
workflow_runs = Table(
    "workflow_runs",
    metadata,
    id_column("run_id", nullable=False, server_default=text("gen_random_uuid()")),
    text_column("workflow_id", nullable=False),
    Column("workflow_version", Integer, nullable=False),
    tenant_column(),
    text_column("status", nullable=False),
    text_column("node_path", doc="Step path being executed; of a FAILED run the step that failed it."),
    text_column("node_step_id", doc="The author's id of the step at node_path."),
    text_column("node_iteration", nullable=False, server_default="", doc="Loop indexes of node_path, as in 0.3."),
    json_column("input_json", doc="The payload, not redacted: what a replay starts from."),
    text_column("input_text", doc="The payload's JSON where jsonb changes the order of its keys; NULL: it does not."),
    json_column("output_json", doc="Final vars, at most 256 KiB."),
    json_column("error_json"),
    text_column("last_error_code", doc="Code, else category, of the last failure of the current step or of the run."),
    text_column("trigger_type", doc="event, schedule, recurring or child; NULL: by hand or a replay."),
    json_column("trigger_metadata_json"),
    text_column("trigger_fire_key"),
    text_column("event_type"),
    text_column("source_payload_schema_ref"),
    Column("trigger_mapping_applied", Boolean, nullable=False, server_default=text("false")),
    text_column("idempotency_key", doc="The caller's key: the same key returns the same run."),
    text_column("engine", doc="temporal; db or NULL in history from before the cutover."),
    text_column("temporal_workflow_id"),
    text_column("temporal_run_id"),
    text_column("definition_hash"),
    text_column("runtime_semantics_version"),
    id_column("parent_run_id"),
    id_column("root_run_id", doc="Topmost ancestor; NULL when the run has no parent."),
    Column("depth", Integer, nullable=False, server_default=text("0"), doc="0 for a run without parent."),
    id_column("replay_of_run_id"),
    text_column("waiting_on"),
    time_column("waiting_since"),
    Column("attempt", Integer, doc="Try of the current step; NULL before the first step."),
    time_column(
        "step_due_at", doc="When the action of the current step must have ended; NULL where it has none, or waits."
    ),
    Column("step_count", Integer, nullable=False, server_default=text("0"), doc="Steps started so far."),
    Column("quota_leased", Integer, nullable=False, server_default=text("0"), doc="Units leased beyond step_count."),
    time_column("quota_period_start", doc="Period the leased units were taken from."),
    Column("seq", Integer, nullable=False, server_default=text("0"), doc="Sequence of the last trace record written."),
    Column(
        "lost_records",
        INT4RANGE,
        doc="Records that a restore of Postgres has taken, until the reconciler has closed what they left open.",
    ),
    # 'started' by default, because a writer that knows no launch states starts Temporal itself.
    text_column("launch_state", nullable=False, server_default="started"),
    Column("launch_attempts", Integer, nullable=False, server_default=text("0")),
    text_column("launch_error"),
    time_column("next_launch_at"),
    Column("queue_place", BigInteger, doc="Of a run that is or was queued: its place in the line of its workflow."),
    Column(
        "events_after",
        BigInteger,
        doc="Its waits look back to the events that arrived after this number: that of the event that started it, or one from"
        " its launch in a transaction of somebody's. NULL: to those since started_at.",
    ),
    time_column("cancel_requested_at"),
    json_column("resume_event_payload", doc="History only."),
    text_column("resume_event_name", doc="History only."),
    json_column("resume_error", doc="History only."),
    text_column("lease_owner", doc="History only."),
    time_column("lease_expires_at", doc="History only."),
    time_column("started_at", defaults_to_now=True),
    time_column("completed_at"),
    time_column("bodies_deleted_at", doc="Since when its inputs and outputs are no longer kept."),
    time_column("updated_at", defaults_to_now=True),
    PrimaryKeyConstraint("run_id", name="workflow_runs_pkey"),
    one_of("status", RUN_STATUSES, "workflow_runs_status_check"),
    one_of("waiting_on", WAITING_ON, "workflow_runs_waiting_on_check"),
    one_of("launch_state", LAUNCH_STATES, "workflow_runs_launch_state_check"),
    # A CHECK that is NULL passes, so NULL must be refused in so many words.
    CheckConstraint(text("engine IS NOT NULL AND engine = 'temporal'"), name=ENGINE_GUARD, postgresql_not_valid=True),
    # A fire key or an idempotency key is not held by a launch that Temporal or validation refused.
    Index(
        "workflow_runs_tenant_fire_key_unique",
        "tenant",
        "trigger_fire_key",
        unique=True,
        **_partial("trigger_fire_key IS NOT NULL AND launch_state <> 'failed'"),
    ),
    Index(
        "workflow_runs_tenant_idempotency_key_unique",
        "tenant",
        "idempotency_key",
        unique=True,
        **_partial("idempotency_key IS NOT NULL AND launch_state <> 'failed'"),
    ),
    # The list, one index per filter and order. An unfiltered list merges the five statuses.
    Index("workflow_runs_list_status", "tenant", "status", "started_at", "run_id"),
    Index("workflow_runs_list_status_updated", "tenant", "status", "updated_at", "run_id"),
    Index("workflow_runs_list_workflow", "tenant", "workflow_id", "status", "started_at", "run_id"),
    Index("workflow_runs_list_workflow_updated", "tenant", "workflow_id", "status", "updated_at", "run_id"),
    Index("workflow_runs_list_version", "tenant", "workflow_id", "workflow_version", "started_at", "run_id"),
    Index(
        "workflow_runs_list_trigger",
        "tenant",
        "trigger_type",
        "started_at",
        "run_id",
        **_partial("trigger_type IS NOT NULL"),
    ),
    Index(
        "workflow_runs_list_manual",
        "tenant",
        "started_at",
        "run_id",
        **_partial("trigger_type IS NULL AND parent_run_id IS NULL"),
    ),
    Index(
        "workflow_runs_list_waiting",
        "tenant",
        "waiting_on",
        "started_at",
        "run_id",
        **_partial("waiting_on IS NOT NULL"),
    ),
    Index("workflow_runs_list_attempt", "tenant", "started_at", "run_id", **_partial("attempt > 1")),
    Index(
        "workflow_runs_list_error",
        "tenant",
        "last_error_code",
        "started_at",
        "run_id",
        **_partial("last_error_code IS NOT NULL"),
    ),
    Index(
        "workflow_runs_list_replay",
        "tenant",
        "replay_of_run_id",
        "started_at",
        "run_id",
        **_partial("replay_of_run_id IS NOT NULL"),
    ),
    # A run is in here until its first step, and longer only when it is stuck.
    Index(
        "workflow_runs_list_stuck",
        "tenant",
        "started_at",
        "run_id",
        **_partial("status = 'RUNNING' AND step_count = 0"),
    ),
    # Launches that are not done, and those that were refused: few.
    Index(
        "workflow_runs_list_launch",
        "tenant",
        "launch_state",
        "started_at",
        "run_id",
        **_partial("launch_state <> 'started'"),
    ),
    Index("workflow_runs_list_child", "tenant", "started_at", "run_id", **_partial("parent_run_id IS NOT NULL")),
    Index(
        "workflow_runs_list_parent",
        "tenant",
        "parent_run_id",
        "started_at",
        "run_id",
        **_partial("parent_run_id IS NOT NULL"),
    ),
    Index(
        "workflow_runs_list_root",
        "tenant",
        "root_run_id",
        "started_at",
        "run_id",
        **_partial("root_run_id IS NOT NULL"),
    ),
    # The reconciler's two questions, across tenants.
    Index("workflow_runs_launch_pending", "next_launch_at", "run_id", **_partial("launch_state = 'pending'")),
    Index("workflow_runs_lost_records", "run_id", **_partial("lost_records IS NOT NULL")),
    Index("workflow_runs_queued", "tenant", "workflow_id", "queue_place", **_partial("launch_state = 'queued'")),
    Index("workflow_runs_active", "updated_at", "run_id", **_partial("status IN ('RUNNING', 'WAITING')")),
    # Room on the page for the next version of the row.
    Index(
        "workflow_runs_bodies",
        "tenant",
        "completed_at",
        **_partial("bodies_deleted_at IS NULL AND completed_at IS NOT NULL"),
    ),
    postgresql_with={"fillfactor": 80},
)

workflow_payloads = Table(
    "workflow_payloads",
    metadata,
    id_column("payload_id", nullable=False),
    tenant_column(),
    id_column("run_id", nullable=False),
    json_column("value_json", null_is_json=True, nullable=False),
    Column("size_bytes", Integer, nullable=False, doc="Canonical JSON, UTF-8."),
    time_column("created_at", defaults_to_now=True),
    PrimaryKeyConstraint("payload_id", name="workflow_payloads_pkey"),
    Index("workflow_payloads_run", "run_id"),
)
