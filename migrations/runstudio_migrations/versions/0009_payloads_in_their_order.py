"""A column for the text of payloads whose keys jsonb puts in another order, and open waits with their keys in normal form.

No text is filled in: the order of earlier payloads is lost, and their runs go by the order they have always had. Keys of events
and waits are compared in Unicode's composed form without white space at their ends; a wait opened before this has to be met
by an event that comes after it.
"""

from __future__ import annotations

from functools import partial

from sqlalchemy import text

from engine.values.event_key import normal_key
from runstudio_migrations.online import alter, online, patiently, refuse_downgrade

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None

_BATCH = 1000
_OPEN = text("""
    SELECT wait_id, key FROM workflow_run_waits
    WHERE status = 'WAITING' AND wait_type = 'event' AND key IS NOT NULL AND wait_id > :after
    ORDER BY wait_id LIMIT :batch
""")
_NORMAL = text("""
    UPDATE workflow_run_waits SET key = :normal WHERE wait_id = :wait AND key = :key AND status = 'WAITING'
""")


def upgrade() -> None:
    """The lock on the runs is held for an instant; each wait is changed by itself."""
    with online() as connection:
        alter(connection, "workflow_runs", "ADD COLUMN IF NOT EXISTS input_text text")
        after = "00000000-0000-0000-0000-000000000000"
        while waits := connection.execute(_OPEN, {"after": after, "batch": _BATCH}).all():
            for wait, key in waits:
                normal = normal_key(key)
                if normal and normal != key:
                    row = {"wait": wait, "key": key, "normal": normal}
                    patiently(partial(connection.execute, _NORMAL, row), "workflow_run_waits")
            after = waits[-1].wait_id


def downgrade() -> None:
    """Refused."""
    refuse_downgrade(revision, "An older program does not look at the column: leave it where it is.")
