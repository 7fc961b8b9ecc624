"""How long ended runs, their bodies, and events are kept."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Integer, PrimaryKeyConstraint, Table, text

from engine.store.tables.base import metadata, tenant_column, text_column, time_column

workflow_retention = Table(
    "workflow_retention",
    metadata,
    tenant_column(),
    text_column("workflow_id", nullable=False, server_default="", doc="Empty: workflows without a rule of their own."),
    Column("succeeded_days", Integer, doc="NULL: kept for ever."),
    Column("failed_days", Integer),
    Column("canceled_days", Integer),
    Column("bodies_days", Integer, doc="Inputs and outputs of runs, attempts, waits and tasks."),
    Column("events_days", Integer, doc="Of the tenant's own rule, as the next one."),
    Column("dead_events_days", Integer, doc="Events with a delivery that failed or was skipped."),
    text_column("set_by", nullable=False),
    time_column("set_at", defaults_to_now=True),
    PrimaryKeyConstraint("tenant", "workflow_id", name="workflow_retention_pkey"),
    CheckConstraint(
        text("least(succeeded_days, failed_days, canceled_days, bodies_days, events_days, dead_events_days) > 0"),
        name="workflow_retention_days_check",
    ),
)
