"""The migrations end where ``engine.store.tables`` says, and the program knows where a database stands."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import SAWarning

from engine.devstack.postgres import EmbeddedPostgres
from engine.errors import Unavailable
from engine.ids import new_id
from engine.store.database.engine import create_store_engine
from engine.store.database.schema_version import (
    SchemaOutdated,
    current_revision,
    head_revision,
    migrate,
    missing_revisions,
    require_current_schema,
    revisions,
)
from engine.store.tables import metadata
from runstudio_migrations.online import TURN_KEY

Upgrade = Callable[..., None]

CATALOG = {
    "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default, numeric_precision, numeric_scale"
    " FROM information_schema.columns WHERE table_schema = 'public' AND table_name IN (SELECT tablename FROM pg_tables)",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
    " FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'",
    "storage": "SELECT relname, reloptions FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
    "sequences": "SELECT sequencename, data_type::text FROM pg_sequences",
}


def _catalog(url: str) -> dict[str, set[Any]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = {kind: connection.exec_driver_sql(query).all() for kind, query in CATALOG.items()}
    engine.dispose()
    return {
        kind: {
            tuple(tuple(item) if isinstance(item, list) else item for item in row)
            for row in found
            if not str(row[0]).startswith("alembic_version") and "alembic_version" not in str(row[1])
        }
        for kind, found in rows.items()
    }


def test_a_migrated_database_has_exactly_the_tables_of_the_code(database_url: str, postgres: EmbeddedPostgres) -> None:
    name = f"created_{new_id().replace('-', '')}"
    other = postgres.create_database(name)
    engine = create_engine(other)
    metadata.create_all(engine)
    engine.dispose()

    migrated, created = _catalog(database_url), _catalog(other)
    postgres.drop_database(name)

    for kind in CATALOG:
        # New tables are checked from their first row on; only history needs NOT VALID.
        def loose(row: Any) -> tuple[str, ...]:
            return tuple(str(item).removesuffix(" NOT VALID") for item in row)

        assert {loose(row) for row in migrated[kind]} == {loose(row) for row in created[kind]}, kind


def test_alembic_sees_no_difference(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection, warnings.catch_warnings():
        # Of alembic itself, on SQLAlchemy 2.1: it copies dialect options under a name that is no dialect.
        warnings.simplefilter("ignore", SAWarning)
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_file_names_tell_the_history_alembic_reads() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[3] / "migrations" / "runstudio_migrations"))
    chain = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert [revision.name for revision in revisions()] == chain[::-1]
    assert head_revision() == chain[0]


async def test_a_program_refuses_a_schema_that_is_old_or_missing(empty_database_url: str, upgrade_to: Upgrade) -> None:
    engine = create_store_engine(empty_database_url)
    try:
        with pytest.raises(SchemaOutdated, match=r"SCHEMA_OLD: .*missing.*Run `runstudio migrate`"):
            await require_current_schema(engine)
        assert current_revision(empty_database_url) is None

        upgrade_to(empty_database_url, "0001")
        with pytest.raises(SchemaOutdated) as refused:
            await require_current_schema(engine)
        assert refused.value.details == {
            "found": "0001",
            "needed": head_revision(),
            "missing": [revision.name for revision in revisions()[1:]],
        }
        assert [revision.summary for revision in missing_revisions(empty_database_url)][:3] == [
            "beside the old executor",
            "cutover",
            "when a step is due",
        ]

        migrate(empty_database_url)
        await require_current_schema(engine)
        assert missing_revisions(empty_database_url) == ()
    finally:
        await engine.dispose()


async def test_a_program_refuses_a_schema_of_the_future(database_url: str) -> None:
    engine = create_store_engine(database_url)
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(SchemaOutdated, match="SCHEMA_NEWER"):
            await require_current_schema(engine)
    finally:
        await engine.dispose()
    with pytest.raises(SchemaOutdated, match="SCHEMA_NEWER"):
        migrate(database_url)


def test_an_unreachable_server_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="POSTGRES_UNREACHABLE"):
        migrate(f"postgresql://postgres@/nowhere?host={tmp_path}")


def test_two_migrations_at_once_take_turns(empty_database_url: str, postgres: EmbeddedPostgres) -> None:
    """The second waits for the first, also while the first builds indexes concurrently, and then finds nothing to do."""
    from concurrent.futures import ThreadPoolExecutor

    from sqlalchemy import make_url

    with ThreadPoolExecutor(2) as pool:
        # Alembic's own context is one per process, so the second is a program of its own.
        plain = make_url(empty_database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        second = pool.submit(_in_another_process, empty_database_url)
        migrate(empty_database_url)
        assert second.result() == 0
    with psycopg.connect(plain) as connection:
        assert connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)


def test_a_migration_that_never_ends_is_not_waited_for_for_ever(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = empty_database_url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(plain, autocommit=True) as other, monkeypatch.context() as impatient:
        impatient.setattr("runstudio_migrations.online.TURN_SECONDS", 0.5)
        other.execute("SELECT pg_advisory_lock(%s)", [TURN_KEY])
        # Whose session it is: every login can take an advisory lock, and a lost session can keep one.
        with pytest.raises(
            Unavailable, match=f"MIGRATION_RUNNING.*the login postgres, session {other.info.backend_pid} "
        ):
            migrate(empty_database_url)
    assert migrate(empty_database_url).after == head_revision()


def _in_another_process(url: str) -> int:
    import subprocess
    import sys

    program = "import sys; from engine.store.database.schema_version import migrate; migrate(sys.argv[1])"
    return subprocess.run([sys.executable, "-c", program, url], check=False).returncode


@pytest.mark.parametrize("revision", ["0002", "0001", "base"])
def test_there_is_no_way_back(database_url: str, revision: str) -> None:
    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[3] / "migrations" / "runstudio_migrations"))
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    with pytest.raises(NotImplementedError, match="cannot be undone"):
        command.downgrade(config, revision)
    assert current_revision(database_url) == head_revision()
