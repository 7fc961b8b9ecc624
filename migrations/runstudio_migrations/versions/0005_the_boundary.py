"""People have no database login: members of tenants, audit rows the database vouches for, and an end of the roles for people.

What the service and reports may do is granted after every migration (``runstudio_migrations.roles``).
"""

from __future__ import annotations

from typing import Any, Final, cast

import psycopg
from psycopg import errors as postgres_errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from engine.settings import DEFAULT_TENANT
from runstudio_migrations.online import alter, online, patiently, refuse_downgrade, report, run
from runstudio_migrations.views import create_views

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

OLD_ROLES: Final = {"runstudio_viewer": "read", "runstudio_operator": "operate", "runstudio_admin": "admin"}
"""The roles for people of earlier releases, and the level each stood for."""

MEMBERS: Final = f"""
CREATE TABLE IF NOT EXISTS workflow_members (
    tenant uuid NOT NULL DEFAULT '{DEFAULT_TENANT}'::uuid,
    kind text NOT NULL,
    name text NOT NULL,
    level text NOT NULL,
    set_by text,
    set_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_members_pkey PRIMARY KEY (tenant, kind, name),
    CONSTRAINT workflow_members_kind_check CHECK (kind IN ('person', 'group')),
    CONSTRAINT workflow_members_level_check CHECK (level IN ('read', 'operate', 'admin'))
)
"""

WITNESS: Final = """
CREATE OR REPLACE FUNCTION workflow_audit_witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.database_user := session_user;
    NEW.database_client := host(inet_client_addr());
    RETURN NEW;
END $$
"""
KEEP: Final = """
CREATE OR REPLACE FUNCTION workflow_audit_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$
"""
TRIGGERS: Final = (
    "CREATE OR REPLACE TRIGGER workflow_audit_witness BEFORE INSERT ON workflow_audit_log"
    " FOR EACH ROW EXECUTE FUNCTION workflow_audit_witness()",
    "CREATE OR REPLACE TRIGGER workflow_audit_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON workflow_audit_log"
    " FOR EACH STATEMENT EXECUTE FUNCTION workflow_audit_keep()",
)


def upgrade() -> None:
    with online() as connection:
        connection.exec_driver_sql(MEMBERS)
        # Without a default, so without a rewrite: of the entries before this migration the witness is not known.
        alter(
            connection,
            "workflow_audit_log",
            "ADD COLUMN IF NOT EXISTS actor_known_by text",
            "ADD COLUMN IF NOT EXISTS actor_remark text",
            "ADD COLUMN IF NOT EXISTS database_user text",
            "ADD COLUMN IF NOT EXISTS database_client text",
        )
        alter(
            connection,
            "workflow_audit_log",
            "ALTER COLUMN database_user SET DEFAULT session_user",
            "ALTER COLUMN database_client SET DEFAULT host(inet_client_addr())",
        )
        for statement in (WITNESS, KEEP):
            connection.exec_driver_sql(statement)
        for statement in TRIGGERS:
            run(connection, statement, "workflow_audit_log")
        create_views(connection)
        for role, level in OLD_ROLES.items():
            _retire(connection, role, level)


def _retire(connection: Connection, role: str, level: str) -> None:
    """Takes a role for people out of use, with a line for each who has it."""
    members = connection.execute(
        text(
            "SELECT member.rolname FROM pg_auth_members AS given JOIN pg_roles AS member ON member.oid = given.member"
            " JOIN pg_roles AS role ON role.oid = given.roleid WHERE role.rolname = :role ORDER BY 1"
        ),
        {"role": role},
    ).scalars()
    exists = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).first()
    if exists is None:
        return
    for name in members:
        report(
            f"{name} had {role}, which is no more: people have no database login. Of a person whose account is called the same:"
            f" runstudio members set {name} {level}. Of a program: GRANT runstudio_service TO {name}"
        )
    patiently(lambda: _revoke(connection, role), role)
    try:
        connection.exec_driver_sql(f"DROP ROLE IF EXISTS {role}")
    except DBAPIError as error:
        # Roles belong to the whole server: another database may still grant something to it, or somebody else have made it.
        reasons = (postgres_errors.DependentObjectsStillExist, postgres_errors.InsufficientPrivilege)
        if isinstance(error.orig, (*reasons, postgres_errors.InternalError_)):
            report(f"role {role} has no rights in this database any more, but stays: {str(error.orig).splitlines()[0]}")
            return
        raise


def _revoke(connection: Connection, role: str) -> None:
    """Takes back what was granted in this schema, all of it at once."""
    schema = connection.execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with driver.transaction():
        for what in (f"ALL TABLES IN SCHEMA {schema}", f"ALL SEQUENCES IN SCHEMA {schema}", f"SCHEMA {schema}"):
            connection.exec_driver_sql(f"REVOKE ALL ON {what} FROM {role}")


def downgrade() -> None:
    """Refused."""
    refuse_downgrade(revision, "The roles for people are gone, and audit entries keep what the database vouched for.")
