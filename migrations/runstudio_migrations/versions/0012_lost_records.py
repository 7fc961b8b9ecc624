"""Records that a run has made and a restored database does not have are noted on the run's row.

A column without a default, and an index of the few rows that have it.
"""

from __future__ import annotations

from runstudio_migrations.online import alter, create_index, online, refuse_downgrade

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with online() as connection:
        alter(connection, "workflow_runs", "ADD COLUMN IF NOT EXISTS lost_records int4range")
        create_index(connection, "workflow_runs_lost_records", "workflow_runs (run_id) WHERE lost_records IS NOT NULL")


def downgrade() -> None:
    """Refused."""
    refuse_downgrade(revision, "An older program does not look at what it added: leave it in place.")
