"""The schema of the database a stack uses: brought up to date when it is our own, only looked at when it is not.

A DATABASE_URL may name anything, also production, where a migration is a decision: the cutover ends runs.
"""

from __future__ import annotations

from engine.devstack.fetching import Progress
from engine.store.database.schema_version import SchemaOutdated, migrate, missing_revisions


def prepare_schema(url: str, owned: bool, progress: Progress) -> None:
    """Makes sure the database has this release's schema.

    Raises ``SchemaOutdated`` (``SCHEMA_OLD``) for a database that is not the stack's own and lacks migrations, and what
    ``migrate`` raises.
    """
    missing = [revision.name for revision in missing_revisions(url)]
    if missing and not owned:
        raise SchemaOutdated(
            "SCHEMA_OLD",
            f"The database that DATABASE_URL names lacks the migrations {', '.join(missing)}.",
            "Run `runstudio migrate`; `runstudio migrate --check` changes nothing.",
            {"missing": missing},
        )
    if missing:
        progress("preparing the database")
        migrate(url)
