"""After the server has ended all sessions, a restart or a fence, nobody is given a connection of before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from engine.store.database.engine import create_store_engine
from engine.store.database.question import ask, question
from engine.store.database.reader import open_reader
from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import Store, writing, writing_at_once
from tests.engine.store.conftest import TENANT
from tests.engine.workflow.harness import PATIENCE_SECONDS

CONNECTIONS = 4
OF_OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
END = text(f"SELECT pg_terminate_backend(pid) {OF_OTHERS}")
COUNT = text(f"SELECT count(*) {OF_OTHERS}")
NOTHING = text("SELECT 1")


async def write(store: Store) -> None:
    async with writing(store) as connection:
        await connection.execute(NOTHING)


async def write_at_once(store: Store) -> None:
    async with writing_at_once(store) as connection:
        await connection.execute(NOTHING)


async def read(store: Store) -> None:
    async with open_reader(store, TENANT) as reader:
        await reader.rows(NOTHING)


USES: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "write": write,
    "at once": write_at_once,
    "read": read,
    "ask": lambda store: ask(store, TENANT, question(NOTHING)),
    "alone": lambda store: execute_alone(store, NOTHING, {}),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("tenant", [None, TENANT], ids=["a worker", "a tenant"])
async def test_no_use_fails_for_a_session_that_was_ended(database_url: str, tenant: str | None, use: str) -> None:
    store = create_store_engine(database_url, tenant=tenant, pool_size=CONNECTIONS, max_overflow=0)
    other = create_store_engine(database_url)
    waiting = asyncio.Barrier(CONNECTIONS)

    async def hold() -> None:
        async with writing(store) as connection:
            await connection.execute(NOTHING)
            await waiting.wait()

    await asyncio.gather(*(hold() for _ in range(CONNECTIONS)))
    await asyncio.gather(*(execute_alone(store, text("SELECT pg_sleep(0.1)"), {}) for _ in range(CONNECTIONS)))
    async with other.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(END)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await autocommit.execute(COUNT)).scalar_one():  # noqa: ASYNC110 - it is the server that ends them
                await asyncio.sleep(0.01)
    for _ in range(2 * CONNECTIONS):
        await USES[use](store)
    await store.dispose()
    await other.dispose()
