"""The two roles of the installation, and what each may do. People have none: they act through a program of the service.

``runstudio_service`` is for the logins of workers, consoles and producers, ``runstudio_reader`` for those of reports. Applied
at the end of every migration run, so that roles an administrator created later, and tables of a later migration, get theirs
from the next one. What these two, or everybody, were given beyond that, by hand or by default privileges, is taken back.
"""

from __future__ import annotations

from typing import Any, Final, cast

import psycopg
from psycopg import errors as postgres_errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from engine.store.tables import metadata, workflow_audit_log
from runstudio_migrations.online import LOCK_TIMEOUT, patiently, report
from runstudio_migrations.views import VIEWS

SERVICE: Final = "runstudio_service"
READER: Final = "runstudio_reader"

SEQUENCES: Final = "workflow_change_seq, workflow_event_arrival_seq"
ALEMBIC: Final = "alembic_version"
AUDIT: Final = workflow_audit_log.name
HISTORY: Final = "workflow_run_snapshots"
WITNESSED: Final = frozenset({"database_user", "database_client", "created_at"})
"""Columns of the audit log that the database writes, and nobody else."""

TENANT: Final = "nullif(current_setting('runstudio.tenant', true), '')::uuid"
POLICY: Final = "runstudio_tenant"
RULE: Final = f"tenant = coalesce({TENANT}, tenant)"
"""Rows of the tenant that the transaction names. One that names none is a worker's, which serves them all."""
WITNESS: Final = "workflow_audit_witness()"
"""The function that writes ``WITNESSED``."""


def secure(connection: Connection) -> None:
    """Creates the roles where this user may, grants what each needs, and binds every table to the tenant of the transaction.

    For a connection in autocommit. Everything is repeatable.
    """
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    for table in _unbound(connection):
        patiently(lambda table=table: _bind(connection, table), table)  # type: ignore[misc] # the table of this turn
    # Or whoever adds an entry would choose, by a search_path and functions of their own, what the witness says.
    connection.exec_driver_sql(f"ALTER FUNCTION {WITNESS} SET search_path = pg_catalog, pg_temp")
    _grant(connection, "PUBLIC", ())
    for role in (SERVICE, READER):
        if _ensure(connection, role):
            _grant(connection, role, (f"USAGE ON SCHEMA {_schema(connection)}", *_grants(role)))
    connection.execute(text("RESET lock_timeout"))


def _grant(connection: Connection, role: str, grants: tuple[str, ...]) -> None:
    """What is ours gives ``role`` these rights and no other, from one moment to the next: the role is at work."""
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with driver.transaction():
        for what in (f"TABLE {', '.join([*_tables(), ALEMBIC, *VIEWS])}", f"SEQUENCE {SEQUENCES}"):
            connection.exec_driver_sql(f"REVOKE ALL ON {what} FROM {role}")
        for grant in grants:
            connection.exec_driver_sql(f"GRANT {grant} TO {role}")


def _tables() -> list[str]:
    return sorted(metadata.tables)


def _grants(role: str) -> tuple[str, ...]:
    if role == READER:
        return (f"SELECT ON {', '.join(VIEWS)}",)
    tables = _tables()
    changeable = ", ".join(table for table in tables if table not in (AUDIT, HISTORY))
    told = ", ".join(column.name for column in workflow_audit_log.c if column.name not in WITNESSED)
    return (
        f"SELECT ON {', '.join([*tables, ALEMBIC])}",
        f"INSERT, UPDATE, DELETE ON {changeable}",
        f"INSERT ({told}) ON {AUDIT}",
        f"USAGE ON SEQUENCE {SEQUENCES}",
    )


def _unbound(connection: Connection) -> list[str]:
    """Tables with a tenant that no policy binds yet."""
    bound = text(
        "SELECT policy.polrelid::regclass::text FROM pg_policy AS policy JOIN pg_class AS class ON class.oid = policy.polrelid"
        " WHERE policy.polname = :name AND class.relrowsecurity AND class.relnamespace = current_schema()::regnamespace"
    )
    done = set(connection.execute(bound, {"name": POLICY}).scalars())
    return [name for name, table in sorted(metadata.tables.items()) if "tenant" in table.c and name not in done]


def _bind(connection: Connection, table: str) -> None:
    connection.exec_driver_sql(f"DROP POLICY IF EXISTS {POLICY} ON {table}")
    connection.exec_driver_sql(f"CREATE POLICY {POLICY} ON {table} USING ({RULE}) WITH CHECK ({RULE})")
    # Last: without a policy it would hide every row.
    connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")


def _schema(connection: Connection) -> str:
    return str(connection.execute(text("SELECT quote_ident(current_schema())")).scalar_one())


def _ensure(connection: Connection, role: str) -> bool:
    """Whether the role is there in the end."""
    if _exists(connection, role):
        return True
    try:
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
