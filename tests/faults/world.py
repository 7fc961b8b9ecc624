"""Workers as processes, and what may be true after any of them was killed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client

from engine.contract import SEMANTICS_VERSION, TASK_QUEUE, WORKFLOW_TYPE, RunInput, workflow_id_for
from engine.definition.hash import definition_hash
from engine.fault_points import VARIABLE
from engine.ids import new_id
from engine.store.catalog.definitions import load_definition, load_workflow
from engine.store.database.engine import create_store_engine
from engine.store.runs.launches import mark_launched
from engine.store.runs.runs import NewRun, insert_run
from tests.engine.workflow.harness import Bench, Run
from tests.faults.worker_process import READY
from tests.imported import Program, Start, heard

REPOSITORY = Path(__file__).parents[2]


@dataclass
class World:
    """A database, a Temporal, and workers that are processes."""

    bench: Bench
    url: str
    outside: Bench
    """The system the actions work on: nobody kills it."""
    outside_url: str
    address: str

    @classmethod
    async def make(cls, url: str, outside_url: str, client: Client, address: str) -> World:
        """With the tables the actions write. Call ``dispose`` at the end."""
        bench = Bench(create_store_engine(url), client)
        world = cls(bench, url, Bench(create_store_engine(outside_url), client), outside_url, address)
        await world.outside.execute("CREATE TABLE effects (key text PRIMARY KEY, executions int NOT NULL)")
        await world.bench.execute("CREATE TABLE inside (run_id uuid NOT NULL)")
        return world

    async def dispose(self) -> None:
        """Close the connections."""
        await self.bench.store.dispose()
        await self.outside.store.dispose()

    async def executions(self) -> list[int]:
        """How often each effect outside was executed, one number per key."""
        rows = await self.outside.rows("SELECT executions FROM effects ORDER BY executions")
        return [row["executions"] for row in rows]

    @asynccontextmanager
    async def worker(self, name: str, *, fault: str | None = None) -> AsyncIterator[Program]:
        """A worker that polls; killed at the end of the block if it still lives. ``fault``: where it is to die by itself."""
        environment = {**os.environ, **({VARIABLE: fault} if fault else {})}
        arguments = [self.url, self.outside_url, self.address, name]
        process, said = heard(Start("tests.faults.worker_process", arguments, environment))
        with said:
            try:
                assert (await asyncio.to_thread(said.readline)).strip() == READY
                yield process
            finally:
                process.kill()
                await process.ended()

    async def start(self, payload: Any = None, *, task_timeout: float = 2.0, semantics: str = SEMANTICS_VERSION) -> Run:
        """Start a run whose workflow tasks are given to another worker after ``task_timeout`` instead of ten seconds."""
        bench = self.bench
        async with bench.store.begin() as connection:
            workflow = await load_workflow(connection, bench.tenant, "wf.main")
            assert workflow is not None
            assert workflow.latest_version is not None
            version = workflow.latest_version
            definition = await load_definition(connection, bench.tenant, "wf.main", version)
            run = NewRun(new_id(), bench.tenant, "wf.main", version, definition_hash(definition), payload or {})
            assert await insert_run(connection, run)
            await mark_launched(connection, run.run_id, None)
        start = RunInput(
            run_id=run.run_id,
            tenant=run.tenant,
            workflow_id=run.workflow_id,
            workflow_version=version,
            semantics_version=semantics,
            checkpoint=None,
        )
        await bench.client.start_workflow(
            WORKFLOW_TYPE,
            start,
            id=workflow_id_for(run.run_id),
            task_queue=TASK_QUEUE,
            task_timeout=timedelta(seconds=task_timeout),
        )
        return Run(bench, run.run_id)

    async def balance(self) -> None:
        """What is true whatever died: runs are over, nothing of them is open, every step was counted once."""
        rows = await self.bench.rows("SELECT status, count(*) AS n FROM workflow_runs GROUP BY status")
        assert {row["status"] for row in rows} == {"SUCCEEDED"}, rows
        for table, states in (
            ("workflow_run_steps", ("STARTED",)),
            ("workflow_run_waits", ("WAITING",)),
            ("workflow_action_invocations", ("STARTED",)),
        ):
            left = await self.bench.rows(f"SELECT * FROM {table} WHERE status = ANY(:states)", states=list(states))
            assert left == []
        [sums] = await self.bench.rows(
            "SELECT (SELECT sum(used_count) FROM workflow_step_usage_periods) AS used, sum(step_count) AS counted,"
            " (SELECT count(*) FROM workflow_run_steps) AS steps, sum(quota_leased) AS leased FROM workflow_runs"
        )
        assert sums["used"] == sums["counted"] == sums["steps"]
        assert sums["leased"] == 0
