"""An index of the attempts that are open, so that those whose run or step has ended can be found: it has only those rows."""

from __future__ import annotations

from runstudio_migrations.online import create_index, online, refuse_downgrade

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with online() as connection:
        create_index(
            connection,
            "workflow_action_invocations_open",
            "workflow_action_invocations (run_id) WHERE status = 'STARTED'",
        )


def downgrade() -> None:
    """Refused."""
    refuse_downgrade(revision, "An older program does not look at what it added: leave it in place.")
