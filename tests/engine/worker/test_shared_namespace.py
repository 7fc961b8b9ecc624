"""Two databases whose workers ask one Temporal namespace: each executes its own runs, and ends none of the other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowExecutionStatus

from engine import Engine
from engine.activities.errors import ROW_LOST
from engine.contract import workflow_id_for
from engine.devstack.postgres import EmbeddedPostgres
from engine.ids import new_id
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.reconcile import executions
from engine.operations.reconcile.looks import Looks
from engine.records import RunFilter, RunStatus
from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from engine.temporal.connection import TemporalConnection
from tests.engine.client.conftest import ORDER, ORDER_SCHEMA
from tests.engine.operations.conftest import until
from tests.engine.worker.hosts import ready, running, settings
from tests.engine.workflow.steps import call_workflow

PARENT = {
    "id": "parent",
    "version": 1,
    "name": "Parent",
    "payloadSchemaRef": "payload.Order.v1",
    "steps": [call_workflow("order", "order", orderId="payload.orderId")],
}


@pytest_asyncio.fixture
async def other(postgres: EmbeddedPostgres, migrated_template: str, temporal_address: str) -> AsyncIterator[Settings]:
    """Of a worker of another database, which has nothing in it."""
    name = f"other_{new_id().replace('-', '')}"
    yield settings(postgres.create_database(name, template=migrated_template), temporal_address)
    postgres.drop_database(name)


@pytest.mark.usefixtures("context")
async def test_a_worker_of_another_database_ends_no_run(
    database_url: str, temporal_address: str, temporal: Client, other: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executions, "SECOND_LOOK_SECONDS", 0.0)
    given = settings(database_url, temporal_address)
    async with Engine(given) as engine:
        await engine.events.set_correlation_paths({"order.paid": ["orderId"]})
        await engine.workflows.publish(ORDER, payload_schema=ORDER_SCHEMA)
        await engine.workflows.publish(PARENT, payload_schema=ORDER_SCHEMA)
        async with running(given) as host:
            await ready(host)
            parent = await engine.runs.start("parent", {"orderId": "1"})

            async def child_waits() -> bool:
                rows = (await engine.runs.list(RunFilter(parent=parent.run_id))).rows
                return [row.status for row in rows] == [RunStatus.WAITING]

            await until(child_waits)
            [child] = [row.run_id for row in (await engine.runs.list(RunFilter(parent=parent.run_id))).rows]
        async with running(other) as stranger:
            await ready(stranger)
            # It is the only one to ask for this one.
            late = await engine.runs.start("order", {"orderId": "2"})

            async def given_back() -> bool:
                described = await temporal.get_workflow_handle(workflow_id_for(late.run_id)).describe()
                pending = described.raw_description.pending_activities
                return any(ROW_LOST in activity.last_failure.message for activity in pending)

            await until(given_back)
            store = create_store_engine(other.required_database_url())
            context = OperationContext(
                store, TemporalConnection.from_client(temporal), Actor("there", None, "reconciler", "service")
            )
            looks, all_three = Looks(), {parent.run_id, child, late.run_id}

            async def looked_at() -> bool:
                await executions.compare_executions(context, looks, None)
                return looks.foreign >= all_three

            await until(looked_at)
            await store.dispose()
        for run_id in all_three:
            described = await temporal.get_workflow_handle(workflow_id_for(run_id)).describe()
            assert described.status is WorkflowExecutionStatus.RUNNING
        async with running(given) as host:
            await ready(host)
            for key in ("1", "2"):
                await engine.events.submit("order.paid", {"amount": 20}, key=key)
            for run_id in (late.run_id, parent.run_id):
                assert (await engine.runs.wait(run_id, timeout=200)).status is RunStatus.SUCCEEDED
