"""What ALTER DATABASE and ALTER ROLE say counts for our connections only where it is about the server, not about how we work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import make_url, text

from engine.errors import Unavailable
from engine.store.database.engine import create_store_engine
from engine.store.database.reader import open_reader
from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import Store, writing
from tests.engine.store.conftest import TENANT

READABLE = ("client_encoding = 'LATIN1'", "datestyle = 'German, DMY'", "timezone = 'Asia/Tokyo'")
ENDING = ("idle_in_transaction_session_timeout = 50", "transaction_timeout = 50", "idle_session_timeout = 50")
SLOWER = 0.3
"""Seconds; longer than all of them."""
TEXT = "日本 \U0001f600"
WAYS = pytest.mark.parametrize("tenant", [None, TENANT], ids=["a worker", "a tenant"])


async def settings(url: str, *wanted: str) -> None:
    """Let every new session of the database begin with them."""
    store = create_store_engine(url)
    async with store.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for setting in wanted:
            await autocommit.execute(text(f'ALTER DATABASE "{make_url(url).database}" SET {setting}'))
    await store.dispose()


@pytest.fixture(params=["direct", "pooled"])
def way(request: pytest.FixtureRequest, database_url: str) -> Any:
    """Leads there, or through a pooler."""
    return (request.param == "pooled" and request.getfixturevalue("pooled")) or (lambda url: url)


@WAYS
async def test_what_is_written_and_read_is_the_same(
    database_url: str, way: Callable[[str], str], tenant: str | None
) -> None:
    await settings(database_url, *READABLE)
    store = create_store_engine(way(database_url), tenant=tenant)
    asked = text("SELECT CAST(:text AS text) AS text, CAST('2026-03-04T05:06:07Z' AS timestamptz) AS at")
    async with writing(store) as connection:
        row = (await connection.execute(asked, {"text": TEXT})).one()
    assert (row.text, row.at.isoformat()) == (TEXT, "2026-03-04T05:06:07+00:00")
    alone = await execute_alone(store, asked, {"text": TEXT})
    assert (alone.text, alone.at) == (row.text, row.at)
    async with open_reader(store, TENANT) as reader:
        assert reader.server_now.year > 2000
    await store.dispose()


@WAYS
async def test_no_transaction_is_ended_while_we_are_at_it(
    database_url: str, way: Callable[[str], str], tenant: str | None
) -> None:
    await settings(database_url, *ENDING)
    store = create_store_engine(way(database_url), tenant=tenant)
    async with writing(store) as connection:
        await connection.execute(text("CREATE TABLE made (n int)"))
        await asyncio.sleep(SLOWER)
        await connection.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": SLOWER})
    async with writing(store) as connection:
        assert (await connection.execute(text("SELECT count(*) FROM made"))).scalar_one() == 0
    await store.dispose()


@WAYS
async def test_a_transaction_sees_what_was_committed_before_its_statement(
    database_url: str, way: Callable[[str], str], tenant: str | None
) -> None:
    await settings(database_url, "default_transaction_isolation = 'serializable'")
    store = create_store_engine(way(database_url), tenant=tenant)
    async with writing(store) as connection:
        found = await connection.execute(text("SELECT current_setting('transaction_isolation')"))
        assert found.scalar_one() == "read committed"
    await store.dispose()


async def test_a_single_statement_waits_for_a_lock_as_long_as_it_takes(database_url: str) -> None:
    await settings(database_url, "statement_timeout = 50", "lock_timeout = 50")
    store = create_store_engine(database_url)
    async with writing(store) as connection:
        await connection.execute(text("CREATE TABLE held (n int)"))
    async with writing(store) as connection:
        await connection.execute(text("LOCK TABLE held"))
        waiting = asyncio.create_task(execute_alone(store, text("INSERT INTO held VALUES (1) RETURNING n"), {}))
        await asyncio.sleep(SLOWER)
        assert not waiting.done()
    assert (await waiting).n == 1
    await store.dispose()


async def test_a_connection_that_was_read_with_passes_no_fence(database_url: str) -> None:
    await settings(database_url, "default_transaction_read_only = on")
    store: Store = create_store_engine(database_url, pool_size=1, max_overflow=0)
    async with open_reader(store, TENANT) as reader:
        assert await reader.connection.scalar(text("SHOW transaction_read_only")) == "on"
    with pytest.raises(Unavailable, match="POSTGRES_READ_ONLY"):
        async with writing(store) as connection:
            await connection.execute(text("CREATE TABLE made (n int)"))
    await store.dispose()
