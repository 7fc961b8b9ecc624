"""A copy of a database, whose programs still have the address of the original's Temporal."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import make_url, text

from engine import Engine
from engine.devstack.postgres import EmbeddedPostgres
from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.store.database.connecting import libpq_url
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store, writing
from engine.store.tenant.place import load_places
from engine.temporal.connection import WrongTemporal
from tests.engine.operations.conftest import Query, add_version
from tests.engine.worker.hosts import ready, running, settings
from tests.engine.worker.test_installation import Everything, everything_of


@pytest_asyncio.fixture
async def copied(
    context: OperationContext, store: Store, postgres: EmbeddedPostgres, database_url: str, temporal_address: str
) -> AsyncIterator[str]:
    """URL of a copy of a database that a worker has served; since the copy, the original has started a run more."""
    await add_version(store)
    async with running(settings(database_url, temporal_address)) as host:
        await ready(host)
    await store.dispose()
    original = make_url(database_url).database
    with psycopg.connect(libpq_url(postgres.url()), autocommit=True) as sql:
        # Sessions that were closed are there a little longer, and nobody may be in what is copied.
        while sql.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", [original]
        ).fetchall():
            pass
    url = postgres.create_database(f"copy_of_{original}", template=original)
    await launch_published_run(context, LaunchRequest("orders"))
    yield url
    postgres.drop_database(f"copy_of_{original}")


@pytest_asyncio.fixture
async def everything(copied: str) -> AsyncIterator[Everything]:
    """All rows of all tables of the copy."""
    engine = create_store_engine(copied)

    async def read(sql: str) -> list[dict[str, object]]:
        async with engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(text(sql))).mappings()]

    yield everything_of(read)
    await engine.dispose()


async def test_nothing_is_done_with_the_originals_temporal(
    copied: str, everything: Everything, temporal_address: str, database_url: str, query: Query
) -> None:
    original, copy = make_url(database_url).database, make_url(copied).database
    names = rf"DATABASE_COPIED: This is database {copy} .*namespace default .*database {original} .*installation move"
    before = await everything()
    given = settings(copied, temporal_address)
    with pytest.raises(WrongTemporal, match=names):
        async with running(given):
            pass
    async with Engine(given) as engine:
        with pytest.raises(WrongTemporal, match=names):
            await engine.runs.start("orders")
        with pytest.raises(WrongTemporal, match=names):
            await engine.workflows.pause("orders")
        assert (await engine.runs.list()).rows == (), "reading goes on"
        parts = {part.name: part for part in (await engine.system.health()).parts}
        assert parts["temporal"].state == "down"
        assert str(copy) in parts["temporal"].detail
    assert await everything() == before
    assert [row["status"] for row in await query("SELECT status FROM workflow_runs")] == ["RUNNING"]
    # The original goes on as ever.
    async with running(settings(database_url, temporal_address)) as host:
        await ready(host)


async def test_an_admin_says_that_the_database_is_here_now(copied: str, temporal_address: str) -> None:
    given = settings(copied, temporal_address)
    async with Engine(given) as engine:
        await engine.system.move_to_this_temporal("restored on a new server")
        await engine.workflows.pause("orders")
    store = create_store_engine(copied)
    async with writing(store) as connection:
        moved = "SELECT details_json->>'database' FROM workflow_audit_log WHERE operation = 'installation_move'"
        told = (await connection.execute(text(moved))).scalar_one()
        places = await load_places(connection)
    await store.dispose()
    assert (told, places.is_copy, len(places.known)) == (places.here, False, 2)


async def test_a_server_that_does_not_tell_its_identity_is_known_by_the_databases_name(
    database_url: str, postgres: EmbeddedPostgres
) -> None:
    store = create_store_engine(database_url)
    async with store.begin() as connection:
        await connection.execute(text("CREATE ROLE untold"))
    try:
        async with store.begin() as connection:
            await connection.execute(text("GRANT SELECT ON workflow_places TO untold"))
            await connection.execute(text("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"))
            await connection.execute(text("SET LOCAL ROLE untold"))
            places = await load_places(connection)
            assert (
                places.here == f"database {make_url(database_url).database} of server that does not tell its identity"
            )
            await connection.rollback()
    finally:
        async with store.begin() as connection:
            await connection.execute(text("DROP OWNED BY untold; DROP ROLE untold"))
        await store.dispose()
