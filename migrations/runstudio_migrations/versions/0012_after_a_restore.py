"""What is known of restores: the records of a run that one has taken, and where the database was taken into use.

A column without a default, with an index of the few rows that have it, and a table.
"""

from __future__ import annotations

from typing import Final

from runstudio_migrations.online import alter, create_index, online, refuse_downgrade, run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_PLACES: Final = """
    place text NOT NULL,
    mark uuid NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    recorded_by text NOT NULL,
    CONSTRAINT workflow_places_pkey PRIMARY KEY (place)
"""


def upgrade() -> None:
    with online() as connection:
        alter(connection, "workflow_runs", "ADD COLUMN IF NOT EXISTS lost_records int4range")
        create_index(connection, "workflow_runs_lost_records", "workflow_runs (run_id) WHERE lost_records IS NOT NULL")
        run(connection, f"CREATE TABLE IF NOT EXISTS workflow_places ({_PLACES})", "workflow_places")


def downgrade() -> None:
    """Refused."""
    refuse_downgrade(revision, "An older program does not look at what it added: leave it in place.")
