"""The world of a test of the workflow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError

from engine.contract import workflow_id_for
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store
from tests.engine.pooled import database_url, direct_database_url
from tests.engine.workflow.harness import Bench

__all__ = ["bench", "database_url", "direct_database_url", "idle_bench", "store"]


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """The store of this test's own database."""
    engine = create_store_engine(database_url)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def idle_bench(store: Store, temporal: Client) -> AsyncIterator[Bench]:
    """A world without a worker."""
    bench = Bench(store, temporal)
    yield bench
    lost = await bench.rows(
        "SELECT run_id, lost_records::text FROM workflow_runs WHERE lost_records IS NOT NULL"
        " AND to_regclass('kept_workflow_runs') IS NULL"
    )
    assert lost == [], "no database was restored"
    # The server is shared: a worker of another test must not find this test's runs on the queue.
    for row in await bench.rows("SELECT run_id FROM workflow_runs"):
        with suppress(RPCError):
            await temporal.get_workflow_handle(workflow_id_for(str(row["run_id"]))).terminate("the test has ended")


@pytest_asyncio.fixture
async def bench(idle_bench: Bench) -> AsyncIterator[Bench]:
    """A world with a worker."""
    async with idle_bench.worker():
        yield idle_bench
