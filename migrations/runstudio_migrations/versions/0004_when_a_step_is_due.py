"""A column that tells when the action a run is at must have ended: from then on a run that has not moved on is shown as such.

Nothing is filled in: of a run that is under way it is known from its next action on.
"""

from __future__ import annotations

from runstudio_migrations.online import alter, online, refuse_downgrade

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Without a default and without a scan: the lock is held for an instant."""
    with online() as connection:
        alter(connection, "workflow_runs", "ADD COLUMN IF NOT EXISTS step_due_at timestamptz")


def downgrade() -> None:
    """Refused."""
    refuse_downgrade(revision, "An older program does not look at the column: leave it where it is.")
