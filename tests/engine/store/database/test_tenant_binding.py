"""A statement without its WHERE, in a process that serves one tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import delete, func, insert, make_url, select, text, update

from engine.errors import Unavailable
from engine.ids import new_id
from engine.settings import DEFAULT_TENANT
from engine.store.database import proving
from engine.store.database.engine import create_store_engine
from engine.store.database.question import ask, question
from engine.store.database.reader import open_reader
from engine.store.database.transactions import Store, writing, writing_at_once
from engine.store.tables import workflow_runs
from tests.engine.store.tenants import OF_TENANTS, OTHER, fill, row_of
from tests.engine.store.wire import RoundTrips
from tests.pooler import Pooled

WRITE_ONCE = ("workflow_audit_log", "workflow_run_snapshots")


@pytest_asyncio.fixture
async def both(database_url: str) -> AsyncIterator[Store]:
    """The owner's store, with one row of each of two tenants in every table."""
    engine = create_store_engine(database_url)
    async with engine.begin() as connection:
        await fill(connection, (DEFAULT_TENANT, OTHER))
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def bound(database_url: str, both: Store) -> AsyncIterator[Store]:
    """A process of the service that serves the tenant OTHER."""
    login = f"login_{new_id().replace('-', '')}"
    async with both.begin() as connection:
        await connection.execute(text(f"CREATE ROLE {login} LOGIN IN ROLE runstudio_service"))
    url = make_url(database_url).set(username=login).render_as_string(False)
    engine = create_store_engine(url, pool_size=1, max_overflow=0, tenant=OTHER)
    yield engine
    await engine.dispose()
    async with both.begin() as connection:
        await connection.execute(text(f"DROP ROLE {login}"))


async def test_a_statement_without_a_where_reaches_one_tenant_in_every_table(both: Store, bound: Store) -> None:
    assert len(OF_TENANTS) > 20
    for table in OF_TENANTS:
        everything = select(table.c.tenant)
        async with writing(bound) as connection:
            assert list((await connection.execute(everything)).scalars()) == [OTHER], table.name
        async with open_reader(bound, OTHER) as reader:
            assert [row.tenant for row in await reader.rows(everything)] == [OTHER], table.name
        _, [rows] = await ask(bound, OTHER, question(everything))
        assert [row.tenant for row in rows] == [OTHER], table.name
    for table in OF_TENANTS:
        if table.name not in WRITE_ONCE:
            async with writing(bound) as connection:
                assert (await connection.execute(update(table).values(tenant=OTHER))).rowcount == 1, table.name
    for table in reversed(OF_TENANTS):
        if table.name not in WRITE_ONCE:
            async with writing(bound) as connection:
                await connection.execute(delete(table))
    async with both.connect() as connection:
        for table in OF_TENANTS:
            left = set((await connection.execute(select(table.c.tenant))).scalars())
            assert left == ({DEFAULT_TENANT, OTHER} if table.name in WRITE_ONCE else {DEFAULT_TENANT}), table.name


async def test_a_row_of_another_tenant_cannot_be_written(bound: Store) -> None:
    for statement in (
        insert(workflow_runs).values(row_of(workflow_runs, DEFAULT_TENANT)),
        update(workflow_runs).values(tenant=DEFAULT_TENANT),
    ):
        with pytest.raises(Unavailable, match="row-level security"):
            async with writing(bound) as connection:
                await connection.execute(statement)


async def test_what_a_transaction_named_is_forgotten_at_its_end(bound: Store) -> None:
    """Behind a pooler the next transaction on that connection is somebody else's."""
    async with writing(bound) as connection:
        await connection.execute(select(func.count()).select_from(workflow_runs))
    async with bound.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        assert not (await alone.execute(text("SELECT current_setting('runstudio.tenant', true)"))).scalar()


async def test_naming_the_tenant_costs_no_round_trip(
    both: Store, bound: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = RoundTrips(tmp_path, monkeypatch)
    counted = []
    for store in (both, bound):
        await store.dispose()
        async with writing(store) as connection:
            await connection.execute(text("SELECT 1"))
        trips.start()
        async with writing(store) as connection:
            await connection.execute(text("SELECT 1"))
        counted.append(trips.count)
    assert counted == [3, 3]


async def test_a_connection_that_was_lost_is_told_as_ever(
    both: Store, bound: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In the moment between the look at it and the transaction.
    monkeypatch.setattr(proving, "is_stale", lambda _driver: False)
    async with writing(bound) as connection:
        pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    async with both.begin() as connection:
        await connection.execute(select(func.pg_terminate_backend(pid)))
    with pytest.raises(Exception, match="POSTGRES_UNREACHABLE"):
        async with writing(bound) as connection:
            await connection.execute(text("SELECT 1"))
    async with writing(bound) as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1


@pytest.mark.parametrize("way", ["direct", "pooled"])
async def test_a_worker_serves_all_tenants_whatever_its_login_is_set_to(
    both: Store, database_url: str, pooled: Pooled, way: str
) -> None:
    """As behind a pooler, where somebody's SET stays in the session that a worker gets next."""
    login = f"login_{new_id().replace('-', '')}"
    async with both.begin() as connection:
        await connection.execute(text(f"CREATE ROLE {login} LOGIN IN ROLE runstudio_service"))
        await connection.execute(text(f"ALTER ROLE {login} SET runstudio.tenant = '{OTHER}'"))
    url = make_url(database_url).set(username=login).render_as_string(False)
    worker = create_store_engine(pooled(url) if way == "pooled" else url)
    tenants = select(workflow_runs.c.tenant).order_by(workflow_runs.c.tenant)
    async with writing(worker) as connection:
        assert list((await connection.execute(tenants)).scalars()) == [DEFAULT_TENANT, OTHER]
    if way == "direct":
        async with writing_at_once(worker) as connection:
            assert list((await connection.execute(tenants)).scalars()) == [DEFAULT_TENANT, OTHER]
    await worker.dispose()
    # A process of one tenant reaches that one, over a pooler too.
    process = create_store_engine(pooled(url) if way == "pooled" else url, tenant=DEFAULT_TENANT)
    async with writing(process) as connection:
        assert list((await connection.execute(tenants)).scalars()) == [DEFAULT_TENANT]
    await process.dispose()
    if way == "direct":
        async with both.begin() as connection:
            await connection.execute(text(f"DROP ROLE {login}"))
