"""The world of a fault test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError

from engine.contract import workflow_id_for
from tests.faults.installation import installation, mortal_postgres
from tests.faults.world import World

__all__ = ["installation", "mortal_postgres", "world"]


@pytest_asyncio.fixture
async def world(database_url: str, temporal: Client, temporal_address: str) -> AsyncIterator[World]:
    """A database of this test, the session's Temporal, and no worker yet."""
    made = await World.make(database_url, database_url, temporal, temporal_address)
    yield made
    for row in await made.bench.rows("SELECT run_id FROM workflow_runs"):
        with suppress(RPCError):
            await temporal.get_workflow_handle(workflow_id_for(str(row["run_id"]))).terminate("the test has ended")
    await made.dispose()
