"""The schema of a database: which migrations it has, and applying those that are missing."""

from engine.store.database.schema_version import current_revision, head_revision, migrate

__all__ = ["current_revision", "head_revision", "migrate"]
