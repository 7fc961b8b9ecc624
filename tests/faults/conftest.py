"""The world of a fault test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError

from engine.contract import workflow_id_for
from engine.operations.runs import starting
from tests.faults.installation import installation, mortal_postgres
from tests.faults.world import World

__all__ = ["installation", "mortal_postgres", "world"]


@pytest.fixture(autouse=True)
def _short_task_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose worker is killed inside a workflow task waits for ten seconds instead of a minute."""
    monkeypatch.setattr(starting, "TASK_TIMEOUT", timedelta(seconds=10))


@pytest_asyncio.fixture
async def world(database_url: str, temporal: Client, temporal_address: str) -> AsyncIterator[World]:
    """A database of this test, the session's Temporal, and no worker yet."""
    made = await World.make(database_url, database_url, temporal, temporal_address)
    yield made
    for row in await made.bench.rows("SELECT run_id FROM workflow_runs"):
        with suppress(RPCError):
            await temporal.get_workflow_handle(workflow_id_for(str(row["run_id"]))).terminate("the test has ended")
    await made.dispose()
