"""Leases in place of session advisory locks, and which Temporal the database belongs to.

Both tables are empty at first: the first worker that starts fills them.
"""

from __future__ import annotations

from runstudio_migrations.online import online, refuse_downgrade, run

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_LEASES = """
    CREATE TABLE IF NOT EXISTS workflow_leases (
        name text NOT NULL,
        holder text NOT NULL,
        token uuid NOT NULL,
        expires_at timestamptz NOT NULL,
        first_at timestamptz NOT NULL DEFAULT now(),
        done_at timestamptz,
        done_by text,
        failed_at timestamptz,
        failure text,
        CONSTRAINT workflow_leases_pkey PRIMARY KEY (name)
    )
"""
_INSTALLATION = """
    CREATE TABLE IF NOT EXISTS workflow_installation (
        single boolean NOT NULL DEFAULT true,
        cluster_id text,
        namespace text NOT NULL,
        namespace_id text NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now(),
        recorded_by text NOT NULL,
        CONSTRAINT workflow_installation_pkey PRIMARY KEY (single),
        CONSTRAINT workflow_installation_single_check CHECK (single)
    )
"""


def upgrade() -> None:
    """Two new tables; nothing that exists is touched."""
    with online() as connection:
        run(connection, _LEASES, "workflow_leases")
        run(connection, _INSTALLATION, "workflow_installation")


def downgrade() -> None:
    """Refused."""
    refuse_downgrade(revision, "An older program does not look at the tables: leave them where they are.")
