"""The world of a fault test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError

from engine.contract import workflow_id_for
from engine.devstack.postgres import EmbeddedPostgres
from engine.operations.runs import starting
from engine.store.database.schema_version import migrate
from tests.faults.installation import TEMPLATE, Installation, installed
from tests.faults.world import World


@pytest.fixture(autouse=True)
def _short_task_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose worker is killed inside a workflow task waits for ten seconds instead of a minute."""
    monkeypatch.setattr(starting, "TASK_TIMEOUT", timedelta(seconds=10))


@pytest.fixture(scope="session")
def mortal_postgres(server_directory: Path) -> Iterator[EmbeddedPostgres]:
    """A Postgres that tests kill; the session's own is not touched."""
    server = EmbeddedPostgres(server_directory / "mortal")
    server.start()
    migrate(server.create_database(TEMPLATE))
    yield server
    server.stop()


@pytest_asyncio.fixture
async def installation(mortal_postgres: EmbeddedPostgres, server_directory: Path) -> AsyncIterator[Installation]:
    """An installation without a worker: a database and a Temporal nobody has used yet."""
    async with installed(mortal_postgres, server_directory) as made:
        yield made


@pytest_asyncio.fixture
async def world(database_url: str, temporal: Client, temporal_address: str) -> AsyncIterator[World]:
    """A database of this test, the session's Temporal, and no worker yet."""
    made = await World.make(database_url, database_url, temporal, temporal_address)
    yield made
    for row in await made.bench.rows("SELECT run_id FROM workflow_runs"):
        with suppress(RPCError):
            await temporal.get_workflow_handle(workflow_id_for(str(row["run_id"]))).terminate("the test has ended")
    await made.dispose()
