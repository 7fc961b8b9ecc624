"""A store, a Temporal, and workflows to operate on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import make_url, text
from temporalio.client import Client
from temporalio.service import RPCError

from engine.contract import workflow_id_for
from engine.definition.hash import definition_hash
from engine.ids import new_id
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.records import Level
from engine.settings import DEFAULT_TENANT
from engine.store.catalog.definitions import NewVersion, ensure_workflow, insert_version, load_workflow
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store, writing
from engine.temporal.connection import TemporalConnection

Rows = list[dict[str, Any]]
Query = Callable[..., Awaitable[Rows]]
Execute = Callable[..., Awaitable[None]]
AsUser = Callable[..., AbstractAsyncContextManager[OperationContext]]

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
def execute(store: Store) -> Execute:
    """Changes rows by SQL, to make a state that needs a crash otherwise."""

    async def run(sql: str, **parameters: Any) -> None:
        async with store.begin() as connection:
            await connection.execute(text(sql), parameters)

    return run


@pytest.fixture
def as_user(database_url: str, temporal: Client, execute: Any) -> AsUser:
    """A context of a person with a level, in a process that logs in as the service and serves one tenant."""

    @asynccontextmanager
    async def connect(
        level: Level, name: str = "somebody", *, tenant: str = DEFAULT_TENANT
    ) -> AsyncIterator[OperationContext]:
        login = f"login_{new_id().replace('-', '')}"
        await execute(f"CREATE ROLE {login} LOGIN PASSWORD 'secret' IN ROLE runstudio_service")
        if level is not Level.NONE:
            member = (
                "INSERT INTO workflow_members (tenant, kind, name, level) VALUES (:tenant, 'person', :name, :level)"
            )
            await execute(
                f"{member} ON CONFLICT (tenant, kind, name) DO UPDATE SET level = excluded.level",
                tenant=tenant,
                name=name,
                level=level.word,
            )
        url = make_url(database_url).set(username=login, password="secret")
        engine = create_store_engine(url.render_as_string(False), tenant=tenant)
        try:
            yield OperationContext(engine, TemporalConnection.from_client(temporal), Actor(name), tenant)
        finally:
            await engine.dispose()
            await execute(f"DROP ROLE {login}")

    return connect


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


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 60.0) -> None:
    """Wait until a condition that nobody announces holds."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 # the condition is in another process
            await asyncio.sleep(0.05)


async def age(execute: Execute) -> None:
    """Lets a minute pass for all rows."""
    await execute(
        "UPDATE workflow_runs SET updated_at = updated_at - interval '1 minute',"
        " next_launch_at = next_launch_at - interval '1 minute'"
    )


async def add_open_rows(execute: Execute, run_id: str) -> None:
    """A step that waits for a person while an action is under way: everything a run can leave open."""
    position = "'root.steps[0]', '', 1"
    await execute(
        "INSERT INTO workflow_run_steps (run_id, step_path, iteration, visit, definition_step_id, status)"
        f" VALUES (:run, {position}, 'note', 'STARTED')",
        run=run_id,
    )
    await execute(
        "INSERT INTO workflow_run_waits (run_id, step_path, iteration, visit, wait_type)"
        f" VALUES (:run, {position}, 'human')",
        run=run_id,
    )
    await execute(
        "INSERT INTO workflow_human_tasks (task_id, run_id, step_path, iteration, visit, task_type, title)"
        f" VALUES (gen_random_uuid(), :run, {position}, 'approve', 'Approve')",
        run=run_id,
    )
    await execute(
        "INSERT INTO workflow_action_invocations"
        " (run_id, step_path, iteration, visit, action_id, action_version, idempotency_key, status)"
        f" VALUES (:run, {position}, 'a', 1, CAST(gen_random_uuid() AS text), 'STARTED')",
        run=run_id,
    )


async def open_rows(query: Query) -> Rows:
    """What runs have left open, of all kinds."""
    return await query(
        "SELECT 'step' AS kind FROM workflow_run_steps WHERE status = 'STARTED' OR completed_at IS NULL"
        " UNION ALL SELECT 'wait' FROM workflow_run_waits WHERE status = 'WAITING' OR resolved_at IS NULL"
        " UNION ALL SELECT 'task' FROM workflow_human_tasks WHERE status IN ('pending', 'claimed')"
        " UNION ALL SELECT 'try' FROM workflow_action_invocations WHERE status = 'STARTED'"
    )
