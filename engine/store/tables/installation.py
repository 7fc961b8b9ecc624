"""What belongs to the installation and to no tenant: leases, which Temporal it is, and where the database is."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, PrimaryKeyConstraint, Table, text

from engine.store.tables.base import id_column, metadata, text_column, time_column

workflow_leases = Table(
    "workflow_leases",
    metadata,
    text_column("name", nullable=False),
    text_column("holder", nullable=False, doc="The process that has it, or had it last."),
    id_column("token", nullable=False, doc="New with every taking: who was too slow cannot renew or release."),
    time_column("expires_at", nullable=False, doc="Past: free."),
    time_column("first_at", defaults_to_now=True),
    time_column("done_at", doc="When the work was last done to its end."),
    text_column("done_by"),
    time_column("failed_at", doc="NULL once it was done again."),
    text_column("failure"),
    PrimaryKeyConstraint("name", name="workflow_leases_pkey"),
)

workflow_installation = Table(
    "workflow_installation",
    metadata,
    Column("single", Boolean, nullable=False, server_default=text("true"), doc="One row."),
    text_column("cluster_id", doc="NULL: Temporal does not tell it to us."),
    text_column("namespace", nullable=False),
    text_column("namespace_id", nullable=False),
    time_column("recorded_at", defaults_to_now=True),
    text_column("recorded_by", nullable=False),
    PrimaryKeyConstraint("single", name="workflow_installation_pkey"),
    CheckConstraint(text("single"), name="workflow_installation_single_check"),
)

workflow_places = Table(
    "workflow_places",
    metadata,
    text_column(
        "place", nullable=False, doc="Server and database at which it was taken into use; a copy is somewhere else."
    ),
    id_column("mark", nullable=False, doc="What the executions carry that were started from there."),
    time_column("recorded_at", defaults_to_now=True),
    text_column("recorded_by", nullable=False),
    PrimaryKeyConstraint("place", name="workflow_places_pkey"),
)
