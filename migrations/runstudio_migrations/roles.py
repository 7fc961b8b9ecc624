"""The three roles by which the database knows what an operator may do, and their grants on the tables.

Applied at the end of every migration run, so that roles an administrator created later get their grants from the next one.
The owner of the tables, under which workers run, needs none of them.
"""

from __future__ import annotations

from typing import Final

from psycopg import errors as postgres_errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from engine.store.tables import metadata
from runstudio_migrations.online import report

VIEWER: Final = "runstudio_viewer"
OPERATOR: Final = "runstudio_operator"
ADMIN: Final = "runstudio_admin"

SEQUENCES: Final = "workflow_change_seq, workflow_event_arrival_seq"
WRITE_ONCE: Final = frozenset({"workflow_audit_log", "workflow_run_snapshots"})
"""Tables in which not even an administrator changes a row: the audit log, and history."""

LAUNCH_COLUMNS: Final = (
    "status, launch_state, launch_attempts, launch_error, next_launch_at, temporal_workflow_id, temporal_run_id,"
    " error_json, last_error_code, completed_at, updated_at"
)
OPERATOR_GRANTS: Final = (
    "INSERT ON workflow_runs, workflow_payloads, workflow_run_logs, workflow_runtime_events,"
    " workflow_event_deliveries, workflow_audit_log",
    f"UPDATE ({LAUNCH_COLUMNS}) ON workflow_runs",
    # A launch locks the definition's row while it counts the active runs; a lock needs the right to update something.
    "UPDATE (updated_at) ON workflow_definitions",
    "UPDATE ON workflow_human_tasks, workflow_event_deliveries",
    f"USAGE ON SEQUENCE {SEQUENCES}",
)


def grant_roles(connection: Connection) -> None:
    """Creates the roles where this user may, and grants what each level needs. Everything is repeatable."""
    present = [role for role in (VIEWER, OPERATOR, ADMIN) if _ensure(connection, role)]
    tables = sorted(metadata.tables)
    everything = ", ".join([*tables, "alembic_version"])
    changeable = ", ".join(table for table in tables if table not in WRITE_ONCE)
    grants = {
        VIEWER: (f"SELECT ON {everything}",),
        OPERATOR: (f"SELECT ON {everything}", *OPERATOR_GRANTS),
        ADMIN: (
            f"SELECT ON {everything}",
            f"INSERT, UPDATE, DELETE ON {changeable}",
            "INSERT ON workflow_audit_log",
            f"USAGE ON SEQUENCE {SEQUENCES}",
        ),
    }
    for role in present:
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {_schema(connection)} TO {role}")
        for grant in grants[role]:
            connection.exec_driver_sql(f"GRANT {grant} TO {role}")


def _schema(connection: Connection) -> str:
    return str(connection.execute(text("SELECT quote_ident(current_schema())")).scalar_one())


def _ensure(connection: Connection, role: str) -> bool:
    """Whether the role is there in the end."""
    if _exists(connection, role):
        return True
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"CREATE ROLE {role} NOLOGIN")
    except DBAPIError as error:
        # Roles belong to the whole server: a migration of another database may have been faster.
        if _exists(connection, role):
            return True
        if not isinstance(error.orig, postgres_errors.InsufficientPrivilege):
            raise
        report(
            f"role {role} is missing, and this user may not create it: CREATE ROLE {role} NOLOGIN, then migrate again"
        )
        return False
    return True


def _exists(connection: Connection, role: str) -> bool:
    return connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).first() is not None
