"""Events as they arrived, and one delivery per target."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Sequence, Table, text

from engine.store.tables.base import (
    DELIVERY_KINDS,
    DELIVERY_STATUSES,
    EVENT_STATES,
    id_column,
    json_column,
    metadata,
    one_of,
    tenant_column,
    text_column,
    time_column,
)

workflow_event_arrival_seq: Final = Sequence("workflow_event_arrival_seq", metadata=metadata, data_type=BigInteger)
"""Order of arrival, given when an event is routed: deliveries of one (tenant, name, key) are made in it."""

workflow_runtime_events = Table(
    "workflow_runtime_events",
    metadata,
    tenant_column(),
    text_column("event_id", nullable=False, doc="The producer's id, any text; unique per tenant."),
    text_column("event_name", nullable=False),
    text_column("correlation_key", doc="The explicit key, else the first resolved one."),
    json_column("correlation_keys", doc="Array of every key that counts for routing."),
    json_column("payload", doc="As it came, not redacted."),
    text_column("payload_schema_ref"),
    json_column("schema_ref_conflict"),
    # 'routed' by default, because a writer from before the cutover routes its events itself.
    text_column("state", nullable=False, server_default="routed"),
    Column("arrival", BigInteger, nullable=False, server_default=workflow_event_arrival_seq.next_value()),
    time_column("created_at", defaults_to_now=True),
    time_column("processed_at"),
    id_column("matched_run_id", doc="First run signalled or started."),
    id_column("matched_wait_id"),
    text_column("matched_step_path"),
    text_column("error_message"),
    text_column("content_digest", doc="SHA-256 hex of what was sent under this id; NULL: from before it was kept."),
    text_column("submitted_by", doc="The actor; what the event does to a task is done with their level."),
    text_column("submitted_from"),
    text_column("submitted_known_by"),
    text_column("submitted_level"),
    PrimaryKeyConstraint("tenant", "event_id", name="workflow_runtime_events_pkey"),
    one_of("state", EVENT_STATES, "workflow_runtime_events_state_check"),
    Index("workflow_runtime_events_to_route", "arrival", postgresql_where=text("state = 'received'")),
    Index(
        "workflow_runtime_events_arrived",
        "tenant",
        "event_name",
        "arrival",
        postgresql_where=text("state = 'routed'"),
    ),
    Index("workflow_runtime_events_list", "tenant", "created_at", "event_id"),
    Index("workflow_runtime_events_list_name", "tenant", "event_name", "created_at", "event_id"),
    Index(
        "workflow_runtime_events_list_key",
        "tenant",
        "correlation_key",
        "created_at",
        "event_id",
        postgresql_where=text("correlation_key IS NOT NULL"),
    ),
    Index(
        "workflow_runtime_events_list_run",
        "tenant",
        "matched_run_id",
        "created_at",
        "event_id",
        postgresql_where=text("matched_run_id IS NOT NULL"),
    ),
    Index(
        "workflow_runtime_events_list_error",
        "tenant",
        "created_at",
        "event_id",
        postgresql_where=text("error_message IS NOT NULL"),
    ),
)

workflow_event_deliveries = Table(
    "workflow_event_deliveries",
    metadata,
    id_column("delivery_id", nullable=False),
    tenant_column(),
    text_column("event_id", doc="NULL for a quota resume, which no event caused."),
    Column("arrival", BigInteger, nullable=False, server_default=text("0")),
    text_column("event_name"),
    text_column("correlation_key", doc="The key that matched this target."),
    text_column("target_kind", nullable=False),
    text_column(
        "target", nullable=False, doc="wait id, workflow id, task id or run id, by target_kind; empty for routing."
    ),
    id_column("run_id", doc="Run signalled, or started by this delivery."),
    text_column("workflow_id"),
    Column("workflow_version", Integer),
    json_column(
        "payload", doc="What is sent when it is not the event's own payload (a mapped launch input, a response)."
    ),
    text_column("status", nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column(
        "refusals", Integer, nullable=False, server_default=text("0"), doc="Attempts that were answered, and refused."
    ),
    time_column("next_attempt_at", defaults_to_now=True),
    text_column("reason", doc="Why it was skipped, or left to the run to look up."),
    text_column("last_error"),
    time_column("created_at", defaults_to_now=True),
    time_column("updated_at", defaults_to_now=True),
    time_column("settled_at"),
    PrimaryKeyConstraint("delivery_id", name="workflow_event_deliveries_pkey"),
    one_of("target_kind", DELIVERY_KINDS, "workflow_event_deliveries_kind_check"),
    one_of("status", DELIVERY_STATUSES, "workflow_event_deliveries_status_check"),
    Index(
        "workflow_event_deliveries_target_unique",
        "tenant",
        "event_id",
        "target_kind",
        "target",
        unique=True,
        postgresql_where=text("event_id IS NOT NULL"),
    ),
    Index("workflow_event_deliveries_due", "next_attempt_at", postgresql_where=text("status = 'pending'")),
    Index(
        "workflow_event_deliveries_lane",
        "tenant",
        "event_name",
        "correlation_key",
        "arrival",
        postgresql_where=text("status = 'pending'"),
    ),
    Index(
        "workflow_event_deliveries_to_wait",
        "target",
        "arrival",
        postgresql_where=text("status = 'pending' AND target_kind = 'wait'"),
    ),
    Index(
        "workflow_event_deliveries_failed",
        "tenant",
        "updated_at",
        "delivery_id",
        postgresql_where=text("status = 'failed'"),
    ),
    Index("workflow_event_deliveries_run", "run_id", postgresql_where=text("run_id IS NOT NULL")),
)
