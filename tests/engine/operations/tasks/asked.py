"""A run that waits for a person, and what a test looks at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from temporalio.client import Client

from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import Query, add_version, until
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import ask

FORM = {
    "type": "object",
    "required": ["approved"],
    "properties": {"approved": {"type": "boolean"}, "note": {"type": "string"}},
    "additionalProperties": False,
}


@asynccontextmanager
async def working(store: Store, temporal: Client) -> AsyncIterator[None]:
    """A worker, for as long as the block lasts."""
    async with Bench(store, temporal).worker():
        yield


class Asked:
    """A run that waits for a person."""

    def __init__(self, run_id: str, task_id: str, query: Query) -> None:
        self.run_id = run_id
        self.task_id = task_id
        self._query = query

    async def task(self) -> dict[str, Any]:
        [row] = await self._query("SELECT * FROM workflow_human_tasks WHERE task_id = :id", id=self.task_id)
        return row

    async def run(self) -> dict[str, Any]:
        [row] = await self._query("SELECT * FROM workflow_runs WHERE run_id = :id", id=self.run_id)
        return row

    async def delivery(self) -> dict[str, Any]:
        [row] = await self._query("SELECT * FROM workflow_event_deliveries WHERE target = :id", id=self.task_id)
        return row

    async def ended(self) -> dict[str, Any]:
        async def closed() -> bool:
            return (await self.run())["completed_at"] is not None

        await until(closed)
        return await self.run()


async def start(context: OperationContext, query: Query, *steps: dict[str, Any]) -> Asked:
    """Start a run and let it come to its task."""
    await add_version(context.store, steps=[*steps] or [ask("approve")])
    run_id = (await launch_published_run(context, LaunchRequest("orders"))).run_id
    question = "SELECT task_id FROM workflow_human_tasks WHERE run_id = :id"

    async def asked() -> bool:
        return bool(await query(question, id=run_id))

    await until(asked)
    return Asked(run_id, (await query(question, id=run_id))[0]["task_id"], query)
