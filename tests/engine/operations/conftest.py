"""A store, a Temporal, and workflows to operate on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text
from temporalio.client import Client
from temporalio.service import RPCError

from engine.contract import workflow_id_for
from engine.definition.hash import definition_hash
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.temporal import TemporalConnection
from engine.settings import DEFAULT_TENANT
from engine.store.definitions import NewVersion, ensure_workflow, insert_version, load_workflow
from engine.store.engine import create_store_engine
from engine.store.transactions import Store, writing

Rows = list[dict[str, Any]]
Query = Callable[..., Awaitable[Rows]]

ORDER_SCHEMA = {
    "type": "object",
    "required": ["order"],
    "properties": {"order": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}},
}


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """The store of this test's own database."""
    engine = create_store_engine(database_url)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def context(store: Store, temporal: Client, query: Query) -> AsyncIterator[OperationContext]:
    """The owner of the tables, so an admin, with a Temporal that answers."""
    yield OperationContext(store, TemporalConnection.from_client(temporal), Actor("tester", source="api"))
    # The server is shared, and a worker of another test must not find these runs on the queue.
    for row in await query("SELECT run_id FROM workflow_runs"):
        with suppress(RPCError):
            await temporal.get_workflow_handle(workflow_id_for(row["run_id"])).terminate(reason="the test has ended")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


@pytest.fixture
def query(store: Store) -> Query:
    """Reads rows by SQL, to see what really is in the tables."""

    async def run(sql: str, **parameters: Any) -> Rows:
        async with store.connect() as connection:
            rows = (await connection.execute(text(sql), parameters)).mappings()
            return [{name: _plain(value) for name, value in row.items()} for row in rows]

    return run


@pytest.fixture
def execute(store: Store) -> Callable[..., Awaitable[None]]:
    """Changes rows by SQL, to make a state that needs a crash otherwise."""

    async def run(sql: str, **parameters: Any) -> None:
        async with store.begin() as connection:
            await connection.execute(text(sql), parameters)

    return run


def definition(workflow_id: str = "orders", version: int = 1, **changes: Any) -> dict[str, Any]:
    """A definition of one step."""
    steps = [{"id": "note", "type": "state.set", "config": {"state": "NOTED"}}]
    return {
        "id": workflow_id,
        "version": version,
        "name": f"Workflow {workflow_id}",
        "payloadSchemaRef": "payload.Any.v1",
        "steps": steps,
        **changes,
    }


async def add_version(
    store: Store,
    workflow_id: str = "orders",
    *,
    payload_schema: Any = None,
    tenant: str = DEFAULT_TENANT,
    **changes: Any,
) -> int:
    """Write the next version of a workflow without the checks of publish."""
    async with writing(store) as connection:
        await ensure_workflow(connection, tenant, workflow_id, definition(workflow_id), actor="tester")
        workflow = await load_workflow(connection, tenant, workflow_id)
        assert workflow is not None
        version = (workflow.latest_version or 0) + 1
        body = definition(workflow_id, version, **changes)
        await insert_version(
            connection,
            tenant,
            NewVersion(workflow_id, version, body, definition_hash(body), payload_schema, "valid", [], "tester"),
        )
    return version


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 20.0) -> None:
    """Wait until a condition that nobody announces holds."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 # the condition is in another process
            await asyncio.sleep(0.05)
