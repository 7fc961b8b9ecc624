"""The schema's history, as alembic revisions. Applied with ``runstudio migrate``; see engine/store/database/schema_version.py."""
