"""Who may do what in a tenant."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, PrimaryKeyConstraint, Table, text

from engine.store.tables.base import metadata, tenant_column, text_column, time_column

workflow_members = Table(
    "workflow_members",
    metadata,
    tenant_column(),
    text_column("kind", nullable=False, doc="person: an account; group: a Unix group."),
    text_column("name", nullable=False),
    text_column("level", nullable=False),
    text_column("set_by"),
    time_column("set_at", defaults_to_now=True),
    PrimaryKeyConstraint("tenant", "kind", "name", name="workflow_members_pkey"),
    CheckConstraint(text("kind IN ('person', 'group')"), name="workflow_members_kind_check"),
    CheckConstraint(text("level IN ('read', 'operate', 'admin')"), name="workflow_members_level_check"),
)
