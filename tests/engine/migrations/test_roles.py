"""What the two roles may do, as Postgres itself enforces it, and the end of the roles for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors

from engine.devstack.postgres import EmbeddedPostgres
from engine.errors import Forbidden
from engine.ids import new_id
from engine.settings import DEFAULT_TENANT
from engine.store.database.schema_version import migrate
from engine.store.tables import metadata
from runstudio_migrations.views import VIEWS

RUN = "INSERT INTO workflow_runs (workflow_id, workflow_version, status, engine) VALUES ('w', 1, 'RUNNING', 'temporal')"
EVENT = "INSERT INTO workflow_runtime_events (event_id, event_name, state) VALUES (gen_random_uuid(), 'e', 'received')"
AUDIT = (
    "INSERT INTO workflow_audit_log (audit_id, actor, operation, target_kind, target_id)"
    " VALUES (gen_random_uuid(), 'ada', 'run.cancel', 'run', 'x')"
)
FORGED_WITNESS = AUDIT.replace("(audit_id,", "(database_user, audit_id,").replace("VALUES (", "VALUES ('carol', ")
FORGED_CLIENT = FORGED_WITNESS.replace("database_user", "database_client")
FORGED_TIME = AUDIT.replace("(audit_id,", "(created_at, audit_id,").replace("VALUES (", "VALUES ('2001-01-01', ")
MEMBER = "INSERT INTO workflow_members (kind, name, level) VALUES ('person', 'ada', 'admin')"
CHANGE_AUDIT = "UPDATE workflow_audit_log SET actor = 'somebody else'"
FORGET_AUDIT = "DELETE FROM workflow_audit_log"
EMPTY_AUDIT = "TRUNCATE workflow_audit_log"
FORGE_HISTORY = "DELETE FROM workflow_run_snapshots"
NUMBER = "SELECT nextval('workflow_change_seq')"
RUNS = "SELECT count(*) FROM workflow_runs"

MAY = {
    "runstudio_service": [RUNS, "SELECT version_num FROM alembic_version", RUN, EVENT, AUDIT, MEMBER],
    "runstudio_reader": [f"SELECT * FROM {view}" for view in VIEWS],
}
MAY_NOT = {
    "runstudio_service": [
        *(CHANGE_AUDIT, FORGET_AUDIT, EMPTY_AUDIT, FORGE_HISTORY, FORGED_WITNESS, FORGED_CLIENT, FORGED_TIME),
        "ALTER TABLE workflow_runs DISABLE ROW LEVEL SECURITY",
        "DROP TRIGGER workflow_audit_keep ON workflow_audit_log",
    ],
    "runstudio_reader": [*(f"SELECT 1 FROM {table}" for table in sorted(metadata.tables)), RUN, AUDIT],
}
OLD_ROLES = ("runstudio_viewer", "runstudio_operator", "runstudio_admin")
TEN_THOUSAND = (
    "INSERT INTO workflow_runs (workflow_id, workflow_version, status, engine, input_json)"
    " SELECT 'w', 1, 'SUCCEEDED', 'temporal', jsonb_build_object('n', n) FROM generate_series(1, 10000) AS n"
)


def _connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_do_what_it_is_for_and_nothing_else(database_url: str, role: str) -> None:
    with _connect(database_url) as sql:
        sql.execute(f"SET ROLE {role}")
        for statement in MAY[role]:
            sql.execute(statement)
        for statement in MAY_NOT[role]:
            with pytest.raises(errors.InsufficientPrivilege):
                sql.execute(statement)


@pytest.mark.parametrize("way", ["by hand", "by default"])
def test_what_was_given_beyond_that_is_taken_back_by_the_next_migration(
    empty_database_url: str, upgrade_to: Callable[..., None], way: str
) -> None:
    """As an administrator gives a report what it lacks, and forgets it."""
    with _connect(empty_database_url) as sql:
        if way == "by default":
            for role in ("PUBLIC", "runstudio_reader", "runstudio_service"):
                for what in ("TABLES", "SEQUENCES"):
                    sql.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON {what} TO {role}")
        else:
            migrate(empty_database_url)
            for role in ("PUBLIC", "runstudio_reader", "runstudio_service"):
                for what in ("TABLES", "SEQUENCES"):
                    sql.execute(f"GRANT ALL ON ALL {what} IN SCHEMA public TO {role}")
                sql.execute(f"GRANT UPDATE (actor), INSERT (database_user) ON workflow_audit_log TO {role}")
        migrate(empty_database_url)
        sql.execute(f"CREATE ROLE anybody_{way[3:]}")
        for role, refused in {**MAY_NOT, f"anybody_{way[3:]}": [*MAY_NOT["runstudio_reader"], NUMBER]}.items():
            sql.execute(f"SET ROLE {role}")
            for statement in MAY.get(role, []):
                sql.execute(statement)
            for statement in refused:
                with pytest.raises(errors.InsufficientPrivilege):
                    sql.execute(statement)
            sql.execute("RESET ROLE")
        sql.execute(f"DROP ROLE anybody_{way[3:]}")


def test_no_view_shows_a_body(database_url: str) -> None:
    with _connect(database_url) as sql:
        bodies = sql.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_name = ANY(%s)"
            " AND (data_type IN ('json', 'jsonb') OR column_name ~ 'error|reason|title|description|key|message')",
            [list(VIEWS)],
        ).fetchall()
    assert bodies == []


def test_an_audit_entry_is_witnessed_by_the_database_and_stays(database_url: str) -> None:
    with _connect(database_url) as sql:
        # Neither the owner of the tables nor a superuser says who is connected.
        sql.execute(FORGED_WITNESS)
        sql.execute(FORGED_CLIENT)
        seen = sql.execute("SELECT DISTINCT database_user, database_client FROM workflow_audit_log").fetchall()
        assert seen == [("postgres", None)]
        for statement in (CHANGE_AUDIT, FORGET_AUDIT, EMPTY_AUDIT):
            with pytest.raises(errors.InsufficientPrivilege, match="append-only"):
                sql.execute(statement)


def test_a_login_with_functions_of_its_own_does_not_choose_what_the_witness_says(database_url: str) -> None:
    """A producer that has a schema in the same database, where ``host`` and ``inet_client_addr`` are what it likes."""
    with _connect(database_url) as sql:
        sql.execute("CREATE SCHEMA theirs; GRANT ALL ON SCHEMA theirs TO runstudio_service")
        sql.execute("SET ROLE runstudio_service")
        sql.execute("CREATE FUNCTION theirs.host(inet) RETURNS text LANGUAGE sql AS $$ SELECT 'elsewhere' $$")
        sql.execute(
            "CREATE FUNCTION theirs.inet_client_addr() RETURNS inet LANGUAGE sql AS $$ SELECT '6.6.6.6'::inet $$"
        )
        sql.execute("SET search_path = theirs, pg_catalog, public")
        sql.execute(AUDIT)
        assert sql.execute("SELECT DISTINCT database_client FROM workflow_audit_log").fetchall() == [(None,)]


def test_every_table_of_a_tenant_is_bound(database_url: str) -> None:
    with _connect(database_url) as sql:
        bound = sql.execute("SELECT relname FROM pg_class WHERE relrowsecurity ORDER BY 1").fetchall()
    assert [name for (name,) in bound] == sorted(name for name, table in metadata.tables.items() if "tenant" in table.c)


@pytest.fixture
def people(
    empty_database_url: str, upgrade_to: Callable[..., None], postgres: EmbeddedPostgres
) -> Iterator[psycopg.Connection[Any]]:
    """A database of the release before, with ten thousand runs, and ada, an operator who is connected."""
    upgrade_to(empty_database_url, "0004")
    with _connect(empty_database_url) as sql:
        sql.execute(TEN_THOUSAND)
        for role in OLD_ROLES:
            sql.execute(f"CREATE ROLE {role} NOLOGIN; GRANT USAGE ON SCHEMA public TO {role}")
            sql.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        sql.execute("GRANT UPDATE (updated_at) ON workflow_runs TO runstudio_operator")
        sql.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO runstudio_operator")
        sql.execute("CREATE ROLE ada LOGIN IN ROLE runstudio_operator")
    with _connect(empty_database_url.replace("postgres@", "ada@")) as ada:
        yield ada
    with _connect(postgres.url()) as sql:
        sql.execute("DROP ROLE IF EXISTS ada")
        for role in OLD_ROLES:
            sql.execute(f"DROP ROLE IF EXISTS {role}")


def test_the_roles_for_people_go_while_they_are_in_use(
    people: psycopg.Connection[Any], empty_database_url: str
) -> None:
    assert people.execute(RUNS).fetchone() == (10_000,)
    lines: list[str] = []
    migrate(empty_database_url, lines.append)
    assert [line for line in lines if line.startswith("ada had runstudio_operator")] == [
        "ada had runstudio_operator, which is no more: people have no database login. Of a person whose account is called"
        " the same: runstudio members set ada operate. Of a program: GRANT runstudio_service TO ada"
    ]
    with pytest.raises(errors.InsufficientPrivilege):
        people.execute(RUNS)
    with _connect(empty_database_url) as sql:
        left = sql.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(OLD_ROLES)]).fetchall()
        assert left == []
        assert sql.execute(RUNS).fetchone() == (10_000,)


def test_a_role_that_another_database_still_uses_stays_without_rights_here(
    people: psycopg.Connection[Any], empty_database_url: str, postgres: EmbeddedPostgres
) -> None:
    name = f"other_{new_id().replace('-', '')}"
    other = postgres.create_database(name)
    try:
        with _connect(other) as sql:
            sql.execute("CREATE TABLE mine (); GRANT SELECT ON mine TO runstudio_operator")
        lines: list[str] = []
        migrate(empty_database_url, lines.append)
        assert [line for line in lines if "runstudio_operator has no rights in this database any more" in line]
        with pytest.raises(errors.InsufficientPrivilege):
            people.execute(RUNS)
        migrate(empty_database_url)
    finally:
        postgres.drop_database(name)


def test_a_service_sees_the_rows_of_the_tenant_that_its_transaction_names(database_url: str) -> None:
    other = new_id()
    with _connect(database_url) as sql:
        sql.execute(RUN)
        sql.execute(RUN.replace("(workflow_id", "(tenant, workflow_id").replace("VALUES (", f"VALUES ('{other}', "))
        sql.execute("SET ROLE runstudio_service")
        # A worker names none, and serves all.
        assert sql.execute(RUNS).fetchone() == (2,)
        with sql.transaction():
            sql.execute("SELECT set_config('runstudio.tenant', %s, true)", [DEFAULT_TENANT])
            assert sql.execute(RUNS).fetchone() == (1,)
        assert sql.execute(RUNS).fetchone() == (2,)


def test_an_owner_who_may_not_create_roles_can_migrate(postgres: EmbeddedPostgres, migrated_template: str) -> None:
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
            sql.execute("SET ROLE runstudio_service")
            assert sql.execute(RUNS).fetchone() == (0,)
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
        assert [line.split()[1] for line in missing] == ["runstudio_service", "runstudio_reader"]
        assert "CREATE ROLE runstudio_service NOLOGIN, then migrate again" in missing[0]

        with _connect(url) as sql:
            sql.execute("CREATE ROLE runstudio_service NOLOGIN")
        migrate(url.replace("postgres@", "plain@"))
        with _connect(url) as sql:
            sql.execute("SET ROLE runstudio_service")
            assert sql.execute(RUNS).fetchone() == (0,)
    finally:
        server.stop()
