"""What the three roles may do, as Postgres itself enforces it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import errors

from engine.devstack.postgres import EmbeddedPostgres
from engine.errors import Forbidden
from engine.ids import new_id
from engine.store.database.schema_version import migrate

RUN = "INSERT INTO workflow_runs (workflow_id, workflow_version, status, engine) VALUES ('w', 1, 'RUNNING', 'temporal')"
EVENT = "INSERT INTO workflow_runtime_events (event_id, event_name, state) VALUES (gen_random_uuid(), 'e', 'received')"
LOG = "INSERT INTO workflow_run_logs (run_id, level, message) SELECT run_id, 'INFO', 'started by hand' FROM workflow_runs LIMIT 1"
AUDIT = (
    "INSERT INTO workflow_audit_log (audit_id, actor, operation, target_kind, target_id)"
    " VALUES (gen_random_uuid(), 'ada', 'run.cancel', 'run', 'x')"
)
CANCEL_REQUEST = "UPDATE workflow_runs SET cancel_requested_at = now()"
TASK = "UPDATE workflow_human_tasks SET status = 'completed'"
DEFINITION_LOCK = "SELECT 1 FROM workflow_definitions FOR UPDATE"
PAUSE = "UPDATE workflow_definitions SET is_paused = true"
READ = "SELECT count(*) FROM workflow_run_steps"
VERSION = "SELECT version_num FROM alembic_version"
FORGE_AUDIT = "UPDATE workflow_audit_log SET actor = 'somebody else'"
FORGE_HISTORY = "DELETE FROM workflow_run_snapshots"

MAY = {
    "runstudio_viewer": [READ, VERSION],
    "runstudio_operator": [READ, VERSION, RUN, LOG, EVENT, AUDIT, TASK, DEFINITION_LOCK],
    "runstudio_admin": [READ, VERSION, RUN, LOG, EVENT, AUDIT, TASK, DEFINITION_LOCK, CANCEL_REQUEST, PAUSE],
}
MAY_NOT = {
    "runstudio_viewer": [RUN, EVENT, AUDIT, TASK, CANCEL_REQUEST, PAUSE, FORGE_AUDIT],
    "runstudio_operator": [CANCEL_REQUEST, PAUSE, FORGE_AUDIT, FORGE_HISTORY],
    "runstudio_admin": [FORGE_AUDIT, FORGE_HISTORY],
}


def _connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_do_what_its_level_needs_and_nothing_else(database_url: str, role: str) -> None:
    with _connect(database_url) as sql:
        sql.execute(f"SET ROLE {role}")
        for statement in MAY[role]:
            sql.execute(statement)
        for statement in MAY_NOT[role]:
            with pytest.raises(errors.InsufficientPrivilege):
                sql.execute(statement)


def test_an_owner_who_may_not_create_roles_can_migrate(postgres: EmbeddedPostgres) -> None:
    """The roles exist on this server already, from other databases; they get their grants in this one too."""
    owner = f"owner_{new_id().replace('-', '')}"
    url = postgres.create_database(f"db_{owner}")
    with _connect(url) as sql:
        sql.execute(f"CREATE ROLE {owner} LOGIN")
        sql.execute(f"GRANT ALL ON SCHEMA public TO {owner}")
        sql.execute(f"GRANT CREATE ON DATABASE db_{owner} TO {owner}")
    try:
        lines: list[str] = []
        migrate(url.replace("postgres@", f"{owner}@"), lines.append)
        with _connect(url) as sql:
            sql.execute("SET ROLE runstudio_viewer")
            assert sql.execute(READ).fetchone() == (0,)
    finally:
        postgres.drop_database(f"db_{owner}")
        with _connect(postgres.url()) as sql:
            sql.execute(f"DROP ROLE {owner}")


def test_a_user_who_may_not_change_the_schema_is_told_so(empty_database_url: str) -> None:
    with _connect(empty_database_url) as sql:
        sql.execute("CREATE ROLE guest LOGIN")
    try:
        with pytest.raises(Forbidden, match=r"MIGRATION_NOT_ALLOWED.*owner"):
            migrate(empty_database_url.replace("postgres@", "guest@"))
    finally:
        with _connect(empty_database_url) as sql:
            sql.execute("DROP ROLE guest")


def test_where_the_roles_are_missing_the_migration_says_who_must_create_them(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Roles belong to the whole server, so this needs one on which nobody migrated yet."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("roles") / "postgres")
    server.start()
    try:
        url = server.create_database("studio")
        with _connect(url) as sql:
            sql.execute("CREATE ROLE plain LOGIN")
            sql.execute("GRANT ALL ON SCHEMA public TO plain")
        lines: list[str] = []
        migrate(url.replace("postgres@", "plain@"), lines.append)
        missing = [line for line in lines if line.startswith("role ")]
        assert [line.split()[1] for line in missing] == ["runstudio_viewer", "runstudio_operator", "runstudio_admin"]
        assert "CREATE ROLE runstudio_viewer NOLOGIN, then migrate again" in missing[0]

        with _connect(url) as sql:
            sql.execute("CREATE ROLE runstudio_viewer NOLOGIN")
        migrate(url.replace("postgres@", "plain@"))
        with _connect(url) as sql:
            sql.execute("SET ROLE runstudio_viewer")
            assert sql.execute(READ).fetchone() == (0,)
    finally:
        server.stop()
