"""Alerts: who is told of what, and the messages on their way."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, Integer, PrimaryKeyConstraint, Table, text

from engine.store.tables.base import id_column, json_column, metadata, tenant_column, text_column, time_column

workflow_alerts = Table(
    "workflow_alerts",
    metadata,
    id_column("alert_id", nullable=False),
    tenant_column(),
    text_column("name", nullable=False),
    text_column("kind", nullable=False),
    json_column("conditions_json", nullable=False, doc="{workflow, code, moreThan, minutes}"),
    text_column("target_kind", nullable=False),
    text_column("target", nullable=False, doc="A URL, or the name of a command of the workers."),
    text_column("set_by", nullable=False),
    time_column("set_at", defaults_to_now=True),
    PrimaryKeyConstraint("alert_id", name="workflow_alerts_pkey"),
    CheckConstraint(
        text("kind IN ('failed', 'stuck', 'schedule', 'delivery', 'task')"), name="workflow_alerts_kind_check"
    ),
    CheckConstraint(text("target_kind IN ('webhook', 'command')"), name="workflow_alerts_target_kind_check"),
    Index("workflow_alerts_name_unique", "tenant", "name", unique=True),
)

workflow_alert_outbox = Table(
    "workflow_alert_outbox",
    metadata,
    id_column("message_id", nullable=False),
    tenant_column(),
    id_column("alert_id", nullable=False),
    text_column("group_key", nullable=False),
    time_column("hour", nullable=False, doc="One message per group and hour."),
    json_column("body_json", nullable=False),
    text_column("state", nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    time_column("next_attempt_at", defaults_to_now=True),
    text_column("last_error"),
    time_column("created_at", defaults_to_now=True),
    time_column("settled_at"),
    PrimaryKeyConstraint("message_id", name="workflow_alert_outbox_pkey"),
    ForeignKeyConstraint(
        ["alert_id"], ["workflow_alerts.alert_id"], name="workflow_alert_outbox_alert_fkey", ondelete="CASCADE"
    ),
    CheckConstraint(text("state IN ('pending', 'sent', 'failed')"), name="workflow_alert_outbox_state_check"),
    Index("workflow_alert_outbox_group_unique", "alert_id", "group_key", "hour", unique=True),
    Index("workflow_alert_outbox_list", "tenant", "created_at", "message_id"),
    Index("workflow_alert_outbox_due", "next_attempt_at", "message_id", postgresql_where=text("state = 'pending'")),
)
