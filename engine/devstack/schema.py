"""The schema of the database a stack uses: brought up to date when it is our own, only looked at when it is not.

A DATABASE_URL may name anything, also production, where a migration is a decision: the cutover ends runs.
"""

from __future__ import annotations

from engine.devstack.fetching import Progress
from engine.errors import Conflict


def prepare_schema(url: str, owned: bool, progress: Progress) -> None:
    """Makes sure the database has this release's schema.

    Raises ``Conflict`` (``SCHEMA_OUTDATED``) for a database that is not the stack's own and lacks migrations.
    """
    # Only here: alembic takes longer to import than a stack that already runs takes to be found.
    from engine.store import schema_version  # noqa: PLC0415 (see above)

    current, head = schema_version.current_revision(url), schema_version.head_revision()
    if current == head:
        return
    if not owned:
        raise Conflict(
            "SCHEMA_OUTDATED",
            f"The database of DATABASE_URL is at {current or 'no schema of ours'}; this release needs {head}.",
            "Run `runstudio migrate`, after `runstudio migrate --check` told you what it would do.",
        )
    progress("preparing the database")
    schema_version.migrate(url, progress=progress)
